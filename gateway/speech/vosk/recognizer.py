"""Listening through a Vosk server: a WebSocket that serves one turn after another, where the server can `reset`."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from audio.format import AudioFormat, Encoding
from gateway.kit.hearing import HearingLimits, Route, hear
from gateway.kit.options import read_options
from gateway.kit.turn_protocol import Message
from gateway.kit.vendor_socket import VendorSocket, open_socket
from gateway.kit.warm_lines import WarmLines
from gateway.speech.vosk.options import ListenOptions
from gateway.speech.vosk.protocol import VoskTurn, config
from gateway.speech.vosk.settings import VoskSpeechSection
from gateway.speech_interfaces import ListenSettings, RecognitionStream, RecognizerCapabilities

INSIST_AFTER = 1.0
"""Seconds without the last final, after which the server may be one that does not know ``reset``."""


class VoskRecognizer:
    """It hears while the caller speaks; finals within a turn come at its own pauses."""

    def __init__(self, vendor: str, settings: VoskSpeechSection) -> None:
        self._vendor = vendor
        self._settings = settings
        self._warm = WarmLines[Message]()
        rest = min(INSIST_AFTER, settings.timeout) if settings.resets else settings.timeout
        self._limits = HearingLimits(rest=rest, close=settings.timeout - rest)
        self.capabilities = RecognizerCapabilities(
            partials=True, formats=(AudioFormat(Encoding.L16, settings.rate),), languages=settings.languages
        )

    def listen(self, settings: ListenSettings) -> AbstractAsyncContextManager[RecognitionStream]:
        options = read_options(ListenOptions, settings.options, self._vendor)
        format = settings.format or self.capabilities.formats[0]
        first = config(settings, options, format.rate, grammar=self._settings.grammar)
        partials = settings.tuning.interim is not False

        def begin(carried: float) -> VoskTurn:
            return VoskTurn(
                self._vendor, first, settings.phrases, partials, is_first=not carried, resets=self._settings.resets
            )

        route = Route(begin=begin, connect=self._connect, warm=self._warm, key=first)
        return hear(route, vendor=self._vendor, format=format, limits=self._limits)

    async def close(self) -> None:
        await self._warm.close()

    def _connect(self) -> AbstractAsyncContextManager[VendorSocket]:
        return open_socket(self._vendor, self._settings.url, operation="listen")
