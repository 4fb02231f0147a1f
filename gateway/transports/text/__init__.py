"""A call as text, for bot authors: the same conversation, without audio, over a WebSocket behind the API's token."""
