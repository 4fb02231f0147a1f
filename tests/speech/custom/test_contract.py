"""The adapter for one's own engine keeps what every vendor's must, against the example engine that is shipped."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pydantic import SecretStr

from audio.format import AudioFormat, Encoding
from gateway.errors import VendorRejected
from gateway.kit.http import HttpClient
from gateway.speech.custom.settings import CustomSpeechSection
from gateway.speech.custom.vendor import CustomSpeech
from gateway.speech.scripted.signal import spoken_pcm
from gateway.speech_interfaces import Recognizer, Synthesizer
from tests.contracts import test_recognizers as recognizers
from tests.contracts import test_synthesizers as synthesizers
from tests.fakes.resembling import heard_in
from tests.fakes.shared_port import served

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "custom-speech" / "engine.py"


def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("example_engine", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ENGINE = example()


def say(text: str, voice: str, rate: int) -> Iterable[bytes]:
    pcm = spoken_pcm(text, rate)
    return (pcm[start : start + 999] for start in range(0, len(pcm), 999))


def understand(pcm: bytes, rate: int, start: dict[str, Any]) -> str:
    known = recognizers.known()
    assert set(known) == set(start["phrases"])
    return " ".join(heard_in(pcm, AudioFormat(Encoding.L16, rate), known))


def section(address: str) -> CustomSpeechSection:
    return CustomSpeechSection(
        url=f"http://{address}",
        api_key=SecretStr(ENGINE.KEY),
        speak_formats=("l16/8000", "l16/16000"),
        listen_formats=("l16/8000", "l16/16000"),
        partials=False,
    )


@asynccontextmanager
async def recognizer() -> AsyncIterator[Recognizer]:
    async with served(ENGINE.engine(understand=understand)) as address, HttpClient() as http:
        found = CustomSpeech("house", section(address), http).recognizer
        assert found is not None
        yield found


@asynccontextmanager
async def synthesizer() -> AsyncIterator[Synthesizer]:
    async with served(ENGINE.engine(say=say)) as address, HttpClient() as http:
        found = CustomSpeech("house", section(address), http).synthesizer
        assert found is not None
        yield found


@asynccontextmanager
async def as_shipped() -> AsyncIterator[Synthesizer]:
    async with served(ENGINE.engine()) as address, HttpClient() as http:
        found = CustomSpeech("house", section(address), http).synthesizer
        assert found is not None
        yield found


@pytest.mark.asyncio
@pytest.mark.recordings
@recognizers.every(recognizers.CHECKS)
async def test_its_recognizer_keeps_it(check: recognizers.Check) -> None:
    await check(recognizer)


@pytest.mark.asyncio
@pytest.mark.parametrize("open_synthesizer", [synthesizer, as_shipped])
@synthesizers.every(synthesizers.CHECKS)
async def test_its_synthesizer_keeps_it(check: synthesizers.Check, open_synthesizer: synthesizers.Open) -> None:
    await check(open_synthesizer)


@pytest.mark.asyncio
async def test_the_engine_as_shipped_tells_sound_from_silence() -> None:
    async with served(ENGINE.engine()) as address, HttpClient() as http:
        ear = CustomSpeech("house", section(address), http).recognizer
        assert ear is not None
        for pcm, expected in ((spoken_pcm("Hello, who is there?", 8000), True), (bytes(16000), False)):
            async with ear.listen(recognizers.ListenSettings(format=recognizers.L16_8K)) as stream:
                heard = await recognizers.hear(stream, recognizers.framed(pcm, recognizers.L16_8K))
                assert [text.endswith("seconds of sound") for text in recognizers.finals(heard)] == [True] * expected


@pytest.mark.asyncio
async def test_the_example_refuses_a_wrong_key() -> None:
    async with served(ENGINE.engine()) as address, HttpClient() as http:
        vendor = CustomSpeech("house", section(address).model_copy(update={"api_key": SecretStr("no")}), http)
        assert vendor.synthesizer is not None
        with pytest.raises(VendorRejected, match="401"):
            await synthesizers.said(vendor.synthesizer, synthesizers.WELCOME)
