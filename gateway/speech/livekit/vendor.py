"""A vendor behind one of LiveKit's plug-ins, as a plug-in of ours."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from audio.format import L16_8K, L16_16K, AudioFormat, Encoding, MediaError
from gateway.errors import ConfigError, VendorRejected, VendorReplyInvalid, VendorUnavailable
from gateway.kit.closing import closing
from gateway.kit.hearing import HearingLimits, Route, hear
from gateway.kit.sound import RateConverter
from gateway.speech.livekit.settings import LivekitSpeechSection
from gateway.speech_interfaces import (
    ListenSettings,
    RecognitionStream,
    RecognizerCapabilities,
    SpokenFrame,
    SynthesizerCapabilities,
    Utterance,
)

FORMATS = (L16_8K, L16_16K)
MAX_MADE = 32
"""Sides kept, one for each voice or model that was asked for; beyond, the configured one answers."""
ENDPOINTING_MS = 500
"""Unless configured: the gateway says when a turn is over, and what a plug-in cuts finer (Deepgram's: at 25 ms) is
worse understood."""
VOICE_KEYWORDS = ("voice", "voice_id", "model")
"""What plug-ins call a voice, the usual one first."""


class LivekitSynthesizer:
    """Its sound has whatever rate the plug-in gives it, and is converted here."""

    capabilities = SynthesizerCapabilities(formats=FORMATS)

    def __init__(self, owner: LivekitSpeech) -> None:
        self._owner = owner

    async def speak(self, utterance: Utterance) -> AsyncIterator[SpokenFrame]:
        """Raises VendorError. A text without a word makes no request."""
        text = utterance.plain if utterance.ssml else utterance.text
        if not text.strip():
            return
        sound = RateConverter(utterance.format if utterance.format in FORMATS else L16_8K)
        owner = self._owner
        voice = owner.asked("TTS", owner.voice_keywords(utterance))
        try:
            async with closing(owner.bridge.spoken(voice, text, owner.name, owner.settings.timeout)) as pieces:
                async for data, rate in pieces:
                    if (frame := sound.take(data, rate)).data:
                        yield SpokenFrame(frame)
            if (frame := sound.finish()).data:
                yield SpokenFrame(frame)
        except MediaError as error:
            raise VendorReplyInvalid(str(error), vendor=owner.name, operation="speak") from error


class LivekitRecognizer:
    """A stream of the plug-in's for each turn; one that has none hears the turn when it is over."""

    def __init__(self, owner: LivekitSpeech) -> None:
        self._owner = owner
        settings = owner.settings
        self.capabilities = RecognizerCapabilities(
            partials=settings.partials, formats=(AudioFormat(Encoding.L16, settings.rate),)
        )

    def listen(self, settings: ListenSettings) -> AbstractAsyncContextManager[RecognitionStream]:
        owner = self._owner
        ear = owner.asked("STT", {"model": settings.model} if settings.model else {})
        partials = self.capabilities.partials and settings.tuning.interim is not False
        format = settings.format or AudioFormat(Encoding.L16, owner.settings.rate)
        bridge, timeout = owner.bridge, owner.settings.timeout

        def connect() -> AbstractAsyncContextManager[Any]:
            line: AbstractAsyncContextManager[Any] = bridge.open_line(
                ear, settings.language, owner.name, timeout, owner.settings.settle
            )
            return line

        route = Route(begin=lambda carried: bridge.LivekitTurn(owner.name, format, partials), connect=connect)
        return hear(route, vendor=owner.name, format=format, limits=HearingLimits(rest=timeout, close=0.0))


class LivekitSpeech:
    """See `gateway.plugins`. The library is imported by `start`, which has to run on the main thread, as it demands."""

    Section = LivekitSpeechSection

    def __init__(self, name: str, settings: LivekitSpeechSection, http: Any = None) -> None:
        self.name = name
        self.settings = settings
        self.synthesizer = LivekitSynthesizer(self) if settings.speaks else None
        self.recognizer = LivekitRecognizer(self) if settings.listens else None
        self._bridge: Any = None
        self._plugin: Any = None
        self._session: Any = None
        self._made: dict[tuple[str, frozenset[tuple[str, str]]], Any] = {}

    @property
    def bridge(self) -> Any:
        """`gateway.speech.livekit.bridge`. Raises VendorUnavailable: not started."""
        if self._bridge is None:
            raise VendorUnavailable("the plug-in has not been started", vendor=self.name)
        return self._bridge

    async def start(self) -> None:
        """Import the plug-in, and make its sides as the configuration has them. Raises ConfigError."""
        plugin = self.settings.plugin or self.name.partition(":")[2]
        try:
            self._bridge = importlib.import_module("gateway.speech.livekit.bridge")
            self._plugin = importlib.import_module(f"livekit.plugins.{plugin}")
        except ImportError as error:
            package = f"livekit-plugins-{plugin.replace('_', '-')}"
            reason = f"speech.{self.name} needs LiveKit's plug-in: pip install 'talkpath[livekit]' {package}"
            raise ConfigError(reason) from error
        self._session = importlib.import_module("aiohttp").ClientSession()
        for side, is_used in (("TTS", self.settings.speaks), ("STT", self.settings.listens)):
            if is_used:
                self.side(side, {})

    async def close(self) -> None:
        for side in self._made.values():
            await side.aclose()
        self._made.clear()
        if self._session is not None:
            await self._session.close()

    def voice_keywords(self, utterance: Utterance) -> dict[str, str]:
        """A voice and a model under the names that the plug-in has for them."""
        takes = self.bridge.known_keywords(self._plugin.TTS, dict.fromkeys(VOICE_KEYWORDS, ""))
        found = {"model": utterance.model} if utterance.model and "model" in takes else {}
        name = next((keyword for keyword in VOICE_KEYWORDS if keyword in takes), None)
        return {**found, name: utterance.voice} if name and utterance.voice else found

    def asked(self, name: str, asked: Mapping[str, str]) -> Any:
        """As `side`, in a call. Raises VendorRejected: what was asked for cannot be had."""
        try:
            return self.side(name, asked)
        except ConfigError as error:
            raise VendorRejected("the plug-in does not take such a voice or model", vendor=self.name) from error

    def side(self, name: str, asked: Mapping[str, str]) -> Any:
        """The plug-in's ``STT`` or ``TTS`` with the configured keywords and what was asked for. Raises ConfigError."""
        key = (name, frozenset(asked.items()))
        if key not in self._made:
            if len(self._made) >= MAX_MADE:
                key, asked = (name, frozenset()), {}
            else:
                cls = getattr(self._plugin, name, None)
                if cls is None:
                    raise ConfigError(f"{self._plugin.__name__} has no {name}", field=f"speech.{self.name}")
                self._made[key] = self.bridge.made(self.name, cls, {**self._keywords(name, cls), **asked})
        return self._made[key]

    def _keywords(self, name: str, side: type[Any]) -> dict[str, Any]:
        """What the configuration says, and what every side is given that takes it."""
        settings, is_voice = self.settings, name == "TTS"
        own = settings.speak if is_voice else settings.listen
        url = (settings.speak_url if is_voice else settings.listen_url) or settings.url
        key = settings.api_key.get_secret_value() if settings.api_key else None
        common = {"http_session": self._session, "interim_results": settings.partials}
        if not is_voice:
            common |= {"sample_rate": settings.rate, "endpointing_ms": ENDPOINTING_MS}
        given = {"api_key": key, "base_url": url, **{k: v.get_secret_value() for k, v in settings.secrets.items()}}
        return {
            **self.bridge.known_keywords(side, common),
            **{keyword: value for keyword, value in given.items() if value is not None},
            **own,
        }
