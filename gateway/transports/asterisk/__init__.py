"""Asterisk's chan_websocket: the media of a channel over a WebSocket that either side opens."""
