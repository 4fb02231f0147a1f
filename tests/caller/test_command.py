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
    begins = result.stdout.find("{\n")  # the gateway's log is beside it, in this process
    return result.exit_code, json.JSONDecoder().raw_decode(result.stdout[begins:])[
        0
    ] if begins >= 0 else result.exception


@pytest.mark.asyncio
async def test_the_address_that_is_signed_can_be_another_than_the_one_that_is_called(tmp_path: Path) -> None:
    async with open_office(tmp_path, server={"public_url": PUBLIC}) as office:
        url = office.url_of("cloud")
        code, report = await call(url, "--signed-url", SIGNED, "--silence", "0.1")
        assert code == 0, report
        async with asyncio.timeout(10):
            await office.ended(1)
        for wrong in ([], ["--signed-url", SIGNED.replace("voice", "other")]):
            code, _ = await call(url, *wrong, "--silence", "0.1")
            assert code != 0
    assert len(office.records) == 1


TRUNK = {"path": "/sip", "auth": "none"}


@pytest.mark.parametrize("way", ["trunk", "browser", "first"])
@pytest.mark.asyncio
async def test_a_sip_line_is_called_by_its_address_its_path_or_as_the_first_one(way: str, tmp_path: Path) -> None:
    async with open_office(tmp_path, trunk=TRUNK) as office:
        there = {"trunk": office.trunk, "browser": f"ws://{office.address}/sip", "first": f"http://{office.address}"}
        code, report = await call(there[way], "--api", f"http://{office.address}", "--silence", "0.3")
        assert code == 0, report
        async with asyncio.timeout(10):
            await office.ended(1)
        line = "cloud" if way == "first" else "trunk"
        assert [record["line"] for record in office.records] == [line]
        if way != "first":
            assert 0.1 <= report["heard"]["seconds"] <= 0.5


@pytest.mark.asyncio
async def test_a_refusal_of_the_trunk_is_told(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        options = ["--api", f"http://{office.address}", "--silence", "0.1"]
        arguments = ["call", "+4989123456", "--to", office.trunk, *options]
        result = await asyncio.to_thread(CliRunner().invoke, app, arguments)
    assert result.exit_code == 1
    assert "refuses the call with status 404" in str(result.exception) + result.output
