"""The door of UDP: real datagrams on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import Any

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from config.base import Network
from gateway.errors import ConfigError
from gateway.transports.sip import udp
from gateway.transports.sip.flow import Flow
from gateway.transports.sip.settings import Listening
from gateway.transports.sip.udp import UdpDoor
from tests.fakes.sip_hall import LOOPBACK, OK, OPTIONS, WITHIN, RecordingHall, open_door
from tests.fakes.virtual_loop import run_virtual, virtual_time

HERE = Listening("udp", LOOPBACK, 0)
TRUNKS: Sequence[Network] = [ip_network("127.0.0.1/32")]
OTHERS: Sequence[Network] = [ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")]


class Trunk(asyncio.DatagramProtocol):
    """A peer's socket."""

    def __init__(self) -> None:
        self._heard: asyncio.Queue[bytes] = asyncio.Queue()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.address: str = "{}:{}".format(*transport.get_extra_info("sockname"))

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._heard.put_nowait(data)

    async def hears(self) -> bytes:
        async with asyncio.timeout(WITHIN):
            return await self._heard.get()

    @property
    def has_heard(self) -> bool:
        return not self._heard.empty()


class Scene:
    """A door, its hall, and trunks around it."""

    def __init__(self, door: UdpDoor, hall: RecordingHall) -> None:
        self.door = door
        self.hall = hall
        self.trunks: list[Trunk] = []

    async def trunk(self, host: str = LOOPBACK) -> Trunk:
        _, trunk = await asyncio.get_running_loop().create_datagram_endpoint(Trunk, local_addr=(host, 0))
        self.trunks.append(trunk)
        return trunk

    def send(self, trunk: Trunk, *datagrams: bytes) -> None:
        for data in datagrams:
            trunk.transport.sendto(data, (LOOPBACK, self.door.port))

    async def until_refused(self, number: int) -> None:
        for _ in range(1000):
            if self.door.refused == number:
                return
            await asyncio.sleep(0)
        raise AssertionError(f"{self.door.refused} refused, not {number}")


@asynccontextmanager
async def scene(
    allow: Sequence[Network] = TRUNKS, *, hall: RecordingHall | None = None, is_open: bool = False, **kwargs: Any
) -> AsyncIterator[Scene]:
    door = UdpDoor(kwargs.pop("listening", HERE), allow, line="trunk", is_open=is_open, **kwargs)
    made = Scene(door, hall or RecordingHall())
    try:
        async with open_door(door, made.hall):
            yield made
    finally:
        for trunk in made.trunks:
            trunk.transport.close()


@virtual_time
async def test_a_message_comes_in_and_is_answered_on_its_flow() -> None:
    async with scene() as at:
        trunk = await at.trunk()
        at.send(trunk, OPTIONS)
        await at.hall.until_received()
        (data, flow), *_ = at.hall.messages
        assert data == OPTIONS
        assert (flow.transport, flow.peer, flow.local) == ("udp", trunk.address, f"127.0.0.1:{at.door.port}")
        assert at.hall.send(flow, OK)
        assert await trunk.hears() == OK


@virtual_time
async def test_one_peer_is_one_flow_and_two_are_two() -> None:
    async with scene() as at:
        one, other = await at.trunk(), await at.trunk()
        at.send(one, OPTIONS, OPTIONS)
        at.send(other, OPTIONS)
        await at.hall.until_received(3)
        assert [flow.peer for flow in at.hall.opened] == [one.address, other.address]
        assert {flow for _, flow in at.hall.messages} == set(at.hall.opened)
    assert at.hall.closed == at.hall.opened


@virtual_time
async def test_a_peer_keeps_its_flow_over_a_restart_of_the_door() -> None:
    hall = RecordingHall()
    async with scene(hall=hall) as at:
        trunk = await at.trunk()
        at.send(trunk, OPTIONS)
        await hall.until_received()
        port = at.door.port
        async with scene(hall=RecordingHall()) as elsewhere:
            elsewhere.send(trunk, OPTIONS)
            await elsewhere.hall.until_received()
            assert elsewhere.hall.opened != hall.opened, "another socket of ours is another flow"
        trunk_address = tuple(trunk.transport.get_extra_info("sockname"))
    async with scene(hall=hall, listening=Listening("udp", LOOPBACK, port)) as again:
        _, same = await asyncio.get_running_loop().create_datagram_endpoint(Trunk, local_addr=trunk_address)
        again.trunks.append(same)
        again.send(same, OPTIONS)
        await hall.until_received(2)
    assert hall.opened[0] == hall.opened[1]


@virtual_time
async def test_who_is_not_allowed_is_not_heard_and_logged_once_a_minute() -> None:
    with structlog.testing.capture_logs() as logs:
        async with scene(OTHERS) as at:
            trunk = await at.trunk()
            at.send(trunk, OPTIONS, b"\r\n\r\n", OPTIONS)
            await at.until_refused(3)
            await asyncio.sleep(61)
            at.send(trunk, OPTIONS)
            await at.until_refused(4)
            assert not trunk.has_heard
        assert at.hall.opened == []
    refusals = [entry for entry in logs if "allow" in entry["event"]]
    assert [(entry["peer"], entry["times"]) for entry in refusals] == [(LOOPBACK, 1), (LOOPBACK, 3)]


@virtual_time
async def test_an_open_line_hears_everybody() -> None:
    async with scene(OTHERS, is_open=True) as at:
        at.send(await at.trunk(), OPTIONS)
        await at.hall.until_received()
        assert at.door.refused == 0


