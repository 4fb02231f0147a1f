"""The operator's API: what it passes on, and how it says no."""

from __future__ import annotations

import datetime
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.api import MAX_BODY, MAX_RECORDS, moment_of
from gateway.http.guard import Guard
from gateway.http.port import build
from tests.fakes.control import FakeControl

MORNING = datetime.datetime(2026, 11, 21, 9, 30, tzinfo=datetime.UTC)


@pytest.fixture
def control() -> FakeControl:
    found = FakeControl()
    found.running["call-1"] = {"call_id": "call-1", "state": "listening"}
    found.stored["old/call 2"] = {"call_id": "old/call 2"}
    return found


@pytest_asyncio.fixture
async def api(control: FakeControl) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(build(control, [], guard=Guard()), client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
        yield client


@pytest.mark.asyncio
async def test_what_there_is(api: httpx.AsyncClient) -> None:
    assert (await api.get("/api")).json()["max_calls"] == 200
    assert (await api.get("/api/lines")).json()[0]["name"] == "pbx"
    assert (await api.get("/api/calls")).json() == [{"call_id": "call-1", "state": "listening"}]
    assert (await api.get("/api/calls/call-1")).json()["state"] == "listening"
    assert (await api.get("/metrics")).text == "talkpath_calls_running 1.0\n"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "path",
    [
        "/api/calls/nobody",
        "/api/calls/call-1%00",
        "/api/calls/%F0%9F%93%9E",
        "/api/calls/%FF%FE",
        "/api/calls/..%2Fcall-1",
        "/api/calls/call-1%2F",
        "/api/records/nobody",
        "/api/numbers/+4930123456",
        "/api/nothing",
        "/api/",
    ],
)
async def test_names_that_nobody_has(api: httpx.AsyncClient, path: str) -> None:
    answer = await api.get(path)
    assert answer.status_code == 404
    assert list(answer.json()) == ["error"]


@pytest.mark.asyncio
async def test_names_with_odd_characters_arrive_as_they_are(api: httpx.AsyncClient) -> None:
    assert (await api.get("/api/numbers/%2B33123456789")).json()[0]["value"] == "+33123456789"
    assert (await api.get("/api/numbers/+33123456789")).json()[0]["value"] == "+33123456789"
    missing = await api.get("/api/records/caf%C3%A9%20%22x%22")
    assert missing.json() == {"error": 'there is no record of a call café "x"'}


@pytest.mark.asyncio
async def test_a_running_call_is_hung_up_or_transferred(api: httpx.AsyncClient, control: FakeControl) -> None:
    assert (await api.post("/api/calls/call-1/hangup")).status_code == 202
    assert (await api.post("/api/calls/call-1/transfer", json={"target": "sip:1@pbx"})).status_code == 202
    assert (await api.post("/api/calls/nobody/hangup")).status_code == 404
    assert (await api.post("/api/calls/nobody/transfer", json={"target": "sip:1@pbx"})).status_code == 404
    assert control.asked == [("hang_up", "call-1"), ("transfer", "call-1", "sip:1@pbx")]


@pytest.mark.asyncio
async def test_a_waiting_connection_is_dialled(api: httpx.AsyncClient, control: FakeControl) -> None:
    asked = {"connection_id": "c1", "from": "+331", "to": "+332", "custom": {"vip": True, "n": 1, "s": "x"}}
    assert (await api.post("/api/lines/pbx/connect", json=asked)).status_code == 202
    custom = {"vip": "True", "n": "1", "s": "x"}
    assert control.asked == [("connect", "pbx", "c1", "+331", "+332", custom)]
    assert (await api.post("/api/lines/elsewhere/connect", json=asked)).status_code == 404
    refused = await api.post("/api/lines/cloud/connect", json=asked)
    assert (refused.status_code, refused.json()["error"]) == (409, "line cloud does not dial; its peer does")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"   ", 400),
        (b"{", 400),
        (b"[]", 400),
        (b'"text"', 400),
        (b"\xff\xfe{}", 400),
        (b"{}", 400),
        (b'{"target": 7}', 400),
        (b'{"target": ""}', 400),
        (b'{"target": null}', 400),
        (b'{"target": "' + b"x" * MAX_BODY + b'"}', 413),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, 400),
    ],
)
async def test_bodies_that_will_not_do(api: httpx.AsyncClient, control: FakeControl, body: bytes, status: int) -> None:
    answer = await api.post("/api/calls/call-1/transfer", content=body)
    assert answer.status_code == status
    assert answer.json()["error"]
    assert control.asked == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "body", [{"connection_id": "c"}, {"to": "1"}, {"connection_id": "c", "to": "1", "custom": ["x"]}]
)
async def test_a_connection_that_is_not_described(api: httpx.AsyncClient, body: dict[str, Any]) -> None:
    assert (await api.post("/api/lines/pbx/connect", json=body)).status_code == 400
    nested = {"connection_id": "c", "to": "1", "custom": {"a": {"b": 1}}}
    assert (await api.post("/api/lines/pbx/connect", json=nested)).status_code == 400


