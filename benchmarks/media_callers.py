"""The callers of `benchmarks.media`: each sends a packet every 20 ms, and notes when packets come.

Plain ones have the kernel say when, so that a caller who is late himself does not blame the other side.
"""

from __future__ import annotations

import asyncio
import socket
import statistics
import struct
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from audio.codecs.choice import live_codec
from benchmarks.media_serving import CODECS, HOST, OPTIONS, from_wire, to_wire, voice, wall
from gateway.transports.media.ticker import PTIME, Ticker

HEADER = struct.Struct("!BBHII")
STAMP = struct.Struct("!4sI")
MAGIC = b"\x01\x82\x43\xc4"
"""Begins a payload that tells by its number when it was sent."""
SO_TIMESTAMPNS = 35  # of Linux: the kernel's time of arrival comes with each datagram; Python has no name for it
_TIMESPEC = struct.Struct("@qq")


class Phone:
    """One caller's notes: the times of packets, by the wall clock, with what their own time stamps say."""

    def __init__(self) -> None:
        self.arrivals: list[tuple[float, int]] = []
        self.delays: list[float] = []
        self.sent: dict[int, float] = {}
        """When stamped packets left, for a call that says again what it hears."""

    def arrived(self, packet: bytes, at: float) -> None:
        self.arrivals.append((at, int.from_bytes(packet[4:8])))
        if self.sent and packet[12:16] == MAGIC:
            self.delays.append(at - self.sent[STAMP.unpack_from(packet, 12)[1]])

    def deviations(self, clock_rate: int) -> list[float]:
        """By how much each packet came off the beat of its own call, seconds."""
        if not self.arrivals:
            return []
        _, first = self.arrivals[0]
        offsets = [at - ((stamp - first) & 0xFFFFFFFF) / clock_rate for at, stamp in self.arrivals]
        middle = statistics.median(offsets)
        return [abs(offset - middle) for offset in offsets]

    # --- as the sink of a WebRTC path --------------------------------------------------------------------------------
    def rtp_received(self, packet: bytes) -> None:
        self.arrived(packet, time.time())

    def rtcp_received(self, packet: bytes) -> None: ...
    def path_lost(self, failure: Any) -> None: ...


class Callers:
    """All callers of one run.

    Args:
        kind: Of call, see `media_serving.CODECS`, or ``echo``.
        groups: How many groups they are in, each with a beat of its own, evenly spread over 20 ms. In one group they
            are a burst.
        mirrors: How many calls send back what they hear.
    """

    def __init__(self, kind: str, *, groups: int = 1, mirrors: int = 0) -> None:
        self.kind = kind
        self.phones: list[Phone] = []
        self._groups = groups
        self._mirrors = mirrors
        self._sockets: list[socket.socket] = []
        self._paths: list[Any] = []
        self._send: list[Callable[[bytes], Any]] = []
        self._tickers: list[tuple[Ticker, Callable[[int], None]]] = []
        name, self._payload_type = CODECS.get(kind, CODECS["rtp"])
        codec = live_codec(name)
        self.clock_rate = codec.clock_rate
        self._ticks = round(codec.clock_rate * PTIME)
        self._payload = codec.encode(voice(codec.format)[: codec.format.size(PTIME)])

    async def connect(self, told: list[Any], tell: Callable[[list[Any]], Awaitable[None]]) -> None:
        """Reach the measured process' calls. What it told is what we connect to; it is told where we are."""
        if self.kind in ("echo", "rtp"):
            await tell([self._dial(port) for port in told])
            return
        from gateway.transports.media.webrtc import WebRtcPath

        self._paths = [WebRtcPath(OPTIONS, now=wall(), controlling=True) for _ in told]
        await tell([to_wire(await path.open()) for path in self._paths])
        await asyncio.gather(*map(self._connect, self._paths, told))

    def _dial(self, port: int) -> int:
        phone, made = Phone(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        made.bind((HOST, 0))
        asyncio.get_running_loop().add_reader(made, _read, made, phone)
        self.phones.append(phone)
        self._sockets.append(made)
        self._send.append(partial(_send, made, (HOST, port)))
        own: int = made.getsockname()[1]
        return own

    async def _connect(self, path: Any, wire: list[Any]) -> None:
        phone = Phone()
        path.deliver_to(phone)
        await path.connect(from_wire(wire, "active"))
        self.phones.append(phone)
        self._send.append(path.send_rtp)

    async def talk(self) -> None:
        """Send from now on."""
        everybody = list(zip(range(len(self._send)), self._send, self.phones, strict=True))
        start = asyncio.get_running_loop().time()
        for group in range(self._groups):
            await asyncio.sleep(start + group * PTIME / self._groups - asyncio.get_running_loop().time())
            ticker, tick = Ticker(), _Group(self, everybody[group :: self._groups]).tick
            ticker.add(tick, lambda: None)
            self._tickers.append((ticker, tick))

    def packet(self, number: int, slot: int, payload: bytes | None = None) -> bytes:
        head = HEADER.pack(0x80, self._payload_type, slot & 0xFFFF, slot * self._ticks & 0xFFFFFFFF, number + 1)
        return head + (payload or self._payload)

    def stamped(self, number: int, slot: int) -> bytes:
        stamp = STAMP.pack(MAGIC, slot)
        return self.packet(number, slot, stamp + self._payload[len(stamp) :])

    def is_mirror(self, number: int) -> bool:
        return number < self._mirrors

    def forget(self) -> None:
        """What was noted so far does not count."""
        for phone in self.phones:
            phone.arrivals.clear()
            phone.delays.clear()

    def deviations(self) -> list[float]:
        """Of all calls but the mirrors, whose packets are not always there."""
        return [it for phone in self.phones[self._mirrors :] for it in phone.deviations(self.clock_rate)]

    def delays(self) -> list[float]:
        return [it for phone in self.phones for it in phone.delays]

    async def stop(self) -> None:
        """Fall silent, and give the sockets back: the next run may get the same ports."""
        for ticker, tick in self._tickers:
            ticker.remove(tick)
        for made in self._sockets:
            asyncio.get_running_loop().remove_reader(made)
            made.close()
        for path in self._paths:
            await path.close()


class _Group:
    """Callers that send in the same moment."""

    def __init__(self, callers: Callers, members: list[tuple[int, Callable[[bytes], Any], Phone]]) -> None:
        self._callers = callers
        self._members = members
        self._slot = 0

    def tick(self, left_out: int) -> None:
        slot = self._slot
        for number, send, phone in self._members:
            if self._callers.is_mirror(number):
                packet = self._callers.stamped(number, slot)
                phone.sent[slot] = time.time()
                send(packet)
            else:
                send(self._callers.packet(number, slot))
        self._slot += 1


def _send(made: socket.socket, address: tuple[str, int], packet: bytes) -> None:
    made.sendto(packet, address)


def _read(made: socket.socket, phone: Phone) -> None:
    data, ancillary, _, _ = made.recvmsg(2048, 64)
    seconds, nanoseconds = _TIMESPEC.unpack(ancillary[0][2][:16])
    phone.arrived(data, seconds + nanoseconds / 1e9)
