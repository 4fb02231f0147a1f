"""Voices behind one another: who speaks what when one fails, and how long anybody waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from audio.format import L16_8K, MediaError
from audio.frame import Frame
from gateway.errors import VendorError, VendorRejected, VendorReplyInvalid, VendorUnavailable
from gateway.speech.fallback import Patience, Voice, speak_with_fallback
from gateway.speech_interfaces import SpokenFrame, SynthesizerCapabilities, Utterance

TEXT = "Good morning. How can I help you today? Please say it."
ASKED = Utterance(text=f"<speak>{TEXT}</speak>", plain=TEXT, ssml=True, vendor="first", format=L16_8K)
BACKUP = replace(ASKED, vendor="second", language="en-US")
IMPATIENT = Patience(first=0.05, next=0.05)
PATIENT = Patience(first=20.0, next=20.0)


class Speaker:
    """Says its pieces, (seconds, characters reached), then fails, stalls or ends. Remembers what it was asked."""

    capabilities = SynthesizerCapabilities(ssml=True)

    def __init__(self, *pieces: tuple[float, int | None], error: Exception | None = None, stalls: bool = False) -> None:
        self.pieces = pieces
        self.error = error
        self.stalls = stalls
        self.asked: list[Utterance] = []
        self.was_left = False

    async def speak(self, utterance: Utterance) -> AsyncIterator[SpokenFrame]:
        self.asked.append(utterance)
        try:
            for seconds, chars in self.pieces:
                yield SpokenFrame(Frame(L16_8K.silence(round(seconds * 8000)), L16_8K), chars)
            if self.stalls:
                await asyncio.Event().wait()
            if self.error:
                raise self.error
        finally:
            self.was_left = True


GONE = VendorUnavailable("gone", vendor="first")


async def hear(*speakers: Speaker, patience: Patience = PATIENT) -> tuple[list[SpokenFrame], list[VendorError]]:
    trouble: list[VendorError] = []
    voices = [Voice(speaker, utterance) for speaker, utterance in zip(speakers, (ASKED, BACKUP), strict=False)]
    heard = [spoken async for spoken in speak_with_fallback(voices, patience, trouble.append)]
    return heard, trouble


@pytest.mark.asyncio
async def test_the_first_voice_speaks_alone_when_all_is_well() -> None:
    first, second = Speaker((1.0, 13), (2.0, len(TEXT))), Speaker((1.0, 5))
    heard, trouble = await hear(first, second)
    assert [spoken.chars for spoken in heard] == [13, len(TEXT)]
    assert second.asked == []
    assert trouble == []


@pytest.mark.parametrize(
    "broken",
    [
        Speaker(error=GONE),
        Speaker(error=VendorRejected("no such voice", vendor="first")),
        Speaker(error=MediaError("odd bytes")),
        Speaker(error=KeyError("an adapter's bug")),
        Speaker(stalls=True),
        Speaker(),
        Speaker((0.0, None)),
    ],
    ids=["unavailable", "rejected", "undecodable", "buggy", "stalls", "says nothing", "empty audio"],
)
@pytest.mark.asyncio
async def test_a_voice_that_fails_before_its_first_audio_leaves_everything_to_the_next(broken: Speaker) -> None:
    second = Speaker((3.0, len(TEXT)))
    heard, trouble = await hear(broken, second, patience=IMPATIENT)
    assert second.asked == [BACKUP]  # markup included
    assert [spoken.chars for spoken in heard] == [len(TEXT)]
    assert [error.vendor for error in trouble] == ["first"]
    assert broken.was_left


@pytest.mark.parametrize("broken", [{"error": GONE}, {"stalls": True}], ids=["fails", "stalls"])
@pytest.mark.asyncio
async def test_the_next_voice_goes_on_at_the_word_that_was_reached(broken: dict[str, object]) -> None:
    rest = TEXT[TEXT.index("help") :]
    first = Speaker((1.0, 13), (0.6, TEXT.index("help")), **broken)
    second = Speaker((1.0, 4), (1.0, len(rest)))
    heard, _ = await hear(first, second, patience=IMPATIENT)
    assert second.asked == [replace(BACKUP, text=rest, plain=rest, ssml=False)]
    reached = TEXT.index("help") + 4
    assert [spoken.chars for spoken in heard] == [13, TEXT.index("help"), reached, len(TEXT)]


@pytest.mark.parametrize(
    ("said", "rest"),
    [
        ("Good morning. How can I he", "help you today? Please say it."),
        ("Good morning. How can I help", " you today? Please say it."),
        ("Good morning. How can I help you today", " Please say it."),
        ("Good mor", "morning. How can I help you today? Please say it."),
        ("Goo", TEXT),
    ],
)
@pytest.mark.asyncio
async def test_a_word_of_which_less_than_all_was_said_is_begun_again(said: str, rest: str) -> None:
    first, second = Speaker((0.6, len(said)), error=GONE), Speaker((0.1, 1), (1.0, len(rest)))
    heard, _ = await hear(first, second)
    assert second.asked[0].plain == rest
    reached = [spoken.chars or 0 for spoken in heard]
    assert reached == sorted(reached)  # what was told once is not taken back
    assert reached[-1] == len(TEXT)


@pytest.mark.asyncio
async def test_text_without_spaces_goes_on_at_the_character() -> None:
    text = "早上好，有什么可以帮您？"
    first, second = Speaker((0.6, 5), error=GONE), Speaker((1.0, len(text) - 5))
    voices = [Voice(speaker, replace(BACKUP, text=text, plain=text, ssml=False)) for speaker in (first, second)]
    assert [spoken.chars async for spoken in speak_with_fallback(voices, PATIENT)] == [5, len(text)]
    assert second.asked[0].plain == text[5:]


@pytest.mark.asyncio
async def test_without_word_times_the_next_voice_begins_the_sentence_again() -> None:
    first = Speaker((1.6, None), error=GONE)  # some twenty characters: within the second sentence
    second = Speaker((1.0, None))
    await hear(first, second)
    assert second.asked[0].plain == "How can I help you today? Please say it."


@pytest.mark.asyncio
async def test_what_was_said_to_the_end_is_not_said_again() -> None:
    second = Speaker((1.0, 3))
    heard, trouble = await hear(Speaker((3.0, len(TEXT)), error=GONE), second)
    assert second.asked == []
    assert len(heard) == 1
    assert trouble == [GONE]


@pytest.mark.asyncio
async def test_a_third_voice_takes_over_from_the_second_where_that_stopped() -> None:
    third = Speaker((1.0, None))
    voices = [
        Voice(Speaker((1.0, 14), error=GONE), ASKED),
        Voice(Speaker((1.0, 4), error=GONE), BACKUP),
        Voice(third, BACKUP),
    ]
    async for _ in speak_with_fallback(voices, PATIENT):
        pass
    assert third.asked[0].plain == TEXT[18:]


@pytest.mark.asyncio
async def test_the_last_error_is_raised_when_nobody_can_speak() -> None:
    last = VendorReplyInvalid("nonsense", vendor="second")
    trouble: list[VendorError] = []
    voices = [Voice(Speaker(error=GONE), ASKED), Voice(Speaker(error=last), BACKUP)]
    with pytest.raises(VendorReplyInvalid, match="nonsense"):
        async for _ in speak_with_fallback(voices, PATIENT, trouble.append):
            pass
    assert trouble == [GONE, last]


@pytest.mark.asyncio
async def test_a_text_without_words_may_have_no_audio() -> None:
    silent = replace(ASKED, text="…", plain="…", ssml=False)
    assert [spoken async for spoken in speak_with_fallback([Voice(Speaker(), silent)], PATIENT)] == []


@pytest.mark.asyncio
async def test_leaving_in_the_middle_closes_the_voice() -> None:
    first = Speaker((1.0, 13), (1.0, 20))
    speech = speak_with_fallback([Voice(first, ASKED)], PATIENT)
    await anext(speech)
    assert not first.was_left
    await speech.aclose()
    assert first.was_left


@pytest.mark.asyncio
async def test_only_waiting_counts_as_the_voices_delay() -> None:
    """A playout that takes its time between two pieces does not make the voice slow."""
    first = Speaker((1.0, 13), (1.0, 20))
    speech = speak_with_fallback([Voice(first, ASKED)], Patience(first=5.0, next=0.02))
    await anext(speech)
    played = asyncio.Event()
    asyncio.get_running_loop().call_later(0.03, played.set)
    async with asyncio.timeout(5):
        await played.wait()
    assert (await anext(speech)).chars == 20
    await speech.aclose()


@pytest.mark.asyncio
async def test_a_hang_up_is_not_a_vendors_fault() -> None:
    trouble: list[VendorError] = []

    async def listen() -> None:
        async for _ in speak_with_fallback([Voice(Speaker(stalls=True), ASKED)], PATIENT, trouble.append):
            pass

    task = asyncio.create_task(listen())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert trouble == []
