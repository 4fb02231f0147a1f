"""Ten thousand calls set up by SIP over UDP and ended again, in two waves: what does the first leave behind, and does
the second leave more?

Both are looked at when the timers of RFC 3261, which last 32 s, have passed since their last call; that an INVITE was
there is remembered for as long again, lest one that comes late makes a call, and is the same for both. The line has its
own sockets for the audio of each call; its bot says nothing.

python -m benchmarks setups; BENCH_SETUPS says how many calls.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
from collections import Counter
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from benchmarks.figures import milliseconds, percentile
from benchmarks.processes import Process, cores
from benchmarks.report import Budgets

SETUPS = int(os.environ.get("BENCH_SETUPS", "10000"))
RATE = 200.0
"""Per second."""
LASTS = 0.1
"""Seconds from the answer to the caller's BYE."""
FORGOTTEN = 36.0
"""Seconds: timers H and J of RFC 3261 are 32, and what is said last may be said again."""
AGAIN, TRIES = 1.0, 10
"""Seconds after which a request is said again, and how often."""
MOST_OPEN = 500
"""Calls at a time; when the line is slower than `RATE`, its callers wait."""
HOST = "127.0.0.1"
BLOCKS_PER_CALL = 0.1
"""Pieces of memory that Python has in use: one that remains of each call would be a leak; a few counters are none."""

_SDP = (
    "v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 101\r\n"
    "a=rtpmap:101 telephone-event/8000\r\n"
)
_REQUEST = (
    "{method} sip:600@{host} SIP/2.0\r\nVia: SIP/2.0/UDP {host}:{sip};rport;branch=z9hG4bK{call}{method}\r\n"
    "Max-Forwards: 70\r\nFrom: <sip:601@{host}>;tag=f{call}\r\nTo: <sip:600@{host}>{tag}\r\nCall-ID: {call}@{host}\r\n"
    "CSeq: {number} {method}\r\nContact: <sip:601@{host}:{sip}>\r\n{more}Content-Length: {length}\r\n\r\n{body}"
)


class Callers(asyncio.DatagramProtocol):
    """As little of a SIP peer as there can be: INVITE, ACK and BYE by one socket, said again until answered."""

    def __init__(self, line: int, audio: int) -> None:
        self.took: list[float] = []
        """Seconds from each INVITE to its 200."""
        self.failed: Counter[str] = Counter()
        self._line = line
        self._audio = audio
        self._waiting: dict[str, asyncio.Future[str]] = {}  # for the answer to a request, by call and method

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._own: int = transport.get_extra_info("sockname")[1]

    async def call(self, call: str) -> None:
        """One call, from its INVITE to the end."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        body = _SDP.format(host=HOST, port=self._audio)
        try:
            answer = await self._ask(call, "INVITE", 1, more="Content-Type: application/sdp\r\n", body=body)
        except TimeoutError:
            self.failed["no answer"] += 1
            return
        tag = ";tag=" + answer.partition("\r\nTo: ")[2].partition("\r\n")[0].partition(";tag=")[2]
        self._send(call, "ACK", 1, tag=tag)
        if answer[8:11] != "200":
            self.failed[answer[8:11]] += 1
            return
        self.took.append(loop.time() - began)
        await asyncio.sleep(LASTS)
        try:
            await self._ask(call, "BYE", 2, tag=tag)
        except TimeoutError:
            self.failed["no answer to BYE"] += 1

    async def _ask(self, call: str, method: str, number: int, **parts: str) -> str:
        """Send a request. Returns the final response, or raises TimeoutError."""
        answered: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting[call + method] = answered
        try:
            for _ in range(TRIES):
                self._send(call, method, number, **parts)
                await asyncio.wait([answered], timeout=AGAIN)
                if answered.done():
                    return answered.result()
            raise TimeoutError
        finally:
            del self._waiting[call + method]

    def datagram_received(self, data: bytes, addr: Any) -> None:
        head = data.decode("ascii", "replace")  # whoever had this port before may still be sent audio
        call = head.partition("Call-ID: ")[2].partition("@")[0]
        method = head.partition("CSeq: ")[2].partition("\r\n")[0].partition(" ")[2]
        if not head.startswith("SIP/2.0 "):  # the line gave a call up; what it says is agreed to
            _, _, fields = head.partition("\r\n")
            self._transport.sendto(f"SIP/2.0 200 OK\r\n{fields}".encode(), addr)
        elif head[8] != "1" and (waiting := self._waiting.get(call + method)) is not None and not waiting.done():
            waiting.set_result(head)

    def _send(self, call: str, method: str, number: int, *, tag: str = "", more: str = "", body: str = "") -> None:
        text = _REQUEST.format(
            method=method, host=HOST, sip=self._own, call=call, tag=tag, number=number, more=more, length=len(body),
            body=body,
        )  # fmt: skip
        self._transport.sendto(text.encode(), (HOST, self._line))


@dataclass(frozen=True, kw_only=True)
class Remains:
    """What a wave left behind."""

    memory: float
    objects: Counter[str]
    tasks: int
    files: int
    blocks: int
    cpu: float

    @classmethod
    def of(cls, line: Process) -> Remains:
        line.tell(ask="remains")
        told = line.read()
        return cls(
            memory=line.memory(),
            objects=Counter(told["objects"]),
            tasks=told["tasks"],
            files=told["files"],
            blocks=told["blocks"],
            cpu=told["cpu"],
        )

    def beyond(self, before: Remains) -> str:
        """What there is more of, in words."""
        more = [f"{count} × {name}" for name, count in (self.objects - before.objects).most_common(5)]
        more += [f"{self.tasks - before.tasks} tasks"] if self.tasks > before.tasks else []
        more += [f"{self.files - before.files} files"] if self.files > before.files else []
        return ", ".join(more) or "nothing: no object, task or file"


async def wave(callers: Callers, names: itertools.count[int], count: int) -> float:
    """Set up calls at `RATE`. Returns the seconds it took."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    places = asyncio.Semaphore(MOST_OPEN)
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            await asyncio.sleep(began + number / RATE - loop.time())
            await places.acquire()
            group.create_task(callers.call(f"c{next(names)}")).add_done_callback(lambda _: places.release())
    return loop.time() - began


