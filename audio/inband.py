"""Keys on lines that carry them as sound, and keys that come by more than one way at once.

`audio.tones.DtmfDetector` recognises the sound; here it is kept cheap, and from hearing ourselves. Keys in packets are
`audio.rtp.telephone_event`'s.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

from audio.codecs import g711
from audio.format import AudioFormat
from audio.levels import is_quiet
from audio.tones import DtmfDetector

Way = Literal["event", "info", "tone"]


class InbandDigits:
    """Listens for keys in what the caller sends, and leaves out those that are an echo of what we send.

    Quiet audio is not analysed: it costs half a microsecond per 20 ms, other audio about twenty.

    Args:
        audio_format: Of both directions.
    """

    ECHO = 1.0
    """Seconds after which what we sent does not come back any more: the caller's network, both ways, and its echo."""
    _RELEASE = 0.04  # seconds of quiet that the detector has to see to know that a key was released

    def __init__(self, audio_format: AudioFormat) -> None:
        self._theirs, self._ours = _Listener(audio_format, self._RELEASE), _Listener(audio_format, self._RELEASE)
        self._echo = round(self.ECHO * audio_format.rate)
        self._sent: deque[tuple[str, int]] = deque(maxlen=16)  # keys, and where in the caller's audio they were sent

    def heard(self, data: bytes) -> list[str]:
        """The keys that begin in the caller's next piece of audio."""
        digits = self._theirs.push(data)
        return [digit for digit in digits if not self._is_echo(digit)] if digits else digits

    def sent(self, data: bytes) -> None:
        """What goes to the caller meanwhile. Worth the trouble only where prompts or `send_digits` have key tones."""
        for digit in self._ours.push(data):
            self._sent.append((digit, self._theirs.position))

    def _is_echo(self, digit: str) -> bool:
        """Whether we sent this key lately. It explains every repetition: echoes come in pieces."""
        oldest = self._theirs.position - self._echo
        return any(key == digit and position >= oldest for key, position in self._sent)


class _Listener:
    """A detector that is shown no more quiet than it needs."""

    def __init__(self, audio_format: AudioFormat, release: float) -> None:
        self._encoding = audio_format.encoding
        self._width = audio_format.encoding.bytes_per_sample
        self._detector = DtmfDetector(audio_format.rate)
        self._release = round(release * audio_format.rate)
        self._quiet = self._release  # samples since the last sound; nothing to release at first
        self.position = 0

    def push(self, data: bytes) -> list[str]:
        samples = len(data) // self._width
        self.position += samples
        if not is_quiet(data, self._encoding):
            self._quiet = 0
        elif self._quiet >= self._release:
            return []
        else:
            self._quiet += samples
        return [found.digit for found in self._detector.push(g711.decode(data, self._encoding))]


class Presses:
    """Makes one press of what comes by several ways: as telephone event, by SIP INFO, and as sound.

    A peer that sends keys by packet or message often lets a piece of their sound through, too; so sound counts only
    until the first key came by another way. Of events and messages both count, but each press once.
    """

    WINDOW = 0.3
    """Seconds between the beginnings of one press by two ways."""

    def __init__(self) -> None:
        self._unpaired: deque[tuple[str, Way, float]] = deque(maxlen=16)
        self._is_told = False

    def is_new(self, digit: str, way: Way, now: float, duration: float = 0.0) -> bool:
        """Whether this is a press that was not known yet.

        Args:
            digit: The key.
            way: How it came.
            now: Seconds, of any origin.
            duration: Seconds for which it was held by `now`, where that is known: messages come when it is over.
        """
        if way == "tone" and self._is_told:
            return False
        self._is_told |= way != "tone"
        began = now - duration
        for known in self._unpaired:
            key, by, at = known
            if key == digit and by != way and abs(began - at) <= self.WINDOW:
                self._unpaired.remove(known)
                return False
        self._unpaired.append((digit, way, began))
        return True
