"""Rasa: one POST per turn to its REST channel, or to its callback channel, which answers by webhook."""
