"""What every call needs: a house with a gateway, ears on the wire, SIPp as a caller, and patience."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from audio.wav import write_wav
from tools.asterisk.bench import heard, recording
from tools.asterisk.media import Codec
from tools.asterisk.sound import correlation
from tools.peers.capture import Capture, Heard
from tools.peers.house import House
from tools.peers.network import GATEWAY, SIPP
from tools.peers.scenario import scenario
from tools.peers.talk import Sent, Talk, write_pcap

SAME = 0.99  # least correlation of a prompt that was coded once on the way
RECORDED_WITHIN = 10.0
POLL = 0.1
CALL_AT_MOST = 60.0
FIRST_SIP_PORT, FIRST_MEDIA_PORT = 5100, 16000
GREETING = "Hello, this is Acme. Say hours, location, telephone number, or information about your last call."
HOURS = "We are open from nine to five, Monday to Friday."
GREETED = 8.0
"""Seconds after which the greeting is over in any case, from the answer."""
Check = Callable[["Bench"], Awaitable[str]]
Way = Literal["udp", "tcp"]

if TYPE_CHECKING:
    from tools.peers.kamailio import Pbx

_places = itertools.count(1)  # every call comes from another number, by which its record is found
__all__ = ["heard", "recording"]


class Lengths(TypedDict, total=False):
    """Of what takes long."""

    hold_seconds: float
    clock_seconds: float


class Bench:
    """Everything that is up while calls are placed.

    Args:
        prompts: Sounds of what the bot says.
        target: Address that is called: the gateway's, or a PBX's before it.
        load: Calls a second, and how many.
        hold_seconds: How long callers hold.
        clock_seconds: How long a caller's clock is wrong.
    """

    def __init__(
        self,
        house: House,
        capture: Capture,
        prompts: Mapping[str, bytes],
        *,
        target: str = GATEWAY,
        load: tuple[int, int] = (200, 1600),
        hold_seconds: float = 10.0,
        clock_seconds: float = 60.0,
    ) -> None:
        self.target = target
        self.house = house
        self.capture = capture
        self.prompts = prompts
        self.load = load
        self.pbx: Pbx | None = None  # before the gateway
        self.hold_seconds = hold_seconds
        self.clock_seconds = clock_seconds

    def caller(self, *, codec: Codec = "ulaw", way: Way = "udp", port: int = 5060) -> Caller:
        return Caller(self, next(_places), codec, way, f"{self.target}:{port}")


class Caller:
    """SIPp with one scenario; ``number``: what the gateway knows it as."""

    def __init__(self, bench: Bench, place: int, codec: Codec, way: Way, target: str) -> None:
        self.bench = bench
        self.place = place
        self.codec = codec
        self.way = way
        self.target = target
        self.number = f"+44207946{place:04}"
        self.sip_port = FIRST_SIP_PORT + place
        self.media_port = FIRST_MEDIA_PORT + 4 * place
        self.source = 0x7A1C0000 + place

    @property
    def folder(self) -> Path:
        return self.bench.house.folder

    def file(self, kind: str) -> Path:
        return self.folder / f"{self.place:03}.{kind}"

    def talk(self) -> Talk:
        return Talk(self.codec, source=self.source)

    def plays(self, sent: Talk | Iterable[Sent], name: str = "talk") -> Path:
        """The pcap file for `scenario.play`."""
        path = self.file(f"{name}.pcap")
        write_pcap(path, sent.sent if isinstance(sent, Talk) else list(sent))
        return path

    async def run(
        self,
        *steps: str,
        called: str = "600",
        calls: int = 1,
        options: Iterable[str] = (),
        within: float = CALL_AT_MOST,
    ) -> None:
        """Go through the scenario.

        Raises:
            AssertionError: a call went another way; the message has SIPp's reasons.
        """
        self.file("xml").write_text(scenario(*steps), encoding="utf-8")
        errors = self.file("errors")
        command = [
            *("sipp", self.target, "-sf", str(self.file("xml")), "-m", str(calls), "-s", called),
            *("-i", SIPP, "-p", str(self.sip_port), "-mi", SIPP, "-mp", str(self.media_port)),
            *("-t", "u1" if self.way == "udp" else "t1", "-key", "caller", self.number),
            *("-nostdin", "-trace_err", "-error_file", str(errors), *options),
        ]
        log = self.file("log").open("wb")
        with log:
            process = await asyncio.create_subprocess_exec(
                *command, cwd=self.folder, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            async with asyncio.timeout(within):
                await process.wait()
        except TimeoutError:
            raise AssertionError(f"SIPp did not come to an end in {within:.0f} s") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            raise AssertionError(f"SIPp ended with {process.returncode}: {_reason(errors)}")

    def repeated(self) -> int:
        """How many messages SIPp had to send again, by its last screen."""
        return repeated(self.file("log").read_text(encoding="utf-8", errors="replace"))

    def heard(self) -> Heard:
        """What the gateway sent to the caller, from the wire."""
        found = self.bench.capture.heard(SIPP, self.media_port)
        if found.taken:
            write_wav(self.file("heard.wav"), found.pcm(), 8000)
        return found

    def lateness(self, gateway_ports: range) -> float:
        """The longest that SIPp was behind its own file, in seconds, by the audio that it sent."""
        return self.bench.capture.heard_within(gateway_ports).audio_of(self.source).lateness

    def hears(self, text: str) -> str:
        """Check that a prompt's sound is in what came to the caller; how well, in words."""
        return hears(self.heard(), self.bench.prompts[text])

    async def record(self) -> dict[str, Any]:
        """The complete record of the call, which is over."""
        return await until_recorded(self.bench.house, self.number)


