"""Samples and packets: codecs, framing, voice activity, endpointing, tones and files. Pure; no sockets, no clock."""
