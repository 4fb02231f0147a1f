"""How well the local ear hears recorded people; the bounds leave room below what `benchmarks.speech_local` measures."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from benchmarks.speech_local import digits, menus
from gateway.speech.local.recognizer import LocalRecognizer
from gateway.speech.local.settings import LocalSpeechSection

pytestmark = [pytest.mark.workers, pytest.mark.recordings]
TRIALS = 20


@asynccontextmanager
async def local(**settings: object) -> AsyncIterator[LocalRecognizer]:
    recognizer = LocalRecognizer(LocalSpeechSection(listen_workers=2, **settings))
    try:
        yield recognizer
    finally:
        await recognizer.close()


@pytest.mark.parametrize(("language", "least"), [("en", 0.85), ("fr", 0.65), ("es", 0.7)])
@pytest.mark.asyncio
async def test_an_option_of_a_menu_is_heard_and_other_talk_is_not(language: str, least: float) -> None:
    async with local() as recognizer:
        options, others = await menus(recognizer, language, size=8, trials=TRIALS)
    assert options.right / TRIALS >= least, options.heard
    assert options.wrong / TRIALS <= 0.1, options.heard
    assert others.wrong / TRIALS <= 0.35, others.heard


@pytest.mark.parametrize(("language", "least"), [("en", 7), ("fr", 4), ("es", 6)])
@pytest.mark.asyncio
async def test_single_digits_are_heard(language: str, least: int) -> None:
    async with local() as recognizer:
        assert (await digits(recognizer, language)).right >= least


@pytest.mark.asyncio
async def test_more_is_rejected_on_demand() -> None:
    async with local(rejection=200.0) as recognizer:
        options, _ = await menus(recognizer, "en", size=4, trials=4)
    assert options.rejected == 4