def hears(found: Heard, prompt: bytes) -> str:
    score, _ = correlation(found.pcm(), prompt)
    assert score >= SAME, f"what was heard is not the prompt: {score:.3f}"
    assert len(found.sources) == 1, f"{len(found.sources)} sources"
    return f"prompt {score:.4f}, {found.summary()}"


def repeated(screen: str) -> int:
    """The column Retrans of what was sent."""
    return sum(int(found) for found in re.findall(r"-+>\s+\d+\s+(\d+)", screen))


async def until_said(house: House, number: str, text: str, within: float = 20.0) -> dict[str, Any]:
    """Wait until the record says that the caller heard a text to its end; with an empty one, until there is a call."""
    record: dict[str, Any] = {}
    try:
        async with asyncio.timeout(within):
            while not (said(record, text) if text else record):
                record = await house.call_from(number)
                await asyncio.sleep(POLL)
    except TimeoutError:
        must_have_said(record, text)
    return record


async def until_recorded(house: House, number: str) -> dict[str, Any]:
    record: dict[str, Any] = {}
    try:
        async with asyncio.timeout(RECORDED_WITHIN):
            while not record.get("result"):
                record = await house.call_from(number)
                await asyncio.sleep(POLL)
    except TimeoutError:
        raise AssertionError(f"the call is not over: {record or 'no record'}") from None
    return record


async def all_over(house: House, number: str) -> list[dict[str, Any]]:
    """The calls from a number, once none of them is up any more."""
    async with asyncio.timeout(RECORDED_WITHIN):
        while True:
            calls = await house.calls_from(number)
            if all(call.get("result") for call in calls):
                return calls
            await asyncio.sleep(POLL)


def said(record: Mapping[str, Any], text: str) -> bool:
    """Whether the record says that the caller heard a text to its end."""
    return any(text in one["text"] and one["result"] == "played" for one in record.get("said", ()))


def must_have_said(record: Mapping[str, Any], text: str) -> None:
    texts = [(one["text"], one["result"]) for one in record.get("said", ())]
    assert said(record, text), f"the caller did not hear {text!r}, but {texts}; understood {heard(dict(record))}"


def _reason(errors: Path) -> str:
    if not errors.exists():
        return "no reason given"
    lines = [line for line in errors.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return " | ".join(lines[:6])[:600]
