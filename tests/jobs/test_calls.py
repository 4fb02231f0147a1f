"""Whole calls whose bot asks for more than talk: done when they are over, at real services; links while they are up."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog

from gateway.actions import Listen, PostCall, Record, Say, SendLink
from gateway.interfaces import AfterCallJob
from gateway.lab.server import LabReply, LabRequest, LabServer
from tests.fakes.backend import ScriptedBackend, Step
from tests.fakes.callers import own_words
from tests.fakes.jobs import OfficeJobs, ScriptedPerformer, jobs_at
from tests.fakes.office import CALLER, NUMBER, Office, dial, settings_of
from tests.fakes.talkr_office import open_office
from tests.fakes.virtual_loop import virtual_time

LINK = SendLink(url="https://acme.example/way", text="The way to us")
SENT = own_words("link_sent", "en-GB", 0)


class Services:
    """The operator's services on loopback, by path; answers are taken from a list, then all is well."""

    def __init__(self, *replies: LabReply) -> None:
        self._replies = list(replies)
        self.server = LabServer(self._answer)

    async def _answer(self, request: LabRequest) -> LabReply:
        return self._replies.pop(0) if self._replies else LabReply()

    def asked(self, path: str) -> list[LabRequest]:
        return [request for request in self.server.requests if request.path == path]


@dataclass
class House:
    office: Office
    jobs: OfficeJobs
    services: Services
    bot: ScriptedBackend


@asynccontextmanager
async def open_house(
    folder: Path,
    script: Sequence[Step],
    *,
    links: str = "hook",
    replies: Sequence[LabReply] = (),
    backend: type[ScriptedBackend] = ScriptedBackend,
    **others: Any,
) -> AsyncIterator[House]:
    """An office whose bot follows a script, and what is told of its calls."""
    services, bot = Services(*replies), backend(script)
    async with services.server, open_office(folder) as office:
        file = folder / "talkpath.yaml"
        written = json.loads(file.read_text())
        written["hooks"] = {"sms": {"url": f"{services.server.url}/sms"}, "crm": {"url": f"{services.server.url}/crm"}}
        written["numbers"][NUMBER] |= {"links": links, "link_hook": "sms"}
        written["jobs"] = {"webhooks": {"allow": [f"{services.server.url}/hook"]}}
        file.write_text(json.dumps(written))
        house = office.reception.house
        office.reception.house = dataclasses.replace(house, settings=settings_of(file), backends={"reception": bot})
        async with jobs_at(office, **others) as jobs:
            yield House(office, jobs, services, bot)


@virtual_time
async def test_a_webhook_waits_for_the_end_of_the_call_and_is_told_by_its_key(tmp_path: Path) -> None:
    wish: dict[str, Any] = {"body": {"n": 1}}
    script: list[Step] = [[Say(text="Hello."), PostCall(kind="webhook", data=wish), Listen()], "Bye."]
    async with open_house(tmp_path, script) as house:
        wish["url"] = f"{house.services.server.url}/hook"
        async with dial(house.office) as caller:
            await caller.hears("Hello.")
            await caller.wait(5)
            assert house.jobs.store.states() == ["held"]
            assert not house.services.asked("/hook")
        await house.office.calls_over()
        await house.jobs.done()
        (request,) = house.services.asked("/hook")
        (key,) = house.jobs.store.jobs
    assert request.json() == {"n": 1}
    assert request.headers["idempotency-key"] == key
    assert house.jobs.store.states() == ["done"]
    assert house.office.notes("post_call_webhook")


@virtual_time
async def test_a_dispatch_has_the_whole_record_of_the_call(tmp_path: Path) -> None:
    script: list[Step] = [[Say(text="Hello."), PostCall(kind="addon", data={"hook": "crm"}), Listen()], "You said it."]
    async with open_house(tmp_path, script) as house:
        async with dial(house.office) as caller:
            await caller.hears("Hello.")
            await caller.press("7#")
            await caller.hears("You said it.")
        await house.office.calls_over()
        await house.jobs.done()
        (request,) = house.services.asked("/crm")
    call = request.json()["call"]
    assert (call["caller"], call["bot"], call["number"]) == (CALLER, "reception", NUMBER)
    assert [turn["caller"] for turn in call["exchange"]] == ["", "7"]
    assert call["result"] == house.office.record["result"]


