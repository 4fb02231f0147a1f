"""Haptik (Conversation Studio, Bot as an API): users, messages, signed webhooks, agents, transcripts, FAQ upload."""
