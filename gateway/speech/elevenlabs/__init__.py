"""ElevenLabs (elevenlabs.io): voices over WebSocket or HTTP, and recognition by Scribe in real time."""
