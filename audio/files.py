"""Prompt and recording files, at the edge: any common audio file in, WAV out (see `audio.wav`).

Everything here blocks and may take long; an event loop calls it in a thread. Files are bounded in size and duration
because prompts also come from bots and from the network. WAV goes through pydub; what is compressed is decoded by
PyAV and handed to it as samples, so no other program is needed.
"""

from __future__ import annotations

import importlib
import io
import struct
import warnings
from pathlib import Path
from types import ModuleType

from audio import wav
from audio.codecs import g711
from audio.format import AudioFormat, MediaError
from audio.resample import resample
from audio.wav import StereoWriter, write_wav

__all__ = ["MAX_BYTES", "MAX_SECONDS", "StereoWriter", "content_type_of", "read", "write_wav"]

MAX_BYTES = 20_000_000
MAX_SECONDS = 300.0
MAX_RATE = 192_000

# The demuxer is chosen by the file's first bytes, never by the library's guess: playlists would let it open addresses.
_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"RIFF", "wav"),
    (0, b"ID3", "mp3"),
    (0, b"fLaC", "flac"),
    (0, b"OggS", "ogg"),
    (0, b"\x1aE\xdf\xa3", "matroska"),
    (4, b"ftyp", "mp4"),
    (0, b"FORM", "aiff"),
    (0, b".snd", "au"),
    (0, b"#!AMR", "amr"),
)
_CONTENT_TYPES = {"mp3": "audio/mpeg", "matroska": "audio/webm", "au": "audio/basic"}


def read(
    source: Path | str | bytes,
    target: AudioFormat,
    *,
    max_bytes: int = MAX_BYTES,
    max_seconds: float = MAX_SECONDS,
) -> bytes:
    """Read an audio file: WAV of any rate, width and number of channels; mp3, Ogg, Opus, FLAC, AAC, WebM and others.

    Args:
        source: A path, or the content of a file.
        target: The format that is wanted; several channels are mixed to one.
        max_bytes: Largest file that is accepted.
        max_seconds: Longest duration that is accepted.
    Returns:
        The whole audio in format `target`.
    Raises:
        MediaError: when the file cannot be read, is too large or too long, or is not audio.
    """
    data = source if isinstance(source, bytes) else _content(Path(source), max_bytes)
    if len(data) > max_bytes:
        raise MediaError(f"the audio file is larger than {max_bytes} bytes")
    pcm, rate = _from_wav(data, max_seconds) if _is_plain_wav(data) else _from_compressed(data, max_seconds)
    return g711.encode(resample(pcm, rate, target.rate), target.encoding)


def content_type_of(data: bytes) -> str | None:
    """The media type of an audio file by its first bytes; None where they are no file's that `read` takes."""
    try:
        kind = _sniff(data)
    except MediaError:
        return None
    return _CONTENT_TYPES.get(kind, f"audio/{kind}")


def _content(path: Path, max_bytes: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(max_bytes + 1)
    except OSError as error:
        raise MediaError(f"cannot read {path}: {error.strerror}") from error


def _is_plain_wav(data: bytes) -> bool:
    """Whether this is a WAV file with uncompressed integers; telephony also puts G.711, GSM and floats into WAV."""
    place = data.find(b"fmt ", 12)
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE" or place < 0 or len(data) < place + 24:
        return False
    kind, bits = struct.unpack_from("<H", data, place + 8)[0], struct.unpack_from("<H", data, place + 22)[0]
    return kind == wav.PCM and bits in (8, 16, 32)  # pydub takes a microsecond for each 24-bit sample


def _pydub() -> ModuleType:
    """pydub announces at its import that audioop is leaving and that it found no ffmpeg; neither concerns us."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("pydub")


def _from_wav(data: bytes, max_seconds: float) -> tuple[bytes, int]:
    pydub = _pydub()
    broken = (pydub.exceptions.PydubException, struct.error, ValueError, TypeError, IndexError, ArithmeticError)
    try:
        segment = pydub.AudioSegment(data=data)
        _check(segment.frame_rate, segment.duration_seconds, max_seconds)
        whole = segment.raw_data[: len(segment.raw_data) // segment.frame_width * segment.frame_width]
        mono = segment._spawn(whole).set_channels(1).set_sample_width(2)
    except broken as error:
        raise MediaError(f"the WAV file is damaged: {error}") from error
    return bytes(mono.raw_data), int(mono.frame_rate)


def _from_compressed(data: bytes, max_seconds: float) -> tuple[bytes, int]:
    import av  # late: 100 MB that a gateway without such prompts never loads

    container_format = _sniff(data)
    try:
        with av.open(io.BytesIO(data), mode="r", format=container_format) as container:
            stream = next(iter(container.streams.audio), None)
            if stream is None or stream.codec_context is None:
                raise MediaError("the file holds no sound, or in a code that is not known")
            rate = stream.codec_context.sample_rate
            _check(rate, 0.0, max_seconds)
            mixer = av.AudioResampler(format="s16", layout="mono", rate=rate)
            pieces, limit = list[bytes](), max_seconds * rate
            for frame in container.decode(stream):
                limit -= frame.samples
                _check(rate, max_seconds if limit >= 0 else max_seconds + 1, max_seconds)
                pieces += [bytes(piece.planes[0])[: 2 * piece.samples] for piece in mixer.resample(frame)]
            pieces += [bytes(piece.planes[0])[: 2 * piece.samples] for piece in mixer.resample(None)]
    except (av.FFmpegError, ValueError, IndexError) as error:
        raise MediaError(f"the {container_format} file cannot be decoded: {error}") from error
    return _from_wav(wav.header(sum(map(len, pieces)), rate, 1) + b"".join(pieces), max_seconds)


def _sniff(data: bytes) -> str:
    for place, signature, container_format in _SIGNATURES:
        if data[place : place + len(signature)] == signature:
            return container_format
    if len(data) > 1 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0:  # the sync word of MPEG audio
        return "aac" if data[1] & 0xF6 == 0xF0 else "mp3"
    raise MediaError("this is no audio file of a known kind")


def _check(rate: int, seconds: float, max_seconds: float) -> None:
    if not 0 < rate <= MAX_RATE:
        raise MediaError(f"an audio file of {rate} Hz cannot be used")
    if seconds > max_seconds:
        raise MediaError(f"the audio file is longer than {max_seconds:g} seconds")
