"""Listening through a Vosk server, a WebSocket for each turn."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from audio.format import AudioFormat, Encoding
from gateway.kit.options import read_options
from gateway.kit.vendor_socket import VendorSocket, open_socket
from gateway.kit.vendor_turn import Dialect, turn_at
from gateway.speech.vosk.options import ListenOptions
from gateway.speech.vosk.protocol import Message, VoskTurn, config
from gateway.speech.vosk.settings import VoskSpeechSection
from gateway.speech_interfaces import ListenSettings, RecognitionStream, RecognizerCapabilities


class VoskRecognizer:
    """It hears while the caller speaks; finals within a turn come at its own pauses."""

    def __init__(self, vendor: str, settings: VoskSpeechSection) -> None:
        self._vendor = vendor
        self._settings = settings
        self.capabilities = RecognizerCapabilities(
            partials=True, formats=(AudioFormat(Encoding.L16, settings.rate),), languages=settings.languages
        )

    def listen(self, settings: ListenSettings) -> AbstractAsyncContextManager[RecognitionStream]:
        options = read_options(ListenOptions, settings.options, self._vendor)
        rate = settings.format.rate if settings.format else self._settings.rate
        first = config(settings, options, rate, grammar=self._settings.grammar)
        turn: Dialect[Message] = VoskTurn(
            self._vendor, first, settings.phrases, partials=settings.tuning.interim is not False
        )
        return turn_at(self._vendor, self._connect, turn, settings, result_within=self._settings.timeout)

    def _connect(self) -> AbstractAsyncContextManager[VendorSocket]:
        return open_socket(self._vendor, self._settings.url, operation="listen")
