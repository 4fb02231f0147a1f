"""Whole calls with bots that take and give JSON: the lab's, in our shape and in its own, over real sockets."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.backends.rest.client import RestBackend
from gateway.caller_events import CallStarted, UserText
from gateway.errors import VendorUnavailable
from gateway.events import CallInfo
from gateway.kit.http import HttpClient
from gateway.lab.rest import LabRest
from gateway.routes import HttpReply, HttpRequest
from tests.fakes.callers import own_words
from tests.fakes.office import Office, open_office, texting
from tests.fakes.virtual_loop import virtual_time

SIZES = "For small, say small or press 1. For medium, say medium or press 2. For large, say large or press 3."
GREETING = "Hello, this is Acme Pizza. Which size would you like?"
SECRET = "s3cret"
OWN_SHAPE = {
    "request": {
        "url": "{lab}/own",
        "headers": {"X-Turn": "{{turn}}"},
        "body": {"query": "{{text}}", "user": "{{call.from}}", "state": "{{session}}"},
    },
    "response": {
        "text": "$.messages[*].text",
        "choices": "$.buttons",
        "choice_id": "$.value",
        "choice_label": "$.title",
        "transfer": "$.handover.to",
        "hangup": "$.done",
        "session": "$.state",
    },
    "start_text": "hello",
}


@asynccontextmanager
async def pizzeria(
    folder: Path, *, lab: dict[str, Any] | None = None, number: dict[str, Any] | None = None, **bot: Any
) -> AsyncIterator[tuple[Office, LabRest]]:
    async with LabRest(**(lab or {})) as opened:
        settings = json.loads(
            json.dumps({"backend": "rest", "url": opened.url, **bot}).replace("{lab}", opened.server.url)
        )
        async with open_office(folder, bot=opened, bot_settings=settings, number=number) as office:
            yield office, opened
        await asyncio.sleep(0.01)


def told(lab: LabRest) -> list[dict[str, Any]]:
    return [request.json() for request in lab.server.requests]


@virtual_time
async def test_an_order_by_key_and_word_and_the_bot_hangs_up(tmp_path: Path) -> None:
    async with (
        pizzeria(tmp_path, lab={"secret": SECRET}, auth={"hmac": SECRET}) as (office, lab),
        texting(office) as caller,
    ):
        await caller.hears(GREETING)
        await caller.hears(SIZES)
        await caller.press("2")
        await caller.hears("A medium pizza. Shall I order it?")
        await caller.say("yes please")
        await caller.hears("Your medium pizza is ordered. Goodbye!")
        await caller.over()
    assert office.outcome == ("completed", "bot")
    events = told(lab)
    assert [event["type"] for event in events] == ["start", "choice", "message", "end"]
    assert [event["session"] for event in events] == [{}, {}, {"size": "medium"}, {}]
    assert events[1]["choice"] == {"menu": "a1.1", "id": "m", "label": "medium"}
    keys = [request.headers["idempotency-key"] for request in lab.server.requests]
    assert len(set(keys)) == len(keys)
    request = lab.server.requests[0]
    signed = hmac.new(SECRET.encode(), f"{request.headers['x-timestamp']}.".encode() + request.body, hashlib.sha256)
    assert request.headers["x-signature"] == f"sha256={signed.hexdigest()}"


@virtual_time
async def test_a_bot_of_another_shape_without_a_line_of_code(tmp_path: Path) -> None:
    async with pizzeria(tmp_path, **OWN_SHAPE) as (office, lab), texting(office) as caller:
        await caller.hears("Which size?")
        await caller.hears(SIZES)
        await caller.say("large")
        await caller.hears("A large one, for +33612345678.")
        await caller.say("bye")
        await caller.hears("You said 2 things. Goodbye!")
        await caller.over()
    assert told(lab)[0] == {"query": "hello", "user": "+33612345678", "state": {}}
    assert told(lab)[1] == {"query": "l", "user": "+33612345678", "state": {"n": 0}}
    assert [request.headers["x-turn"] for request in lab.server.requests][:3] == ["0", "1", "2"]


@pytest.mark.parametrize("faults", ["", "duplicate", "garbage,ok", "wrong-token"])
@virtual_time
async def test_an_answer_by_callback(tmp_path: Path, faults: str) -> None:
    async with LabRest(slow=3, callback_faults=faults) as lab:
        settings = {"backend": "rest", "url": lab.url, "callback": "http://127.0.0.1:1"}
        async with open_office(tmp_path, bot=lab, bot_settings=settings, number={"answer_timeout": 8}) as office:
            backend = next(iter(office.reception.house.backends.values()))
            assert isinstance(backend, RestBackend)
            backend.settings = backend.settings.model_copy(update={"callback": f"http://{office.address}"})
            async with texting(office) as caller:
                await caller.hears(SIZES)
                await caller.say("status of my order")
                if faults in ("", "duplicate"):
                    await caller.hears("It is in the oven.")
                else:
                    await caller.hears(own_words("apology", "en-GB"))
        await asyncio.sleep(0.01)
    accepted = {"": [202], "duplicate": [202, 202], "garbage,ok": [400], "wrong-token": [404]}
    assert lab.callbacks == accepted[faults]


@virtual_time
async def test_a_transfer_that_cannot_be_done_is_told(tmp_path: Path) -> None:
    async with (
        pizzeria(tmp_path, number={"transfer": {"allow": ["sip:*@pbx"]}}) as (office, lab),
        texting(office) as caller,
    ):
        await caller.hears(SIZES)
        await caller.say("a person please")
        await caller.hears("Nobody is free: unsupported. What else can I do?")
    result = next(event for event in told(lab) if event["type"] == "transfer_result")
    assert result["transfer"] == {"id": "a2.1", "ok": False, "cause": "unsupported", "sip_code": None}


@virtual_time
async def test_silence_to_the_end_is_told_once(tmp_path: Path) -> None:
    number = {"no_input": {"timeout": 5, "retries": 1, "then": "event"}}
    async with pizzeria(tmp_path, number=number) as (office, lab), texting(office) as caller:
        await caller.hears(SIZES)
        await caller.hears("Goodbye then.")
        await caller.over()
    assert [event["type"] for event in told(lab)] == ["start", "no_input", "end"]
    assert told(lab)[1]["no_input"]["exhausted"] is True


@virtual_time
async def test_a_bot_that_is_not_told_of_the_start_is_greeted_for(tmp_path: Path) -> None:
    shape = {**OWN_SHAPE, "events": ["message"], "greeting": "Good day."}
    async with pizzeria(tmp_path, **shape) as (office, lab), texting(office) as caller:
        await caller.hears("Good day.")
        await caller.say("anything")
        await caller.hears("I only know pizza.")
    assert [event["query"] for event in told(lab)] == ["anything"]


@virtual_time
async def test_plain_text_is_an_answer(tmp_path: Path) -> None:
    async with pizzeria(tmp_path) as (office, _), texting(office) as caller:
        await caller.hears(SIZES)
        await caller.say("no")
        await caller.hears("Then call again. What else?")


@pytest.mark.parametrize("fault", ["500", "429:1", "401", "garbage", "cut", "drop", "oversized", "deep"])
@virtual_time
async def test_a_failed_turn_is_an_apology_and_the_call_goes_on(tmp_path: Path, fault: str) -> None:
    async with pizzeria(tmp_path, lab={"faults": f"ok,{fault}"}) as (office, _), texting(office) as caller:
        await caller.hears(SIZES)
        await caller.say("no")
        await caller.hears(own_words("apology", "en-GB"))
        await caller.say("no")
        await caller.hears("Then call again. What else?")
    assert office.outcome == ("completed", "caller")


@virtual_time
async def test_a_slow_bot_is_waited_for_with_a_word(tmp_path: Path) -> None:
    number = {"filler_after": 2, "answer_timeout": 9}
    async with pizzeria(tmp_path, lab={"faults": "ok,slow:6"}, number=number) as (office, _), texting(office) as caller:
        await caller.hears(SIZES)
        await caller.say("no")
        await caller.hears(own_words("filler", "en-GB"))
        await caller.hears("Then call again. What else?")


# --- the adapter alone -----------------------------------------------------------------------------------------------
@asynccontextmanager
async def backend_of(lab: LabRest, **settings: Any) -> AsyncIterator[tuple[RestBackend, list[float]]]:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async with HttpClient() as http:
        section = RestBackend.Section.model_validate({"url": lab.url, **settings})
        yield RestBackend("mine", section, http, sleep=sleep), waits


@virtual_time
async def test_a_request_that_never_had_a_connection_is_sent_again_once(tmp_path: Path) -> None:
    call = CallInfo(call_id="c1")
    async with LabRest() as lab, backend_of(lab) as (backend, waits), backend.open_chat(call, lambda key: None) as chat:
        await chat.send(CallStarted())
        await lab.server.stop()
        with pytest.raises(VendorUnavailable, match="no answer"):
            await chat.send(UserText(turn=1, text="no"))
    assert waits == [0.5]


@virtual_time
async def test_every_way_to_prove_who_we_are(tmp_path: Path) -> None:
    ways: list[tuple[dict[str, Any], str, str]] = [
        ({"basic": {"username": "a", "password": "b"}}, "authorization", "Basic YTpi"),
        ({"bearer": "t0ken"}, "authorization", "Bearer t0ken"),
        ({"header": {"name": "X-Api-Key", "value": "k3y"}}, "x-api-key", "k3y"),
    ]
    for auth, name, value in ways:
        async with LabRest() as lab, backend_of(lab, auth=auth) as (backend, _):
            async with backend.open_chat(CallInfo(call_id="c1"), lambda key: None) as chat:
                await chat.send(CallStarted())
            assert lab.server.requests[0].headers[name] == value
            assert [problem.field for problem in await backend.check()] == ["url"]


@virtual_time
async def test_a_callback_without_a_call_says_so(tmp_path: Path) -> None:
    async with LabRest() as lab, backend_of(lab, callback="https://voice.example.com") as (backend, _):
        (route,) = backend.routes
        assert route.path == "/in/rest/mine/{token}"
        request = HttpRequest(
            method="POST", path="/in/rest/mine/x", url="", headers={}, query={}, path_params={"token": "x"}, body=b"{}"
        )
        assert await route.handle(request) == HttpReply(status=404, unknown_call="x")


@pytest.mark.asyncio
async def test_a_bots_name_in_the_address_is_encoded_and_in_the_route_as_it_arrives() -> None:
    settings = RestBackend.Section.model_validate({"url": "https://bot", "callback": "https://voice.example.com/gw/"})
    async with HttpClient() as http:
        backend = RestBackend("my bot", settings, http)
        async with backend.open_chat(CallInfo(call_id="c1"), lambda key: None) as chat:
            assert backend.routes[0].path == "/in/rest/my bot/{token}"
            assert chat.callback_url is not None
            assert chat.callback_url.startswith("https://voice.example.com/gw/in/rest/my%20bot/")


@virtual_time
async def test_a_session_beyond_its_bounds_is_not_kept(tmp_path: Path) -> None:
    async with LabRest() as lab, backend_of(lab) as (backend, _):
        async with backend.open_chat(CallInfo(call_id="c1"), lambda key: None) as chat:
            batches = chat.actions()
            chat.take({"text": "a", "session": {"n": 1}})
            chat.take({"text": "b", "session": "x" * 70_000})
            await anext(batches)
            batch = await anext(batches)
            assert getattr(batch.actions[-1], "data", {}).get("event") == "session not kept"
            await chat.send(CallStarted())
        assert lab.server.requests[0].json()["session"] == {"n": 1}
