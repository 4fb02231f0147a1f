"""Speaking and listening through Wyoming servers: a connection for each text, and one that listens turn by turn."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager

from audio.format import L16_8K, L16_16K, AudioFormat, Encoding, MediaError
from gateway.errors import VendorReplyInvalid, VendorUnavailable
from gateway.kit.hearing import HearingLimits, Route, hear
from gateway.kit.options import read_options
from gateway.kit.sound import RateConverter
from gateway.kit.warm_lines import WarmLines
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
        sound = RateConverter(utterance.format if utterance.format in FORMATS else L16_8K)
        async with open_line(self._vendor, self._address, "speak") as line:
            await line.send(synthesize(utterance, options, self._settings.voice))
            try:
                async for event in self._events(line):
                    if event.type == "audio-chunk":
                        frame = sound.take(event.payload, format_of(event).rate)
                        if frame.data:
                            yield SpokenFrame(frame)
                if (frame := sound.finish()).data:
                    yield SpokenFrame(frame)
            except MediaError as error:
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


class WyomingRecognizer:
    """Most of these servers hear when the turn is over. Where they do not hang up then, they hear the next one, too."""

    def __init__(self, vendor: str, settings: WyomingSpeechSection, address: str) -> None:
        self._vendor = vendor
        self._settings = settings
        self._address = address
        self._warm = WarmLines[Event]()
        self._limits = HearingLimits(rest=settings.timeout, close=0.0)
        self._format = AudioFormat(Encoding.L16, settings.listen_rate)
        self.capabilities = RecognizerCapabilities(
            partials=settings.partials, takes_hints=settings.hints, formats=(self._format,)
        )

    def listen(self, settings: ListenSettings) -> AbstractAsyncContextManager[RecognitionStream]:
        options = read_options(ListenOptions, settings.options, self._vendor)
        request = transcribe(settings, options, self._settings.listen_model)
        partials = self._settings.partials and settings.tuning.interim is not False
        format = settings.format or self._format

        def begin(carried: float) -> WyomingTurn:
            return WyomingTurn(self._vendor, request, format, partials)

        route = Route(begin=begin, connect=self._connect, warm=self._warm)
        return hear(route, vendor=self._vendor, format=format, limits=self._limits)

    async def close(self) -> None:
        await self._warm.close()

    def _connect(self) -> AbstractAsyncContextManager[WyomingLine]:
        return open_line(self._vendor, self._address, "listen")
