"""The gateway's own sentences, spoken in advance, so that they can be said when nobody can speak any more."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace

import structlog

from audio.format import L16_16K
from gateway.errors import VendorError, VendorUnavailable
from gateway.kit.closing import closing
from gateway.speech.convert import nearest
from gateway.speech.fallback import Patience, Voice, speak_with_fallback
from gateway.speech.prompt import Prompt, flaw_of, size_of
from gateway.speech_interfaces import SpokenFrame, Synthesizer, SynthesizerCapabilities, Utterance

log = structlog.get_logger(__name__)

MAX_BYTES = 32 << 20
"""About five hundred sentences."""


class SpokenPrompts:
    """Sentences by language and text, as one voice said them; the first ones go when there are too many."""

    def __init__(self, patience: Patience | None = None) -> None:
        self._patience = patience or Patience(first=20.0, next=10.0)  # at start nobody waits on the phone
        self._prompts: OrderedDict[tuple[str, str], Prompt] = OrderedDict()
        self._size = 0

    async def warm(self, synthesizer: Synthesizer, utterances: Iterable[Utterance]) -> list[Utterance]:
        """Have sentences spoken and keep them.

        Returns:
            Those that could not be spoken.
        """
        missing = []
        for utterance in utterances:
            if _key(utterance) not in self._prompts and not await self._speak(synthesizer, utterance):
                missing.append(utterance)
        return missing

    def voice_for(self, utterance: Utterance) -> Voice | None:
        """The sentence itself as a voice, whoever was asked to say it; None where it was not spoken in advance."""
        prompt = self._prompts.get(_key(utterance))
        return Voice(_Recorded(prompt), utterance) if prompt else None

    @staticmethod
    def nobody(vendor: str) -> VendorError:
        return VendorUnavailable("nobody can speak", vendor=vendor, operation="speak")

    async def _speak(self, synthesizer: Synthesizer, utterance: Utterance) -> bool:
        formats = synthesizer.capabilities.formats
        asked = replace(utterance, format=nearest(L16_16K, formats))
        try:
            async with closing(speak_with_fallback([Voice(synthesizer, asked)], self._patience)) as pieces:
                prompt = tuple([spoken async for spoken in pieces])
        except VendorError as error:
            log.warning("a sentence could not be spoken in advance", language=utterance.language, reason=error.reason)
            return False
        if flaw := flaw_of(prompt, asked, formats):
            log.warning("a sentence could not be spoken in advance", language=utterance.language, reason=flaw)
            return False
        self._keep(_key(utterance), prompt)
        return True

    def _keep(self, key: tuple[str, str], prompt: Prompt) -> None:
        self._prompts[key] = prompt
        self._size += size_of(prompt)
        while self._size > MAX_BYTES:
            _, dropped = self._prompts.popitem(last=False)
            self._size -= size_of(dropped)


class _Recorded:
    """A synthesizer that knows one sentence."""

    capabilities = SynthesizerCapabilities(word_times=True)

    def __init__(self, prompt: Prompt) -> None:
        self._prompt = prompt

    async def speak(self, utterance: Utterance) -> AsyncIterator[SpokenFrame]:
        """The sentence, from the word on with which the rest of it begins."""
        length = len(utterance.plain or utterance.text)
        whole = max((spoken.chars or 0 for spoken in self._prompt), default=0)
        said = max(0, whole - length)
        for spoken in self._prompt:
            if spoken.chars is None or spoken.chars > said:
                yield SpokenFrame(spoken.frame, None if spoken.chars is None else spoken.chars - said)


def _key(utterance: Utterance) -> tuple[str, str]:
    return utterance.language.lower(), (utterance.plain or utterance.text).strip()
