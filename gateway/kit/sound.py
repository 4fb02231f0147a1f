"""Sound as a vendor sends it: raw samples or a WAV file, in pieces of any size, made into frames of whole samples."""

from __future__ import annotations

from email.message import Message

from audio.format import PCMA_8K, PCMU_8K, AudioFormat, Encoding, MediaError
from audio.frame import Frame
from audio.resample import Resampler

MAX_HEADER_BYTES = 64 * 1024
"""What may stand before a WAV file's samples."""
UNKNOWN_SIZES = frozenset({0, 0x7FFFFFFF, 0xFFFFFFFF})
"""What programs write as the size of samples that are still to come; then all that follows is samples."""
_CODINGS = {(1, 16): Encoding.L16, (6, 8): Encoding.PCMA, (7, 8): Encoding.PCMU}
"""By format tag and bits (Microsoft's Multimedia Programming Interface 1.0, 1991; RFC 2361)."""
_EXTENSIBLE = 0xFFFE
_RAW_TYPES = {
    "audio/basic": PCMU_8K,  # RFC 2046 section 4.3
    "audio/pcmu": PCMU_8K,
    "audio/x-mulaw": PCMU_8K,
    "audio/pcma": PCMA_8K,
    "audio/x-alaw": PCMA_8K,
}
_L16_TYPES = frozenset({"audio/l16", "audio/pcm", "audio/raw", "audio/x-raw"})
_WAV_TYPES = frozenset({"audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave"})


def format_named(content_type: str, unsaid: AudioFormat | None) -> AudioFormat | None:
    """The format that a content type stands for. L16 is little-endian, as vendors send it.

    Args:
        content_type: Such as ``audio/pcm; rate=24000``.
        unsaid: What samples are where the type names no rate, or is none of audio's.

    Returns:
        None: a WAV file, or samples of which nothing is known: see `SoundReader`.

    Raises:
        MediaError: It is no sound, or one that cannot be used.
    """
    header = Message()
    header["content-type"] = content_type or "application/octet-stream"
    name, rate = header.get_content_type(), str(header.get_param("rate", ""))
    if not content_type or name == "application/octet-stream":
        return unsaid
    if name in _RAW_TYPES:
        return _RAW_TYPES[name]
    if name in _L16_TYPES:
        return AudioFormat(Encoding.L16, int(rate)) if rate.isdigit() and 0 < int(rate) <= 192_000 else unsaid
    if name in _WAV_TYPES:
        return None
    raise MediaError(f"{name[:60]} is no sound that can be used")


class SoundReader:
    """Takes pieces, gives frames, numbered from 0. A WAV file is known by its first bytes.

    Args:
        raw: What samples are that have no header. None: only a WAV file will do.
    """

    def __init__(self, raw: AudioFormat | None = None) -> None:
        self.format = raw
        self._rest = bytearray()
        self._header: bool | None = None  # whether one is being read; None: not known yet
        self._left: int | None = None  # bytes of samples to come, where the header says
        self._position = 0

    @property
    def seconds(self) -> float:
        """What has been given so far."""
        return self._position / self.format.rate if self.format else 0.0

    def feed(self, data: bytes) -> Frame | None:
        """The whole samples there are; None where there is none yet.

        Raises:
            MediaError: It is neither samples of a known format nor a WAV file of one channel.
        """
        self._rest += data
        if self._header is None and len(self._rest) >= 4:
            self._header = self._rest[:4] == b"RIFF"
        if self._header is None or (self._header and not self._read_header()):
            return None
        if self.format is None:
            raise MediaError("it is no WAV file, and names no format")
        return self._frame(self.format)

    def finish(self) -> None:
        """There is no more.

        Raises:
            MediaError: The sound breaks off, or there is none.
        """
        if self._position == 0:
            raise MediaError("there is no sound in it")
        if self._rest and self._left is None:
            raise MediaError("it ends in the middle of a sample")
        if self._left:
            raise MediaError("it ends before the samples that its header counts")

    def _frame(self, format: AudioFormat) -> Frame | None:
        usable = len(self._rest) if self._left is None else min(len(self._rest), self._left)
        size = format.samples(usable) * format.encoding.bytes_per_sample
        if not size:
            return None
        frame = Frame(bytes(self._rest[:size]), format, self._position)
        del self._rest[:size]
        self._position += frame.samples
        if self._left is not None:
            self._left -= size
            if not self._left:
                self._rest.clear()  # what follows the samples is no sound
        return frame

    def _read_header(self) -> bool:
        """Walk the chunks up to the samples; whether they have been reached."""
        place = 12  # RIFF, size, WAVE
        while len(self._rest) >= place + 8:
            name = bytes(self._rest[place : place + 4])
            size = int.from_bytes(self._rest[place + 4 : place + 8], "little")
            place += 8
            if name == b"data":
                self._begin_samples(place, size)
                return True
            if len(self._rest) < place + size:
                place -= 8
                break
            if name == b"fmt ":
                self.format = _format_of(bytes(self._rest[place : place + size]))
            place += size + size % 2
        if len(self._rest) > MAX_HEADER_BYTES:
            raise MediaError("its header does not end")
        return False

    def _begin_samples(self, place: int, size: int) -> None:
        if self._rest[8:12] != b"WAVE" or self.format is None:
            raise MediaError("its header names no format")
        del self._rest[:place]
        self._left = None if size in UNKNOWN_SIZES else size
        self._header = False


def _format_of(chunk: bytes) -> AudioFormat:
    """What a ``fmt`` chunk says."""
    if len(chunk) < 16:
        raise MediaError("its format is cut off")
    tag, channels = int.from_bytes(chunk[0:2], "little"), int.from_bytes(chunk[2:4], "little")
    rate, bits = int.from_bytes(chunk[4:8], "little"), int.from_bytes(chunk[14:16], "little")
    if tag == _EXTENSIBLE and len(chunk) >= 26:
        tag = int.from_bytes(chunk[24:26], "little")
    encoding = _CODINGS.get((tag, bits))
    if encoding is None or channels != 1 or not 0 < rate <= 192_000:
        raise MediaError(f"a WAV file of format {tag}, {bits} bits and {channels} channels cannot be used")
    return AudioFormat(encoding, rate)


class RateConverter:
    """Takes samples of whatever rate a voice has, in pieces of any size, and gives frames of one format."""

    def __init__(self, target: AudioFormat) -> None:
        self._target = target
        self._source_rate: int | None = None
        self._resampler: Resampler | None = None
        self._odd = b""
        self._position = 0

    def take(self, data: bytes, rate: int) -> Frame:
        """Signed 16-bit little-endian samples, converted; empty where the filter waits for more.

        Raises:
            MediaError: The rate changes, or cannot be used.
        """
        if self._source_rate is None:
            self._source_rate = rate
            self._resampler = None if rate == self._target.rate else Resampler(rate, self._target.rate)
        elif rate != self._source_rate:
            raise MediaError("the sound changes its rate")
        data = self._odd + data
        size = len(data) // 2 * 2
        self._odd = data[size:]
        return self._frame(data[:size] if self._resampler is None else self._resampler.process(data[:size]))

    def finish(self) -> Frame:
        """What the filter still holds. Raises MediaError: there was no sound, or half a sample at its end."""
        if self._odd:
            raise MediaError("it ends in the middle of a sample")
        frame = self._frame(self._resampler.flush() if self._resampler else b"")
        if not self._position:
            raise MediaError("there is no sound in it")
        return frame

    def _frame(self, pcm: bytes) -> Frame:
        frame = Frame(pcm, self._target, self._position)
        self._position += frame.samples
        return frame
