"""What a call's media cost without its bot: plain RTP and WebRTC, beside a bare echo of the same datagrams.

`python -m benchmarks.media [CALLS]` runs all three in turn. One process has the calls and is measured by its own CPU
time; another one is all the callers. Each caller sends a G.711 packet every 20 ms; the measured process hears all of
them through `MediaSession` and speaks all the time. All on loopback.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import json
import os
import resource
import statistics
import struct
import sys
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import uvloop

from audio.codecs.live import G711Codec
from audio.format import Encoding
from audio.frame import Frame
from benchmarks.figures import milliseconds, percentile
from gateway.events import AudioReceived, LegClosed
from gateway.transports.media.mailbox import Mailbox
from gateway.transports.media.path import Fingerprint, LocalIce, MediaPath, RemoteIce
from gateway.transports.media.ports import MediaOptions, PortRange
from gateway.transports.media.session import MediaOrigin, MediaSession, MediaTerms
from gateway.transports.media.ticker import PTIME, Ticker
from gateway.transports.media.udp_media import RemoteUdp, UdpPath

HOST = "127.0.0.1"
OPTIONS = MediaOptions(ports=PortRange(), addresses=(HOST,))
WARM_UP, WINDOW = 2.0, 10.0
PACKET = struct.Struct("!BBHII")
VOICE = bytes((i * 7 + i // 251) % 254 for i in range(160))
KINDS = ("echo", "rtp", "webrtc")


# --- the measured process -----------------------------------------------------------------------------------------
class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.transport.sendto(data, addr)


class Call:
    """One call: somebody reads its events, somebody speaks."""

    def __init__(self, path: MediaPath, ticker: Ticker, number: int) -> None:
        self.mailbox = Mailbox()
        self.heard = 0
        self.media = MediaSession(
            path,
            MediaTerms(codec=G711Codec(Encoding.PCMU), payload_type=0, event_type=101),
            origin=MediaOrigin(ssrc=number + 1, sequence=0, timestamp=0, cname=f"c{number}"),
            ticker=ticker,
            post=self.mailbox.post,
            lost=lambda reason: self.mailbox.post(LegClosed(by="failure", reason=reason)),
        )

    async def run(self) -> None:
        self.mailbox.pass_audio(self._hear)
        self.media.start()
        speaking = asyncio.create_task(self._speak())
        async for _ in self.mailbox.events():
            pass
        speaking.cancel()

    def _hear(self, frame: Frame) -> None:
        self.heard += 1

    async def _speak(self) -> None:
        message = Frame(VOICE * 10, self.media.format)
        while self.mailbox.closed is None:  # then nothing waits any more
            await self.media.send_audio(message)


async def serve(kind: str, calls: int) -> None:
    """Speaks JSON lines with its parent: what to connect to, then figures at each line that comes."""
    lines = _lines()
    ticker, made = Ticker(), []
    if kind == "echo":
        ports = [await _echo() for _ in range(calls)]
        print(json.dumps(ports), flush=True)
        json.loads(await anext(lines))
    elif kind == "rtp":
        paths = [UdpPath(OPTIONS) for _ in range(calls)]
        print(json.dumps([(await path.open()).port for path in paths]), flush=True)
        for path, port in zip(paths, json.loads(await anext(lines)), strict=True):
            path.aim(RemoteUdp(address=HOST, port=port, payload_types=frozenset({0, 101})))
        made = [Call(path, ticker, number) for number, path in enumerate(paths)]
    else:
        from gateway.transports.media.webrtc import WebRtcPath

        secure = [WebRtcPath(OPTIONS, now=_wall()) for _ in range(calls)]
        print(json.dumps([_wire(await path.open()) for path in secure]), flush=True)
        offers = json.loads(await anext(lines))
        await asyncio.gather(
            *[way.connect(_remote(offer, "passive")) for way, offer in zip(secure, offers, strict=True)]
        )
        made = [Call(way, ticker, number) for number, way in enumerate(secure)]
    async with asyncio.TaskGroup() as running:
        for call in made:
            running.create_task(call.run())
        await _tell(lines, made, ticker)


async def _tell(lines: AsyncIterator[str], made: list[Call], ticker: Ticker) -> None:
    """Figures at each line that comes; the last one ends the process."""
    async for _ in lines:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        heard = sum(call.heard for call in made)
        print(json.dumps([usage.ru_utime, usage.ru_stime, heard, usage.ru_maxrss / 1024, ticker.skipped]), flush=True)
    os._exit(0)


async def _echo() -> int:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Echo, local_addr=(HOST, 0))
    port: int = transport.get_extra_info("sockname")[1]
    return port


async def _lines() -> AsyncIterator[str]:
    reader = asyncio.StreamReader(limit=1 << 22)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield line.decode()


def _wall() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _wire(local: LocalIce) -> list[Any]:
    fingerprint = [local.fingerprint.algorithm, local.fingerprint.value]
    return [local.ufrag, local.pwd, fingerprint, local.candidates]


def _remote(wire: list[Any], role: Any) -> RemoteIce:
    ufrag, pwd, fingerprint, candidates = wire
    return RemoteIce(
        ufrag=ufrag, pwd=pwd, fingerprints=(Fingerprint(*fingerprint),), role=role, candidates=tuple(candidates)
    )


# --- the callers --------------------------------------------------------------------------------------------------
class Phone(asyncio.DatagramProtocol):
    """A caller with a socket, or at the end of a WebRTC path."""

    def __init__(self) -> None:
        self.arrivals: list[float] = []

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.arrivals.append(time.perf_counter())

    def rtp_received(self, packet: bytes) -> None:
        self.arrivals.append(time.perf_counter())

    def rtcp_received(self, packet: bytes) -> None: ...
    def path_lost(self, failure: Any) -> None: ...


def _send_to(transport: asyncio.DatagramTransport, port: int, packet: bytes) -> None:
    transport.sendto(packet, (HOST, port))


class Callers:
    """All callers of one run."""

    def __init__(self, kind: str, calls: int) -> None:
        self.kind = kind
        self.calls = calls
        self.phones: list[Phone] = []
        self.transports: list[asyncio.DatagramTransport] = []
        self.paths: list[Any] = []
        self.send: list[Callable[[bytes], None]] = []
        self.connected: list[float] = []
        self.ticker = Ticker()
        self._slot = 0

    async def connect(self, ask: Callable[[str | None], Any]) -> None:
        """Find the measured process' calls, one after the other."""
        told = await ask(None)
        loop = asyncio.get_running_loop()
        if self.kind == "webrtc":
            from gateway.transports.media.webrtc import WebRtcPath

            self.paths = [WebRtcPath(OPTIONS, now=_wall(), controlling=True) for _ in told]
            offers = [_wire(await path.open()) for path in self.paths]
            await ask(json.dumps(offers) + "\n!")
            await asyncio.gather(*map(self._connect, self.paths, told))
            return
        ports = []
        for port in told:
            transport, phone = await loop.create_datagram_endpoint(Phone, local_addr=(HOST, 0))
            self.phones.append(phone)
            self.transports.append(transport)
            self.send.append(partial(_send_to, transport, port))
            ports.append(transport.get_extra_info("sockname")[1])
        await ask(json.dumps(ports) + "\n!")

    async def _connect(self, path: Any, wire: list[Any]) -> None:
        phone = Phone()
        path.deliver_to(phone)
        await path.connect(_remote(wire, "active"))
        self.phones.append(phone)
        self.send.append(path.send_rtp)

    async def stop(self) -> None:
        """Fall silent, and give the sockets back: the next run may get the same ports."""
        self.ticker.remove(self._tick)
        for transport in self.transports:
            transport.close()
        for path in self.paths:
            await path.close()

    def talk(self) -> None:
        self.ticker.add(self._tick, lambda: None)

    def _tick(self, left_out: int) -> None:
        packet_of = PACKET.pack
        sequence = self._slot & 0xFFFF
        for number, send in enumerate(self.send):
            send(packet_of(0x80, 0, sequence, self._slot * 160 & 0xFFFFFFFF, number + 1) + VOICE)
        self._slot += 1

    def deviations(self) -> list[float]:
        """By how much each packet came off the beat of its own call, seconds."""
        found = []
        for phone in self.phones:
            first = phone.arrivals[0]
            offsets = [at - first - n * PTIME for n, at in enumerate(phone.arrivals)]
            middle = statistics.median(offsets)
            found += [abs(offset - middle) for offset in offsets]
        return found


