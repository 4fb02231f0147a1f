"""Trying a speech vendor from the shell, through the adapter and the directory that a call uses."""
