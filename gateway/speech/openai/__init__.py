"""OpenAI's speech API, and any server of the same shape."""
