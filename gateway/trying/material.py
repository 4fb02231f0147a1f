"""Recorded speech with its words, and noise to put under it: what `talkpath bench speech` has vendors hear.

A folder of recordings has audio files and `transcripts.txt`, a line ``NAME: what is said`` for each; that is how the
prompts of the Asterisk project come, which `tools.fetch_recordings` fetches.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from audio import levels
from audio.files import read
from audio.format import L16_8K
from gateway.errors import GatewayError

TRANSCRIPTS = "transcripts.txt"
MAX_BYTES = 5_000_000
"""Of a list of transcripts."""
RATE = L16_8K.rate
TALKERS = 6
"""Voices in babble: enough that no word of one of them is understood."""
PINK_BELOW = 50.0  # Hz: under what a telephone carries, noise has no more to grow
_ODD = re.compile(r"[\d\[(<]|\.\.\.")  # numbers are said in several ways; brackets hold what is no speech
_QUIET_UNDER_LOUDEST = 25.0  # dB, as `audio.levels.active_level` has it
_WINDOW = 160


@dataclass(frozen=True, slots=True)
class Recording:
    """Somebody says something.

    Attributes:
        pcm: Signed 16-bit samples, 8 kHz.
    """

    name: str
    text: str
    pcm: bytes

    @property
    def speech_end(self) -> float:
        """Seconds from the beginning to the end of the last speech in it."""
        samples = levels.samples_of(self.pcm)
        whole = samples[: samples.size // _WINDOW * _WINDOW].reshape(-1, _WINDOW)
        power = np.mean(np.square(whole), axis=1)
        loud = np.flatnonzero(power >= power.max(initial=0.0) * 10 ** (-_QUIET_UNDER_LOUDEST / 10))
        return float((loud[-1] + 1) * _WINDOW / RATE) if loud.size else 0.0


def transcripts_in(folder: Path) -> dict[str, str]:
    """What is said in which recording, by name. Raises GatewayError: there is no list."""
    try:
        with (folder / TRANSCRIPTS).open(encoding="utf-8") as file:
            lines = file.read(MAX_BYTES).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise GatewayError(
            f"there are no recordings in {folder}: name a folder by --recordings that has WAV files and "
            f"{TRANSCRIPTS}, lines of `NAME: what is said`; in the project's own folder, "
            "`python -m tools.fetch_recordings` fetches some in English, French and Spanish"
        ) from error
    pairs = (line.partition(": ") for line in lines if not line.startswith(";"))
    return {name.strip(): text.strip(' \t"“”') for name, separator, text in pairs if separator}


def short_phrases(transcripts: Mapping[str, str], longest: int) -> dict[str, str]:
    """Those of one word to `longest`, of words alone, no two with the same text: name to text."""
    found: dict[str, str] = {}
    known: set[str] = set()
    for name, text in sorted(transcripts.items()):
        usable = 1 <= len(re.findall(r"\w+", text)) <= longest and not _ODD.search(text)
        if "/" not in name and usable and text.lower() not in known:
            known.add(text.lower())
            found[name] = text
    return found


def recordings_in(folder: Path, *, number: int, longest: int, seed: int = 1) -> list[Recording]:
    """Some of a folder's recordings, always the same ones.

    Raises:
        GatewayError: There is no list, or nothing that it names.
        MediaError: A file cannot be read.
    """
    texts = short_phrases(transcripts_in(folder), longest)
    there = [name for name in texts if (folder / f"{name}.wav").is_file()]
    if not there:
        raise GatewayError(f"{folder / TRANSCRIPTS} names no WAV file beside it with up to {longest} words")
    chosen = random.Random(seed).sample(there, min(number, len(there)))
    return [Recording(name, texts[name], read(folder / f"{name}.wav", L16_8K)) for name in chosen]


# --- noise -----------------------------------------------------------------------------------------------------------
Samples = npt.NDArray[np.float32]


def pink(seconds: float, seed: int = 1) -> Samples:
    """Noise whose power falls by 3 dB with every octave, as most that is no voice."""
    size = round(seconds * RATE)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(size))
    spectrum /= np.sqrt(np.maximum(np.fft.rfftfreq(size, 1 / RATE), PINK_BELOW))
    return np.asarray(np.fft.irfft(spectrum, size), np.float32)


def babble(seconds: float, recordings: Sequence[Recording], seed: int = 1) -> Samples:
    """Several people talking at a time, in a room next door."""
    chance, size = random.Random(seed), round(seconds * RATE)
    total = np.zeros(size, np.float32)
    for _ in range(TALKERS):
        pieces: list[Samples] = []
        while sum(piece.size for piece in pieces) < size:
            pieces.append(levels.samples_of(levels.normalise(chance.choice(recordings).pcm, RATE)))
        total += np.roll(np.concatenate(pieces)[:size], chance.randrange(size))
    return total


def at_level(noise: Samples, dbfs: float) -> Samples:
    """The same noise, as loud as is said."""
    power = float(np.sqrt(np.mean(np.square(noise)))) or 1.0
    return noise * np.float32(levels.FULL_SCALE * 10 ** (dbfs / 20) / power)


def mixed(pcm: bytes, noise: Samples) -> bytes:
    """Speech with noise under all of it; the noise is as long, or longer."""
    return levels.pcm_of(levels.samples_of(pcm) + noise[: len(pcm) // 2])
