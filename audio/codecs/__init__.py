"""Wire encodings of speech."""
