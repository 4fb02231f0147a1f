"""What the network carried to the callers, taken from the wire: the judge of what they heard.

Nothing is in the way of the packets: a thread reads a copy of each that leaves for one of the callers' addresses.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, Self

import numpy as np

from audio.codecs.g711 import decode
from tools.asterisk.media import PAYLOAD_TYPES, PTIME, RATE, SAMPLES

ETH_P_IP = 0x0800
SO_TIMESTAMPNS = 35  # asm-generic/socket.h; Python has no name for it
WAIT = 0.2
MOST_PACKETS = 2_000_000
BUFFER = 8 << 20
ENCODINGS = {kind.number: kind.encoding for kind in PAYLOAD_TYPES.values()}


class Endpoint(NamedTuple):
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Taken:
    """A UDP datagram; ``at``: seconds by the kernel's clock, when it was sent."""

    at: float
    source: Endpoint
    target: Endpoint
    data: bytes


def read_datagram(at: float, frame: bytes) -> Taken | None:
    """From an Ethernet frame; None for what is not UDP over IPv4."""
    if len(frame) < 42 or frame[12:14] != b"\x08\x00" or frame[14] >> 4 != 4 or frame[23] != socket.IPPROTO_UDP:
        return None
    start = 14 + 4 * (frame[14] & 15)
    if len(frame) < start + 8:
        return None
    source_port, target_port, length = struct.unpack_from("!HHH", frame, start)
    source, target = socket.inet_ntoa(frame[26:30]), socket.inet_ntoa(frame[30:34])
    data = frame[start + 8 : start + length]
    return Taken(at, Endpoint(source, source_port), Endpoint(target, target_port), data)


class Capture:
    """A thread that reads what goes over the loopback interface, while the block lasts.

    Args:
        hosts: Addresses of callers; what goes to others is not kept.
    """

    def __init__(self, *hosts: str) -> None:
        self._hosts = {socket.inet_aton(host) for host in hosts}
        self._taken: dict[Endpoint, list[Taken]] = defaultdict(list)
        self._count = 0
        self._is_over = threading.Event()
        self._socket: socket.socket | None = None
        self._thread = threading.Thread(target=self._read_all, name="capture", daemon=True)

    def __enter__(self) -> Self:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_IP))
        self._socket.bind(("lo", ETH_P_IP))
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        self._socket.settimeout(WAIT)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join(5)
        assert self._socket is not None
        self._socket.close()

    def heard(self, host: str, port: int) -> Heard:
        """What came to a caller's port for media so far."""
        return Heard(list(self._taken[Endpoint(host, port)]))

    def heard_within(self, ports: range) -> Heard:
        """The same, where only the range is known."""
        targets = [target for target in list(self._taken) if target.port in ports]
        return Heard([one for target in targets for one in self._taken[target]])

    def _read_all(self) -> None:
        assert self._socket is not None
        while not self._is_over.is_set() and self._count < MOST_PACKETS:
            try:
                frame, ancillary, _, address = self._socket.recvmsg(65535, 64)
            except TimeoutError:
                continue
            if address[2] == socket.PACKET_OUTGOING or frame[30:34] not in self._hosts:
                continue
            seconds, rest = struct.unpack("=qq", ancillary[0][2][:16]) if ancillary else (0, 0)
            taken = read_datagram(seconds + rest / 1e9, frame)
            if taken is not None:
                self._taken[taken.target].append(taken)
                self._count += 1


class Heard:
    """The RTP of one port, in the order of arrival."""

    def __init__(self, taken: list[Taken]) -> None:
        self.taken = [one for one in taken if len(one.data) >= 12 and one.data[0] >> 6 == 2 and not is_rtcp(one.data)]

    @property
    def sources(self) -> set[int]:
        """SSRCs."""
        return {struct.unpack_from("!I", one.data, 8)[0] for one in self.taken}

    @property
    def payload_types(self) -> set[int]:
        return {one.data[1] & 0x7F for one in self.taken}

    def audio_of(self, source: int) -> Heard:
        """The audio of one SSRC, without telephone events."""
        kept = [one for one in self.taken if struct.unpack_from("!I", one.data, 8)[0] == source]
        return Heard([one for one in kept if one.data[1] & 0x7F in ENCODINGS])

    def pcm(self) -> bytes:
        """All audio of one SSRC, each packet where its time stamp puts it, gaps as silence; 16 bits at 8 kHz."""
        audio = [one.data for one in self.taken if one.data[1] & 0x7F in ENCODINGS]
        if not audio:
            return b""
        first = struct.unpack_from("!I", audio[0], 4)[0]
        pieces = []
        for data in audio:
            offset = (struct.unpack_from("!I", data, 4)[0] - first) & 0xFFFFFFFF
            pieces.append((offset, decode(data[12 + 4 * (data[0] & 15) :], ENCODINGS[data[1] & 0x7F])))
        length = max(offset + len(pcm) // 2 for offset, pcm in pieces if offset < 1 << 31)
        track = np.zeros(length, "<i2")
        for offset, pcm in pieces:
            if offset < 1 << 31:
                track[offset : offset + len(pcm) // 2] = np.frombuffer(pcm, "<i2")
        return track.tobytes()

    def gaps(self) -> list[float]:
        """Seconds between a packet and the next, sorted."""
        times = [one.at for one in self.taken]
        return sorted(later - before for before, later in pairwise(times))

    @property
    def lateness(self) -> float:
        """The longest that a packet was behind the schedule of its time stamps, in seconds."""
        audio = [(one.at, int(struct.unpack_from("!I", one.data, 4)[0])) for one in self.taken]
        if not audio:
            return 0.0
        began = audio[0][1]
        behind = [at - ((stamp - began) & 0xFFFFFFFF) / RATE for at, stamp in audio]
        return max(behind) - min(behind)

    def slots(self) -> int:
        """How many packets of 20 ms the time stamps span."""
        return len(self.pcm()) // (2 * SAMPLES) if self.taken else 0

    def summary(self) -> str:
        gaps = self.gaps()
        if not gaps:
            return "nothing heard"
        late = gaps[min(len(gaps) - 1, round(0.99 * len(gaps)))] - PTIME
        return f"{len(self.taken)} packets, p99 {1000 * max(0.0, late):.0f} ms late"


def is_rtcp(data: bytes) -> bool:
    """RFC 5761 section 4."""
    return 192 <= data[1] <= 223
