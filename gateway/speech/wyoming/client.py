"""Speaking and listening through Wyoming servers, a connection for each text and each turn."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager

from audio.format import L16_8K, L16_16K, AudioFormat, Encoding, MediaError
from audio.frame import Frame
from audio.resample import Resampler
from gateway.errors import VendorReplyInvalid, VendorUnavailable
from gateway.kit.options import read_options
from gateway.kit.vendor_turn import Dialect, turn_at
from gateway.speech.wyoming.connection import WyomingLine, open_line
from gateway.speech.wyoming.framing import Event
from gateway.speech.wyoming.options import ListenOptions, SpeakOptions
from gateway.speech.wyoming.protocol import WyomingTurn, format_of, reported, synthesize, transcribe, voices_in
from gateway.speech.wyoming.settings import WyomingSpeechSection
from gateway.speech_interfaces import (
    ListenSettings,
    RecognitionStream,
    RecognizerCapabilities,
    SpokenFrame,
    SynthesizerCapabilities,
    Utterance,
    VoiceInfo,
)

FORMATS = (L16_8K, L16_16K)


class WyomingSynthesizer:
    """Each voice has a rate of its own, and says it with its first sound; it is converted here."""

    def __init__(self, vendor: str, settings: WyomingSpeechSection, address: str) -> None:
        self._vendor = vendor
        self._settings = settings
        self._address = address
        self.capabilities = SynthesizerCapabilities(ssml=settings.ssml, formats=FORMATS)

    async def speak(self, utterance: Utterance) -> AsyncIterator[SpokenFrame]:
        """Raises VendorError. A text without a word makes no request."""
        if not (utterance.plain or utterance.text).strip():
            return
        options = read_options(SpeakOptions, utterance.options, self._vendor)
        sound = _Sound(utterance.format if utterance.format in FORMATS else L16_8K)
        async with open_line(self._vendor, self._address, "speak") as line:
            await line.send(synthesize(utterance, options, self._settings.voice))
            try:
                async for event in self._events(line):
                    if event.type == "audio-chunk" and (frame := sound.take(event)).data:
                        yield SpokenFrame(frame)
                if (frame := sound.finish()).data:
                    yield SpokenFrame(frame)
            except (ValueError, MediaError) as error:
                raise VendorReplyInvalid(str(error), vendor=self._vendor, operation="speak") from error

    async def voices(self) -> Sequence[VoiceInfo]:
        """What the server says it has. Raises VendorError."""
        async with open_line(self._vendor, self._address, "voices") as line:
            await line.send(Event("describe"))
            while (event := await line.receive(self._settings.timeout)) is not None:
                if event.type == "info":
                    return voices_in(event)
        raise VendorUnavailable("it does not say what it has", vendor=self._vendor, operation="voices")

    async def _events(self, line: WyomingLine) -> AsyncIterator[Event]:
        """What comes before ``audio-stop``. Raises VendorError."""
        while (event := await line.receive(self._settings.timeout)) is not None:
            if event.type == "audio-stop":
                return
            if event.type == "error":
                raise reported(event, self._vendor, "speak")
            yield event
        raise VendorUnavailable("it hung up in the middle of its speech", vendor=self._vendor, operation="speak")


class _Sound:
    """Chunks of whatever rate and size, as frames of one format."""

    def __init__(self, target: AudioFormat) -> None:
        self._target = target
        self._source: AudioFormat | None = None
        self._resampler: Resampler | None = None
        self._odd = b""
        self._position = 0

    def take(self, event: Event) -> Frame:
        """Raises ValueError: not mono of 16 bits, or of another rate than before. MediaError: an impossible rate."""
        source = format_of(event)
        if self._source is None:
            self._source = source
            self._resampler = None if source == self._target else Resampler(source.rate, self._target.rate)
        elif source != self._source:
            raise ValueError("the sound changes its rate")
        data = self._odd + event.payload
        size = len(data) // 2 * 2
        self._odd = data[size:]
        return self._frame(data[:size] if self._resampler is None else self._resampler.process(data[:size]))

    def finish(self) -> Frame:
        """What the filter still holds. Raises ValueError: there was no sound, or half a sample at its end."""
        if self._odd:
            raise ValueError("the sound ends in the middle of a sample")
        frame = self._frame(self._resampler.flush() if self._resampler else b"")
        if not self._position:
            raise ValueError("there is no sound in it")
        return frame

    def _frame(self, pcm: bytes) -> Frame:
        frame = Frame(pcm, self._target, self._position)
        self._position += frame.samples
        return frame


class WyomingRecognizer:
    """Most of these servers hear when the turn is over."""

    def __init__(self, vendor: str, settings: WyomingSpeechSection, address: str) -> None:
        self._vendor = vendor
        self._settings = settings
        self._address = address
        self._format = AudioFormat(Encoding.L16, settings.listen_rate)
        self.capabilities = RecognizerCapabilities(
            partials=settings.partials, takes_hints=settings.hints, formats=(self._format,)
        )

    def listen(self, settings: ListenSettings) -> AbstractAsyncContextManager[RecognitionStream]:
        options = read_options(ListenOptions, settings.options, self._vendor)
        request = transcribe(settings, options, self._settings.listen_model)
        partials = self._settings.partials and settings.tuning.interim is not False
        turn: Dialect[Event] = WyomingTurn(self._vendor, request, settings.format or self._format, partials)
        return turn_at(self._vendor, self._connect, turn, settings, result_within=self._settings.timeout)

    def _connect(self) -> AbstractAsyncContextManager[WyomingLine]:
        return open_line(self._vendor, self._address, "listen")
