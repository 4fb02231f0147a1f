"""What a call speaks and listens through: vendors by name, the leg's format, and a way out when somebody fails."""

from __future__ import annotations

import numpy as np
import pytest

from audio.codecs import g711
from audio.format import L16_8K, L16_16K, PCMA_8K, PCMU_8K, AudioFormat, Encoding
from audio.frame import Frame
from config.call import FallbackVoiceSection
from gateway.errors import VendorError, VendorUnavailable
from gateway.events import Transcript
from gateway.speech.cache import CachedSynthesizer, PromptCache
from gateway.speech.convert import Converter, nearest
from gateway.speech.directory import SpeechDirectory
from gateway.speech.fallback import Patience
from gateway.speech.scripted.client import ScriptedRecognizer, ScriptedSynthesizer
from gateway.speech.scripted.settings import ScriptedSpeechSection
from gateway.speech.scripted.signal import resemblance, spoken_pcm
from gateway.speech.spoken_prompts import SpokenPrompts
from gateway.speech_interfaces import ListenSettings, SpokenFrame, Utterance

L16_24K = AudioFormat(Encoding.L16, 24000)
SORRY = Utterance(text="Please hold the line.", plain="Please hold the line.", language="en-GB")
WELCOME = Utterance(
    text="Welcome to the bank.", plain="Welcome to the bank.", vendor="acme", voice="anna", options={"style": "calm"}
)
every_format = pytest.mark.parametrize("target", [PCMU_8K, PCMA_8K, L16_8K, L16_16K], ids=str)


def voice(**script: object) -> ScriptedSynthesizer:
    return ScriptedSynthesizer(ScriptedSpeechSection(**script))


def ear(**script: object) -> ScriptedRecognizer:
    return ScriptedRecognizer(ScriptedSpeechSection(**script))


DEAD = {"fail_speech_after": 0}


def pcm_of(frames: list[SpokenFrame]) -> bytes:
    return b"".join(spoken.frame.pcm() for spoken in frames)


@pytest.mark.asyncio
@every_format
@pytest.mark.parametrize("made", ["", "pcmu/8000", "pcma/8000", "l16/16000", "l16/24000"])
async def test_speech_comes_in_the_legs_format_whatever_the_vendor_makes(made: str, target: AudioFormat) -> None:
    acme = voice(formats=[made] if made else [])
    directory = SpeechDirectory({"acme": acme, "local": voice()}, {})
    frames = [spoken async for spoken in directory.speak(WELCOME, target)]
    assert {spoken.frame.format for spoken in frames} == {target}
    ends = [0, *(spoken.frame.end_samples for spoken in frames)]
    assert [spoken.frame.pts_samples for spoken in frames] == ends[:-1]
    assert resemblance(pcm_of(frames), WELCOME.plain, target.rate) > 0.95
    assert frames[-1].chars == len(WELCOME.plain)


@pytest.mark.asyncio
async def test_voice_and_options_reach_the_vendor_as_they_are() -> None:
    acme = voice()
    directory = SpeechDirectory({"acme": acme}, {})
    assert [spoken async for spoken in directory.speak(WELCOME, PCMU_8K)]
    (request,) = acme.requests
    assert (request.vendor, request.voice, request.options) == ("acme", "anna", {"style": "calm"})
    assert request.format == PCMU_8K


@pytest.mark.asyncio
async def test_fallbacks_speak_in_order_with_their_own_settings_and_the_local_voice_is_last() -> None:
    acme, other, local = voice(**DEAD), voice(**DEAD), voice()
    directory = SpeechDirectory({"acme": acme, "other": other, "local": local}, {})
    trouble: list[VendorError] = []
    fallback = [FallbackVoiceSection(vendor="other", voice="bob", options={"speed": 2})]
    frames = [spoken async for spoken in directory.speak(WELCOME, PCMU_8K, fallback, trouble.append)]
    assert resemblance(pcm_of(frames), WELCOME.plain, 8000) > 0.95
    assert [(each.voice, dict(each.options)) for each in other.requests] == [("bob", {"speed": 2})]
    assert [(each.vendor, each.voice, dict(each.options)) for each in local.requests] == [("local", None, {})]
    assert len(trouble) == 2


