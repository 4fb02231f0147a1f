"""`talkpath call` as it is typed, against a gateway on a real port, in real time: calls last no longer than a word."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.caller.api import CallFailed
from gateway.caller.script import client_for
from gateway.cli import app
from tests.fakes.certificates import shared, tls_settings
from tests.fakes.office import NUMBER, TWILIO_TOKEN
from tests.fakes.sip_line import rtp_ports
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


@pytest.mark.asyncio
async def test_a_line_of_tls_and_srtp_is_called_by_who_believes_it_and_encrypts(tmp_path: Path) -> None:
    rtp = {"host": "127.0.0.1", "ports": rtp_ports(), "encryption": "required"}
    trunk = {"listen": "tls:127.0.0.1:0", "tls": tls_settings(), "rtp": rtp}
    async with open_office(tmp_path, trunk=trunk) as office:
        api = ["--api", f"http://{office.address}", "--silence", "0.3"]
        for too_little in ("--srtp", "--insecure"):
            code, told = await call(office.trunk, *api, too_little)
            assert code == 1, told
        code, report = await call(office.trunk, *api, "--srtp", "--cafile", str(shared()[0].file))
        assert code == 0, report
        async with asyncio.timeout(10):
            await office.ended(1)
    assert [record["line"] for record in office.records] == ["trunk"]


def test_what_cannot_be_encrypted_is_not_called() -> None:
    for transport in ("twilio", "asterisk"):
        with pytest.raises(CallFailed, match="know no SRTP"):
            client_for(transport, encrypts=True)
