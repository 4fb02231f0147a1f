"""Playing a WAV file on this machine's loudspeaker, where it has ALSA's `aplay`."""

from __future__ import annotations

import shutil
import subprocess

PLAYER = "aplay"
SPARE = 5.0
"""Seconds a player may take beyond the audio itself."""


def play(wav: bytes, seconds: float, player: str = PLAYER) -> str | None:
    """Play a whole file, and wait for its end.

    Returns:
        Why it was not played; None: it was.
    """
    program = shutil.which(player)
    if program is None:
        return f"this machine has no {player}"
    try:
        done = subprocess.run(
            [program, "-q", "-"], input=wav, capture_output=True, timeout=seconds + SPARE, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return f"{player} did not come to an end"
    return None if done.returncode == 0 else f"{player} has no device to play it on"
