"""Speaking and listening through an engine of one's own: HTTP out, a WebSocket in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

from gateway.kit.closing import closing
from gateway.kit.hearing import HearingLimits, Route, hear
from gateway.kit.http import HttpClient, Timeouts
from gateway.kit.http_speech import spoken_by_http
from gateway.kit.turn_protocol import Message
from gateway.kit.vendor_socket import VendorSocket, open_socket
from gateway.kit.warm_lines import WarmLines
from gateway.speech.custom.protocol import CustomTurn, speak_request
from gateway.speech.custom.settings import CustomSpeechSection, formats
from gateway.speech_interfaces import (
    ListenSettings,
    RecognitionStream,
    RecognizerCapabilities,
    SpokenFrame,
    SynthesizerCapabilities,
    Utterance,
)


def _bearer(settings: CustomSpeechSection) -> dict[str, str]:
    key = settings.api_key
    return {"authorization": f"Bearer {key.get_secret_value()}"} if key else {}


class CustomSynthesizer:
    """One POST for each text."""

    def __init__(self, vendor: str, settings: CustomSpeechSection, http: HttpClient, address: str) -> None:
        self._vendor = vendor
        self._settings = settings
        self._http = http
        self._address = address
        self.capabilities = SynthesizerCapabilities(
            ssml=settings.ssml, formats=formats(settings.speak_formats), languages=settings.languages
        )

    async def speak(self, utterance: Utterance) -> AsyncIterator[SpokenFrame]:
        """Raises VendorError. A text without a word makes no request."""
        if not (utterance.plain or utterance.text).strip():
            return
        possible = self.capabilities.formats
        wanted = utterance.format if utterance.format in possible else possible[0]
        assert wanted is not None
        speech = spoken_by_http(
            self._http,
            self._vendor,
            self._address,
            speak_request(utterance, wanted),
            headers=_bearer(self._settings),
            formats=possible,
            unsaid=wanted,
            timeout=Timeouts(total=self._settings.timeout),
        )
        async with closing(speech) as frames:
            async for frame in frames:
                yield frame


class CustomRecognizer:
    """A WebSocket for one turn after another, or for each turn where the engine hangs up at its end."""

    def __init__(self, vendor: str, settings: CustomSpeechSection, address: str) -> None:
        self._vendor = vendor
        self._settings = settings
        self._address = address
        self._warm = WarmLines[Message]()
        self._limits = HearingLimits(rest=settings.timeout, close=0.0)
        self.capabilities = RecognizerCapabilities(
            partials=settings.partials,
            own_endpointing="turn" if settings.ends_turns else "none",
            takes_hints=settings.hints,
            formats=formats(settings.listen_formats),
            languages=settings.languages,
        )

    def listen(self, settings: ListenSettings) -> AbstractAsyncContextManager[RecognitionStream]:
        partials = self.capabilities.partials and settings.tuning.interim is not False
        format = settings.format or formats(self._settings.listen_formats)[0]

        def begin(carried: float) -> CustomTurn:
            return CustomTurn(self._vendor, settings, format, partials)

        route = Route(begin=begin, connect=self._connect, warm=self._warm)
        return hear(route, vendor=self._vendor, format=format, limits=self._limits)

    async def close(self) -> None:
        await self._warm.close()

    def _connect(self) -> AbstractAsyncContextManager[VendorSocket]:
        return open_socket(self._vendor, self._address, operation="listen", headers=_bearer(self._settings))
