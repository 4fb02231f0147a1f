"""TALKR: one synchronous POST per turn, everything the bot has to say is in the answer."""
