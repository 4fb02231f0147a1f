"""A bot's voice made of recorded human speech: what sounds like a person when it comes back as an echo."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from audio.format import L16_8K
from audio.frame import Frame
from gateway.speech_interfaces import SpokenFrame, SynthesizerCapabilities, Utterance
from tests.fakes.sounds import RATE, Sound, at_level, spoken, to_pcm, trimmed

SENTENCES = (("en", "demo-congrats"), ("en", "vm-intro"), ("fr", "vm-intro"), ("es", "vm-intro"), ("en", "vm-options"))
LEVEL = -21.0  # dBFS
PIECE = RATE // 10 * 2  # bytes in a tenth of a second


class RecordedVoice:
    """Implements `gateway.speech_interfaces.Synthesizer`: the n-th new text is the n-th of some recordings.

    Args:
        seconds: How long a text takes.
    """

    capabilities = SynthesizerCapabilities(word_times=True, formats=(L16_8K,))

    def __init__(self, sentences: Sequence[tuple[str, str]] = SENTENCES, seconds: float = 8.0) -> None:
        self._sentences = sentences
        self._samples = round(seconds * RATE)
        self._said: dict[str, Sound] = {}

    def sound(self, text: str) -> Sound:
        """What a text sounds like."""
        if text not in self._said:
            name = self._sentences[len(self._said) % len(self._sentences)]
            self._said[text] = at_level(trimmed(spoken(*name))[: self._samples], LEVEL)
        return self._said[text]

    async def speak(self, utterance: Utterance) -> AsyncIterator[SpokenFrame]:
        text = utterance.plain or utterance.text
        data = to_pcm(self.sound(text))
        for start in range(0, len(data), PIECE):
            piece = data[start : start + PIECE]
            chars = len(text) * (start + len(piece)) // len(data)
            yield SpokenFrame(Frame(piece, L16_8K, start // 2), chars)
