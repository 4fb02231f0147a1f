"""Recognition by ElevenLabs: sockets and what waits behind them; what is said is in `scribe`."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from gateway.kit.hearing import HearingLimits, Route, hear
from gateway.kit.options import read_options
from gateway.kit.turn_protocol import Message
from gateway.kit.vendor_socket import VendorSocket, open_socket
from gateway.kit.warm_lines import WarmLines
from gateway.speech.elevenlabs.options import ListenOptions
from gateway.speech.elevenlabs.protocol import HEARD_FORMATS, PRODUCTION, listen_address, vendor_silence
from gateway.speech.elevenlabs.scribe import ScribeTurn
from gateway.speech.elevenlabs.settings import ElevenLabsSpeechSection
from gateway.speech_interfaces import ListenSettings, RecognitionStream, RecognizerCapabilities


class ElevenLabsRecognizer:
    """See `gateway.speech_interfaces.Recognizer`."""

    capabilities = RecognizerCapabilities(
        partials=True, own_endpointing="utterance", takes_hints=True, formats=HEARD_FORMATS
    )

    def __init__(self, name: str, settings: ElevenLabsSpeechSection, limits: HearingLimits | None = None) -> None:
        self._name = name
        self._settings = settings
        self._limits = limits or HearingLimits()
        self._warm = WarmLines[Message](every=self._limits.keep_alive, most=settings.warm_connections)

    def listen(self, settings: ListenSettings) -> AbstractAsyncContextManager[RecognitionStream]:
        options = read_options(ListenOptions, settings.options, self._name)
        format = settings.format or HEARD_FORMATS[0]
        url = listen_address(
            self._settings.url or PRODUCTION, settings, options, self._settings.recognition_model, format
        )
        silence, interim = vendor_silence(settings, options), settings.tuning.interim is not False

        def begin(carried: float) -> ScribeTurn:
            return ScribeTurn(self._name, format, silence=silence, interim=interim)

        route = Route(begin=begin, connect=lambda: self._open(url), warm=self._warm, key=url)
        return hear(route, vendor=self._name, format=format, limits=self._limits)

    async def close(self) -> None:
        await self._warm.close()

    def _open(self, url: str) -> AbstractAsyncContextManager[VendorSocket]:
        headers = {"xi-api-key": self._settings.api_key.get_secret_value()}
        return open_socket(self._name, url, operation="listen", headers=headers)
