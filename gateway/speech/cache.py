"""Prompts that were spoken before are not synthesized again.

`CachedSynthesizer` stands before a synthesizer; the `PromptCache` behind it is shared by all of them: in memory and, if
wanted, on disk. A prompt is kept only when it is complete and plausible; nothing sensitive is kept at all.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import structlog

from audio.format import L16_8K, L16_16K, PCMA_8K, PCMU_8K
from gateway.errors import VendorReplyInvalid, VendorUnavailable
from gateway.kit.closing import closing
from gateway.speech.disk import PromptDisk
from gateway.speech.prompt import PIECE_OVERHEAD, Prompt, flaw_of, key_of, size_of
from gateway.speech_interfaces import SpokenFrame, Synthesizer, Utterance

log = structlog.get_logger(__name__)

MAX_PROMPT_BYTES = 8 << 20
"""A longer prompt is spoken but not kept."""
ANY_FORMAT = (PCMU_8K, PCMA_8K, L16_8K, L16_16K)
"""What a prompt may be kept in whose synthesizer makes whatever is asked for."""
LIMIT_BYTES = 64 << 20
"""Speech that does not end: half an hour of 16 kHz PCM."""


class PromptCache:
    """Finished prompts, the least recently used ones dropped first.

    Args:
        max_bytes: How much memory they may take.
        disk: Where they survive a restart.
        rendered: Where those are that were synthesized in advance, and that calls never push out.
    """

    def __init__(
        self, max_bytes: int = 64 << 20, disk: PromptDisk | None = None, rendered: PromptDisk | None = None
    ) -> None:
        self._max_bytes = max_bytes
        self._disk = disk
        self._rendered = rendered
        self._prompts: OrderedDict[str, Prompt] = OrderedDict()
        self._size = 0

    @property
    def size(self) -> int:
        """Bytes in memory."""
        return self._size

    def __contains__(self, key: str) -> bool:
        return key in self._prompts or self.is_rendered(key) or (self._disk is not None and self._disk.holds(key))

    def is_rendered(self, key: str) -> bool:
        """Whether it was synthesized in advance."""
        return self._rendered is not None and self._rendered.holds(key)

    async def find(self, key: str) -> Prompt | None:
        """A finished prompt, from memory or disk."""
        if key in self._prompts:
            self._prompts.move_to_end(key)
            return self._prompts[key]
        for disk in (self._rendered, self._disk):
            prompt = None if disk is None else await asyncio.to_thread(disk.read, key)
            if prompt is not None:
                self._remember(key, prompt)
                return prompt
        return None

    async def keep(self, key: str, prompt: Prompt) -> None:
        """Keep a prompt that was found good."""
        self._remember(key, prompt)
        if self._disk is not None:
            await asyncio.to_thread(self._disk.write, key, prompt)

    async def keep_rendered(self, key: str, prompt: Prompt) -> bool:
        """Keep a prompt that was synthesized in advance. False where the disk did not take it, or there is none."""
        if self._rendered is None:
            return False
        self._remember(key, prompt)
        await asyncio.to_thread(self._rendered.write, key, prompt)
        return self._rendered.holds(key)

    def _remember(self, key: str, prompt: Prompt) -> None:
        size = size_of(prompt)
        if size > min(self._max_bytes, MAX_PROMPT_BYTES):
            return
        replaced = self._prompts.pop(key, ())
        self._prompts[key] = prompt
        self._size += size - size_of(replaced)
        while self._size > self._max_bytes:
            _, dropped = self._prompts.popitem(last=False)
            self._size -= size_of(dropped)


class CachedSynthesizer:
    """Speaks from the cache what is in it, and has everything else spoken once, however many ask for it.

    Args:
        synthesizer: Who speaks what is not in the cache.
        cache: Where finished prompts are.
        salt: What else than the utterance decides how this vendor sounds, such as its settings; no secrets.
    """

    def __init__(self, synthesizer: Synthesizer, cache: PromptCache, *, salt: str = "") -> None:
        self._synthesizer = synthesizer
        self._cache = cache
        self._salt = salt
        self._making: dict[str, _Making] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.capabilities = synthesizer.capabilities

    @property
    def behind(self) -> Synthesizer:
        """Who speaks what is not in the cache."""
        return self._synthesizer

    def holds(self, utterance: Utterance) -> bool:
        """Whether the utterance was said before and was kept."""
        return self.key_of(utterance) in self._cache

    def key_of(self, utterance: Utterance) -> str:
        """What the utterance is called in the cache."""
        return key_of(utterance, self._salt)

    def as_kept(self, utterance: Utterance) -> Utterance:
        """The utterance in the format it is kept in, if that serves a line of its own format; else as it is.

        What was rendered goes first. A lower rate does not serve: a wide line would be the worse for it.
        """
        wanted = utterance.format
        if wanted is None:
            return utterance
        serving = [each for each in self.capabilities.formats or ANY_FORMAT if each.rate >= wanted.rate]
        serving.sort(key=lambda each: (each != wanted, each.rate))
        asked = [(self.key_of(each), each) for each in (replace(utterance, format=format) for format in serving)]
        rendered = (each for key, each in asked if self._cache.is_rendered(key))
        kept = (each for key, each in asked if key in self._cache)
        return next(rendered, None) or next(kept, utterance)

    async def speak(self, utterance: Utterance) -> AsyncIterator[SpokenFrame]:
        """As the synthesizer does, or from the cache."""
        if utterance.sensitive:
            async with closing(self._synthesizer.speak(utterance)) as pieces:
                async for spoken in pieces:
                    yield spoken
            return
        key = self.key_of(utterance)
        prompt = await self._cache.find(key)
        if prompt is not None:
            for spoken in prompt:
                yield spoken
            return
        making = self._join(key, utterance)
        try:
            async with closing(making.follow()) as pieces:
                async for spoken in pieces:
                    yield spoken
        finally:
            making.leave()

    async def close(self) -> None:
        """Cancel what is being made."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _join(self, key: str, utterance: Utterance) -> _Making:
        """Follow the synthesis of a prompt, begun now if nobody else has asked for it."""
        making = self._making.get(key)
        if making is None:
            making = self._making[key] = _Making(lambda: self._making.pop(key, None))
            making.task = asyncio.create_task(self._make(key, making, utterance), name="prompt")
            self._tasks.add(making.task)
            making.task.add_done_callback(self._tasks.discard)
        making.listeners += 1
        return making

    async def _make(self, key: str, making: _Making, utterance: Utterance) -> None:
        """Synthesize as fast as the vendor does, whatever pace the listeners have."""
        try:
            async with closing(self._synthesizer.speak(utterance)) as pieces:
                async for spoken in pieces:
                    making.add(spoken)
                    if making.size > LIMIT_BYTES:
                        raise VendorReplyInvalid("its speech does not end", vendor=utterance.vendor, operation="speak")
            prompt = tuple(making.frames)
            flaw = flaw_of(prompt, utterance, self.capabilities.formats)
            making.end()
            if flaw is None:
                await self._cache.keep(key, prompt)  # in memory before anybody else runs; nobody waits for the disk
            else:
                log.warning("a prompt is not kept", vendor=utterance.vendor, reason=flaw)
        except asyncio.CancelledError:
            making.end(VendorUnavailable("the request was cancelled", vendor=utterance.vendor, operation="speak"))
            raise
        except Exception as error:  # not swallowed: everybody who listens gets it
            making.end(error)


