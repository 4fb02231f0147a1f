"""What a whole call must be like with every speech vendor: the bot's choice is obeyed, and no failure is noticed.

A vendor does it in ``tests/speech/VENDOR/test_calls.py``, against its emulator: an asynchronous context manager that
yields a `VoiceRig` goes through `VOICE_CHECKS`, one that yields an `EarRig` through `EAR_CHECKS`. Sound is checked as
the caller has it, by correlation. The scripted vendor does it here.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from audio.codecs import g711
from audio.format import L16_8K, PCMU_8K, Encoding
from audio.frame import Frame
from gateway.errors import VendorUnavailable
from gateway.events import Transcript
from gateway.plugins import SpeechVendor
from gateway.speech.scripted.client import ScriptedSynthesizer
from gateway.speech.scripted.settings import ScriptedSpeechSection
from gateway.speech.scripted.signal import spoken_pcm
from gateway.speech_interfaces import (
    ListenSettings,
    RecognitionStream,
    RecognizerCapabilities,
    SpeechHeard,
    SpokenFrame,
    SynthesizerCapabilities,
    Utterance,
)
from tests.fakes.callers import Phone
from tests.fakes.captured import WordByWord, capture, places_of, silences, until_heard, word
from tests.fakes.office import Office, dial
from tests.fakes.resembling import heard_in
from tests.fakes.saying import SayingBot
from tests.fakes.talkr_office import open_office
from tests.fakes.virtual_loop import virtual_time
from tests.recordings import recording, transcripts

Where = Literal["connect", "first", "middle", "last"]
PLACES: tuple[Where, ...] = ("connect", "first", "middle", "last")
SENTENCES = ("Good morning to all of you.", "We are open on Mondays too.", "What can I do for you then?")
"""All of a length, so that a number of bytes is the same place in each."""
TEXT = " ".join(SENTENCES)
SPOKEN = ("agent-pass", "auth-incorrect")
"""Recordings of a person, of which the first is said."""
NEXT_WITHIN = 0.6
"""Seconds in which somebody else is heard after the deadline."""
DEADLINE = 1.0


@dataclass
class VoiceRig:
    """A vendor's voice and its other side.

    Attributes:
        breaks: Have every further request end badly there.
        voice, options: What a bot asks for; what was asked for comes back from `asked`.
        asked: By each request: the text, and the voice.

    A voice that tells which words it has said is to sound like `word_by_word`.
    """

    vendor: SpeechVendor
    breaks: Callable[[Where], None]
    asked: Callable[[], Sequence[tuple[str, str]]]
    voice: str
    name: str = "acme"
    options: Mapping[str, Any] = field(default_factory=dict)
    more: Callable[[], None] = lambda: None
    """Further checks of what was asked for."""


@dataclass
class EarRig:
    """A vendor's recognizer and its other side, which knows the recordings `SPOKEN`.

    Attributes:
        languages: Asked for, by stream.
        spelt: How it writes what was said; who stands in for it may write it otherwise.
    """

    vendor: SpeechVendor
    breaks: Callable[[Where], None]
    languages: Callable[[], Sequence[str]]
    name: str = "acme"
    language: str = "en-US"
    options: Mapping[str, Any] = field(default_factory=dict)
    spelt: Callable[[str], str] = str


Breaks = Callable[[Where], None]


def fading(text: str, rate: int) -> bytes:
    """What a text sounds like, with the silence that vendors' audio ends in."""
    return spoken_pcm(text, rate) + bytes(rate // 5)


def bytes_until(where: Where, whole: int) -> int | None:
    """Of a whole of so many bytes, those that come before it breaks; None: it breaks before there are any."""
    return {"connect": None, "first": 1, "middle": whole // 2, "last": whole}[where]


def known() -> dict[str, bytes]:
    """What an emulated recognizer has to know: L16 at 8 kHz, by what is said in it."""
    return {transcripts("en")[name]: recording("en", name) for name in SPOKEN}


OpenVoice = Callable[[], AbstractAsyncContextManager[VoiceRig]]
OpenEar = Callable[[], AbstractAsyncContextManager[EarRig]]


# --- voices --------------------------------------------------------------------------------------------------------
async def a_bot_chooses_the_voice(open_rig: OpenVoice, folder: Path) -> None:
    """TK-24."""
    async with open_rig() as rig:
        wish = {"vendor": rig.name, "voice": rig.voice, "options": dict(rig.options)}
        async with _office(folder, rig, SayingBot(TEXT, speech_synthesis=wish)) as office, dial(office) as caller:
            await _everything_is_heard_once(caller, rig)
        assert {voice for _, voice in rig.asked()} == {rig.voice}
        rig.more()
    assert office.notes("warning") == []
    assert office.record["usage"]["synthesizers"][rig.name]["characters"] == sum(map(len, SENTENCES)) + _spaces(rig)


def _knows_its_words(rig: VoiceRig) -> bool:
    synthesizer = rig.vendor.synthesizer
    return synthesizer is not None and synthesizer.capabilities.word_times


def _spaces(rig: VoiceRig) -> int:
    """A voice that knows its words gets the whole text, with the spaces between its sentences."""
    return len(SENTENCES) - 1 if _knows_its_words(rig) else 0


async def _everything_is_heard_once(caller: Phone, rig: VoiceRig) -> np.ndarray:
    """Each sentence, or each word of a voice that knows its words, in their order. Gives what was heard."""
    parts, says = (TEXT.split(), word) if _knows_its_words(rig) else (list(SENTENCES), spoken_pcm)
    await until_heard(caller, parts[-1], says)
    sound = capture(caller)
    places = {part: places_of(part, sound, says) for part in parts}
    assert {part: len(found) for part, found in places.items()} == {part: parts.count(part) for part in parts}
    begins = [places[part].pop(0) for part in parts]
    assert begins == sorted(begins)
    return sound


def breaking_at(where: Where) -> VoiceCheck:
    async def check(open_rig: OpenVoice, folder: Path) -> None:
        await _each_sentence_is_heard_once(open_rig, folder, where)

    check.__name__ = f"each_sentence_is_heard_once_and_soon_when_it_breaks_at_{where}"
    return check


async def _each_sentence_is_heard_once(open_rig: OpenVoice, folder: Path, where: Where) -> None:
    async with open_rig() as rig:
        rig.breaks(where)
        own = {"vendor": rig.name, "voice": rig.voice, "first_audio_within": DEADLINE}
        number = {"synthesizer": own, "follow": {"speech": "none"}}  # the bot speaks French, for which this is no voice
        async with _office(folder, rig, SayingBot(TEXT), number) as office, dial(office) as caller:
            sound = await _everything_is_heard_once(caller, rig)
    assert np.flatnonzero(np.abs(sound) > 0.002)[0] / 8000 < DEADLINE + NEXT_WITHIN
    assert max((end - begin for begin, end in silences(sound)), default=0.0) < NEXT_WITHIN
    assert [note["vendor"] for note in office.notes("warning")] == [rig.name]


VoiceCheck = Callable[[OpenVoice, Path], Awaitable[None]]
VOICE_CHECKS: tuple[VoiceCheck, ...] = (a_bot_chooses_the_voice, *map(breaking_at, PLACES))


# --- recognizers ---------------------------------------------------------------------------------------------------
async def a_bot_chooses_the_recognizer(open_rig: OpenEar, folder: Path) -> None:
    """TK-25."""
    async with open_rig() as rig:
        wish = {"vendor": rig.name, "language": rig.language, "timeout": 6, "options": dict(rig.options)}
        async with _office(folder, rig, SayingBot("Yes?", speech_recognizer=wish)) as office:
            said = await _said_after_the_greeting(office)
        assert set(rig.languages()) == {rig.language}
    assert [rig.spelt(text) for text in said] == [rig.spelt(transcripts("en")[SPOKEN[0]])]
    assert office.notes("warning") == []
    length = len(recording("en", SPOKEN[0])) / 16000
    assert office.record["usage"]["recognizers"][rig.name]["seconds"] >= length


def lost_at(where: Where) -> EarCheck:
    async def check(open_rig: OpenEar, folder: Path) -> None:
        await _no_word_is_lost(open_rig, folder, where)

    check.__name__ = f"no_word_is_lost_when_it_breaks_at_{where}"
    return check


async def _no_word_is_lost(open_rig: OpenEar, folder: Path, where: Where) -> None:
    async with open_rig() as rig:
        rig.breaks(where)
        own = {"vendor": rig.name, "language": rig.language, "options": dict(rig.options)}
        async with _office(folder, rig, SayingBot("Yes?"), number={"recognizer": own}) as office:
            said = await _said_after_the_greeting(office)
    assert [rig.spelt(text) for text in said] == [rig.spelt(transcripts("en")[SPOKEN[0]])]
    assert [note["vendor"] for note in office.notes("warning")] == [rig.name]


EarCheck = Callable[[OpenEar, Path], Awaitable[None]]
EAR_CHECKS: tuple[EarCheck, ...] = (a_bot_chooses_the_recognizer, *map(lost_at, PLACES))


async def _said_after_the_greeting(office: Office) -> list[str]:
    """What the bot is told when the caller says the first recording."""
    async with dial(office) as caller:
        await until_heard(caller, "Yes?")
        await asyncio.sleep(0.5)
        pcm = recording("en", SPOKEN[0])
        await caller.line.say(Frame(g711.encode(pcm, Encoding.PCMU), PCMU_8K))
        async with asyncio.timeout(30):
            await office.bot.server.received(2)
        return [json.loads(request.body)["variables"]["userresponse"] for request in office.bot.requests[1:]]


class Resembling:
    """A recognizer that knows the recordings `SPOKEN`, in place of the scripted one, which knows its own sounds."""

    capabilities = RecognizerCapabilities(partials=False, formats=(PCMU_8K,))

    @asynccontextmanager
    async def listen(self, settings: ListenSettings) -> AsyncIterator[RecognitionStream]:
        yield _ResemblingStream()


class _ResemblingStream:
    def __init__(self) -> None:
        self._data = b""
        self._finished = asyncio.Event()

    async def push(self, frame: Frame) -> None:
        self._data += frame.data

    async def finish(self) -> None:
        self._finished.set()

    async def results(self) -> AsyncIterator[Transcript | SpeechHeard]:
        await self._finished.wait()
        for text in heard_in(self._data, PCMU_8K, known()):
            yield Transcript(text=text, final=True)


@dataclass
class Plugged:
    """A speech vendor of one side or two."""

    synthesizer: Any = None
    recognizer: Any = None

    async def start(self) -> None: ...
    async def close(self) -> None: ...


@asynccontextmanager
async def _office(
    folder: Path, rig: VoiceRig | EarRig, bot: SayingBot, number: Mapping[str, Any] | None = None
) -> AsyncIterator[Office]:
    vendors: dict[str, SpeechVendor] = {rig.name: rig.vendor}
    if isinstance(rig, EarRig):
        vendors["local"] = Plugged(recognizer=Resembling())
    elif _knows_its_words(rig):
        vendors["local"] = Plugged(synthesizer=WordByWord())
    async with bot, open_office(folder, bot=bot, number=number, vendors=vendors) as office:
        office.is_truth_checked = False  # the office knows only the scripted voices' words
        yield office


# --- the scripted vendor -------------------------------------------------------------------------------------------
class _Voice(ScriptedSynthesizer):
    """Speaks without word times, its audio ends in silence, and it breaks where it is told to."""

    def __init__(self) -> None:
        super().__init__(ScriptedSpeechSection(), vendor="acme")
        self.capabilities = SynthesizerCapabilities(formats=(L16_8K,))
        self.where: Where | None = None

    async def speak(self, utterance: Utterance) -> AsyncIterator[SpokenFrame]:
        self.requests.append(utterance)
        pcm = fading(utterance.text, 8000)
        end = {None: len(pcm), "connect": 0, "first": 160, "middle": len(pcm) // 4 * 2, "last": len(pcm)}[self.where]
        for start in range(0, end, 3200):
            yield SpokenFrame(Frame(pcm[start : min(start + 3200, end)], L16_8K, start // 2))
        if self.where is not None:
            raise VendorUnavailable("the script says so", vendor="acme", operation="speak")


class _Ear(Resembling):
    """Breaks where it is told to; ``last``: when the turn is over."""

    def __init__(self) -> None:
        self.where: Where | None = None
        self.languages: list[str] = []

    @asynccontextmanager
    async def listen(self, settings: ListenSettings) -> AsyncIterator[RecognitionStream]:
        self.languages.append(settings.language)
        if self.where == "connect":
            raise _broken()
        yield _BreakingStream(self.where)


class _BreakingStream(_ResemblingStream):
    def __init__(self, where: Where | None) -> None:
        super().__init__()
        self._where = where
        self._broken = asyncio.Event()

    async def push(self, frame: Frame) -> None:
        await super().push(frame)
        if self._where == "first" or (self._where == "middle" and len(self._data) > 16000):
            self._finished.set()

    async def results(self) -> AsyncIterator[Transcript | SpeechHeard]:
        if self._where is not None:
            await self._finished.wait()
            raise _broken()
        async for result in super().results():
            yield result


def _broken() -> VendorUnavailable:
    return VendorUnavailable("the script says so", vendor="acme", operation="listen")


@asynccontextmanager
async def voice() -> AsyncIterator[VoiceRig]:
    synthesizer = _Voice()

    def breaks(where: Where) -> None:
        synthesizer.where = where

    def asked() -> list[tuple[str, str]]:
        return [(request.text, request.voice or "") for request in synthesizer.requests]

    yield VoiceRig(Plugged(synthesizer=synthesizer), breaks, asked, voice="anna")


@asynccontextmanager
async def ear() -> AsyncIterator[EarRig]:
    recognizer = _Ear()

    def breaks(where: Where) -> None:
        recognizer.where = where

    yield EarRig(Plugged(recognizer=recognizer), breaks, lambda: recognizer.languages)


def every(checks: Sequence[Any]) -> pytest.MarkDecorator:
    """A test of each of them, by its name, as ``check``."""
    return pytest.mark.parametrize("check", checks, ids=lambda check: check.__name__)


def every_in_real_time(checks: Sequence[Any], *, tried: Sequence[str] = ("middle",)) -> pytest.MarkDecorator:
    """As `every`, for vendors whose clients keep time by threads of their own.

    Each call takes seconds then: `make test` has those that break where ``tried`` says, `make demos` all the others.
    """
    params = [
        pytest.param(check, marks=() if check.__name__.endswith(tuple(tried)) else pytest.mark.demonstration)
        for check in checks
    ]
    return pytest.mark.parametrize("check", params, ids=[check.__name__ for check in checks])


@every(VOICE_CHECKS)
@virtual_time
async def test_tk24_the_scripted_voice_keeps_it(check: VoiceCheck, tmp_path: Path) -> None:
    await check(voice, tmp_path)


@pytest.mark.recordings
@every(EAR_CHECKS)
@virtual_time
async def test_tk25_the_scripted_recognizer_keeps_it(check: EarCheck, tmp_path: Path) -> None:
    await check(ear, tmp_path)
