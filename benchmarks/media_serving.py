"""The measured process of `benchmarks.media`: calls that hear and speak all the time, with nobody behind them.

It speaks JSON lines with its parent: what to connect to, where the callers are, then figures at each line that comes.

python -m benchmarks.media_serving KIND CALLS MIRRORS
"""

from __future__ import annotations

import asyncio
import datetime
import json
import os
import resource
import sys
from collections.abc import AsyncIterator
from functools import cache
from typing import Any

import uvloop

from audio.codecs.choice import live_codec
from audio.format import AudioFormat
from audio.frame import Frame
from gateway.collecting import collect_seldom
from gateway.events import AudioReceived, LegClosed
from gateway.transports.media.mailbox import Mailbox
from gateway.transports.media.path import Fingerprint, LocalIce, MediaPath, RemoteIce
from gateway.transports.media.ports import MediaOptions, PortRange
from gateway.transports.media.session import MediaOrigin, MediaSession, MediaTerms
from gateway.transports.media.ticker import Ticker
from gateway.transports.media.udp_media import RemoteUdp, UdpPath

HOST = "127.0.0.1"
OPTIONS = MediaOptions(ports=PortRange(), addresses=(HOST,))
CODECS = {"rtp": ("PCMU", 0), "webrtc": ("PCMU", 0), "opus": ("opus", 111)}
"""Of each kind of call: name and payload type. Opus goes by WebRTC, as it does from browsers."""


class Echo(asyncio.DatagramProtocol):
    """What the machine and the loop take by themselves: each datagram is sent back, and nothing else is done."""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._transport.sendto(data, addr)


class Call:
    """One call: its audio is heard where it arrives, and it is spoken to all the time."""

    def __init__(self, path: MediaPath, ticker: Ticker, number: int, kind: str) -> None:
        name, payload_type = CODECS[kind]
        codec = live_codec(name)
        self.mailbox = Mailbox()
        self.heard = 0
        self._speech = voice(codec.format)
        self.media = MediaSession(
            path,
            MediaTerms(codec=codec, payload_type=payload_type, event_type=101),
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
        message = Frame(self._speech, self.media.format)
        while self.mailbox.closed is None:  # then nothing waits any more
            await self.media.send_audio(message)


class Mirror(Call):
    """A call that says again what it hears: only the newest packet waits, as a bot's first word does."""

    async def run(self) -> None:
        self.media.start()
        async for event in self.mailbox.events():
            if isinstance(event, AudioReceived):
                self.heard += 1
                self.media.clear()
                await self.media.send_audio(Frame(event.frame.data, event.frame.format))


@cache
def voice(audio_format: AudioFormat) -> bytes:
    """0.2 s that no codec finds easy: a message as a playout makes them. The same object for all calls."""
    return bytes((i * 7 + i // 251) % 254 for i in range(audio_format.size(0.2)))


async def serve(kind: str, calls: int, mirrors: int) -> None:
    lines = _lines()
    ticker = Ticker()
    made: list[Call] = []
    if kind == "echo":
        print(json.dumps([await _echo() for _ in range(calls)]), flush=True)
        json.loads(await anext(lines))
    else:
        paths = await (_plain(calls, lines) if kind == "rtp" else _secure(calls, lines))
        made = [(Mirror if number < mirrors else Call)(path, ticker, number, kind) for number, path in enumerate(paths)]
    collect_seldom()
    async with asyncio.TaskGroup() as running:
        for call in made:
            running.create_task(call.run())
        async for _ in lines:
            usage = resource.getrusage(resource.RUSAGE_SELF)
            heard = sum(call.heard for call in made)
            print(json.dumps([usage.ru_utime + usage.ru_stime, heard, ticker.skipped]), flush=True)
        os._exit(0)


async def _echo() -> int:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Echo, local_addr=(HOST, 0))
    port: int = transport.get_extra_info("sockname")[1]
    return port


async def _plain(calls: int, lines: AsyncIterator[str]) -> list[MediaPath]:
    paths = [UdpPath(OPTIONS) for _ in range(calls)]
    print(json.dumps([(await path.open()).port for path in paths]), flush=True)
    for path, port in zip(paths, json.loads(await anext(lines)), strict=True):
        path.aim(RemoteUdp(address=HOST, port=port, payload_types=frozenset({0, 101})))
    return list(paths)


async def _secure(calls: int, lines: AsyncIterator[str]) -> list[MediaPath]:
    from gateway.transports.media.webrtc import WebRtcPath  # late: plain calls are measured without it

    paths = [WebRtcPath(OPTIONS, now=wall()) for _ in range(calls)]
    print(json.dumps([to_wire(await path.open()) for path in paths]), flush=True)
    offers = json.loads(await anext(lines))
    await asyncio.gather(*[path.connect(from_wire(it, "passive")) for path, it in zip(paths, offers, strict=True)])
    return list(paths)


async def _lines() -> AsyncIterator[str]:
    reader = asyncio.StreamReader(limit=1 << 22)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield line.decode()


def wall() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def to_wire(local: LocalIce) -> list[Any]:
    """What the other process has to know of a WebRTC path."""
    return [local.ufrag, local.pwd, [local.fingerprint.algorithm, local.fingerprint.value], local.candidates]


def from_wire(wire: list[Any], role: Any) -> RemoteIce:
    ufrag, pwd, fingerprint, candidates = wire
    return RemoteIce(
        ufrag=ufrag, pwd=pwd, fingerprints=(Fingerprint(*fingerprint),), role=role, candidates=tuple(candidates)
    )


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
