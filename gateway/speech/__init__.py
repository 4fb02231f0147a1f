"""Recognizers and synthesizers, one folder per vendor."""