class _Making:
    """A prompt that is being made, and those who follow it.

    Args:
        on_end: Called once, when nobody can join any more.
    """

    def __init__(self, on_end: Callable[[], object]) -> None:
        self._on_end = on_end
        self._news = asyncio.Event()
        self._is_over = False
        self._error: Exception | None = None
        self.frames: list[SpokenFrame] = []
        self.size = 0
        self.listeners = 0
        self.task: asyncio.Task[None] | None = None

    def add(self, spoken: SpokenFrame) -> None:
        self.frames.append(spoken)
        self.size += len(spoken.frame.data) + PIECE_OVERHEAD
        self._tell()

    def end(self, error: Exception | None = None) -> None:
        if not self._is_over:
            self._is_over, self._error = True, error
            self._on_end()
            self._tell()

    async def follow(self) -> AsyncIterator[SpokenFrame]:
        """Everything from the beginning; raises what the synthesizer raised."""
        at = 0
        while True:
            while at < len(self.frames):
                yield self.frames[at]
                at += 1
            if self._error is not None:
                raise self._error
            if self._is_over:
                return
            await self._news.wait()  # bounded by the vendor's own time limits and by the chain of fallbacks

    def leave(self) -> None:
        """One follower less; the last one to leave cancels the synthesis."""
        self.listeners -= 1
        if self.listeners == 0 and not self._is_over and self.task is not None:
            self._on_end()
            self._is_over = True
            self.task.cancel()

    def _tell(self) -> None:
        """Wake whoever waits now; those who come later wait for the next news."""
        news, self._news = self._news, asyncio.Event()
        news.set()
