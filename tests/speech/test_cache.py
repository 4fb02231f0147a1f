"""The prompt cache: what is kept, for how long, and what never is."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from audio.format import L16_8K, L16_16K, PCMA_8K, PCMU_8K, AudioFormat, Encoding
from audio.frame import Frame
from config.speech import SpeechSection
from gateway.errors import VendorReplyInvalid, VendorUnavailable
from gateway.speech.cache import CachedSynthesizer, PromptCache
from gateway.speech.disk import PromptDisk
from gateway.speech.prompt import key_of, salt_of
from gateway.speech.rendering import render
from gateway.speech.scripted.client import ScriptedSynthesizer
from gateway.speech.scripted.settings import ScriptedSpeechSection
from gateway.speech_interfaces import SpokenFrame, SynthesizerCapabilities, Utterance

WELCOME = Utterance(text="Welcome.", plain="Welcome.", vendor="acme", format=PCMU_8K)


class Vendor(ScriptedSynthesizer):
    """A scripted voice that waits, after its first piece, until it is let go on."""

    def __init__(self) -> None:
        super().__init__(ScriptedSpeechSection())
        self.go_on = asyncio.Event()
        self.cancelled = 0

    async def speak(self, utterance: Utterance) -> AsyncIterator[SpokenFrame]:
        try:
            async for spoken in super().speak(utterance):
                yield spoken
                await self.go_on.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


class Faulty:
    """A voice that says just what it is given."""

    capabilities = SynthesizerCapabilities()

    def __init__(self, *frames: Frame, error: Exception | None = None) -> None:
        self.frames = frames
        self.error = error
        self.requests = 0

    async def speak(self, utterance: Utterance) -> AsyncIterator[SpokenFrame]:
        self.requests += 1
        for frame in self.frames:
            yield SpokenFrame(frame)
        if self.error:
            raise self.error


def scripted() -> ScriptedSynthesizer:
    return ScriptedSynthesizer(ScriptedSpeechSection())


async def said(synthesizer: CachedSynthesizer, utterance: Utterance) -> list[SpokenFrame]:
    """What is heard; returns when it is kept too, for which no caller waits."""
    heard = [spoken async for spoken in synthesizer.speak(utterance)]
    keeping = [task for task in asyncio.all_tasks() if task.get_name() == "prompt"]
    if keeping:
        await asyncio.wait(keeping)
    return heard


@pytest.mark.asyncio
async def test_a_prompt_is_synthesized_once() -> None:
    vendor = scripted()
    cached = CachedSynthesizer(vendor, PromptCache())
    assert not cached.holds(WELCOME)
    first = await said(cached, WELCOME)
    assert cached.holds(WELCOME)
    assert await said(cached, WELCOME) == first
    assert first[-1].chars == len(WELCOME.plain)
    assert len(vendor.requests) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"text": "Welcome!", "plain": "Welcome!"},
        {"voice": "anna"},
        {"model": "fast"},
        {"vendor": "other"},
        {"language": "fr-FR"},
        {"options": {"rate": 1.2}},
        {"format": L16_8K},
        {"ssml": True},
    ],
    ids=lambda change: next(iter(change)),
)
@pytest.mark.asyncio
async def test_everything_that_may_sound_different_is_another_prompt(change: dict[str, object]) -> None:
    vendor = scripted()
    cached = CachedSynthesizer(vendor, PromptCache())
    await said(cached, WELCOME)
    await said(cached, replace(WELCOME, **change))
    assert len(vendor.requests) == 2


def test_the_order_of_options_and_nothing_else_is_ignored() -> None:
    options = {"a": 1, "b": [1, 2]}
    same = replace(WELCOME, options=dict(reversed(options.items())))
    assert key_of(replace(WELCOME, options=options)) == key_of(same)
    assert key_of(WELCOME, "one account") != key_of(WELCOME, "another")


@pytest.mark.asyncio
async def test_nothing_sensitive_is_kept(tmp_path: Path) -> None:
    vendor = scripted()
    cached = CachedSynthesizer(vendor, PromptCache(disk=PromptDisk(tmp_path)))
    secret = replace(WELCOME, text="Your code is 1234.", plain="Your code is 1234.", sensitive=True)
    assert await said(cached, secret) == await said(cached, secret)
    assert len(vendor.requests) == 2
    assert files(tmp_path) == []


@pytest.mark.asyncio
async def test_those_who_ask_at_the_same_time_share_one_synthesis() -> None:
    vendor = Vendor()
    cached = CachedSynthesizer(vendor, PromptCache())
    listeners = [aiter(cached.speak(WELCOME)) for _ in range(3)]
    firsts = [await anext(listener) for listener in listeners]
    assert len(set(map(id, firsts))) == 1
    vendor.go_on.set()
    rests = [[spoken async for spoken in listener] for listener in listeners]
    assert rests[0] == rests[1] == rests[2] != []
    assert len(vendor.requests) == 1


@pytest.mark.asyncio
async def test_the_synthesis_goes_on_for_whoever_still_listens() -> None:
    vendor = Vendor()
    cached = CachedSynthesizer(vendor, PromptCache())
    async with aclosing(cached.speak(WELCOME)) as stays:
        await anext(stays)
        async with aclosing(cached.speak(WELCOME)) as leaves:
            await anext(leaves)
        vendor.go_on.set()
        assert [spoken async for spoken in stays]
    assert vendor.cancelled == 0
    assert cached.holds(WELCOME)


@pytest.mark.asyncio
async def test_the_last_to_leave_cancels_the_synthesis_and_nothing_is_kept() -> None:
    vendor = Vendor()
    cached = CachedSynthesizer(vendor, PromptCache())
    async with aclosing(cached.speak(WELCOME)) as pieces:
        await anext(pieces)
    await cached.close()
    assert vendor.cancelled == 1
    assert not cached.holds(WELCOME)
    vendor.go_on.set()
    assert await said(cached, WELCOME)  # asked again, it is made again
    assert len(vendor.requests) == 2


SECOND = Frame(PCMU_8K.silence(8000), PCMU_8K)


@pytest.mark.parametrize(
    "vendor",
    [
        Faulty(),
        Faulty(Frame(b"", PCMU_8K)),
        Faulty(SECOND, Frame(L16_16K.silence(160), L16_16K)),
        Faulty(Frame(L16_16K.silence(16000), L16_16K)),
        Faulty(Frame(PCMU_8K.silence(80), PCMU_8K)),
        Faulty(*[SECOND] * 40),
    ],
    ids=["nothing", "no audio", "format changes", "wrong format", "far too short", "far too long"],
)
@pytest.mark.asyncio
async def test_an_implausible_prompt_is_spoken_but_not_kept(vendor: Faulty) -> None:
    utterance = replace(WELCOME, text="Welcome to us.", plain="Welcome to us.")
    cached = CachedSynthesizer(vendor, PromptCache())
    assert [spoken.frame for spoken in await said(cached, utterance)] == list(vendor.frames)
    assert not cached.holds(utterance)


@pytest.mark.asyncio
async def test_an_incomplete_prompt_is_not_kept_and_its_error_passed_on() -> None:
    vendor = Faulty(SECOND, error=VendorUnavailable("gone", vendor="acme"))
    cached = CachedSynthesizer(vendor, PromptCache())
    for _ in range(2):
        with pytest.raises(VendorUnavailable, match="gone"):
            await said(cached, WELCOME)
    assert vendor.requests == 2


@pytest.mark.asyncio
async def test_memory_is_bounded_and_the_least_recently_used_prompt_goes_first() -> None:
    texts = [replace(WELCOME, text=f"Prompt number {n}.", plain=f"Prompt number {n}.") for n in range(3)]
    cache = PromptCache(max_bytes=20_000)  # two of them, 8 kB of audio each
    cached = CachedSynthesizer(scripted(), cache)
    for utterance in (texts[0], texts[1], texts[0], texts[2]):
        await said(cached, utterance)
    assert [cached.holds(utterance) for utterance in texts] == [True, False, True]
    assert cache.size <= 20_000


@pytest.mark.asyncio
async def test_a_prompt_survives_a_restart_on_disk(tmp_path: Path) -> None:
    disk = PromptDisk(tmp_path)
    before = await said(CachedSynthesizer(scripted(), PromptCache(disk=disk)), WELCOME)
    vendor = scripted()
    after = await said(CachedSynthesizer(vendor, PromptCache(disk=PromptDisk(tmp_path))), WELCOME)
    assert after == before
    assert vendor.requests == []


@pytest.mark.parametrize("damage", ["cut", "changed", "emptied", "rewritten"])
@pytest.mark.asyncio
async def test_a_damaged_file_is_discarded(tmp_path: Path, damage: str) -> None:
    disk = PromptDisk(tmp_path)
    await said(CachedSynthesizer(scripted(), PromptCache(disk=disk)), WELCOME)
    (file,) = files(tmp_path)
    content = file.read_bytes()
    file.write_bytes(
        {
            "cut": content[:-1],
            "changed": content[:-5] + bytes([content[-5] ^ 1]) + content[-4:],
            "emptied": b"",
            "rewritten": b"talkpath prompt 1\n[]\n",
        }[damage]
    )
    assert PromptDisk(tmp_path).read(key_of(WELCOME)) is None
    assert not file.exists()


def test_the_disk_is_bounded_and_the_oldest_file_goes_first(tmp_path: Path) -> None:
    disk = PromptDisk(tmp_path, max_bytes=20_000)
    for key in ("first", "second", "third"):
        disk.write(key, (SpokenFrame(SECOND, 8),))
        age(tmp_path)
    assert disk.read("first") is None
    assert disk.read("third") == (SpokenFrame(SECOND, 8),)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 20_000


def test_a_disk_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    disk = PromptDisk(tmp_path / "prompts")
    (tmp_path / "prompts").rmdir()
    disk.write("key", (SpokenFrame(SECOND, 8),))
    assert disk.read("key") is None


def age(folder: Path) -> None:
    """Everything that is there was used a minute earlier, so that the order is not left to the clock's resolution."""
    for path in folder.iterdir():
        stat = path.stat()
        os.utime(path, (stat.st_atime - 60, stat.st_mtime - 60))


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.prompt"))


