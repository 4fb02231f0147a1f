"""The vendors' other side: one small honest server per chat vendor, for tests, the demo and bot authors."""
