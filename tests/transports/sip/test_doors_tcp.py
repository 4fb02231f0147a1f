"""The door of TCP: real connections on loopback, virtual time."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_network
from typing import Any

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from config.base import Network
from gateway.errors import ConfigError
from gateway.transports.sip.flow import Flow
from gateway.transports.sip.settings import Listening
from gateway.transports.sip.tcp import FIRST_MESSAGE_WITHIN, IDLE_LIMIT, MAX_UNSENT_BYTES, STALL_LIMIT, TcpDoor
from tests.fakes.sip_hall import LOOPBACK, OK, OPTIONS, WITHIN, RecordingHall, open_door, tokens
from tests.fakes.virtual_loop import elapsed, run_virtual, virtual_time

HERE = Listening("tcp", LOOPBACK, 0)
TRUNKS: Sequence[Network] = [ip_network("127.0.0.1/32")]
OTHERS: Sequence[Network] = [ip_network("192.0.2.0/24")]


class Trunk:
    """A peer's connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer
        self.address: str = "{}:{}".format(*writer.get_extra_info("sockname"))

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def hears(self, size: int) -> bytes:
        async with asyncio.timeout(WITHIN):
            return await self._reader.readexactly(size)

    async def is_closed(self, within: float = WITHIN) -> bool:
        """Read to the end."""
        try:
            async with asyncio.timeout(within):
                while await self._reader.read(1 << 16):
                    pass
        except ConnectionError:
            return True
        except TimeoutError:
            return False
        return True


class Scene:
    """A door, its hall, and trunks around it."""

    def __init__(self, door: TcpDoor, hall: RecordingHall) -> None:
        self.door = door
        self.hall = hall
        self.trunks: list[Trunk] = []

    async def trunk(self, *, limit: int = 1 << 16) -> Trunk:
        trunk = Trunk(*await asyncio.open_connection(LOOPBACK, self.door.port, limit=limit))
        self.trunks.append(trunk)
        return trunk

    async def known_trunk(self) -> tuple[Trunk, Flow]:
        """One that has said something already."""
        trunk, before = await self.trunk(), len(self.hall.messages)
        trunk.send(OPTIONS)
        await self.hall.until_received(before + 1)
        return trunk, self.hall.messages[-1][1]


@asynccontextmanager
async def scene(
    allow: Sequence[Network] = TRUNKS, *, hall: RecordingHall | None = None, is_open: bool = False, **kwargs: Any
) -> AsyncIterator[Scene]:
    listening = kwargs.pop("listening", HERE)
    door = TcpDoor(listening, allow, line="trunk", is_open=is_open, tokens=tokens(), **kwargs)
    made = Scene(door, hall or RecordingHall())
    try:
        async with open_door(door, made.hall):
            yield made
    finally:
        for trunk in made.trunks:
            trunk.writer.transport.abort()
        await asyncio.sleep(0)


@virtual_time
async def test_messages_come_in_whole_and_are_answered_on_their_connection() -> None:
    async with scene() as at:
        one, other = await at.trunk(), await at.trunk()
        one.send(OPTIONS[:50])
        await asyncio.sleep(1)
        assert at.hall.messages == []
        one.send(OPTIONS[50:] + OPTIONS + OPTIONS[:9])
        await at.hall.until_received(2)
        assert at.hall.data == [OPTIONS] * 2
        flow = at.hall.messages[0][1]
        assert (flow.transport, flow.peer, flow.local) == ("tcp", one.address, f"127.0.0.1:{at.door.port}")
        other.send(OPTIONS)
        await at.hall.until_received(3)
        assert at.hall.send(flow, OK)
        assert at.hall.send(at.hall.messages[2][1], OK * 2)
        assert await one.hears(len(OK)) == OK
        assert await other.hears(2 * len(OK)) == OK * 2


@virtual_time
async def test_a_connection_that_is_opened_again_is_another_flow() -> None:
    async with scene() as at:
        trunk, flow = await at.known_trunk()
        trunk.writer.close()
        await at.hall.until_closed()
        assert at.hall.closed == [flow]
        assert not at.door.send(flow, OK), "we open no connection ourselves"
        _, again = await at.known_trunk()
        assert again != flow
        assert again.id != flow.id


@virtual_time
async def test_keep_alives_are_the_doors_own() -> None:
    async with scene() as at:
        trunk = await at.trunk()
        trunk.send(b"\r\n\r\n" + OPTIONS + b"\r\n\r\n")
        assert await trunk.hears(4) == b"\r\n\r\n"
        assert at.hall.data == [OPTIONS]


@virtual_time
async def test_who_is_not_allowed_is_turned_away() -> None:
    with structlog.testing.capture_logs() as logs:
        async with scene(OTHERS) as at:
            for _ in range(3):
                assert await (await at.trunk()).is_closed()
            assert at.door.refused == 3
        assert at.hall.opened == []
    assert [(entry["peer"], entry["times"]) for entry in logs if "allow" in entry["event"]] == [(LOOPBACK, 1)]