@pytest.mark.asyncio
async def test_a_vendor_that_is_not_configured_does_not_silence_the_call() -> None:
    local = voice()
    directory = SpeechDirectory({"local": local}, {})
    assert [spoken async for spoken in directory.speak(WELCOME, PCMU_8K)]
    assert len(local.requests) == 1


@pytest.mark.asyncio
async def test_a_sentence_broken_off_is_finished_by_the_next_voice_in_the_same_format() -> None:
    acme, local = voice(fail_speech_after=0.5, formats=["l16/24000"]), voice()
    directory = SpeechDirectory({"acme": acme, "local": local}, {})
    frames = [spoken async for spoken in directory.speak(WELCOME, PCMU_8K)]
    (request,) = local.requests
    assert WELCOME.plain.endswith(request.plain)
    assert 0 < len(request.plain) < len(WELCOME.plain)
    assert resemblance(pcm_of(frames), request.plain, 8000) > 0.95
    assert {spoken.frame.format for spoken in frames} == {PCMU_8K}
    assert frames[-1].chars == len(WELCOME.plain)


@pytest.mark.asyncio
async def test_our_own_sentences_can_be_said_when_every_voice_is_dead() -> None:
    prompts = SpokenPrompts()
    assert await prompts.warm(voice(), [SORRY]) == []
    directory = SpeechDirectory({"acme": voice(**DEAD), "local": voice(**DEAD)}, {}, prompts=prompts)
    by_acme = Utterance(text=SORRY.plain, plain=SORRY.plain, vendor="acme", voice="anna", language="en-GB")
    for asked in (SORRY, by_acme):
        frames = [spoken async for spoken in directory.speak(asked, PCMU_8K)]
        assert resemblance(pcm_of(frames), SORRY.plain, 8000) > 0.95
        assert frames[-1].chars == len(SORRY.plain)


@pytest.mark.asyncio
async def test_the_rest_of_our_own_sentence_is_said_when_the_voice_dies_in_the_middle() -> None:
    prompts = SpokenPrompts()
    await prompts.warm(voice(), [SORRY])
    directory = SpeechDirectory({"local": voice(fail_speech_after=0.6)}, {}, prompts=prompts)
    frames = [spoken async for spoken in directory.speak(SORRY, PCMU_8K)]
    whole = len(spoken_pcm(SORRY.plain, 8000)) / 2 / 8000
    seconds = sum(spoken.frame.duration for spoken in frames)
    assert whole - 0.15 < seconds < whole + 0.3  # the word it died in is said again
    assert frames[-1].chars == len(SORRY.plain)


@pytest.mark.asyncio
async def test_a_sentence_that_could_not_be_spoken_in_advance_is_reported() -> None:
    prompts = SpokenPrompts()
    assert await prompts.warm(voice(**DEAD), [SORRY]) == [SORRY]
    assert prompts.voice_for(SORRY) is None


@pytest.mark.asyncio
async def test_when_nobody_can_speak_the_caller_of_the_directory_learns_it() -> None:
    directory = SpeechDirectory({"acme": voice(**DEAD), "local": voice(**DEAD)}, {})
    with pytest.raises(VendorUnavailable):
        _ = [spoken async for spoken in directory.speak(WELCOME, PCMU_8K)]
    with pytest.raises(VendorUnavailable, match="nobody"):
        _ = [spoken async for spoken in SpeechDirectory({}, {}).speak(WELCOME, PCMU_8K)]


@pytest.mark.asyncio
async def test_a_stalled_vendor_is_left_in_time() -> None:
    acme, local = voice(stall_speech_after=0), voice()
    patience = Patience(first=0.02, next=0.02)
    directory = SpeechDirectory({"acme": acme, "local": local}, {}, patience=patience)
    frames = [spoken async for spoken in directory.speak(WELCOME, PCMU_8K)]
    assert resemblance(pcm_of(frames), WELCOME.plain, 8000) > 0.95


