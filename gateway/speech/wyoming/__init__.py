"""Servers that speak Wyoming, the protocol of Rhasspy and Home Assistant: Piper, faster-whisper and others."""