@pytest.mark.asyncio
async def test_records_are_asked_for_by_limit_number_and_moment(api: httpx.AsyncClient, control: FakeControl) -> None:
    await api.get("/api/records")
    await api.get("/api/records", params={"limit": 5, "number": "+331", "before": MORNING.isoformat()})
    await api.get("/api/records?before=2026-11-21T10:30:00+01:00")
    assert control.asked == [
        ("records", 50, None, None),
        ("records", 5, "+331", MORNING),
        ("records", 50, None, MORNING),
    ]


@pytest.mark.asyncio
@pytest.mark.parametrize("limit", ["0", "-1", "x", "", "1.5", str(MAX_RECORDS + 1), "9" * 5000, "٣", "+5"])
async def test_limits_that_are_none(api: httpx.AsyncClient, limit: str) -> None:
    assert (await api.get("/api/records", params={"limit": limit})).status_code == 400


@pytest.mark.asyncio
@pytest.mark.parametrize("before", ["yesterday", "2026-13-01", "12", "2026-11-21T25:00", "0001-01-01T00:00+23:00"])
async def test_moments_that_are_none(api: httpx.AsyncClient, before: str) -> None:
    answer = await api.get("/api/records", params={"before": before})
    assert answer.status_code == 400
    assert "2026-11-21T09:30:00Z" in answer.json()["error"]


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-21T09:30:00Z",
        "2026-11-21T09:30:00",
        "2026-11-21 09:30",
        " 2026-11-21T10:30:00+01:00 ",
        "2026-11-21T10:30:00 01:00",
        "2026-11-21T04:30:00-05:00",
    ],
)
def test_moments(text: str) -> None:
    assert moment_of(text) == MORNING


def test_no_moment_is_none() -> None:
    assert moment_of(None) is moment_of("") is moment_of("  ") is None
    assert moment_of("2026-11-21") == datetime.datetime(2026, 11, 21, tzinfo=datetime.UTC)


@given(st.text())
def test_any_text_is_a_moment_or_refused(text: str) -> None:
    try:
        moment = moment_of(text)
    except ValueError:
        return
    assert moment is None or moment.tzinfo is datetime.UTC


@pytest.mark.asyncio
async def test_who_calls_whom_is_from_and_to(api: httpx.AsyncClient, control: FakeControl) -> None:
    known = {"caller": "+331", "called": "600", "exchange": [{"caller": "hello"}]}
    shown = {"from": "+331", "to": "600", "exchange": [{"caller": "hello"}]}
    control.running, control.stored = {"call-1": known}, {"call-1": known}
    for where in ("calls", "records"):
        assert (await api.get(f"/api/{where}")).json() == [shown]
        assert (await api.get(f"/api/{where}/call-1")).json() == shown


@pytest.mark.asyncio
async def test_a_call_is_found_by_what_its_line_calls_it(api: httpx.AsyncClient, control: FakeControl) -> None:
    control.running = {name: {"call_id": name, "leg_id": f"MZ {name}"} for name in ("a", "b")}
    found = await api.get("/api/calls", params={"leg_id": "MZ b"})
    assert [call["call_id"] for call in found.json()] == ["b"]
    assert (await api.get("/api/calls?leg_id=")).json() == []
    assert len((await api.get("/api/calls")).json()) == 2


@pytest.mark.asyncio
async def test_journal_and_recording_are_files_to_download(
    api: httpx.AsyncClient, control: FakeControl, tmp_path: Path
) -> None:
    control.folder = tmp_path
    for name, path, kind in (
        ("call-2.jsonl", "journal", "application/x-ndjson"),
        ("call-2.wav", "recording", "audio/wav"),
    ):
        assert (await api.get(f"/api/calls/call-2/{path}")).status_code == 404
        (tmp_path / name).write_bytes(b"0123456789")
        got = await api.get(f"/api/calls/call-2/{path}")
        assert (got.status_code, got.content, got.headers["content-type"]) == (200, b"0123456789", kind)
        assert got.headers["content-disposition"] == f'attachment; filename="{name}"'
        assert got.headers["cache-control"] == "no-store"
    part = await api.get("/api/calls/call-2/recording", headers={"range": "bytes=2-4"})
    assert (part.status_code, part.content) == (206, b"234")
    assert (await api.get("/api/calls/call-1/recording")).status_code == 409


@pytest.mark.asyncio
async def test_a_reload_says_what_is_wrong(api: httpx.AsyncClient, control: FakeControl) -> None:
    assert (await api.post("/api/reload")).json() == {"reloaded": True, "problems": [], "needs_restart": []}
    control.needs_restart = ["server", "bots.sales"]
    assert (await api.post("/api/reload")).json()["needs_restart"] == control.needs_restart
    control.problems = ["talkpath.yaml, line 3: unknown key"]
    answer = await api.post("/api/reload")
    assert (answer.status_code, answer.json()["problems"]) == (422, control.problems)


@pytest.mark.asyncio
async def test_text_that_utf_8_cannot_have_is_answered_all_the_same(
    api: httpx.AsyncClient, control: FakeControl
) -> None:
    control.running["odd"] = {"call_id": "odd", "custom": "half \ud83d", "name": "Zoë"}
    assert (await api.get("/api/calls/odd")).json() == control.running["odd"]