@pytest.mark.asyncio
async def test_the_directory_knows_what_is_in_the_cache() -> None:
    directory = SpeechDirectory({"acme": CachedSynthesizer(voice(), PromptCache()), "local": voice()}, {})
    assert not directory.holds(WELCOME, PCMU_8K)
    assert [spoken async for spoken in directory.speak(WELCOME, PCMU_8K)]
    assert directory.holds(WELCOME, PCMU_8K)
    assert not directory.holds(WELCOME, L16_16K)
    assert not directory.holds(SORRY, PCMU_8K)


async def heard(directory: SpeechDirectory, settings: ListenSettings, source: AudioFormat, text: str) -> list[str]:
    data = spoken_pcm(text, source.rate)
    if source.encoding is not Encoding.L16:
        data = g711.encode(data, source.encoding)
    async with directory.listen(settings, source) as stream:
        size = source.size(0.02)
        for start in range(0, len(data), size):
            await stream.push(Frame(data[start : start + size], source, source.samples(start)))
        await stream.finish()
        return [each.text async for each in stream.results() if isinstance(each, Transcript) and each.final]


@pytest.mark.asyncio
@every_format
@pytest.mark.parametrize("wanted", ["", "pcmu/8000", "l16/8000", "l16/16000", "l16/24000"])
async def test_a_recognizer_hears_the_leg_whatever_format_it_takes(wanted: str, target: AudioFormat) -> None:
    acme = ear(echo=True, formats=[wanted] if wanted else [])
    directory = SpeechDirectory({}, {"acme": acme, "local": ear()})
    settings = ListenSettings(vendor="acme", phrases=("sales", "support", "the opening hours"))
    assert await heard(directory, settings, target, "the opening hours") == ["the opening hours"]
    (stream,) = acme.streams
    expected = nearest(target, acme.capabilities.formats)
    assert {frame.format for frame in stream.frames} == {expected} == {stream.settings.format}
    assert stream.seconds == pytest.approx(len(spoken_pcm("the opening hours", 8000)) / 16000, abs=0.03)


@pytest.mark.asyncio
async def test_the_local_recognizer_listens_for_a_vendor_that_is_not_configured() -> None:
    local = ear(texts=["hello"])
    directory = SpeechDirectory({}, {"local": local})
    assert await heard(directory, ListenSettings(vendor="acme"), PCMU_8K, "whatever") == ["hello"]
    assert local.streams[0].settings.vendor == "local"
    assert directory.hears("acme") == local.capabilities


def test_names_that_nobody_has_configured_are_reported() -> None:
    directory = SpeechDirectory({"local": voice()}, {"local": ear()})
    problems = directory.check(vendors_heard=["local", "acme"], vendors_spoken=["other", "local"])
    assert [problem.field for problem in problems] == ["speech.acme", "speech.other"]
    assert all(problem.severity == "error" for problem in problems)


@pytest.mark.parametrize(
    ("wanted", "possible", "chosen"),
    [
        (PCMU_8K, (), PCMU_8K),
        (PCMU_8K, (L16_16K, PCMU_8K), PCMU_8K),
        (PCMU_8K, (L16_16K, L16_8K), L16_8K),
        (PCMU_8K, (L16_24K, L16_16K), L16_16K),
        (L16_16K, (L16_8K,), L16_8K),
    ],
)
def test_the_nearest_format_costs_least(
    wanted: AudioFormat, possible: tuple[AudioFormat, ...], chosen: AudioFormat
) -> None:
    assert nearest(wanted, possible) == chosen


def test_a_change_of_rate_in_the_middle_leaves_one_continuous_stream() -> None:
    converter = Converter(PCMU_8K)
    tone = np.sin(2 * np.pi * 440 * np.arange(48000) / 24000) * 8000
    pieces = [Frame(tone[:12000].astype("<i2").tobytes(), L16_24K)]
    pieces.append(Frame(tone[12000::3].astype("<i2").tobytes(), L16_8K))
    frames = [converter.convert(piece) for piece in pieces]
    assert frames[1].pts_samples == frames[0].end_samples
    assert frames[0].samples + frames[1].samples == pytest.approx(16000, abs=200)
