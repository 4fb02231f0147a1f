"""Chatlayer: what the caller says goes out by a request, what the bot says comes in by webhooks, one per message."""
