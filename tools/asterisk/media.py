"""The telephone's ear, mouth and keys: RTP with G.711 (RFC 3551) and telephone events (RFC 4733)."""

from __future__ import annotations

import asyncio
import secrets
import struct
from collections import deque
from dataclasses import dataclass
from typing import Literal, NamedTuple

from audio.codecs.g711 import decode, encode
from audio.format import Encoding

Codec = Literal["ulaw", "alaw"]
RATE = 8000
PTIME = 0.02
SAMPLES = 160
EVENT_TYPE = 101
KEYS = "0123456789*#ABCD"


class PayloadType(NamedTuple):
    number: int
    name: str
    encoding: Encoding


PAYLOAD_TYPES = {"ulaw": PayloadType(0, "PCMU", Encoding.PCMU), "alaw": PayloadType(8, "PCMA", Encoding.PCMA)}


@dataclass(slots=True)
class Heard:
    """What arrived without a gap: ``at`` on the loop's clock, signed 16-bit PCM at 8 kHz."""

    at: float
    pcm: bytearray

    @property
    def end(self) -> float:
        return self.at + len(self.pcm) / 2 / RATE


class MediaPort(asyncio.DatagramProtocol):
    """One RTP port. Sends all the time, as telephones do: what it is told to say, else silence."""

    def __init__(self, codec: Codec) -> None:
        self.codec: Codec = codec
        self.port = 0
        self.heard: list[Heard] = []
        self._kind = PAYLOAD_TYPES[codec]
        self._transport: asyncio.DatagramTransport | None = None
        self._far: tuple[str, int] | None = None
        self._event_type: int | None = None
        self._sender: asyncio.Task[None] | None = None
        self._words: deque[bytes] = deque()
        self._keys: deque[str] = deque()
        self._all_said = asyncio.Event()
        self._source = secrets.randbits(32)
        self._sequence = self._stamp = 0
        self._last: tuple[int, int] | None = None

    async def open(self, host: str) -> None:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(host, 0))
        self.port = self._transport.get_extra_info("sockname")[1]

    def connect(self, far: tuple[str, int], *, event_type: int | None) -> None:
        """Begin to send. A second description of the same call only changes where to."""
        self._far, self._event_type = far, event_type
        if self._sender is None:
            self._sender = asyncio.get_running_loop().create_task(self._send_all())

    def stop(self) -> None:
        if self._sender is not None:
            self._sender.cancel()
            self._all_said.set()

    async def close(self) -> None:
        self.stop()
        if self._sender is not None:
            await asyncio.wait([self._sender])
        if self._transport is not None:
            self._transport.close()

    # --- mouth and keys --------------------------------------------------------------------------------------------
    async def say(self, pcm: bytes) -> None:
        """Say PCM at the speed of speech; returns when it is said."""
        coded = encode(pcm, self._kind.encoding)
        self._words.extend(coded[i : i + SAMPLES] for i in range(0, len(coded) - SAMPLES + 1, SAMPLES))
        await self._wait_said()

    async def press(self, keys: str) -> None:
        """Press keys, each for 0.1 s with as much between."""
        assert self._event_type is not None, "the PBX takes no telephone events"
        self._keys.extend(keys)
        await self._wait_said()

    async def _wait_said(self) -> None:
        self._all_said.clear()
        await self._all_said.wait()

    async def _send_all(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        silence = encode(bytes(2 * SAMPLES), self._kind.encoding)
        while True:
            if self._keys:
                due = await self._send_key(KEYS.index(self._keys.popleft()), due)
            elif self._words:
                self._send(self._kind.number, self._words.popleft())
            else:
                self._all_said.set()
                self._send(self._kind.number, silence)
            due = await self._step(due)

    async def _send_key(self, event: int, due: float) -> float:
        """RFC 4733 section 2.5.1: the time stamp stays, the duration grows, the end is sent three times."""
        assert self._event_type is not None
        stamp, length = self._stamp, 5
        for step in range(1, length + 4):
            duration = min(step, length) * SAMPLES
            payload = struct.pack("!BBH", event, (0x80 if step > length else 0) | 10, duration)
            self._send(self._event_type, payload, stamp=stamp, marker=step == 1)
            if step <= length:
                due = await self._step(due)
        for _ in range(5):
            self._send(self._kind.number, encode(bytes(2 * SAMPLES), self._kind.encoding))
            due = await self._step(due)
        return due

    async def _step(self, due: float) -> float:
        self._stamp = (self._stamp + SAMPLES) & 0xFFFFFFFF
        due += PTIME
        await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
        return due

    def _send(self, kind: int, payload: bytes, *, stamp: int | None = None, marker: bool = False) -> None:
        assert self._transport is not None
        self._sequence = (self._sequence + 1) & 0xFFFF
        when = self._stamp if stamp is None else stamp
        header = struct.pack("!BBHII", 0x80, kind | (0x80 if marker else 0), self._sequence, when, self._source)
        self._transport.sendto(header + payload, self._far)

    # --- ear -------------------------------------------------------------------------------------------------------
    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        if len(data) < 12 or data[1] & 0x7F != self._kind.number:
            return
        stamp, source = struct.unpack("!II", data[4:12])
        self._place(decode(data[12 + 4 * (data[0] & 0x0F) :], self._kind.encoding), stamp, source)

    def _place(self, pcm: bytes, stamp: int, source: int) -> None:
        """Time stamps say what follows without a gap; arrival says where a stretch begins."""
        continues = self._last == (stamp, source)
        if not self.heard or not continues:
            self.heard.append(Heard(asyncio.get_running_loop().time(), bytearray()))
        self.heard[-1].pcm += pcm
        self._last = ((stamp + len(pcm) // 2) & 0xFFFFFFFF, source)

    def timeline(self) -> tuple[float, bytes]:
        """All that was heard, gaps as silence: when it began, and PCM."""
        if not self.heard:
            return 0.0, b""
        began, track = self.heard[0].at, bytearray()
        for stretch in self.heard:
            gap = 2 * round((stretch.at - began) * RATE) - len(track)
            track += bytes(max(0, gap)) + stretch.pcm
        return began, bytes(track)