@virtual_time
async def test_keep_alives_are_the_doors_own() -> None:
    async with scene() as at:
        trunk = await at.trunk()
        at.send(trunk, b"\r\n", b"", b"\r\n\r\n")
        assert await trunk.hears() == b"\r\n"
        at.send(trunk, OPTIONS)
        await at.hall.until_received()
        assert at.hall.data == [OPTIONS]
        assert not trunk.has_heard


@pytest.mark.parametrize(
    ("kwargs", "local"),
    [
        ({"announce": "203.0.113.5"}, "203.0.113.5"),
        ({"announce": "2001:db8::5"}, "[2001:db8::5]"),
        ({"listening": Listening("udp", "0.0.0.0", 0)}, LOOPBACK),
        ({"listening": Listening("udp", "0.0.0.0", 0), "announce": "203.0.113.5"}, "203.0.113.5"),
    ],
)
@virtual_time
async def test_what_we_are_called(kwargs: dict[str, Any], local: str) -> None:
    async with scene(**kwargs) as at:
        at.send(await at.trunk(), OPTIONS)
        await at.hall.until_received()
        assert at.hall.opened[0].local == f"{local}:{at.door.port}"
        assert at.hall.opened[0].via("z9hG4bK1").port == at.door.port


@virtual_time
async def test_a_message_that_breaks_the_hall_costs_itself_alone() -> None:
    def break_down(data: bytes, _: Flow) -> None:
        if data == b"bad":
            raise RuntimeError("a bug")

    async with scene(hall=RecordingHall(break_down)) as at:
        trunk = await at.trunk()
        with structlog.testing.capture_logs() as logs:
            at.send(trunk, b"bad", OPTIONS)
            await at.hall.until_received(2)
        assert at.hall.data == [b"bad", OPTIONS]
        assert at.hall.closed == []
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["datagram broken off"]


@virtual_time
async def test_a_peer_that_is_gone_does_not_cost_the_socket() -> None:
    """The system tells of datagrams that nobody took (ICMP), and refuses some that cannot be sent at all."""
    async with scene() as at:
        gone, there = await at.trunk(), await at.trunk()
        at.send(gone, OPTIONS)
        await at.hall.until_received()
        gone.transport.close()
        await asyncio.sleep(0)
        for _ in range(3):
            assert at.hall.send(at.hall.opened[0], OK)
            await asyncio.sleep(0.01)
        at.door.received(OPTIONS, (LOOPBACK, 0))  # as forged: nothing can be sent to port 0
        assert at.hall.send(at.hall.opened[-1], OK)
        at.send(there, OPTIONS)
        await at.hall.until_received(3)
        assert at.hall.send(at.hall.opened[-1], OK)
        assert await there.hears() == OK


@virtual_time
async def test_what_is_too_long_for_a_datagram_is_lost_alone() -> None:
    async with scene() as at:
        trunk = await at.trunk()
        at.send(trunk, OPTIONS)
        await at.hall.until_received()
        flow = at.hall.opened[0]
        assert at.hall.send(flow, b"x" * 70_000)
        assert at.hall.send(flow, b"y" * 65_507)
        assert await trunk.hears() == b"y" * 65_507


@virtual_time
async def test_a_flow_of_somebody_else_or_of_before_is_refused() -> None:
    stranger = Flow(id="tcp 1", transport="tcp", peer="127.0.0.1:5", local="127.0.0.1:5060")
    async with scene() as at:
        assert not at.door.send(stranger, OK)
        at.send(await at.trunk(), OPTIONS)
        await at.hall.until_received()
    assert not at.door.send(at.hall.opened[0], OK)


@virtual_time
async def test_a_flood_leaves_others_their_turn() -> None:
    """Between two turns of the loop only a few datagrams are handled."""
    async with scene() as at:
        trunk = await at.trunk()
        at.send(trunk, *[OPTIONS] * 100)
        most = before = 0
        while before < 100:
            await asyncio.sleep(0)
            most, before = max(most, len(at.hall.messages) - before), len(at.hall.messages)
        assert 0 < most <= 4


@virtual_time
async def test_the_flow_heard_of_least_recently_makes_room() -> None:
    """Source addresses can be forged; what is kept of them is bounded."""
    async with scene() as at:
        for number in range(udp.MAX_PEERS):
            at.door.received(OPTIONS, (LOOPBACK, 1 + number))
        at.door.received(OPTIONS, (LOOPBACK, 1))
        assert at.hall.closed == []
        at.door.received(OPTIONS, (LOOPBACK, 60_000))
        assert [flow.peer for flow in at.hall.closed] == ["127.0.0.1:2"]
        assert not at.door.send(at.hall.closed[0], OK)
        assert len(at.hall.doors) == udp.MAX_PEERS


@virtual_time
async def test_a_port_that_is_taken_is_said_in_one_sentence() -> None:
    async with scene() as at:
        taken = Listening("udp", LOOPBACK, at.door.port)
        with pytest.raises(
            ConfigError, match=rf"^listen: cannot listen on udp:127.0.0.1:{taken.port}: address already"
        ):
            await UdpDoor(taken, (), line="trunk", is_open=True).run(RecordingHall())


@settings(max_examples=25)
@given(st.lists(st.binary(max_size=300) | st.sampled_from([OPTIONS, b"\r\n\r\n", b"\0\0\0\0"]), max_size=8))
def test_any_bytes_come_in_as_they_are_and_harm_nobody(datagrams: list[bytes]) -> None:
    async def check() -> None:
        async with scene() as at:
            wild, tame = await at.trunk(), await at.trunk()
            at.send(wild, *datagrams)
            at.send(tame, OPTIONS)
            await at.hall.until(lambda: any(flow.peer == tame.address for _, flow in at.hall.messages))
            theirs = [data for data, flow in at.hall.messages if flow.peer == wild.address]
            assert theirs == [data for data in datagrams if data.strip(b"\r\n")]

    run_virtual(check())
