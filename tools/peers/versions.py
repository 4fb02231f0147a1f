"""Which peers these are."""

from __future__ import annotations

import re
import subprocess

COMMANDS = {
    "sipp": ("sipp", "-v"),
    "baresip": ("baresip", "-v"),
    "kamailio": ("kamailio", "-v"),
    "rtpengine": ("rtpengine", "--version"),
}
BESIDE = {"kamailio": ("rtpengine",)}


def version_of(peer: str) -> str:
    """A peer's name and version, and those of what runs with it."""
    return ", ".join(f"{name} {_version(name)}" for name in (peer, *BESIDE.get(peer, ())))


def read_version(text: str) -> str:
    """The first number with a dot in it; empty where there is none."""
    found = re.search(r"\d+\.\d+(\.\d+)*", text)
    return found.group() if found else ""


def _version(name: str) -> str:
    try:
        told = subprocess.run(COMMANDS[name], capture_output=True, text=True, timeout=10, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return "of an unknown version"
    return read_version(told.stdout + told.stderr) or "of an unknown version"
