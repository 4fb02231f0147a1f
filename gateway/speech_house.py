"""The speech vendors of a process: each started, behind its circuit breakers, the prompt cache before its voice."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from pathlib import Path

from config.call import NumberSettings
from config.settings import Settings
from config.speech import engine_of
from gateway.clock import Clock
from gateway.kit.http import HttpClient
from gateway.plugins import Plugins, SpeechVendor
from gateway.prompts.store import open_cache, open_overrides
from gateway.speech.breaker import Breaker
from gateway.speech.cache import CachedSynthesizer
from gateway.speech.directory import LOCAL, SpeechDirectory
from gateway.speech.guarded import GuardedRecognizer, GuardedSynthesizer
from gateway.speech.own_words import Words, sentences_of
from gateway.speech.prompt import salt_of
from gateway.speech.spoken_prompts import SpokenPrompts

OnCircuit = Callable[[str, str, str], None]
"""Told when a breaker changes: the part, ``recognizer`` or ``synthesizer``, the vendor, the state."""


class SpeechHouse:
    """See the module's docstring. Vendors are those the process has been started with.

    Args:
        path: Of the configuration; what it names lies beside it.
        settings: What it holds.
        plugins: Classes of vendors.
    """

    def __init__(
        self, path: Path | str, settings: Settings, plugins: Plugins, clock: Clock, on_circuit: OnCircuit
    ) -> None:
        self._path = path
        self._settings = settings
        self._plugins = plugins
        self._clock = clock
        self._on_circuit = on_circuit
        self._local: SpeechVendor | None = None
        self._spoken = SpokenPrompts()
        self.voices: dict[str, CachedSynthesizer] = {}
        self.ears: dict[str, GuardedRecognizer] = {}

    async def start(self, stack: AsyncExitStack, http: HttpClient) -> None:
        """Start every vendor there is; the local one is always among them. The stack closes them.

        Raises:
            ConfigError: A vendor's own client is not installed.
            VendorError: One cannot be started.
        """
        vendors: dict[str, SpeechVendor] = {}
        for name, section in self._settings.speech.items():
            plugin = self._plugins.speech[engine_of(name, section)]
            vendors[name] = vendor = plugin(name, section, http)
            await vendor.start()
            stack.push_async_callback(vendor.close)
        self._local = vendors[LOCAL]
        cache = open_cache(self._path, self._settings.prompts)
        for name, vendor in vendors.items():
            if vendor.synthesizer is not None:
                guarded = GuardedSynthesizer(vendor.synthesizer, self._breaker(name, "synthesizer"), self._clock.now)
                salt = salt_of(self._settings.speech[name])
                self.voices[name] = voice = CachedSynthesizer(guarded, cache, salt=salt)
                stack.push_async_callback(voice.close)
            if vendor.recognizer is not None:
                breaker = self._breaker(name, "recognizer")
                self.ears[name] = GuardedRecognizer(vendor.recognizer, breaker, self._clock.now)

    def _breaker(self, vendor: str, part: str) -> Breaker:
        return Breaker(vendor, part, self._clock.now, on_change=functools.partial(self._on_circuit, part, vendor))

    def directory(self) -> SpeechDirectory:
        """What calls speak and listen through."""
        overrides = open_overrides(self._path, self._settings.prompts)
        return SpeechDirectory(dict(self.voices), dict(self.ears), prompts=self._spoken, overrides=overrides)

    async def speak_ahead(self, numbers: Iterable[NumberSettings], words: Words) -> None:
        """Have the local voice say the gateway's own sentences now, for the day when nobody can speak."""
        if self._local is not None and self._local.synthesizer is not None:
            await self._spoken.warm(self._local.synthesizer, sentences_of(numbers, words))