@virtual_time
async def test_an_open_line_hears_everybody() -> None:
    async with scene(OTHERS, is_open=True) as at:
        await at.known_trunk()
        assert at.door.refused == 0


@virtual_time
async def test_only_so_many_connections() -> None:
    async with scene(max_connections=2) as at:
        (first, _), (second, _) = await at.known_trunk(), await at.known_trunk()
        assert await (await at.trunk()).is_closed()
        assert not await second.is_closed(within=0.1)
        first.writer.close()
        await at.hall.until_closed()
        await at.known_trunk()
        assert len(at.hall.opened) == 3


@pytest.mark.parametrize("said", [b"", b"\r\n\r\n", OPTIONS[:30]], ids=["nothing", "keep-alives", "half a message"])
@virtual_time
async def test_the_first_message_must_come_soon(said: bytes) -> None:
    async with scene() as at:
        began = elapsed()
        trunk = await at.trunk()
        trunk.send(said)
        await asyncio.sleep(FIRST_MESSAGE_WITHIN - 1)
        assert at.hall.closed == []
        trunk.send(said)
        await at.hall.until_closed()
        assert elapsed() - began == pytest.approx(FIRST_MESSAGE_WITHIN, abs=0.01)
        assert await trunk.is_closed()


@virtual_time
async def test_a_call_may_last_for_hours_without_a_word() -> None:
    async with scene() as at:
        trunk, flow = await at.known_trunk()
        await asyncio.sleep(5 * 3600)
        assert at.hall.send(flow, OK)
        assert await trunk.hears(len(OK)) == OK


@virtual_time
async def test_where_there_are_too_many_the_longest_idle_makes_room() -> None:
    async with scene(max_connections=3) as at:
        (_, first), (kept, kept_flow), (dripping, third) = [await at.known_trunk() for _ in range(3)]
        await asyncio.sleep(IDLE_LIMIT - 1)
        dripping.send(b"X")  # of a message that never ends: no sign of life
        kept.send(b"\r\n\r\n")
        assert await kept.hears(2) == b"\r\n"
        assert await (await at.trunk()).is_closed(), "nobody is idle for long enough"
        await asyncio.sleep(2)
        newcomers = [await at.known_trunk() for _ in range(2)]
        assert at.hall.closed == [first, third]
        assert await (await at.trunk()).is_closed()
        for flow in (kept_flow, *[flow for _, flow in newcomers]):
            assert at.hall.send(flow, OK)


@virtual_time
async def test_a_connection_with_a_call_on_it_does_not_make_room() -> None:
    async with scene(max_connections=2) as at:
        (_, calling), (_, idle) = [await at.known_trunk() for _ in range(2)]
        at.hall.used.add(calling)
        await asyncio.sleep(IDLE_LIMIT + 1)
        (_, newcomer) = await at.known_trunk()
        assert at.hall.closed == [idle]
        await asyncio.sleep(IDLE_LIMIT + 1)
        at.hall.used.add(newcomer)
        assert await (await at.trunk()).is_closed()
        assert at.hall.send(calling, OK)


@pytest.mark.parametrize(
    "wrong",
    [b"OPTIONS sip:a SIP/2.0\r\n\r\n", b"x" * 80_000, b"A\r\nContent-Length: 99999999\r\n\r\n"],
    ids=["no length", "endless head", "endless body"],
)
@virtual_time
async def test_what_cannot_be_cut_into_messages_costs_its_connection(wrong: bytes) -> None:
    async with scene() as at:
        bad, bad_flow = await at.known_trunk()
        _, good_flow = await at.known_trunk()
        bad.send(OPTIONS + wrong)
        await at.hall.until_closed()
        assert at.hall.closed == [bad_flow]
        assert at.hall.data == [OPTIONS] * 3, "what was whole before it counts"
        assert await bad.is_closed()
        assert at.hall.send(good_flow, OK)


@virtual_time
async def test_a_message_that_breaks_the_hall_costs_its_connection() -> None:
    def break_down(data: bytes, _: Flow) -> None:
        if data.startswith(b"BAD"):
            raise RuntimeError("a bug")

    async with scene(hall=RecordingHall(break_down)) as at:
        _, good_flow = await at.known_trunk()
        bad, bad_flow = await at.known_trunk()
        with structlog.testing.capture_logs() as logs:
            bad.send(b"BAD\r\nl: 0\r\n\r\n")
            await at.hall.until_closed()
            assert await bad.is_closed()
        assert at.hall.closed == [bad_flow]
        assert at.hall.send(good_flow, OK)
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["connection broken off"]


@virtual_time
async def test_a_reset_is_an_end_like_any_other() -> None:
    async with scene() as at:
        trunk, flow = await at.known_trunk()
        linger = struct.pack("ii", 1, 0)
        trunk.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        trunk.writer.transport.abort()
        await at.hall.until_closed()
        assert at.hall.closed == [flow]


