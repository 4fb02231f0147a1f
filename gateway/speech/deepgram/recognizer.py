"""Recognition by Deepgram: sockets and what waits behind them; what is said is in `nova` and `flux`."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from audio.format import L16_8K, L16_16K, PCMA_8K, PCMU_8K
from gateway.kit.hearing import HearingLimits, hear_by_socket
from gateway.kit.options import read_options
from gateway.kit.warm_sockets import HeldSocket, WarmSockets, hold_socket
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
        self._warm = WarmSockets(None, every=self._limits.keep_alive, most=settings.warm_connections)

    def listen(self, settings: ListenSettings) -> AbstractAsyncContextManager[RecognitionStream]:
        options = read_options(ListenOptions, settings.options, self._name)
        format = settings.format or self.capabilities.formats[0]
        url = listen_address(self._settings.url or PRODUCTION, settings, options, self._settings.model, format)
        by_vendor, interim = settings.tuning.endpointing == "vendor", settings.tuning.interim is not False
        if is_flux(model_for(settings, options, self._settings.model)):
            flux = FluxTurn(self._name, ends_turns=by_vendor, interim=interim)
            return hear_by_socket(flux, lambda: self._open(url), vendor=self._name, format=format, limits=self._limits)
        nova = NovaTurn(self._name, format, ends_turns=by_vendor, interim=interim)

        async def connect() -> HeldSocket:
            held = await self._warm.take(url) or await self._open(url)
            nova.starts_at(held.seconds)
            return held

        return hear_by_socket(nova, connect, vendor=self._name, format=format, warm=self._warm, limits=self._limits)

    @property
    def connections_waiting(self) -> int:
        """How many connections wait for their next turn."""
        return self._warm.waiting

    async def close(self) -> None:
        await self._warm.close()

    async def _open(self, url: str) -> HeldSocket:
        headers = {"Authorization": f"Token {self._settings.api_key.get_secret_value()}"}
        return await hold_socket(self._name, url, operation="listen", headers=headers)
