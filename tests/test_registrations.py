"""How accounts at PBXs stand, where operators look: the API, the metrics, the console, and whether calls are taken."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.registrar import registrar
from tests.test_app import running, write

WITHIN = 10.0


async def states(client: httpx.AsyncClient, url: str, wanted: list[str]) -> Any:
    """The line's accounts, as soon as they are in these states."""
    async with asyncio.timeout(WITHIN):
        while True:
            (line,) = (await client.get(f"{url}/api/lines")).json()
            if [account["state"] for account in line["registrations"]] == wanted:
                return line["registrations"]


@pytest.mark.asyncio
async def test_operators_see_how_each_account_stands(tmp_path: Path) -> None:
    async with registrar() as good, registrar() as bad:
        bad.refuse_with = 404
        file = write(tmp_path)
        accounts = [
            {"registrar": good.url, "aor": "sip:one@pbx.example.com"},
            {"registrar": bad.url.replace("ws://", "ws://me:hidden@"), "aor": "sip:two@pbx.example.com"},
        ]
        settings = {**json.loads(file.read_text()), "lines": {"pbx": {"transport": "sip", "registrations": accounts}}}
        file.write_text(json.dumps(settings))
        async with running(file) as (app, client):
            one, two = await states(client, app.url, ["registered", "refused"])
            assert (await client.get(f"{app.url}/health/ready")).status_code == 200, "other lines take calls"
            metrics = (await client.get(f"{app.url}/metrics")).text
            page = (await client.get(app.url, headers={"accept": "text/html"})).text
            status = (await client.get(f"{app.url}/api")).json()
    assert (one["account"], one["registrar"]) == ("sip:one@pbx.example.com", good.url)
    assert one["since"].endswith("+00:00")
    assert (one["status"], one["reason"], one["advice"], one["next_attempt_in"]) == (None, "", "", None)
    assert 290 < one["expires_in"] <= 300
    assert (two["status"], two["reason"], two["expires_in"]) == (404, "Not Found", None)
    assert "aor" in two["advice"]
    assert 50 < two["next_attempt_in"] <= 75
    assert "hidden" not in json.dumps([one, two]) + page
    for state, number in (("registered", 1), ("refused", 1), ("trying", 0), ("left", 0)):
        assert f'talkpath_registrations{{line="pbx",state="{state}"}} {number}.0' in metrics
    assert "404 Not Found: the PBX does not know the account" in page
    assert status["ready"] is True
