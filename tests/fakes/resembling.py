"""How an emulated recognizer hears: it compares what it received with recordings it knows, and says whose words it was.

So a transcript proves that the audio arrived whole, in order, in the encoding and at the rate that were announced. Only
the two laws of G.711 resemble each other too much to be told apart: an emulator checks by name which one was announced.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from audio.format import L16_8K, AudioFormat
from audio.frame import Frame
from gateway.speech.convert import Converter
from gateway.speech.scripted.signal import likeness

ENOUGH = 0.6
"""Normalised correlation from which on a recording is heard; another recording or encoding reaches 0.2."""


def heard_in(data: bytes, format: AudioFormat, known: Mapping[str, bytes]) -> list[str]:
    """The texts that are said in the audio, in their order.

    Args:
        data: As it came, in `format`.
        known: L16 at 8 kHz, by what is said in it.
    """
    converter = Converter(L16_8K)
    pcm = converter.convert(Frame(data, format)).data + converter.flush().data
    found = []
    for text, recording in known.items():
        place = _place(pcm, recording)
        if place is not None:
            found.append((place, text))
    return [text for _, text in sorted(found)]


def _place(pcm: bytes, recording: bytes) -> int | None:
    """The sample at which a recording begins in the audio; None where it is not in it."""
    heard = np.frombuffer(pcm, "<i2").astype(np.float64)
    wanted = np.frombuffer(recording, "<i2").astype(np.float64)
    if len(heard) < len(wanted) // 2:
        return None
    found = likeness(np.concatenate([heard, np.zeros(len(wanted))]), wanted)
    best = int(found.argmax())
    return best if found[best] > ENOUGH else None