@virtual_time
async def test_a_peer_that_takes_nothing_cannot_pile_up_what_we_say() -> None:
    async with scene() as at:
        trunk, flow = await at.known_trunk()
        trunk.writer.transport.pause_reading()  # type: ignore[attr-defined]  # it reads, too
        sent = 0
        while at.hall.send(flow, b"x" * 65_536):
            sent += 65_536
            await asyncio.sleep(0)
            assert sent < 64 << 20
        await at.hall.until_closed()
        assert at.hall.closed == [flow]
        assert sent >= MAX_UNSENT_BYTES


@virtual_time
async def test_a_peer_that_talks_and_does_not_listen_is_left() -> None:
    async with scene() as at:
        trunk, flow = await at.known_trunk()
        trunk.writer.transport.pause_reading()  # type: ignore[attr-defined]  # it reads, too
        at.hall.messages.clear()
        heard = -1
        while len(at.hall.messages) > heard:  # until the door does not read any more, because we do not
            heard, last = len(at.hall.messages), elapsed()
            assert at.hall.send(flow, b"x" * 32_768)
            trunk.send(OPTIONS)
            await asyncio.sleep(0.01)
        assert at.hall.closed == []
        await at.hall.until_closed(within=2 * STALL_LIMIT)
        assert elapsed() - last == pytest.approx(STALL_LIMIT, abs=0.1)


@virtual_time
async def test_a_flood_on_one_connection_leaves_others_their_turn() -> None:
    async with scene() as at:
        loud, _ = await at.known_trunk()
        quiet, quiet_flow = await at.known_trunk()
        at.hall.messages.clear()
        loud.send(b"X\r\nl:0\r\n\r\n" * 20_000)
        await at.hall.until_received()
        quiet.send(OPTIONS)
        await at.hall.until(lambda: any(flow == quiet_flow for _, flow in at.hall.messages))
        assert len(at.hall.messages) < 5_000
        await at.hall.until_received(20_001)


@pytest.mark.parametrize(
    ("kwargs", "local"),
    [
        ({"announce": "203.0.113.5"}, "203.0.113.5"),
        ({"announce": "2001:db8::5"}, "[2001:db8::5]"),
        ({"listening": Listening("tcp", "0.0.0.0", 0)}, LOOPBACK),
    ],
)
@virtual_time
async def test_what_we_are_called(kwargs: dict[str, Any], local: str) -> None:
    async with scene(**kwargs) as at:
        _, flow = await at.known_trunk()
        assert flow.local == f"{local}:{at.door.port}"


@virtual_time
async def test_ipv6_is_written_in_brackets() -> None:
    door = TcpDoor(Listening("tcp", "::1", 0), [ip_network("::1/128")], line="trunk", is_open=False, tokens=tokens())
    hall = RecordingHall()
    async with open_door(door, hall):
        _, writer = await asyncio.open_connection("::1", door.port)
        writer.write(OPTIONS)
        await hall.until_received()
        assert hall.opened[0].local == f"[::1]:{door.port}"
        assert hall.opened[0].peer_address == ("::1", writer.get_extra_info("sockname")[1])
        writer.close()
        await hall.until_closed()


@virtual_time
async def test_a_port_that_is_taken_is_said_in_one_sentence() -> None:
    async with scene() as at:
        taken = Listening("tcp", LOOPBACK, at.door.port)
        door = TcpDoor(taken, (), line="trunk", is_open=True, tokens=tokens())
        with pytest.raises(
            ConfigError, match=rf"^listen: cannot listen on tcp:127.0.0.1:{taken.port}: address already"
        ):
            await door.run(RecordingHall())


@virtual_time
async def test_an_address_that_is_not_ours_is_said_in_one_sentence() -> None:
    door = TcpDoor(Listening("tcp", "192.0.2.1", 5060), (), line="trunk", is_open=True, tokens=tokens())
    with pytest.raises(ConfigError, match=r"cannot listen on tcp:192\.0\.2\.1:5060: cannot assign requested address"):
        await door.run(RecordingHall())


@virtual_time
async def test_the_port_can_be_had_again_at_once() -> None:
    async with scene() as at:
        await at.known_trunk()
        port = at.door.port
    async with scene(listening=Listening("tcp", LOOPBACK, port)) as again:
        await again.known_trunk()


@settings(max_examples=25)
@given(st.lists(st.binary(max_size=300) | st.sampled_from([OPTIONS, b"\r\n\r\n", b"l: 0\r\n\r\n"]), max_size=8))
def test_any_bytes_cost_at_most_their_own_connection(pieces: list[bytes]) -> None:
    async def check() -> None:
        async with scene() as at:
            tame, tame_flow = await at.known_trunk()
            wild = await at.trunk()
            for piece in pieces:
                wild.send(piece)
                await asyncio.sleep(0)
            with suppress(OSError):  # the door may have closed it by now
                wild.writer.write_eof()
            await at.hall.until_closed()
            assert tame_flow not in at.hall.closed
            tame.send(OPTIONS)
            await at.hall.until(lambda: [flow for _, flow in at.hall.messages].count(tame_flow) == 2)
            assert at.hall.send(tame_flow, OK)
            assert await tame.hears(len(OK)) == OK

    run_virtual(check())
