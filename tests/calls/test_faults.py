"""Bad input and broken peers on both media lines: each costs its own call at most, with a reason, and nothing else."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from gateway.caller.peer import CallerAuth, basic_headers
from gateway.kit.signature import twilio_signature
from gateway.lab.talkr_bot import BOTS
from tests.fakes.office import LINES, NUMBER, SOCKETS, TWILIO_TOKEN, Line, Office, auth_of, client_of, dial
from tests.fakes.talkr_office import open_office
from tests.fakes.virtual_loop import virtual_time

BOT = BOTS["en"]
SAYS = {topic.name: topic.says for topic in BOT.topics}
FRAME = 0.025
on_each_line = pytest.mark.parametrize("line", LINES)
on_each_socket = pytest.mark.parametrize("line", SOCKETS)


# --- strangers -----------------------------------------------------------------------------------------------------
WRONG = {
    "cloud": [None, CallerAuth(twilio_token="another"), CallerAuth(username="pbx", password="x")],
    "pbx": [None, CallerAuth(username="pbx", password="wrong"), CallerAuth(bearer="token")],
}


@on_each_socket
@virtual_time
async def test_strangers_are_refused_before_any_audio(line: Line, tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        for auth in WRONG[line]:
            with pytest.raises(InvalidStatus) as refused:
                async with client_of(office, line).connect(office.url_of(line), called=NUMBER, auth=auth):
                    pass
            assert refused.value.response.status_code in (401, 403)
        assert len(office.bot.requests) == 0
        async with dial(office, line) as caller:
            await caller.hears(BOT.greeting)
    assert len(office.records) == 1


@on_each_socket
@virtual_time
async def test_an_unknown_number_is_refused_before_any_audio(line: Line, tmp_path: Path) -> None:
    """The numbers come with the first message, so that is where the refusal is: a hang-up, the PBX's next step."""
    async with open_office(tmp_path) as office, dial(office, line, called="+4989123456") as caller:
        assert await caller.over() == pytest.approx(0.0, abs=0.1)
        assert caller.heard == []
        assert _refused(office, line, "unknown_number") == 1
    assert office.records == []
    assert len(office.bot.requests) == 0


