"""Deepgram (deepgram.com): recognition by Nova and Flux models, speech by Aura voices."""
