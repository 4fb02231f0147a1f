"""A call from the console's page, by a real Chromium. `python -m tools.browser`; needs no root."""
