"""The gateway: calls in, speech and chat vendors out, and the conversation between them."""
