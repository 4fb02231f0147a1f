"""The heart of a call: the conversation and the playout decide, the session does."""
