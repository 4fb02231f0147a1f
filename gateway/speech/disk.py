"""Prompts on disk, so that a restart does not cost them: one file each, checked when it is read.

A file is a line that names its kind, a line of JSON (format, length and reach of every piece, checksum), and the audio.
The text is not in it.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

import structlog

from audio.format import AudioFormat, Encoding
from audio.frame import Frame
from gateway.speech.prompt import Prompt
from gateway.speech_interfaces import SpokenFrame

log = structlog.get_logger(__name__)

MAGIC = b"talkpath prompt 1\n"
SUFFIX = ".prompt"


class PromptDisk:
    """A directory of prompts with a bound; what was not used for longest goes first. Blocking: call it in a thread.

    Args:
        folder: Made if it is missing; only its owner can read what is put into it.
        max_bytes: How much the files may take together.
    Raises:
        OSError: the directory cannot be made.
    """

    def __init__(self, folder: Path, max_bytes: int = 512 << 20) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def read(self, key: str) -> Prompt | None:
        """A prompt, if it is there and sound; a file that is not sound is removed."""
        path = self._path(key)
        try:
            content = path.read_bytes()
        except OSError:
            return None
        try:
            prompt = _from_bytes(content)
        except (ValueError, KeyError, TypeError):
            log.warning("a damaged prompt was removed from the cache", file=path.name)
            with suppress(OSError):
                path.unlink()
            return None
        with suppress(OSError):
            os.utime(path)  # the time of last use decides what goes first
        return prompt

    def holds(self, key: str) -> bool:
        """Whether there is a prompt of that name; it may still turn out not to be sound."""
        return self._path(key).exists()

    def write(self, key: str, prompt: Prompt) -> None:
        """Keep a prompt. A full or read-only disk is logged and otherwise ignored."""
        content = _to_bytes(prompt)
        if len(content) > self._max_bytes:
            return
        with self._lock:
            try:
                self._replace(self._path(key), content)
                self._make_room()
            except OSError as error:
                log.warning("a prompt could not be written to the cache", error=str(error))

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}{SUFFIX}"

    def _replace(self, path: Path, content: bytes) -> None:
        """Write beside the file and rename, so that nobody ever reads half of it."""
        handle, name = tempfile.mkstemp(dir=self._folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.replace(name, path)
        except OSError:
            with suppress(OSError):
                os.unlink(name)
            raise

    def _make_room(self) -> None:
        files = [(path.stat(), path) for path in self._folder.glob(f"*{SUFFIX}")]
        total = sum(stat.st_size for stat, _ in files)
        for stat, path in sorted(files, key=lambda entry: entry[0].st_mtime_ns):
            if total <= self._max_bytes:
                return
            path.unlink(missing_ok=True)
            total -= stat.st_size


def _to_bytes(prompt: Prompt) -> bytes:
    data = b"".join(spoken.frame.data for spoken in prompt)
    format = prompt[0].frame.format
    header = {
        "format": [format.encoding.value, format.rate],
        "pieces": [[len(spoken.frame.data), spoken.chars] for spoken in prompt],
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    return MAGIC + json.dumps(header).encode() + b"\n" + data


def _from_bytes(content: bytes) -> Prompt:
    """Raises ValueError, KeyError or TypeError for anything that `_to_bytes` did not write."""
    if not content.startswith(MAGIC):
        raise ValueError("it is no prompt")
    line, _, data = content[len(MAGIC) :].partition(b"\n")
    header = json.loads(line)
    pieces = [(int(size), chars) for size, chars in header["pieces"]]
    if hashlib.sha256(data).hexdigest() != header["sha256"] or sum(size for size, _ in pieces) != len(data):
        raise ValueError("it is not what was written")
    encoding, rate = header["format"]
    format = AudioFormat(Encoding(encoding), int(rate))
    prompt: list[SpokenFrame] = []
    at = 0
    for size, chars in pieces:
        prompt.append(SpokenFrame(Frame(data[at : at + size], format, format.samples(at)), chars))
        at += size
    return tuple(prompt)
