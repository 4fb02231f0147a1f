"""A vendor that is tried: what it is not made for is said, and it is closed whatever happens."""

from __future__ import annotations

import pytest

from config.settings import Settings
from config.speech import SpeechSection
from gateway.errors import GatewayError, VendorUnavailable
from gateway.trying.vendor import started
from tests.fakes.speech_plugins import Cloud, plugins


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("vendor", "part", "sentence"),
    [
        ("ear", "synthesizer", "ear listens only: it has no voice"),
        ("voice", "recognizer", "voice speaks only: it recognizes nothing"),
    ],
)
async def test_who_does_only_one_of_the_two(vendor: str, part: str, sentence: str) -> None:
    async with started(Settings(speech={vendor: SpeechSection()}), vendor, plugins()) as tried:
        with pytest.raises(GatewayError, match=sentence):
            getattr(tried, part)


@pytest.mark.asyncio
async def test_an_entry_may_have_another_name_than_its_adapter() -> None:
    async with started(Settings(speech={"mine": SpeechSection(engine="cloud")}), "mine", plugins()) as tried:
        assert tried.doubts("SpeakOptions", {"sped": 1, "speed": 1}) == ["unknown option 'sped'; did you mean `speed`?"]
        assert tried.doubts("ListenOptions", {"smartFormat": True}) == []
        assert tried.recognizer.capabilities.takes_hints


@pytest.mark.asyncio
async def test_options_of_an_adapter_that_names_none_are_its_own_affair() -> None:
    async with started(Settings(speech={"ear": SpeechSection()}), "ear", plugins()) as tried:
        assert tried.doubts("ListenOptions", {"whatever": 1}) == []


@pytest.mark.asyncio
async def test_it_is_closed_after_a_failure() -> None:
    closed = []

    class Closing(Cloud):
        async def close(self) -> None:
            closed.append(self.name)

    with pytest.raises(VendorUnavailable):
        async with started(Settings(speech={"it": SpeechSection(engine="it")}), "it", plugins(it=Closing)):
            raise VendorUnavailable("gone", vendor="it")
    assert closed == ["it"]
