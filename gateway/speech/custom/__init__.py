"""An engine of one's own, by the contract in ``docs/speech/custom.md``."""
