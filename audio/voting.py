"""The cheap stages of voice activity detection: is this frame of 20 ms worth a look?

A level gate on the encoded bytes, then the WebRTC detector on what passes. What it votes for is judged by
`audio.judge`; in the `webrtc` mode of `audio.vad` the vote is the verdict.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import webrtcvad

from audio.codecs import g711
from audio.format import Encoding

RATE = 8000
FRAME_SAMPLES = 160
QUIET_BELOW = 24  # magnitude of a 16-bit sample; higher would spoil the noise floor that the detector learns
LOUD_SAMPLES = 16  # of 160 that a frame needs to pass
AGGRESSIVENESS = 2  # 3 is deaf to quiet talkers (-44 dBFS), 0 and 1 are open all the time in babble


@cache
def _quiet_codes(encoding: Encoding) -> bytes:
    samples = np.frombuffer(g711.decode(bytes(range(256)), encoding), "<i2")
    return bytes(code for code in range(256) if abs(int(samples[code])) < QUIET_BELOW)


def level_gate(encoding: Encoding) -> Callable[[bytes], bool]:
    """A function that says whether a frame in this encoding has enough samples above the quiet level."""
    if encoding is Encoding.L16:
        return _is_loud_l16
    quiet = _quiet_codes(encoding)

    def is_loud(data: bytes) -> bool:
        return len(data.translate(None, quiet)) >= LOUD_SAMPLES

    return is_loud


def _is_loud_l16(data: bytes) -> bool:
    shifted = np.frombuffer(data, "<i2") + np.int16(QUIET_BELOW - 1)  # the quiet ones are now 0...46, mod 2 ** 16
    return int(np.count_nonzero(shifted.view(np.uint16) > 2 * (QUIET_BELOW - 1))) >= LOUD_SAMPLES


class FrameVoter:
    """Votes on the frames of one call; it learns the noise of the line from the frames that it is given.

    Args:
        encoding: Of the frames, which have 160 samples at 8 kHz.
        aggressiveness: Of the WebRTC detector, 0 to 3.
    """

    def __init__(self, encoding: Encoding, aggressiveness: int = AGGRESSIVENESS) -> None:
        self._encoding = encoding
        self._is_loud = level_gate(encoding)
        self._is_speech = webrtcvad.Vad(aggressiveness).is_speech

    def vote(self, data: bytes) -> bool:
        if not self._is_loud(data):
            return False
        return bool(self._is_speech(g711.decode(data, self._encoding), RATE))
