"""Twilio Media Streams: a phone number's calls over a WebSocket that Twilio opens to us."""
