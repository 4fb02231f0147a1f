"""Calls from a browser: WebRTC, signalled by one HTTP request as WHIP does it (RFC 9725)."""
