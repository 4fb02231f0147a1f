"""The local voice, through its real worker: how it sounds, what it knows of its words, and what it survives."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from structlog.testing import capture_logs

from audio.format import L16_8K, L16_16K, PCMU_8K
from gateway.errors import VendorRejected
from gateway.speech.local.settings import LocalSpeechSection
from gateway.speech.local.sound import active_level
from gateway.speech.local.synthesizer import LocalSynthesizer
from gateway.speech_interfaces import SpokenFrame, Utterance

pytestmark = pytest.mark.workers

FRENCH = "Bonjour, vous êtes bien au service client. Il est quatorze heures trente. Que puis-je faire pour vous ?"
HELLO = Utterance(text="Good morning, how are you?", plain="Good morning, how are you?", format=L16_8K)


@asynccontextmanager
async def local(**settings: object) -> AsyncIterator[LocalSynthesizer]:
    synthesizer = LocalSynthesizer(LocalSpeechSection(speak_workers=1, **settings))
    try:
        yield synthesizer
    finally:
        await synthesizer.close()


async def said(synthesizer: LocalSynthesizer, utterance: Utterance) -> list[SpokenFrame]:
    async with asyncio.timeout(60):
        return [spoken async for spoken in synthesizer.speak(utterance)]


def samples(frames: list[SpokenFrame]) -> npt.NDArray[np.float32]:
    return np.frombuffer(b"".join(spoken.frame.pcm() for spoken in frames), "<i2").astype(np.float32)


def seconds(frames: list[SpokenFrame]) -> float:
    return sum(spoken.frame.duration for spoken in frames)


def pitch(sound: npt.NDArray[np.float32], rate: int) -> float:
    """The fundamental of the loudest half second, by autocorrelation, in Hz."""
    size = rate // 2
    start = max(
        range(0, max(1, len(sound) - size), size // 4), key=lambda at: float((sound[at : at + size] ** 2).sum())
    )
    piece = sound[start : start + size]
    correlation = np.correlate(piece, piece, "full")[len(piece) - 1 :]
    low, high = rate // 400, rate // 60
    likely = np.nonzero(correlation[low:high] > 0.85 * correlation[low:high].max())[0]
    near = correlation[low + likely[0] : low + likely[0] + low]  # the first peak, not a multiple of the period
    return rate / (low + int(likely[0]) + int(near.argmax()))


@pytest.mark.parametrize("voice", [None, "f3", "m3", "fr+f2", "female"])
@pytest.mark.asyncio
async def test_every_voice_is_as_loud_as_a_telephone_prompt_and_never_clips(voice: str | None) -> None:
    async with local() as synthesizer:
        utterance = Utterance(text=FRENCH, plain=FRENCH, language="fr-FR", voice=voice, format=L16_8K)
        sound = samples(await said(synthesizer, utterance))
    level = active_level(sound, 8000)
    assert level is not None
    assert 20 * np.log10(level / 32768) == pytest.approx(-20, abs=2)
    assert np.abs(sound).max() < 32700


@pytest.mark.asyncio
async def test_there_is_no_silence_to_wait_for_at_either_end() -> None:
    async with local() as synthesizer:
        sound = samples(await said(synthesizer, HELLO))
    loud = np.nonzero(np.abs(sound) > 200)[0]
    assert loud[0] < 0.06 * 8000
    assert len(sound) - loud[-1] < 0.08 * 8000


@pytest.mark.asyncio
async def test_narrow_speech_is_wide_speech_without_what_is_above_the_telephone_band() -> None:
    async with local() as synthesizer:
        wide = samples(await said(synthesizer, replace(HELLO, format=L16_16K)))
        narrow = samples(await said(synthesizer, HELLO))
    spectrum = np.abs(np.fft.rfft(wide)) ** 2
    cut = np.fft.irfft(np.where(np.arange(len(spectrum)) < len(spectrum) * 3400 / 8000, np.fft.rfft(wide), 0))[::2]
    length = min(len(cut), len(narrow))
    powers = [float((sound[:length] ** 2).mean()) for sound in (cut, narrow)]
    assert 10 * np.log10(powers[1] / powers[0]) == pytest.approx(0, abs=1)
    assert spectrum[: len(spectrum) // 2].sum() > spectrum[len(spectrum) // 2 :].sum()


@pytest.mark.parametrize(
    ("text", "ssml", "plain"),
    [
        (FRENCH, False, FRENCH),
        ("<speak>Bonjour <break time='300ms'/>&amp; merci beaucoup</speak>", True, "Bonjour & merci beaucoup"),
        ("<speak>Le <say-as interpret-as='characters'>abc</say-as> va bien</speak>", True, "Le abc va bien"),
    ],
    ids=["plain", "break", "say-as"],
)
@pytest.mark.asyncio
async def test_what_has_been_said_is_known_to_the_word(text: str, ssml: bool, plain: str) -> None:
    async with local() as synthesizer:
        utterance = Utterance(text=text, plain=plain, ssml=ssml, language="fr-FR", format=PCMU_8K)
        frames = await said(synthesizer, utterance)
    reached = [spoken.chars or 0 for spoken in frames]
    assert reached == sorted(reached)
    assert reached[-1] == len(plain)
    edges = [index for index, character in enumerate(plain) if character in " '-"]
    assert set(reached) <= {0, len(plain), *edges, *(index + 1 for index in edges)}
    assert len(set(reached)) >= len(plain.split()) - 2


@pytest.mark.asyncio
async def test_word_times_fit_the_sound() -> None:
    """After the pause of a second comes the second word."""
    text = "<speak>Hello<break time='1s'/> world</speak>"
    async with local() as synthesizer:
        frames = await said(synthesizer, Utterance(text=text, plain="Hello world", ssml=True, format=L16_8K))
    sound = np.abs(samples(frames))
    second_word = next(spoken.frame.end_samples for spoken in frames if (spoken.chars or 0) >= len("Hello "))
    envelope = sound[: len(sound) // 80 * 80].reshape(-1, 80).max(axis=1)
    loud = np.nonzero(envelope > 200)[0]
    after_the_pause = 80 * int(loud[np.argmax(np.diff(loud)) + 1])
    assert second_word == pytest.approx(after_the_pause, abs=0.05 * 8000)


@pytest.mark.asyncio
async def test_rate_pitch_and_volume_take_effect() -> None:
    async with local() as synthesizer:
        usual, fast, high, loud = [
            await said(synthesizer, replace(HELLO, options=options))
            for options in ({}, {"rate": 1.5}, {"pitch": 90}, {"volume": 150})
        ]
    assert seconds(fast) < 0.8 * seconds(usual)
    assert pitch(samples(high), 8000) > 1.2 * pitch(samples(usual), 8000)
    levels = [active_level(samples(frames), 8000) or 0.0 for frames in (usual, loud)]
    assert 20 * np.log10(levels[1] / levels[0]) == pytest.approx(3.5, abs=1)


@pytest.mark.asyncio
async def test_languages_and_variants_are_different_voices() -> None:
    async with local() as synthesizer:
        lengths = {
            language: round(seconds(await said(synthesizer, replace(HELLO, language=language))), 2)
            for language in ("en-GB", "fr-FR", "de-DE", "es-ES")
        }
        male, female = [await said(synthesizer, replace(HELLO, voice=voice)) for voice in ("m1", "f3")]
    assert len(set(lengths.values())) == 4
    assert pitch(samples(female), 8000) > 1.2 * pitch(samples(male), 8000)


@pytest.mark.asyncio
async def test_a_voice_that_only_another_vendor_has_is_spoken_by_the_languages_own_and_logged_once() -> None:
    async with local() as synthesizer:
        with capture_logs() as logs:
            for _ in range(2):
                assert await said(synthesizer, replace(HELLO, voice="21m00Tcm4TlvDq8ikWAM"))
    assert [entry["voice"] for entry in logs if "another one speaks" in entry["event"]] == ["21m00Tcm4TlvDq8ikWAM"]


@pytest.mark.asyncio
async def test_markup_opens_no_file_and_runs_no_program(tmp_path: Path) -> None:
    """espeak-ng would hand the name of an <audio> to a shell."""
    proof = tmp_path / "proof"
    text = f'<speak>Hello <audio src="/etc/hostname&quot;; touch {proof}; echo &quot;">there</audio> you</speak>'
    async with local() as synthesizer:
        frames = await said(synthesizer, Utterance(text=text, plain="Hello there you", ssml=True))
    assert seconds(frames) > 0.5
    assert not proof.exists()


@pytest.mark.asyncio
async def test_a_text_that_is_too_long_is_refused() -> None:
    async with local(max_text=100) as synthesizer:
        with pytest.raises(VendorRejected, match="too long"):
            await said(synthesizer, replace(HELLO, text="a" * 101))


@pytest.mark.asyncio
async def test_speech_is_cut_at_the_longest_allowed() -> None:
    text = "one two three four five six seven eight nine ten " * 4
    async with local(max_seconds=5) as synthesizer:
        assert seconds(await said(synthesizer, replace(HELLO, text=text, plain=text))) < 7


@pytest.mark.asyncio
async def test_a_sentence_goes_on_when_its_worker_is_killed() -> None:
    async with local() as synthesizer:
        whole = seconds(await said(synthesizer, replace(HELLO, text=FRENCH, plain=FRENCH)))
        pid = synthesizer.pool.pids[0]
        os.kill(pid, signal.SIGSTOP)
        task = asyncio.create_task(said(synthesizer, replace(HELLO, text=FRENCH, plain=FRENCH)))
        await asyncio.sleep(0)
        os.kill(pid, signal.SIGKILL)
        assert seconds(await task) == pytest.approx(whole, abs=0.1)


@pytest.mark.asyncio
async def test_hundred_texts_at_once_are_all_spoken() -> None:
    texts = [f"This is number {index}." for index in range(100)]
    async with local() as synthesizer:
        lengths = await asyncio.gather(*(said(synthesizer, replace(HELLO, text=text, plain=text)) for text in texts))
    assert all(frames[-1].chars == len(text) for frames, text in zip(lengths, texts, strict=True))
