"""Whole calls in which somebody leaves a message: the bot, or the operator's service, fetches what he said."""

from __future__ import annotations

import asyncio
import io
import wave
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from gateway.http.messages import KEPT
from gateway.lab.server import LabReply
from gateway.speech.scripted.signal import spoken_pcm
from tests.fakes.callers import Phone
from tests.fakes.office import Line, dial, texting
from tests.fakes.userlike import EMPTY, ScriptedBot, choice, event, says, userlike_office
from tests.fakes.virtual_loop import virtual_time

SPEAK = "Please speak, then press hash."
SAID = "call me back at noon"
RECORDS: Mapping[str, Any] = {"recording": {"mode": "messages"}, "recognizer": {"hints": [SAID, "thank you"]}}
VOICE = {"voice_message": {"on": ["0", "voice message"], "say": SPEAK, "longest": 30}}


async def fetched(url: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
        return await client.get(url)


def samples(wav: bytes) -> np.ndarray:
    with wave.open(io.BytesIO(wav)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8000, 1, 2)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)


def likeness(heard: np.ndarray, text: str) -> tuple[float, float]:
    """How much of the sound is the spoken text, from 0 to 1, and at which second that begins."""
    said = np.frombuffer(spoken_pcm(text, 8000), "<i2").astype(float)
    matches = np.correlate(heard, said, "valid")
    place = int(np.argmax(matches))
    there = heard[place : place + len(said)]
    return float(matches[place] / (np.linalg.norm(there) * np.linalg.norm(said))), place / 8000


def is_message(wav: bytes, text: str) -> bool:
    """That text, all of it, and little around it."""
    heard = samples(wav)
    same, begins = likeness(heard, text)
    longer = (len(heard) - len(spoken_pcm(text, 8000)) // 2) / 8000
    return same > 0.95 and begins < 0.6 and longer < 1.2


async def leave_message(caller: Phone, text: str, *, key: str = "") -> None:
    await caller.hears(SPEAK)
    await caller.wait(1.0)
    await caller.say(text)
    if key:
        await caller.press(key)


@pytest.mark.parametrize("line", ["cloud", "pbx"])
@pytest.mark.parametrize("key", ["", "#"], ids=["silence", "hash"])
@virtual_time
async def test_ul18_the_bot_fetches_what_the_caller_has_left(line: Line, key: str, tmp_path: Path) -> None:
    bot = ScriptedBot([says("Hello."), choice("a", "b")], says("I shall listen to it."), says("Bye."))
    async with bot, userlike_office(tmp_path, bot, number=RECORDS, **VOICE) as office:
        async with dial(office, line) as caller:
            await caller.hears("Hello.")
            await caller.press("0")
            await leave_message(caller, SAID, key=key)
            await caller.hears("I shall listen to it.")
            link = bot.packets[1]["payload"]["link"]
            recording = await fetched(link)
            await caller.say("thank you")
            await caller.hears("Bye.")
        await asyncio.sleep(KEPT)
        gone = await fetched(link)
    assert [packet["name"] for packet in bot.packets] == ["start", "media", "message"]
    assert bot.packets[1]["payload"] == {
        "link": link,
        "name": link.rpartition("/")[2],
        "mime_type": "audio/wav",
        "size": len(recording.content),
    }
    assert (recording.status_code, recording.headers["content-type"]) == (200, "audio/wav")
    assert is_message(recording.content, SAID)
    assert gone.status_code == 404
    assert [(turn["kind"], turn["caller"]) for turn in office.record["exchange"]][2] == ("recording", SAID)
    assert not _is_written_down(link, tmp_path)


def _is_written_down(link: str, folder: Path) -> bool:
    return any(link in journal.read_text() for journal in folder.rglob("*.jsonl"))


@virtual_time
async def test_ul18_asked_for_by_word_and_not_understood(tmp_path: Path) -> None:
    """The bot gets the sound of what no recognizer makes anything of."""
    bot = ScriptedBot(says("Hello."), says("Thank you."))
    number = {**RECORDS, "recognizer": {"hints": ["voice message"]}}
    mumbled = "mumbling that nobody understands"
    async with bot, userlike_office(tmp_path, bot, number=number, **VOICE) as office, dial(office, "pbx") as caller:
        await caller.hears("Hello.")
        await caller.say("voice message")
        await leave_message(caller, mumbled)
        await caller.hears("Thank you.")
        recording = await fetched(bot.packets[1]["payload"]["link"])
    assert [packet["name"] for packet in bot.packets] == ["start", "media"]
    assert is_message(recording.content, mumbled)


@virtual_time
async def test_ul18_a_bot_that_does_not_know_the_event_goes_on(tmp_path: Path) -> None:
    confused = LabReply(status=400, body=b'{"error": "Invalid packet name or state"}')
    bot = ScriptedBot(says("Hello."), confused, says("Bye."))
    async with bot, userlike_office(tmp_path, bot, number=RECORDS, **VOICE) as office, dial(office, "pbx") as caller:
        await caller.hears("Hello.")
        await caller.press("0")
        await leave_message(caller, SAID)
        await office.asked(2)
        await caller.wait(1.0)
        await caller.say("thank you")
        await caller.hears("Bye.")
    assert [packet["name"] for packet in bot.packets] == ["start", "media", "message"]


@virtual_time
async def test_ul18_where_nothing_may_be_recorded_the_bot_has_the_words(tmp_path: Path) -> None:
    bot = ScriptedBot(says("Hello."), says("Fine."))
    number = {**RECORDS, "recording": {"mode": "off"}}
    async with bot, userlike_office(tmp_path, bot, number=number, **VOICE) as office, dial(office, "pbx") as caller:
        await caller.hears("Hello.")
        await caller.press("0")
        await leave_message(caller, SAID)
        await caller.hears("Fine.")
    assert bot.packets[1] == {"name": "message", "payload": {"body": SAID}}


@virtual_time
async def test_ul18_in_text_there_is_nothing_to_record(tmp_path: Path) -> None:
    bot = ScriptedBot(says("Hello."), says("Fine."))
    async with bot, userlike_office(tmp_path, bot, number=RECORDS, **VOICE) as office, texting(office) as caller:
        await caller.hears("Hello.")
        await caller.press("0")
        await caller.hears(SPEAK)
        await caller.say(SAID)
        await caller.hears("Fine.")
    assert bot.packets[1] == {"name": "message", "payload": {"body": SAID}}


@virtual_time
async def test_u12_ul18_the_hook_of_the_voicemail_gets_the_sound_and_the_bot_hears_no_more(tmp_path: Path) -> None:
    bot = ScriptedBot([says("One moment."), event("forward_any")], EMPTY)
    policy = {"then": "voicemail", "say": SPEAK, "thanks": "We will call you.", "hook": "crm"}
    async with (
        bot,
        userlike_office(tmp_path, bot, number=RECORDS, unassigned=policy) as office,
        dial(office, "pbx") as caller,
    ):
        await leave_message(caller, SAID)
        await caller.over()
        await office.calls_over()
        (job,) = office.notes("post_call_addon")
        recording = await fetched(job["payload"]["media"]["link"])
    assert caller.words[-1] == "We will call you."
    assert (job["hook"], job["payload"]["type"]) == ("crm", "voicemail")
    assert is_message(recording.content, SAID)
    assert [note["text"] for note in office.notes("note") if note["about"] == "voicemail"] == [SAID]
    assert len(bot.packets) == 1
