"""Words, per language: text made speakable, menu matching, parsed values, and the gateway's own prompts. Pure."""