async def measure(kind: str, calls: int) -> dict[str, Any]:
    """One run: CPU in per cent of a core per call, and what the callers saw."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.media", "serve", kind, str(calls),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 22,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    stdin, stdout = process.stdin, process.stdout

    async def ask(line: str | None) -> Any:
        if line is not None:
            stdin.write(line.removesuffix("!").encode())
            if line.endswith("!"):
                return None
        return json.loads(await stdout.readline())

    callers = Callers(kind, calls)
    async with asyncio.timeout(60):
        await callers.connect(ask)
        callers.talk()
        await asyncio.sleep(WARM_UP)
        user, system, heard, _, _ = await ask("?\n")
        for phone in callers.phones:
            phone.arrivals.clear()
        started = time.perf_counter()
        await asyncio.sleep(WINDOW)
        deviations = callers.deviations()
        arrived = sum(len(phone.arrivals) for phone in callers.phones)
        user_after, system_after, heard_after, memory, skipped = await ask("?\n")
        seconds = time.perf_counter() - started
    await callers.stop()
    stdin.close()
    await process.wait()
    expected = calls * WINDOW / PTIME
    return {
        "cpu": 100 * (user_after + system_after - user - system) / seconds / calls,
        "system": 100 * (system_after - system) / seconds / calls,
        "heard": (heard_after - heard) / expected,
        "arrived": arrived / expected,
        "off beat, p99": percentile(deviations, 99),
        "memory": memory,
        "skipped": skipped,
    }


async def connect_times(count: int) -> list[float]:
    """Seconds from both descriptions known to keys on both sides, one call after the other, in one process."""
    from gateway.transports.media.webrtc import WebRtcPath

    took = []
    for _ in range(count):
        ends = WebRtcPath(OPTIONS, now=_wall(), controlling=True), WebRtcPath(OPTIONS, now=_wall())
        wires = [_wire(await end.open()) for end in ends]
        started = time.perf_counter()
        await asyncio.gather(
            ends[0].connect(_remote(wires[1], "active")), ends[1].connect(_remote(wires[0], "passive"))
        )
        took.append(time.perf_counter() - started)
        for end in ends:
            await end.close()
    return took


async def report(calls: int) -> None:
    took = await connect_times(30)
    print(f"ICE and DTLS, both ends in one process: p50 {milliseconds(percentile(took, 50))} ms, "
          f"p95 {milliseconds(percentile(took, 95))} ms")  # fmt: skip
    echo = 0.0
    for kind in KINDS:
        figures = await measure(kind, calls)
        echo = echo or figures["cpu"]
        print(
            f"{kind:7} {calls} calls: {figures['cpu']:.3f} % of a core per call ({figures['cpu'] / echo:.2f} × echo, "
            f"{figures['system']:.3f} in the kernel), "
            f"arrived {100 * figures['arrived']:.1f} %, "
            + (f"heard {100 * figures['heard']:.1f} %, " if kind != "echo" else "")
            + f"off the beat p99 {milliseconds(figures['off beat, p99'])} ms, slots left out {figures['skipped']}, "
            f"{figures['memory']:.0f} MB"
        )


def main(arguments: list[str]) -> None:
    with contextlib.suppress(KeyboardInterrupt):
        if arguments[:1] == ["serve"]:
            uvloop.run(serve(arguments[1], int(arguments[2])))
        else:
            uvloop.run(report(int(arguments[0]) if arguments else 50))


if __name__ == "__main__":
    main(sys.argv[1:])