class Platform(ScriptedBackend):
    """A bot whose platform has a history to fetch."""

    async def after_call(self, job: AfterCallJob) -> Sequence[Record]:
        return [Record(kind="note", data={"history": job.data["job"], "of": job.call["call_id"]})]


@virtual_time
async def test_what_the_platform_brings_is_in_the_record(tmp_path: Path) -> None:
    wish = PostCall(kind="backend", data={"job": "history", "delay": 30})
    async with open_house(tmp_path, [[Say(text="Hello."), wish, Listen()]], backend=Platform) as house:
        async with dial(house.office) as caller:
            await caller.hears("Hello.")
        await house.office.calls_over()
        await house.jobs.done()
        call_id = house.office.record["call_id"]
        assert house.office.notes("note") == [{"history": "history", "of": call_id}]


@virtual_time
async def test_what_nobody_can_do_is_given_up_in_the_record_too(tmp_path: Path) -> None:
    wish = PostCall(kind="backend", data={"job": "history"})
    with structlog.testing.capture_logs() as logs:
        async with open_house(tmp_path, [[Say(text="Hello."), wish, Listen()]]) as house:
            async with dial(house.office) as caller:
                await caller.hears("Hello.")
            await house.office.calls_over()
            await house.jobs.done()
            (note,) = house.office.notes("job_given_up")
    assert note["kind"] == "backend"
    assert [entry["kind"] for entry in logs if entry["event"] == "job given up"] == ["backend"]


@virtual_time
async def test_a_link_is_sent_while_the_call_is_up_and_then_called_sent(tmp_path: Path) -> None:
    async with open_house(tmp_path, [[Say(text="Hello."), LINK, Listen()]]) as house:
        async with dial(house.office) as caller:
            await caller.hears("Hello.")
            await caller.hears(SENT)
            (request,) = house.services.asked("/sms")
        body = request.json()
    assert (body["to"], body["url"], body["text"]) == (CALLER, LINK.url, LINK.text)
    assert house.office.notes("link_sent") == [{"url": LINK.url}]


@virtual_time
async def test_a_hook_that_comes_back_during_the_call_makes_the_sentence_true_later(tmp_path: Path) -> None:
    with structlog.testing.capture_logs():
        async with (
            open_house(tmp_path, [[Say(text="Hello."), LINK, Listen()]], replies=[LabReply(status=503)]) as house,
            dial(house.office) as caller,
        ):
            await caller.hears("Hello.")
            await caller.hears("The way to us")
            await caller.hears(SENT)
            first, second = house.services.asked("/sms")
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert len(house.office.notes("link_not_sent")) == len(house.office.notes("link_sent")) == 1


@pytest.mark.parametrize("links", ["speak", "drop"])
@virtual_time
async def test_without_a_hook_nothing_is_sent(tmp_path: Path, links: str) -> None:
    async with open_house(tmp_path, [[Say(text="Hello."), LINK, Say(text="So?"), Listen()]], links=links) as house:
        async with dial(house.office) as caller:
            await caller.hears("So?")
            heard = [word.text for word in caller.heard]
        assert not house.services.server.requests
    assert heard == (["Hello.", "The way to us", "So?"] if links == "speak" else ["Hello.", "So?"])


@virtual_time
async def test_a_link_that_outlasts_its_call_is_sent_all_the_same(tmp_path: Path) -> None:
    sms = ScriptedPerformer(20.0)
    async with open_house(tmp_path, [[Say(text="Hello."), LINK, Listen()]], link=sms) as house:
        async with dial(house.office) as caller:
            await caller.hears("Hello.")
        await house.office.calls_over()
        await house.jobs.done()
    assert len(sms.asked) == 1
    assert house.jobs.store.states() == ["done"]
