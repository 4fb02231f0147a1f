"""Bots written for Userlike's chatbot API: the gateway is the platform, the bot is a server of its owner's."""
