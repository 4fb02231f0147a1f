"""Speech vendors' other side, for tests: servers that keep to the published protocols and can be told to fail.

Each is proved first by the vendor's own SDK, where it has one, without our adapter, and shares no module with it.
"""
