"""The far side: what places calls on a media line, hears them as the caller would, and answers honestly.

`talkpath call`, tests and benchmarks use it. It knows the protocols from their documentation and imports no adapter.
"""
