"""Calls through a real Asterisk, with the very files of `examples/asterisk`: ``python -m tools.asterisk``."""
