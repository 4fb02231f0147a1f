"""What the commands work on: the prompts of a configuration's numbers, and what there is of each in the cache."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from audio.format import L16_16K
from audio.frame import join
from audio.levels import active_level
from config.call import NumberSettings
from config.settings import Settings
from config.speech import engine_of
from gateway.errors import ConfigError, GatewayError, VendorError
from gateway.kit.http import HttpClient
from gateway.plugins import Plugins
from gateway.prompts.store import beside, open_cache, open_overrides
from gateway.prompts.wording import StaticPrompt, static_prompts
from gateway.speech.cache import CachedSynthesizer, PromptCache
from gateway.speech.directory import SpeechDirectory
from gateway.speech.fallback import Voice
from gateway.speech.overrides import Overrides
from gateway.speech.prompt import Prompt, key_of, salt_of
from gateway.speech.rendering import render
from gateway.speech_interfaces import Synthesizer, Utterance
from gateway.text.catalogue import Catalogue

Status = Literal["override", "cached", "missing"]
KEY_CHARS = 12
RATE_OF_RENDERED = L16_16K
"""Serves narrow and wide lines; a voice that makes no such audio gives what comes nearest."""
ATTEMPTS = 3
RETRY_AFTER = 1.0
"""Seconds before a vendor that was busy is asked again; twice as long before the last time."""


@dataclass(frozen=True, slots=True)
class Sound:
    """What a caller would hear: signed 16-bit little-endian PCM."""

    pcm: bytes
    rate: int

    @property
    def seconds(self) -> float:
        return len(self.pcm) / 2 / self.rate

    @property
    def level(self) -> float:
        """dBFS over what is spoken."""
        return active_level(self.pcm, self.rate)


@dataclass(frozen=True, slots=True)
class Entry:
    """A prompt, for all the numbers that say it in the same way.

    Attributes:
        key: Names it on the command line.
        names: What it is to the numbers that say it.
        requests: What the vendor is asked for, one after the other; empty: there is no such vendor.
    """

    key: str
    names: tuple[str, ...]
    prompt: StaticPrompt
    requests: tuple[Voice, ...]

    @property
    def utterance(self) -> Utterance:
        return self.prompt.utterance

    @property
    def title(self) -> str:
        """For messages."""
        voice = f", voice {self.utterance.voice}" if self.utterance.voice else ""
        return f"{', '.join(self.names)} ({self.utterance.language}, {self.utterance.vendor}{voice})"


class PromptDesk:
    """See the module's docstring.

    Args:
        directory: Speaks as in a call.
        cache: Behind each of its synthesizers.
        entries: What numbers say.
    """

    def __init__(self, directory: SpeechDirectory, cache: PromptCache, entries: Sequence[Entry]) -> None:
        self.entries = entries
        self._directory = directory
        self._cache = cache

    @property
    def overrides(self) -> Overrides:
        return self._directory.overrides

    def status(self, entry: Entry) -> Status:
        """Where a call would have it from: a recording, the cache, or its vendor."""
        if self.overrides.find(entry.utterance) is not None:
            return "override"
        return "cached" if entry.requests and all(self._is_kept(voice) for voice in entry.requests) else "missing"

    async def sound(self, entry: Entry) -> Sound | None:
        """What a caller hears without anybody being asked; None: a vendor would be."""
        recording = await self.overrides.prompt_for(entry.utterance)
        kept = [recording] if recording is not None else [await self._kept(voice) for voice in entry.requests]
        found = [prompt for prompt in kept if prompt is not None]
        if not found or len(found) < len(kept):
            return None
        frames = [piece.frame for prompt in found for piece in prompt]
        return Sound(join(frames).pcm(), frames[0].format.rate)

    async def render(
        self,
        *,
        at_once: int = 4,
        again: bool = False,
        on_done: Callable[[Entry, str | None], None] = lambda entry, error: None,
        retry_after: float = RETRY_AFTER,
    ) -> list[Entry]:
        """Have everything spoken that was not yet, and that no recording replaces.

        Args:
            at_once: How many sentences are asked for at the same time.
            again: Also what was rendered before.
            on_done: Told of each prompt, with the reason where it could not be spoken.
        Returns:
            Those that could not be spoken.
        """
        places = asyncio.Semaphore(at_once)
        failed: list[Entry] = []

        async def make(entry: Entry) -> None:
            async with places:
                error = await self._render_entry(entry, again, retry_after)
            if error is not None:
                failed.append(entry)
            on_done(entry, error)

        async with asyncio.TaskGroup() as group:
            for entry in self.entries:
                group.create_task(make(entry))
        return failed

    async def _render_entry(self, entry: Entry, again: bool, retry_after: float) -> str | None:
        if self.overrides.find(entry.utterance) is not None:
            return None
        if not entry.requests:
            return f"there is no synthesizer {entry.utterance.vendor!r}"
        try:
            for voice in entry.requests:
                if again or not await self._is_rendered(voice):
                    await self._render_request(voice, retry_after)
        except VendorError as error:
            return error.reason
        except GatewayError as error:
            return str(error)
        return None

    async def _render_request(self, voice: Voice, retry_after: float) -> None:
        cached = _cached(voice)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                await render(cached, self._cache, voice.utterance)
                return
            except VendorError as error:
                if attempt == ATTEMPTS or not error.retryable:
                    raise
            await asyncio.sleep(retry_after * attempt)

    async def _is_rendered(self, voice: Voice) -> bool:
        """It is there and sound: reading it removes what is damaged."""
        return await self._kept(voice) is not None and self._cache.is_rendered(_cached(voice).key_of(voice.utterance))

    def _is_kept(self, voice: Voice) -> bool:
        return _cached(voice).holds(voice.utterance)

    async def _kept(self, voice: Voice) -> Prompt | None:
        return await self._cache.find(_cached(voice).key_of(voice.utterance))


@asynccontextmanager
async def open_desk(
    config: Path,
    settings: Settings,
    plugins: Plugins,
    numbers: Sequence[str] = (),
    also: Iterable[str] = (),
    languages: Sequence[str] = (),
    *,
    starts_vendors: bool = False,
) -> AsyncIterator[PromptDesk]:
    """A desk for some called numbers, or for all.

    Args:
        config: Where the settings come from; folders are looked for beside it.
        also: Further sentences that bots say often.
        languages: That bots switch to, beside those of the numbers.
        starts_vendors: They are going to be asked. Then there must be a folder for what they say.
    Raises:
        GatewayError: a number is ruled by no entry, a folder is missing, a vendor cannot be started.
    """
    chosen = _numbers_of(settings, numbers)
    if starts_vendors and settings.prompts.directory is None:
        raise ConfigError("names no folder for what is rendered", file=config, field="prompts.directory")
    async with AsyncExitStack() as stack:
        cache = open_cache(config, settings.prompts)
        voices: dict[str, Synthesizer] = {}
        http = await stack.enter_async_context(HttpClient())
        for name in dict.fromkeys(number.synthesizer.vendor for number in chosen):
            section = settings.speech[name]
            vendor = plugins.speech[engine_of(name, section)](name, section, http)
            if starts_vendors:
                await vendor.start()
                stack.push_async_callback(vendor.close)
            if vendor.synthesizer is not None:
                voices[name] = CachedSynthesizer(vendor.synthesizer, cache, salt=salt_of(section))
        directory = SpeechDirectory(voices, {}, overrides=open_overrides(config, settings.prompts))
        yield PromptDesk(directory, cache, list(_entries(settings, config, directory, chosen, list(also), languages)))


def _numbers_of(settings: Settings, numbers: Sequence[str]) -> list[NumberSettings]:
    if not numbers:
        return list(settings.numbers.values())
    chosen = []
    for called in numbers:
        found = settings.numbers.get(called) or settings.number_for(called)
        if found is None:
            raise GatewayError(f"no entry under numbers matches {called}")
        chosen.append(found)
    return chosen


def _entries(
    settings: Settings,
    config: Path,
    directory: SpeechDirectory,
    numbers: Sequence[NumberSettings],
    also: Sequence[str],
    languages: Sequence[str],
) -> Iterable[Entry]:
    """Each prompt once, however many numbers say it."""
    wording = beside(config, settings.server.wording)
    words = {} if wording is None else Catalogue.load_overrides(wording)
    found: dict[str, Entry] = {}
    for number, language in itertools.product(numbers, (None, *languages)):
        for prompt in static_prompts(number, words, also, language):
            key = key_of(prompt.utterance, salt_of(settings.speech[prompt.utterance.vendor]))[:KEY_CHARS]
            entry = found.get(key)
            if entry is None:
                requests = tuple(directory.requests(prompt.utterance, RATE_OF_RENDERED))
                found[key] = Entry(key, (prompt.name,), prompt, requests)
            elif prompt.name not in entry.names:
                found[key] = replace(entry, names=(*entry.names, prompt.name))
    return found.values()


def _cached(voice: Voice) -> CachedSynthesizer:
    assert isinstance(voice.synthesizer, CachedSynthesizer), "the desk has no others"
    return voice.synthesizer
