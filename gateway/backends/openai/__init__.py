"""Bots behind a chat completions endpoint of OpenAI's shape, spoken sentence by sentence as they write."""
