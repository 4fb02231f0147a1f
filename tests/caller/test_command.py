"""`talkpath call` as it is typed, against a gateway on a real port, in real time: calls last no longer than a word."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from tests.fakes.office import NUMBER, TWILIO_TOKEN
from tests.fakes.talkr_office import open_office

PUBLIC = "https://voice.example.com/gw"
SIGNED = "wss://voice.example.com/gw/media/twilio"


async def call(url: str, *options: str) -> tuple[int, Any]:
    """The exit code of the command, and the report it prints."""
    arguments = ["call", NUMBER, "--to", url, "--auth-token", TWILIO_TOKEN, "--json", *options]
    result = await asyncio.to_thread(CliRunner().invoke, app, arguments)
    return result.exit_code, json.loads(result.stdout) if result.stdout.startswith("{") else result.exception


@pytest.mark.asyncio
async def test_the_address_that_is_signed_can_be_another_than_the_one_that_is_called(tmp_path: Path) -> None:
    async with open_office(tmp_path, server={"public_url": PUBLIC}) as office:
        url = office.socket_url("cloud")
        code, report = await call(url, "--signed-url", SIGNED, "--silence", "0.1")
        assert code == 0, report
        async with asyncio.timeout(10):
            await office.ended(1)
        for wrong in ([], ["--signed-url", SIGNED.replace("voice", "other")]):
            code, _ = await call(url, *wrong, "--silence", "0.1")
            assert code != 0
    assert len(office.records) == 1
