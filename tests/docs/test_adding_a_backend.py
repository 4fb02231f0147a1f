"""The backend that is printed as an example works as printed."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from gateway.actions import ActionBatch, Hangup, Listen, Say
from gateway.caller_events import CallStarted, NoInput, PlaybackDone, UserText
from gateway.errors import VendorError
from gateway.events import CallInfo
from gateway.kit.http import HttpClient
from gateway.lab.server import LabReply, LabRequest, LabServer, json_reply
from tests.pages import ROOT, blocks

PAGE = ROOT / "docs" / "adding-a-backend.md"


@pytest.fixture
def example(tmp_path: Path) -> Iterator[ModuleType]:
    [block] = blocks(PAGE, "python")
    file = tmp_path / "plain_backend.py"
    file.write_text(block.text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("plain_backend", file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["plain_backend"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["plain_backend"]


async def _bot(request: LabRequest) -> LabReply:
    said = request.json()["text"]
    return json_reply({"text": f"You said {said}." if said else "Hello.", "hangup": said == "goodbye"})


@pytest.mark.asyncio
async def test_it_greets_answers_and_hangs_up(example: ModuleType) -> None:
    async with asyncio.timeout(5), LabServer(_bot) as lab, HttpClient() as http:
        backend = example.PlainBackend("bot", example.PlainBotSection(backend="plain", url=lab.url), http)
        async with backend.open_chat(CallInfo(call_id="call-1"), lambda key: None) as chat:
            batches = chat.actions()
            await chat.send(CallStarted())
            await chat.send(PlaybackDone(turn=0, complete=True, played=1.0, heard_text="Hello."))
            await chat.send(NoInput(turn=1, count=3, elapsed=7.0, exhausted=True))
            await chat.send(UserText(turn=2, text="goodbye"))
            hello, quiet, bye = [await anext(batches) for _ in range(3)]
        assert [batch async for batch in batches] == []
    say = Say(text="Hello.", format="markdown")
    assert hello == ActionBatch(actions=(say,), turn=0, turn_done=True)
    idle = Listen(no_input_retries=0, on_exhausted="idle")
    assert quiet == ActionBatch(actions=(idle,), turn=1, turn_done=True)
    assert bye.turn == 2
    assert isinstance(bye.actions[-1], Hangup)
    assert [json.loads(request.body)["call"] for request in lab.requests] == ["call-1"] * 2


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "reply", [LabReply(body=b"<html>"), LabReply(body=b"[]"), LabReply(body=b"[" * 100_000), LabReply(status=403)]
)
async def test_what_it_cannot_understand_is_the_vendors_error(example: ModuleType, reply: LabReply) -> None:
    async def bot(request: LabRequest) -> LabReply:
        return reply

    async with asyncio.timeout(5), LabServer(bot) as lab, HttpClient() as http:
        backend = example.PlainBackend("bot", example.PlainBotSection(backend="plain", url=lab.url), http)
        async with backend.open_chat(CallInfo(call_id="call-1"), lambda key: None) as chat:
            with pytest.raises(VendorError):
                await chat.send(CallStarted())
        assert [problem.field for problem in await backend.check()] == ["url"]
