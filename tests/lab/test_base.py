"""What all labs share: faults of one request, errands that end with the lab, and its command."""

from __future__ import annotations

import argparse
import asyncio
import socket

import httpx
import pytest

from gateway.lab.base import Lab, SendingLab, lab_parser, run_lab
from gateway.lab.faults import Fault, parted
from gateway.lab.server import LabReply, LabRequest, json_reply


class LabEcho(SendingLab):
    """Answers with what it got and, asked for it, sends it somewhere after ever so long."""

    def __init__(self, *, faults: str = "", host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(within=5.0, faults=faults, host=host, port=port)
        self.ended: list[str] = []

    def announcement(self) -> str:
        return f"an echo at {self.url}"

    async def _answer(self, request: LabRequest, fault: Fault) -> LabReply:
        if request.path == "/later":
            self._start(self._later(request.body.decode()))
        if request.path == "/forward":
            return json_reply((await self._client.post(self.url + "/", content=request.body)).json())
        return json_reply({"said": request.body.decode(), "fault": fault.name})

    async def _later(self, words: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.append(words)


def _make(given: argparse.Namespace) -> Lab:
    return LabEcho(faults=given.faults, host=given.host, port=given.port)


@pytest.mark.asyncio
async def test_a_fault_is_the_requests_own_or_the_scripts() -> None:
    async with LabEcho(faults="500,expired") as lab, httpx.AsyncClient(base_url=lab.url) as http:
        own = await http.post("/", headers={"x-lab-fault": "503"})
        in_query = await http.post("/?fault=502")
        scripted = [await http.post("/", content=b"hi") for _ in range(3)]
        unknown = await http.post("/?fault=gremlin")
    assert [own.status_code, in_query.status_code, scripted[0].status_code] == [503, 502, 500]
    assert [answer.json() for answer in scripted[1:]] == [
        {"said": "hi", "fault": "expired"},
        {"said": "hi", "fault": "ok"},
    ]
    assert (unknown.status_code, "gremlin" in unknown.json()["error"]) == (400, True)
    assert len(lab.requests) == 6


@pytest.mark.asyncio
async def test_errands_end_with_the_lab_and_it_sends_requests_of_its_own() -> None:
    async with LabEcho() as lab, httpx.AsyncClient(base_url=lab.url) as http:
        await http.post("/later", content=b"one")
        await http.post("/later", content=b"two")
        assert (await http.post("/forward", content=b"three")).json()["said"] == "three"
        assert lab.ended == []
    assert sorted(lab.ended) == ["one", "two"]


def test_a_wrong_script_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        run_lab(lab_parser("echo", "An echo.", port=0), ["--faults", "gremlin"], _make)
    assert left.value.code == 2
    assert "'gremlin' is not a fault" in capsys.readouterr().err


def test_a_port_that_is_taken_is_said_in_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run_lab(lab_parser("echo", "An echo.", port=port), [], _make) == 1
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert said.err.startswith(f"talkpath: cannot listen on 127.0.0.1:{port}: ")


@pytest.mark.parametrize(
    ("script", "of_answers", "of_webhooks"),
    [
        ("", "", ""),
        ("ok,500*2,slow:3", "ok,500*2,slow:3", ""),
        ("duplicate, 500 ,Wrong-Token*2", "500", "duplicate,Wrong-Token*2"),
    ],
)
def test_a_script_is_parted_into_what_is_about_answers_and_what_about_webhooks(
    script: str, of_answers: str, of_webhooks: str
) -> None:
    assert parted(script) == (of_answers, of_webhooks)
