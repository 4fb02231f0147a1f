"""Recordings that replace sentences: whoever would have said the sentence, the caller hears the recording.

A folder holds them as WAV files with an index beside them. The gateway reads the index when it starts and at every
reload; `talkpath prompts override` writes it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import structlog
from pydantic import Field, ValidationError

from audio import files
from audio.format import L16_16K, MediaError
from audio.frame import Frame
from audio.loudness import levelled
from audio.wav import write_wav
from config.base import Section
from gateway.errors import ConfigError
from gateway.speech.prompt import Prompt
from gateway.speech_interfaces import SpokenFrame, Utterance
from gateway.text.language import base
from gateway.text.speakable import norm

log = structlog.get_logger(__name__)

INDEX = "index.json"
MAX_SECONDS = 120.0
"""Longest recording of one sentence."""
PIECE = 0.1
"""Seconds of audio handed over at a time."""


class Override(Section):
    """A recording that replaces a sentence."""

    text: str
    """The sentence, as the bot or the gateway writes it; capitals, marks around it and white space do not matter."""
    language: str | None = None
    """BCP 47 tag, or its first part, of the prompts it replaces; None: of any."""
    voice: str | None = None
    """The voice in place of which it is played; None: any."""
    file: str = Field(pattern=r"^[0-9a-f]{16}\.wav$")
    """The recording, in the same folder."""

    @property
    def rank(self) -> tuple[bool, bool, int]:
        """Of two that fit, the one that says more precisely what it replaces wins."""
        return self.voice is not None, self.language is not None, len(self.language or "")

    def replaces(self, utterance: Utterance) -> bool:
        """Whether it is played instead of what the utterance asks for."""
        language, own = utterance.language.lower(), (self.language or "").lower()
        fits = not own or own == language or own == base(language)
        return fits and self.voice in (None, utterance.voice) and norm(self.text) == norm(_words_of(utterance))

    def is_for(self, text: str, language: str | None, voice: str | None) -> bool:
        """Whether it was made for exactly this."""
        return (norm(self.text), self.language, self.voice) == (norm(text), language, voice)


class _Index(Section):
    overrides: tuple[Override, ...] = ()


class Overrides:
    """The recordings of a folder.

    Args:
        folder: None: there are none.
    Raises:
        ConfigError: the index cannot be understood.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._by_text: dict[str, list[Override]] = {}
        self.load()

    def load(self) -> None:
        """Read the index again. Raises ConfigError, and keeps what it had, when it cannot be understood."""
        found: dict[str, list[Override]] = {}
        for override in self._read_index():
            found.setdefault(norm(override.text), []).append(override)
        for same in found.values():
            same.sort(key=lambda override: override.rank, reverse=True)
        self._by_text = found

    def __iter__(self) -> Iterator[Override]:
        return iter([override for same in self._by_text.values() for override in same])

    def find(self, utterance: Utterance) -> Override | None:
        """The recording that replaces an utterance; None: it is to be spoken."""
        if not self._by_text:
            return None
        same = self._by_text.get(norm(_words_of(utterance)), ())
        return next((override for override in same if override.replaces(utterance)), None)

    async def prompt_for(self, utterance: Utterance) -> Prompt | None:
        """The sound that replaces an utterance. A recording that cannot be read is logged, and replaces nothing."""
        override = self.find(utterance)
        if override is None:
            return None
        try:
            return await asyncio.to_thread(self.read, override)
        except MediaError as error:
            log.warning("a recording cannot be played, the sentence is spoken", file=override.file, reason=str(error))
            return None

    def read(self, override: Override) -> Prompt:
        """A recording's sound. Raises MediaError. Blocking."""
        assert self._folder is not None, "there is no recording without a folder"
        data = files.read(self._folder / override.file, L16_16K, max_seconds=MAX_SECONDS)
        size = L16_16K.size(PIECE)
        starts = range(0, len(data), size)
        return tuple(
            SpokenFrame(Frame(data[start : start + size], L16_16K, L16_16K.samples(start))) for start in starts
        )

    def put(self, text: str, recording: Path, language: str | None = None, voice: str | None = None) -> Override:
        """Have a recording, of any format and loudness, replace a sentence from now on.

        Raises:
            MediaError: the recording cannot be read, is silent or too long, or the folder cannot be written to.
        """
        folder = self._made_folder()
        pcm = levelled(files.read(recording, L16_16K, max_seconds=MAX_SECONDS), L16_16K.rate)
        if not any(pcm):
            raise MediaError(f"{recording} holds no sound")
        content = hashlib.sha256(json.dumps([norm(text), language, voice]).encode() + pcm).hexdigest()
        override = Override(text=text, language=language, voice=voice, file=f"{content[:16]}.wav")
        write_wav(folder / override.file, pcm, L16_16K.rate)
        replaced = [old for old in self if old.is_for(text, language, voice)]
        self._write_index([*(old for old in self if old not in replaced), override])
        self._forget(old for old in replaced if old.file != override.file)
        return override

    def remove(self, text: str, language: str | None = None, voice: str | None = None) -> bool:
        """Have a sentence spoken again. False where no recording was made for exactly this. Raises MediaError."""
        gone = [old for old in self if old.is_for(text, language, voice)]
        if gone:
            self._write_index([old for old in self if old not in gone])
            self._forget(gone)
        return bool(gone)

    def _made_folder(self) -> Path:
        if self._folder is None:
            raise MediaError("there is no folder for recordings")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise MediaError(f"cannot make {self._folder}: {error.strerror}") from error
        return self._folder

    def _read_index(self) -> Sequence[Override]:
        if self._folder is None:
            return ()
        path = self._folder / INDEX
        try:
            return _Index.model_validate_json(path.read_bytes()).overrides
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise ConfigError(f"cannot be read: {error.strerror}", file=path) from error
        except ValidationError as error:
            raise ConfigError(f"is no index of recordings: {error.errors()[0]['msg']}", file=path) from error

    def _write_index(self, overrides: Sequence[Override]) -> None:
        """Write beside the index and rename, so that a gateway never reads half of it."""
        folder = self._made_folder()
        try:
            handle, name = tempfile.mkstemp(dir=folder)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(_Index(overrides=tuple(overrides)).model_dump_json(indent=2) + "\n")
            os.replace(name, folder / INDEX)
        except OSError as error:
            raise MediaError(f"cannot write {folder / INDEX}: {error.strerror}") from error
        self.load()

    def _forget(self, overrides: Iterable[Override]) -> None:
        assert self._folder is not None
        for override in overrides:
            with suppress(OSError):
                (self._folder / override.file).unlink()


def _words_of(utterance: Utterance) -> str:
    return utterance.plain or utterance.text