@on_each_socket
@virtual_time
async def test_a_full_gateway_refuses_the_upgrade_and_has_room_again(
    line: Line, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_office(tmp_path, server={"max_calls": 1}) as office:
        async with dial(office, line) as caller:
            await caller.until(1.0)
            for other in SOCKETS:
                with pytest.raises(InvalidStatus) as refused:
                    async with dial(office, other):
                        pass
                assert refused.value.response.status_code == 503
                assert "retry-after" in refused.value.response.headers
        await office.calls_over()
        async with dial(office, line) as caller:
            await caller.hears(BOT.greeting)
    assert len(office.records) == 2
    assert [record.getMessage() for record in caplog.records if record.name.startswith("uvicorn")] == []


@on_each_socket
@virtual_time
async def test_a_draining_gateway_finishes_its_calls_and_takes_no_more(line: Line, tmp_path: Path) -> None:
    async with open_office(tmp_path) as office, dial(office, line) as caller:
        await caller.until(1.0)
        assert office.operator.is_ready
        await office.operator.drain()
        assert not office.operator.is_ready
        with pytest.raises(InvalidStatus) as refused:
            async with dial(office, line):
                pass
        assert refused.value.response.status_code == 503
        await caller.hears(BOT.greeting)
        await caller.say("location")
        await caller.hears(SAYS["location"])
        await caller.hang_up()
        assert await office.registry.drained(5.0)
    assert office.outcome == ("completed", "caller")


def _refused(office: Office, line: str, reason: str) -> float:
    metrics = office.reception.equipment.metrics
    return metrics.registry.get_sample_value("talkpath_calls_refused_total", {"line": line, "reason": reason}) or 0.0


# --- what is sent --------------------------------------------------------------------------------------------------
async def _raw(office: Office, line: Line) -> ClientConnection:
    """A socket that was let in and has said nothing."""
    url, auth = office.url_of(line), auth_of(line)
    if line == "cloud":
        headers = {"X-Twilio-Signature": twilio_signature(TWILIO_TOKEN, url)}
    else:
        headers = dict(basic_headers(auth))
    return await connect(url, additional_headers=headers, compression=None, proxy=None, ping_interval=None)


async def _close_of(connection: ClientConnection, within: float) -> tuple[int | None, str]:
    async with asyncio.timeout(within):
        await connection.wait_closed()
    return connection.close_code, connection.close_reason or ""


@on_each_socket
@virtual_time
async def test_a_start_that_never_comes_is_not_waited_for(line: Line, tmp_path: Path) -> None:
    async with open_office(tmp_path) as office, dial(office, line) as caller:
        silent = await _raw(office, line)
        began = caller.now()
        code, reason = await _close_of(silent, 30)
        assert caller.now() - began == pytest.approx(10.0, abs=0.1)
        assert (code, reason) == (1008, "no start within 10 s")
        await caller.hears(BOT.again)  # the neighbour notices nothing
    assert len(office.records) == 1


FIRST_MESSAGES: dict[str, str | bytes] = {
    "no JSON": '{"event":',
    "no object": "[]",
    "binary": b"\x00" * 160,
    "another event": '{"event":"media","streamSid":"MZ1","media":{"payload":"AAAA"}}',
    "deep": "[" * 100_000,
    "huge": "x" * 1_000_000,
    "empty": "",
    "not text": "\x00\x01\x02",
}


@pytest.mark.parametrize("first", FIRST_MESSAGES)
@on_each_socket
@virtual_time
async def test_nonsense_instead_of_a_start_is_told_off(first: str, line: Line, tmp_path: Path) -> None:
    async with open_office(tmp_path) as office, dial(office, line) as caller:
        connection = await _raw(office, line)
        await connection.send(FIRST_MESSAGES[first])
        code, reason = await _close_of(connection, 30)
        assert code in (1007, 1008)
        assert reason
        await caller.hears(BOT.greeting)
    assert len(office.records) == 1
    assert office.outcome == ("abandoned", "caller")


@on_each_socket
@virtual_time
async def test_a_message_of_more_than_a_megabyte_is_too_big(line: Line, tmp_path: Path) -> None:
    async with open_office(tmp_path) as office, dial(office, line) as caller, dial(office, line) as broken:
        await caller.until(1.0)
        await broken.line.send_raw("x" * ((1 << 20) + 1))
        async with asyncio.timeout(5):
            ended = await broken.line.wait_until_over()
        assert ended.code == 1009
        await caller.hears(BOT.greeting)
        office.is_truth_checked = False
    assert {record["result"] for record in office.records} == {"leg_failed", "abandoned"}


LATER = {
    "cloud": [
        '{"event":"media","media":{"payload":"%%%"}}',
        '{"event":"media"}',
        '{"event":"dtmf","dtmf":{"digit":"x"}}',
        '{"event":"start"}',
        "{",
        "[1]",
        "null",
    ],
    "pbx": ['{"event":"DTMF_END","digit":"x"}', '{"event":"MEDIA_START"}', "{", "[1]", '{"event":5}'],
}


@pytest.mark.parametrize(("line", "message"), [(line, message) for line in SOCKETS for message in LATER[line]])
@virtual_time
async def test_a_message_that_cannot_be_read_ends_this_call_only(line: Line, message: str, tmp_path: Path) -> None:
    async with open_office(tmp_path) as office, dial(office, line) as caller, dial(office, line) as broken:
        office.is_truth_checked = False
        await caller.until(1.0)
        await broken.line.send_raw(message)
        async with asyncio.timeout(5):
            ended = await broken.line.wait_until_over()
        assert ended.code == 1007
        assert ended.reason
        await office.ended(1)
        assert office.outcome == ("leg_failed", "gateway")
        await caller.hears(BOT.greeting)
        await caller.say("location")
        await caller.hears(SAYS["location"])
    assert office.outcome == ("completed", "caller")


# --- peers that fall silent ----------------------------------------------------------------------------------------
@on_each_socket
@virtual_time
async def test_a_peer_that_sends_nothing_is_asked_by_the_clock(line: Line, tmp_path: Path) -> None:
    """Hold, mute, silence suppression: not one frame comes, from the beginning."""
    async with (
        open_office(tmp_path, number={"idle_limit": 12}) as office,
        dial(office, line, background=False) as caller,
    ):
        await caller.over()
    waits = [after.at - before.until for before, after in itertools.pairwise(caller.heard)]
    assert waits == [pytest.approx(wait, abs=FRAME) for wait in (7.0, 7.0, 19.0)]
    assert office.outcome == ("no_input", "gateway")


@on_each_socket
@virtual_time
async def test_a_peer_that_stops_sending_after_a_word_still_gets_its_answer(line: Line, tmp_path: Path) -> None:
    async with open_office(tmp_path) as office, dial(office, line, background=False) as caller:
        await caller.hears(BOT.greeting)
        said = await caller.say("location")
        answer = await caller.hears(SAYS["location"])
    assert answer.at == pytest.approx(said.until + 0.8, abs=0.2)
    assert office.record["exchange"][1]["caller"] == "location"


@on_each_line
@virtual_time
async def test_a_frozen_peer_is_noticed_within_twenty_seconds(line: Line, tmp_path: Path) -> None:
    async with open_office(tmp_path) as office, dial(office, line, background=False) as caller:
        office.is_truth_checked = False
        await caller.until(1.0)
        caller.line.freeze()
        began = caller.now()
        async with asyncio.timeout(25):
            await office.ended(1)
        assert caller.now() - began <= 20.5
        assert office.outcome == ("leg_failed", "gateway")
        caller.line.vanish()


@virtual_time
async def test_many_broken_callers_cost_the_others_nothing(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office, dial(office) as caller:
        office.is_truth_checked = False
        await caller.hears(BOT.greeting)
        connections = [await _raw(office, line) for line in SOCKETS for _ in range(20)]
        for index, connection in enumerate(connections):
            await connection.send(list(FIRST_MESSAGES.values())[index % len(FIRST_MESSAGES)])
        said = await caller.say("location")
        answer = await caller.hears(SAYS["location"])
        assert answer.at == pytest.approx(said.until + 0.8, abs=2 * FRAME)
        for connection in connections:
            await connection.close()
    assert len(office.records) == 1