# --- rendered in advance ---------------------------------------------------------------------------------------------
@pytest.mark.asyncio
async def test_what_was_rendered_is_not_pushed_out_by_what_calls_say(tmp_path: Path) -> None:
    small = 40_000  # two of them, 19 kB of audio each
    cache = PromptCache(30_000, PromptDisk(tmp_path, small), PromptDisk(tmp_path / "rendered", small))
    voice = CachedSynthesizer(scripted(), cache)
    await render(voice, cache, WELCOME)
    for number in range(5):
        await said(voice, replace(WELCOME, text=f"Welcome, caller {number}.", plain=""))
    assert voice.holds(WELCOME)
    assert sum(name.endswith(".prompt") for name in os.listdir(tmp_path)) < 5


@pytest.mark.asyncio
async def test_a_prompt_serves_lines_of_its_rate_and_narrower_ones(tmp_path: Path) -> None:
    cache = PromptCache(rendered=PromptDisk(tmp_path))
    voice = CachedSynthesizer(scripted(), cache)
    middle = replace(WELCOME, format=L16_16K)
    await render(voice, cache, middle)
    for format in (PCMU_8K, PCMA_8K, L16_8K, L16_16K):
        assert voice.as_kept(replace(WELCOME, format=format)) == middle
    wide = replace(WELCOME, format=AudioFormat(Encoding.L16, 24000))
    assert voice.as_kept(wide) == wide


