"""Prompts from the deployment to the call: commands and gateway as processes of their own, a vendor on the network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from audio.codecs import g711
from audio.format import Encoding
from audio.wav import write_wav
from gateway.speech.scripted.signal import resemblance, spoken_pcm
from tests.emulators.deepgram import KEY, Deepgram
from tests.fakes.callers import Phone
from tests.fakes.processes import NUMBER, command, serving, until, written
from tests.fakes.terse import GREETING, TerseBot

pytestmark = pytest.mark.asyncio
FALLBACK = "Somebody will call you back."


def configured(folder: Path, bot: str, vendor: str) -> Path:
    number = {"bot": "reception", "synthesizer": {"vendor": "deepgram"}, "fallback": {"say": FALLBACK}}
    speech: dict[str, Any] = {
        "local": {"engine": "scripted", "echo": True, "fail_speech_after": 0},
        "deepgram": {"api_key": KEY, "url": vendor},
    }
    prompts = {"directory": "kept", "overrides": "recordings"}
    return written(folder, bot, speech=speech, prompts=prompts, numbers={NUMBER: number})


def heard(caller: Phone, text: str) -> float:
    pcm = b"".join(g711.decode(stretch.data, Encoding.PCMU) for stretch in caller.line.heard())
    return resemblance(pcm, text, 8000)


async def test_a_gateway_greets_although_its_vendor_has_gone_since_the_prompts_were_rendered(tmp_path: Path) -> None:
    (tmp_path / "greetings.txt").write_text(GREETING)
    also = ("--also", str(tmp_path / "greetings.txt"), "--language", "fr-FR")  # the bot's own
    async with TerseBot() as bot:
        async with Deepgram().serve() as vendor:
            file = configured(tmp_path, bot.url, vendor.url)
            code, out, errors = await command("prompts", "render", "-c", str(file), *also)
            assert (code, errors) == (0, "")
            assert "prompts are ready." in out
        code, listed, _ = await command("prompts", "list", "-c", str(file), "--json", *also)
        assert {row["state"] for row in json.loads(listed)} == {"cached"}
        async with serving(file) as gateway:
            async with gateway.called() as caller:
                await until(lambda: heard(caller, GREETING) > 0.95)
                await caller.hang_up()
            await _has_replaced(gateway, file, tmp_path)


async def _has_replaced(gateway: Any, file: Path, folder: Path) -> None:
    """A recording that is added while the gateway runs is played after a reload."""
    spoken = "from the studio"
    write_wav(folder / "studio.wav", spoken_pcm(spoken, 16000), 16000)
    code, _, errors = await command("prompts", "override", GREETING, str(folder / "studio.wav"), "-c", str(file))
    assert (code, errors) == (0, "")
    assert (await gateway.reload())["reloaded"] is True
    async with gateway.called() as caller:
        await until(lambda: heard(caller, spoken) > 0.95)
        assert heard(caller, GREETING) < 0.6
        await caller.hang_up()
