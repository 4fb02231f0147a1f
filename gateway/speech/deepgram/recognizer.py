"""Recognition by Deepgram: sockets and what waits behind them; what is said is in `nova` and `flux`."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from audio.format import L16_8K, L16_16K, PCMA_8K, PCMU_8K
from gateway.kit.hearing import HearingLimits, Route, hear
from gateway.kit.options import read_options
from gateway.kit.turn_protocol import Message
from gateway.kit.vendor_socket import VendorSocket, open_socket
from gateway.kit.warm_lines import WarmLines
from gateway.speech.deepgram.flux import FluxTurn
from gateway.speech.deepgram.nova import NovaTurn
from gateway.speech.deepgram.options import ListenOptions
from gateway.speech.deepgram.protocol import PRODUCTION, is_flux, listen_address, model_for
from gateway.speech.deepgram.settings import DeepgramSpeechSection
from gateway.speech_interfaces import ListenSettings, RecognitionStream, RecognizerCapabilities


class DeepgramRecognizer:
    """See `gateway.speech_interfaces.Recognizer`."""

    capabilities = RecognizerCapabilities(
        partials=True,
        own_endpointing="turn",
        takes_hints=True,
        formats=(PCMU_8K, PCMA_8K, L16_8K, L16_16K),
    )

    def __init__(self, name: str, settings: DeepgramSpeechSection, limits: HearingLimits | None = None) -> None:
        self._name = name
        self._settings = settings
        self._limits = limits or HearingLimits()
        self._warm = WarmLines[Message](every=self._limits.keep_alive, most=settings.warm_connections)

    def listen(self, settings: ListenSettings) -> AbstractAsyncContextManager[RecognitionStream]:
        options = read_options(ListenOptions, settings.options, self._name)
        format = settings.format or self.capabilities.formats[0]
        url = listen_address(self._settings.url or PRODUCTION, settings, options, self._settings.model, format)
        by_vendor, interim = settings.tuning.endpointing == "vendor", settings.tuning.interim is not False

        def flux(carried: float) -> FluxTurn:
            return FluxTurn(self._name, ends_turns=by_vendor, interim=interim)

        def nova(carried: float) -> NovaTurn:
            return NovaTurn(self._name, format, ends_turns=by_vendor, interim=interim, starts_at=carried)

        if is_flux(model_for(settings, options, self._settings.model)):
            route: Route[Message] = Route(begin=flux, connect=lambda: self._open(url))
        else:
            route = Route(begin=nova, connect=lambda: self._open(url), warm=self._warm, key=url)
        return hear(route, vendor=self._name, format=format, limits=self._limits)

    @property
    def connections_waiting(self) -> int:
        """How many connections wait for their next turn."""
        return self._warm.waiting

    async def close(self) -> None:
        await self._warm.close()

    def _open(self, url: str) -> AbstractAsyncContextManager[VendorSocket]:
        headers = {"Authorization": f"Token {self._settings.api_key.get_secret_value()}"}
        return open_socket(self._name, url, operation="listen", headers=headers)
