"""How a LiveKit plug-in is configured and asked, and what becomes of a vendor that misbehaves behind it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import livekit.plugins.deepgram  # noqa: F401  here, because importing it takes a loop's whole patience
import pytest
from pydantic import SecretStr, ValidationError

from audio.format import L16_8K
from config.loading import load
from config.plugins import PluginSections
from config.speech import engine_of
from gateway.errors import ConfigError, VendorError, VendorRejected, VendorUnavailable
from gateway.speech.livekit.settings import LivekitSpeechSection
from gateway.speech.livekit.vendor import LivekitSpeech
from gateway.speech_interfaces import ListenSettings, Utterance
from tests.contracts.test_recognizers import framed, hear
from tests.emulators.deepgram import Deepgram
from tests.fakes.virtual_loop import virtual_time
from tests.speech.livekit.test_contract import started

HELLO = Utterance(text="Good morning to all of you.", format=L16_8K)
SILENT = framed(bytes(16000), L16_8K)


def test_an_entry_is_called_like_the_plugin_behind_it(tmp_path: Path) -> None:
    file = tmp_path / "talkpath.yaml"
    file.write_text("speech:\n  livekit:cartesia: {api_key: secret}\n", encoding="utf-8")
    settings = load(file, PluginSections(speech={"livekit": LivekitSpeechSection}), {})
    section = settings.speech["livekit:cartesia"]
    assert isinstance(section, LivekitSpeechSection)
    assert engine_of("livekit:cartesia", section) == "livekit"


def test_a_plugins_name_is_a_module() -> None:
    with pytest.raises(ValidationError):
        LivekitSpeechSection(plugin="os.path")


@pytest.mark.asyncio
async def test_a_plugin_that_is_missing_is_named_with_its_cure() -> None:
    vendor = LivekitSpeech("livekit:nobody_has_it", LivekitSpeechSection())
    with pytest.raises(ConfigError, match=r"pip install 'talkpath\[livekit\]' livekit-plugins-nobody-has-it"):
        await vendor.start()
    await vendor.close()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"listen": {"modle": "nova-3"}}, "did you mean `model`"),
        ({"speak": {"speed": 9}}, "speed"),
        ({"secrets": {"api_secret": SecretStr("x")}}, "api_secret"),
    ],
)
async def test_keywords_that_a_plugin_does_not_take_are_told_at_the_start(
    settings: dict[str, object], reason: str
) -> None:
    section = LivekitSpeechSection.model_validate({"plugin": "deepgram", "api_key": SecretStr("k"), **settings})
    vendor = LivekitSpeech("acme", section)
    with pytest.raises(ConfigError, match=reason):
        await vendor.start()
    await vendor.close()


@pytest.mark.asyncio
async def test_nothing_is_imported_before_the_start() -> None:
    vendor = LivekitSpeech("livekit:deepgram", LivekitSpeechSection())
    assert vendor.synthesizer is not None
    with pytest.raises(VendorUnavailable, match="not been started"):
        await anext(vendor.synthesizer.speak(HELLO))


@pytest.mark.asyncio
async def test_a_voice_is_given_under_the_plugins_own_name_for_it() -> None:
    emulator = Deepgram()
    async with started(emulator, listens=False) as vendor:
        assert vendor.synthesizer is not None
        async for _ in vendor.synthesizer.speak(replace(HELLO, voice="aura-2-agathe-fr")):
            pass
    assert emulator.requests[0].query["model"] == ["aura-2-agathe-fr"]
    assert emulator.requests[0].messages == [{"text": HELLO.text}]


@virtual_time
async def test_a_turn_is_asked_for_in_its_language_and_model() -> None:
    emulator = Deepgram()
    settings = ListenSettings(language="fr", model="nova-2", format=L16_8K)
    async with started(emulator, speaks=False) as vendor:
        assert vendor.recognizer is not None
        async with vendor.recognizer.listen(settings) as stream:
            await hear(stream, SILENT)
    assert emulator.requests[0].query["language"] == ["fr"]
    assert emulator.requests[0].query["model"] == ["nova-2"]
    assert len(emulator.requests[0].audio) == 16000


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("status", "error"), [(401, VendorRejected), (429, VendorUnavailable), (503, VendorUnavailable)]
)
async def test_a_refusal_is_an_error_of_its_kind(status: int, error: type[VendorError]) -> None:
    emulator = Deepgram()
    emulator.faults.refuse = status
    async with started(emulator) as vendor:
        assert vendor.synthesizer is not None
        assert vendor.recognizer is not None
        with pytest.raises(error, match=f"status {status}"):
            await anext(vendor.synthesizer.speak(HELLO))
        async with vendor.recognizer.listen(ListenSettings(format=L16_8K)) as stream:
            await stream.finish()
            with pytest.raises(VendorError):
                assert [result async for result in stream.results()]


@virtual_time
async def test_a_voice_that_falls_silent_is_not_waited_for() -> None:
    emulator = Deepgram()
    emulator.faults.stall_after = 0
    async with started(emulator, timeout=3.0) as vendor:
        assert vendor.synthesizer is not None
        with pytest.raises(VendorUnavailable):
            assert [spoken async for spoken in vendor.synthesizer.speak(HELLO)]
