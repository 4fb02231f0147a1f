"""What callers are told in the same words every time: synthesized in advance, listed, played, replaced."""