@pytest.mark.asyncio
async def test_a_rendered_prompt_goes_before_one_that_a_call_was_told(tmp_path: Path) -> None:
    cache = PromptCache(rendered=PromptDisk(tmp_path))
    voice = CachedSynthesizer(scripted(), cache)
    narrow = replace(WELCOME, format=PCMU_8K)
    await said(voice, narrow)
    assert voice.as_kept(narrow) == narrow
    await render(voice, cache, replace(WELCOME, format=L16_16K))
    assert voice.as_kept(narrow).format == L16_16K


@pytest.mark.asyncio
async def test_pieces_and_progress_stay_as_the_vendor_gave_them(tmp_path: Path) -> None:
    cache = PromptCache(rendered=PromptDisk(tmp_path))
    vendor = scripted()
    made = await render(CachedSynthesizer(vendor, cache), cache, replace(WELCOME, format=PCMU_8K))
    plain = [spoken async for spoken in vendor.speak(replace(WELCOME, format=PCMU_8K))]
    shape = [(len(spoken.frame.data), spoken.frame.pts_samples, spoken.chars) for spoken in plain]
    assert [(len(spoken.frame.data), spoken.frame.pts_samples, spoken.chars) for spoken in made] == shape


@pytest.mark.asyncio
@pytest.mark.parametrize("frames", [[], [Frame(b"\xff" * 80, PCMU_8K)], [Frame(b"\xff" * 8000, L16_8K)]])
async def test_what_is_not_plausible_is_not_rendered(tmp_path: Path, frames: list[Frame]) -> None:
    cache = PromptCache(rendered=PromptDisk(tmp_path))
    voice = CachedSynthesizer(Faulty(*frames), cache)
    with pytest.raises(VendorReplyInvalid):
        await render(voice, cache, replace(WELCOME, format=PCMU_8K))
    assert os.listdir(tmp_path) == []


@pytest.mark.asyncio
async def test_what_breaks_off_is_not_rendered(tmp_path: Path) -> None:
    cache = PromptCache(rendered=PromptDisk(tmp_path))
    broken = Faulty(Frame(b"\x10" * 8000, PCMU_8K), error=VendorUnavailable("gone", vendor="acme", operation="speak"))
    with pytest.raises(VendorUnavailable):
        await render(CachedSynthesizer(broken, cache), cache, replace(WELCOME, format=PCMU_8K))
    assert os.listdir(tmp_path) == []


def test_secrets_do_not_name_prompts_and_other_settings_do() -> None:
    class Acme(SpeechSection):
        api_key: SecretStr
        model: str = "m1"

    salt = salt_of(Acme(api_key=SecretStr("one")))
    assert salt == salt_of(Acme(api_key=SecretStr("two")))
    assert "one" not in salt
    assert salt != salt_of(Acme(api_key=SecretStr("one"), model="m2"))
    assert salt != salt_of(Acme(api_key=SecretStr("one"), url="http://127.0.0.1:1"))
    assert key_of(WELCOME, salt) != key_of(WELCOME)
