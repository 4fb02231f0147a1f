"""A Vosk server: recognition on a machine of one's own."""
