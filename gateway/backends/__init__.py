"""Chat platforms, one folder per vendor."""