async def run(say: Console) -> Budgets:
    core, others = cores()
    os.sched_setaffinity(0, others)
    names, half = itertools.count(1), SETUPS // 2
    with (
        Process("benchmarks.setups_serving", on=core) as line,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as audio,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own,
    ):
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        own.bind((HOST, 0))
        audio.bind((HOST, 0))  # that nobody reads: what the line says is not looked at
        port = line.wait_ready().ready["port"]
        _, callers = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: Callers(port, audio.getsockname()[1]), sock=own
        )
        await wave(callers, names, 200)
        fresh = Remains.of(line)
        found = [fresh]
        for number in (1, 2):
            seconds = await wave(callers, names, half)
            busy = Remains.of(line)
            say.print(
                f"  wave {number}: {half} calls in {seconds:.0f} s, {busy.memory:.1f} MB with "
                f"{sum(busy.objects.values())} objects of ours at its end"
            )
            await asyncio.sleep(FORGOTTEN)
            found.append(Remains.of(line))
    return _judged(callers, found, half)


def _judged(callers: Callers, found: list[Remains], half: int) -> Budgets:
    budgets = Budgets("Calls set up by SIP")
    _, first, second = found
    failed = ", ".join(f"{count} × {why}" for why, count in callers.failed.items())
    budgets.flaw("calls", f"failed: {failed}" if failed else None)
    left = second.beyond(first)
    budgets.row(f"left behind by {half} calls after {half} others", left, "nothing", left.startswith("nothing"))
    more = second.blocks - first.blocks
    budgets.row(
        "pieces of memory in use that the second wave added",
        f"{more:+d} of {second.blocks}: {more / half:+.3f} per call",
        f"≤ {BLOCKS_PER_CALL} per call",
        more / half <= BLOCKS_PER_CALL,
    )
    budgets.row(
        "memory of the process after 200 calls, the first wave, the second",
        ", ".join(f"{remains.memory:.0f}" for remains in found) + " MB",
        "",
        True,
        bound="how many calls there were at once: what they leave is free, yet in pieces",
    )
    cost = (second.cpu - first.cpu) / half
    budgets.row(
        "CPU of one call, from INVITE to the last timer",
        f"{milliseconds(cost)} ms of a core: {1 / cost:.0f} set-ups a second",
        "",
        True,
        bound="two sockets, four messages each way, the answer, a task group",
    )
    p50, p95 = percentile(callers.took, 50), percentile(callers.took, 95)
    budgets.row("INVITE to 200", f"p50 {milliseconds(p50)} ms, p95 {milliseconds(p95)} ms", "", True)
    return budgets


def main(say: Console) -> Budgets:
    return asyncio.run(run(say))
