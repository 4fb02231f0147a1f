"""How calls reach us, one folder per protocol."""
