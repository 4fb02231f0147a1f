"""What is said in the benchmark: sentences of recorded people, cut to one length, mu-law at 8 kHz.

Callers speak English and prompts are French recordings, so that neither is mistaken for the other. Where the
recordings cannot be had, a sentence of the repository's own fixtures stands in for all of them.
"""

from __future__ import annotations

import base64
import wave
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from audio.codecs import g711
from audio.format import Encoding
from tools import fetch_recordings

Samples = npt.NDArray[np.int16]

FRAME = 160
"""Samples in 20 ms."""
TALK = 4.0
"""Seconds of each clip."""
CLIPS = 8
FIXTURE = Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "vad" / "silero_input.pcm"
AUDIBLE = 400.0
"""RMS above which a frame belongs to a word (-38 dBFS)."""
LONGEST_REST = 6
"""Quiet frames in a row that stay: a pause of more than 0.5 s would end the caller's utterance."""
STAMP = 4
"""Codes at the beginning of a prompt that say which one it is; half a millisecond, hardly audible."""
SILENT_PAYLOAD = base64.b64encode(b"\xff" * FRAME)
_QUIET_CODE = 0xC0


@cache
def caller_clips() -> tuple[bytes, ...]:
    """What callers say: `CLIPS` pieces of `TALK` seconds that begin with a word, in mu-law."""
    return _clips("en")


@cache
def prompt_clips() -> tuple[bytes, ...]:
    """What the stubbed synthesizer says, likewise."""
    return _clips("fr")


def frames(data: bytes) -> list[bytes]:
    return [data[at : at + FRAME] for at in range(0, len(data), FRAME)]


def stamp(data: bytes, number: int) -> bytes:
    """The same audio, beginning with a number below 2**24 that survives as long as mu-law passes unchanged."""
    codes = bytes(_QUIET_CODE | (number >> shift) & 0x3F for shift in (18, 12, 6, 0))
    return codes + data[STAMP:]


def read_stamp(data: bytes) -> int | None:
    """The number in the first codes; None where there is none."""
    if len(data) < STAMP or any(code < _QUIET_CODE for code in data[:STAMP]):
        return None
    number = 0
    for code in data[:STAMP]:
        number = number << 6 | code & 0x3F
    return number


def correlation(heard: bytes, said: bytes) -> float:
    """How much what was heard is what was said, from the first sample on; what is missing counts as silence."""
    size = max(len(heard), len(said))
    first, second = (_decoded(data.ljust(size, b"\xff")) for data in (heard, said))
    norm = float(np.sqrt((first @ first) * (second @ second)))
    return float(first @ second) / norm if norm else 0.0


def _decoded(data: bytes) -> npt.NDArray[np.float64]:
    return np.frombuffer(g711.decode(data, Encoding.PCMU), "<i2").astype(np.float64)


def _clips(language: str) -> tuple[bytes, ...]:
    size = round(TALK * 8000)
    said = np.concatenate([_without_rests(pcm) for pcm in _sentences(language)])
    count = min(CLIPS, len(said) // size)
    return tuple(g711.encode(said[n * size : (n + 1) * size].tobytes(), Encoding.PCMU) for n in range(count))


def _sentences(language: str) -> Iterable[Samples]:
    """Enough recordings of one voice for all clips."""
    try:
        fetch_recordings.fetch()
    except fetch_recordings.FetchError:
        return [np.frombuffer(FIXTURE.read_bytes(), "<i2")] * (2 * CLIPS)
    found: list[Samples] = []
    for path in sorted((fetch_recordings.CACHE / language).glob("*.wav")):
        with wave.open(str(path)) as file:
            if 3.0 < file.getnframes() / file.getframerate() < 8.0:
                found.append(np.frombuffer(file.readframes(file.getnframes()), "<i2"))
    return found[: 2 * CLIPS]


def _without_rests(pcm: Samples) -> Samples:
    """From the first word to the last one, with short rests only."""
    rows = pcm[: len(pcm) - len(pcm) % FRAME].reshape(-1, FRAME)
    loud = np.sqrt((rows.astype(np.float64) ** 2).mean(axis=1)) > AUDIBLE
    kept, rest = [], LONGEST_REST
    for row, is_loud in zip(rows, loud, strict=True):
        rest = 0 if is_loud else rest + 1
        if rest <= LONGEST_REST:
            kept.append(row)
    return np.concatenate(kept) if kept else pcm[:0]
