"""What the options of a number may say to the local engines, for `talkpath check`.

The engines themselves are more lenient: bots write options for other vendors, and the local voice obeys what it can.
"""

from __future__ import annotations

from gateway.kit.options import VendorOptions


class LocalListenOptions(VendorOptions):
    """None: what is to be heard is said by hints."""


class LocalSpeakOptions(VendorOptions):
    """Of the voice."""

    rate: float | str | None = None
    """Words a minute from 80 on, a factor below that, `120%`, or `slow` ... `fast`."""
    pitch: float | str | None = None
    """0-99, or a percentage of the usual one."""
    volume: float | str | None = None
    """Percent; 100 is as usual, up to 200."""
