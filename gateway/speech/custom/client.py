"""Speaking and listening through an engine of one's own: HTTP out, a WebSocket for each turn in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

from gateway.kit.closing import closing
from gateway.kit.http import HttpClient, Timeouts
from gateway.kit.http_speech import spoken_by_http
from gateway.kit.vendor_socket import VendorSocket, open_socket
from gateway.kit.vendor_turn import Dialect, turn_at
from gateway.speech.custom.protocol import CustomTurn, Message, speak_request
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
    """A WebSocket for each turn."""

    def __init__(self, vendor: str, settings: CustomSpeechSection, address: str) -> None:
        self._vendor = vendor
        self._settings = settings
        self._address = address
        self.capabilities = RecognizerCapabilities(
            partials=settings.partials,
            own_endpointing="turn" if settings.ends_turns else "none",
            takes_hints=settings.hints,
            formats=formats(settings.listen_formats),
            languages=settings.languages,
        )

    def listen(self, settings: ListenSettings) -> AbstractAsyncContextManager[RecognitionStream]:
        partials = self.capabilities.partials and settings.tuning.interim is not False
        turn: Dialect[Message] = CustomTurn(
            self._vendor, settings, settings.format or self.capabilities.formats[0], partials
        )
        return turn_at(self._vendor, self._connect, turn, settings, result_within=self._settings.timeout)

    def _connect(self) -> AbstractAsyncContextManager[VendorSocket]:
        return open_socket(self._vendor, self._address, operation="listen", headers=_bearer(self._settings))
