"""A call of which every vendor on the network is dead: it is greeted, told so and put through to somebody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from audio.codecs import g711
from audio.format import Encoding
from audio.frame import Frame
from gateway.errors import VendorUnavailable
from gateway.events import CallInfo
from gateway.plugins import installed
from gateway.prompts.desk import open_desk
from gateway.speech.scripted.signal import duration_of, resemblance, spoken_pcm
from gateway.speech_interfaces import (
    ListenSettings,
    RecognitionStream,
    RecognizerCapabilities,
    SpokenFrame,
    SynthesizerCapabilities,
    Utterance,
)
from gateway.text.sentences import sentences
from tests.contracts.test_speech_calls import Plugged
from tests.fakes.callers import own_words
from tests.fakes.leg import FakeLeg
from tests.fakes.mortal import MortalVoice
from tests.fakes.office import CALLER, NUMBER, Office, settings_of
from tests.fakes.saying import SayingBot
from tests.fakes.talkr_office import open_office
from tests.fakes.virtual_loop import virtual_time

LANGUAGE = "fr-FR"
GREETING = "Bonjour et bienvenue. Que puis-je faire pour vous ?"
EXPLANATION = own_words("fallback_transfer", LANGUAGE)
PEOPLE = "200"
CLEARLY = 0.9
VENDORS = ("acme", "beta")
CONDUCT = {
    "language": LANGUAGE,
    "synthesizer": {"vendor": "acme", "fallback": [{"vendor": "beta"}]},
    "recognizer": {"vendor": "acme", "fallback": [{"vendor": "beta"}]},
    "fallback": {"transfer": PEOPLE},
    "transfer": {"allow": ["2*"]},
}
KEPT = {"prompts": {"directory": "kept"}}
FEW_WORDS = {"local": {"engine": "scripted", "needs_hints": True}}
"""The machine's own recognizer, which hears nothing where anything may be said."""


async def refused(vendor: str, operation: str) -> None:
    """Connect to a port that nobody listens at. Raises VendorUnavailable."""
    try:
        await asyncio.open_connection("127.0.0.1", 1)
    except OSError as error:
        raise VendorUnavailable("it cannot be reached", vendor=vendor, operation=operation) from error


class DeadVoice:
    def __init__(self, *, word_times: bool) -> None:
        self.capabilities = SynthesizerCapabilities(word_times=word_times)

    async def speak(self, utterance: Utterance) -> AsyncIterator[SpokenFrame]:
        await refused(utterance.vendor, "speak")
        yield SpokenFrame(Frame(b"", self.capabilities.formats[0]))


class DeadEar:
    capabilities = RecognizerCapabilities()

    @asynccontextmanager
    async def listen(self, settings: ListenSettings) -> AsyncIterator[RecognitionStream]:
        await refused(settings.vendor, "listen")
        raise AssertionError("somebody listens at port 1")
        yield


def dead(*, word_times: bool) -> dict[str, Any]:
    return {name: Plugged(DeadVoice(word_times=word_times), DeadEar()) for name in VENDORS}


class Called:
    """What a caller heard, and where he was sent."""

    def __init__(self) -> None:
        self.leg = FakeLeg(info=CallInfo(call_id="call-1", leg_id="leg-1", caller=CALLER, called=NUMBER))

    async def talk(self, office: Office) -> None:
        """Hear the greeting, answer it, and be put through."""
        call = asyncio.create_task(office.offer("pbx", self.leg))
        await asyncio.sleep(duration_of(GREETING) + 2)
        await self.leg.talk(g711.encode(spoken_pcm("Vous ouvrez quand ?", 8000), Encoding.PCMU))
        async with asyncio.timeout(60):
            await call

    def heard(self, text: str) -> float:
        """From when on a text was clearly heard."""
        data = b"".join(played.data for played in self.leg.heard_at_last)
        return resemblance(g711.decode(data, Encoding.PCMU), text, 8000)


def check_books(office: Office, *parts: str) -> None:
    """Each failure is named once, and the call is no failure: somebody took it."""
    named = [(note["what"], note.get("vendor") or note["detail"].split(":")[0]) for note in office.notes("warning")]
    assert sorted(named) == [(f"{part}_failed", vendor) for part in parts for vendor in VENDORS]
    assert len(office.notes("fallback")) == 1
    assert office.outcome == ("transferred", "transfer")


@pytest.mark.parametrize("word_times", [True, False], ids=["words", "sentences"])
@virtual_time
async def test_the_local_voice_greets_explains_and_the_caller_is_put_through(word_times: bool, tmp_path: Path) -> None:
    caller, vendors = Called(), dead(word_times=word_times)
    async with (
        SayingBot(GREETING) as bot,
        open_office(tmp_path, bot=bot, number=CONDUCT, speech=FEW_WORDS, vendors=vendors) as office,
    ):
        await caller.talk(office)
    for text in (GREETING, EXPLANATION):
        parts = [text] if word_times else sentences(text, LANGUAGE)
        assert [caller.heard(part) > CLEARLY for part in parts] == [True] * len(parts), text
    assert caller.leg.actions == ["answer", f"transfer {PEOPLE}", "hang_up normal"]
    check_books(office, "recognizer", "synthesizer")


@virtual_time
async def test_what_was_spoken_in_advance_is_enough(tmp_path: Path) -> None:
    """Nobody can speak any more, the machine itself included."""
    voices = {name: MortalVoice(is_dead=True) for name in (*VENDORS, "local")}
    vendors = {name: Plugged(voice, DeadEar() if name in VENDORS else None) for name, voice in voices.items()}
    caller = Called()
    async with (
        SayingBot(GREETING) as bot,
        open_office(tmp_path, bot=bot, number=CONDUCT, speech=FEW_WORDS, vendors=vendors, more=KEPT) as office,
    ):
        await asyncio.to_thread(render, tmp_path, GREETING)
        await caller.talk(office)
    assert [caller.heard(text) > CLEARLY for text in (GREETING, EXPLANATION)] == [True, True]
    assert caller.leg.actions == ["answer", f"transfer {PEOPLE}", "hang_up normal"]
    assert [voice.refused for voice in voices.values()] == [[], [], []]
    check_books(office, "recognizer")


def render(folder: Path, *also: str) -> None:
    """What an operator does while all is well."""

    async def work() -> None:
        file = folder / "talkpath.yaml"
        async with open_desk(file, settings_of(file), installed(), [NUMBER], also, starts_vendors=True) as desk:
            assert list(await desk.render(retry_after=0)) == []

    asyncio.run(work())
