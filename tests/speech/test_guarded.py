"""How a request to a vendor ends is what its circuit breaker learns, and what it knows spares callers the wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from audio.codecs import g711
from audio.format import PCMU_8K
from audio.frame import Frame
from gateway.errors import VendorRejected, VendorUnavailable
from gateway.kit.closing import closing
from gateway.speech.breaker import Breaker, BreakerLimits
from gateway.speech.cache import CachedSynthesizer, PromptCache
from gateway.speech.guarded import SLOW, GuardedRecognizer, GuardedSynthesizer
from gateway.speech.scripted.client import ScriptedRecognizer, ScriptedSynthesizer
from gateway.speech.scripted.settings import ScriptedSpeechSection
from gateway.speech.scripted.signal import spoken_pcm
from gateway.speech_interfaces import ListenSettings, SpokenFrame, Utterance
from tests.fakes.virtual_loop import virtual_time

HELLO = Utterance(text="Hello there.", plain="Hello there.", vendor="acme", format=PCMU_8K)
LIMITS = BreakerLimits(failures=2, open_for=10.0, at_most=60.0)
DATA = g711.encode(spoken_pcm("one", 8000), PCMU_8K.encoding)


def now() -> float:
    return asyncio.get_running_loop().time()


def guarded(**script: object) -> tuple[GuardedSynthesizer, ScriptedSynthesizer, Breaker]:
    voice = ScriptedSynthesizer(ScriptedSpeechSection(**script), vendor="acme")
    breaker = Breaker("acme", "synthesizer", now, LIMITS)
    return GuardedSynthesizer(voice, breaker, now), voice, breaker


async def say(synthesizer: GuardedSynthesizer | CachedSynthesizer, utterance: Utterance = HELLO) -> int:
    async with closing(synthesizer.speak(utterance)) as pieces:
        return len([piece async for piece in pieces])


async def fail(synthesizer: GuardedSynthesizer | CachedSynthesizer, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(VendorUnavailable):
            await say(synthesizer)


@virtual_time
async def test_a_voice_that_keeps_failing_is_not_asked_any_more() -> None:
    synthesizer, voice, breaker = guarded(fail_speech_after=0)
    await fail(synthesizer, 5)
    assert len(voice.requests) == 2
    with pytest.raises(VendorUnavailable, match=r"not asked, because it keeps failing; the next try is in 10 s"):
        await say(synthesizer)
    assert breaker.state == "open"


@virtual_time
async def test_it_is_tried_again_and_works() -> None:
    synthesizer, voice, breaker = guarded(fail_speech_after=0, faulty_requests=2)
    await fail(synthesizer, 3)
    await asyncio.sleep(10)
    assert await say(synthesizer) > 0
    assert breaker.state == "closed"
    assert len(voice.requests) == 3


@virtual_time
async def test_failing_in_the_middle_counts_too() -> None:
    synthesizer, _, breaker = guarded(fail_speech_after=0.2)
    await fail(synthesizer, 2)
    assert breaker.state == "open"


async def leave_after(synthesizer: GuardedSynthesizer, seconds: float) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(say(synthesizer), seconds)


@virtual_time
async def test_whoever_interrupts_at_once_proves_nothing() -> None:
    synthesizer, _, breaker = guarded(speech_delay=30)
    for _ in range(5):
        await leave_after(synthesizer, SLOW / 2)
    assert breaker.state == "closed"


@virtual_time
async def test_whoever_waited_in_vain_has_met_a_vendor_that_does_not_answer() -> None:
    synthesizer, _, breaker = guarded(speech_delay=30)
    for _ in range(2):
        await leave_after(synthesizer, SLOW + 0.1)
    assert breaker.state == "open"


@virtual_time
async def test_a_stall_in_the_middle_is_no_answer_either() -> None:
    synthesizer, _, breaker = guarded(stall_speech_after=0.2)
    for _ in range(2):
        await leave_after(synthesizer, SLOW + 0.1)
    assert breaker.state == "open"


@virtual_time
async def test_the_playouts_own_pace_is_not_the_vendors_fault() -> None:
    synthesizer, _, breaker = guarded()
    for _ in range(3):
        async with closing(synthesizer.speak(HELLO)) as pieces:
            await anext(pieces)
            await asyncio.sleep(60)  # the peer plays what it has
    assert breaker.state == "closed"


@virtual_time
async def test_what_is_in_the_prompt_cache_is_said_whatever_the_circuit() -> None:
    synthesizer, voice, breaker = guarded()
    cached = CachedSynthesizer(synthesizer, PromptCache())
    pieces = await say(cached)
    for _ in range(2):
        breaker.failed()
    assert breaker.state == "open"
    assert await say(cached) == pieces
    assert len(voice.requests) == 1


@virtual_time
async def test_a_wrong_request_does_not_stop_the_right_ones() -> None:
    class NoSuchVoice(ScriptedSynthesizer):
        async def speak(self, utterance: Utterance) -> AsyncIterator[SpokenFrame]:
            raise VendorRejected("there is no such voice", vendor="acme", status=400)
            yield

    breaker = Breaker("acme", "synthesizer", now, LIMITS)
    synthesizer = GuardedSynthesizer(NoSuchVoice(ScriptedSpeechSection(), vendor="acme"), breaker, now)
    for _ in range(5):
        with pytest.raises(VendorRejected):
            await say(synthesizer)
    assert breaker.state == "closed"


# --- recognizers ---------------------------------------------------------------------------------------------------
def guarded_ear(**script: object) -> tuple[GuardedRecognizer, ScriptedRecognizer, Breaker]:
    recognizer = ScriptedRecognizer(ScriptedSpeechSection(**script), vendor="acme")
    breaker = Breaker("acme", "recognizer", now, LIMITS)
    return GuardedRecognizer(recognizer, breaker, now), recognizer, breaker


async def hear(recognizer: GuardedRecognizer, within: float = 60.0) -> list[str]:
    async with recognizer.listen(ListenSettings(vendor="acme")) as stream:
        await stream.push(Frame(DATA, PCMU_8K))
        finishing = asyncio.ensure_future(stream.finish())
        try:
            async with asyncio.timeout(within):
                return [result.text async for result in stream.results()]
        finally:
            finishing.cancel()
            await asyncio.wait([finishing])


@virtual_time
async def test_a_recognizer_that_keeps_failing_is_not_asked_any_more() -> None:
    recognizer, inner, breaker = guarded_ear(fail_listening_after=0)
    for _ in range(5):
        with pytest.raises(VendorUnavailable):
            await hear(recognizer)
    assert len(inner.streams) == 2
    assert breaker.state == "open"


@virtual_time
async def test_silence_is_an_answer() -> None:
    recognizer, inner, breaker = guarded_ear(texts=[""])
    breaker.failed()
    assert await hear(recognizer) == []
    breaker.failed()
    assert breaker.state == "closed"
    assert len(inner.streams) == 1


@virtual_time
async def test_a_recognizer_that_does_not_answer_counts_as_failed() -> None:
    recognizer, _, breaker = guarded_ear(stall_listening=True)
    for _ in range(2):
        with pytest.raises(TimeoutError):
            await hear(recognizer, SLOW + 0.1)
    assert breaker.state == "open"


@virtual_time
async def test_a_caller_who_talks_for_long_is_not_waited_for() -> None:
    recognizer, _, breaker = guarded_ear(texts=["x"], partials=False)
    for _ in range(3):
        async with recognizer.listen(ListenSettings(vendor="acme")) as stream:
            await stream.push(Frame(DATA, PCMU_8K))
            await asyncio.sleep(60)
    assert breaker.state == "closed"
