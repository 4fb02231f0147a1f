"""Places a call and goes through its steps, as `talkpath call` does it.

The caller's ear is the peer's play buffer; what the words were is read from the gateway's live record, by the API,
and both are compared: so much was said, and so much was heard.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from websockets.exceptions import InvalidHandshake, InvalidStatus

from audio.codecs import convert
from audio.files import read
from audio.format import L16_8K, AudioFormat
from audio.frame import Frame
from audio.levels import rms
from audio.wav import StereoWriter
from gateway.caller.api import CallFailed, GatewayApi, api_base, line_url, pick_line
from gateway.caller.asterisk_line import AsteriskCaller
from gateway.caller.line import CallerClient, CallerLine, CallRefused
from gateway.caller.peer import CallerAuth, CallerTrust
from gateway.caller.sip import SipCaller
from gateway.caller.steps import Expect, ExpectHangup, Press, SayFile, Step, Wait
from gateway.caller.twilio import TwilioCaller

POLL = 0.15  # s between two looks at the live record
SETTLES_WITHIN = 5.0  # s after the end until the record must be complete
MAX_SAY_BYTES = 20 << 20
MAX_SAY_SECONDS = 600.0
AUDIBLE_DBFS = -50.0
JITTER = 0.06  # s that a telephone waits, lest a packet that is late is a gap
HEARD_SLACK = 0.4  # s by which what was heard may differ from what was said; and one part in ten


@dataclass(frozen=True, slots=True)
class StepResult:
    """How a step went. ``detail``: what was there instead of what was expected."""

    step: str
    ok: bool
    at: float
    detail: str = ""


@dataclass(slots=True)
class CallReport:
    """Everything about a placed call.

    Attributes:
        record: The gateway's record of it, as `/api` gives it.
        said, heard: Seconds the gateway says it played, and seconds that reached the ear.
        level: Of what was heard, in dBFS.
    """

    steps: list[StepResult] = field(default_factory=list)
    record: dict[str, Any] = field(default_factory=dict)
    said: float = 0.0
    heard: float = 0.0
    level: float = float("-inf")
    hung_up_by: str = ""

    @property
    def ok(self) -> bool:
        return bool(self.steps) and all(step.ok for step in self.steps)

    def to_json(self) -> dict[str, Any]:
        steps = [{"step": s.step, "ok": s.ok, "at": round(s.at, 3), "detail": s.detail} for s in self.steps]
        heard = {"seconds": round(self.heard, 3), "said_seconds": round(self.said, 3)}
        if self.heard:
            heard["level_dbfs"] = round(self.level, 1)
        return {"ok": self.ok, "steps": steps, "heard": heard, "hung_up_by": self.hung_up_by, "record": self.record}


def _reason_of(refused: InvalidStatus) -> str:
    return (refused.response.body or b"").decode(errors="replace").strip() or refused.response.reason_phrase


def client_for(transport: str, trust: CallerTrust | None = None, *, encrypts: bool = False) -> CallerClient:
    """Speaks the protocol of a line. Raises CallFailed for one that nobody can be called by, or not that way."""
    if encrypts and transport != "sip":
        raise CallFailed(f"calls on lines by {transport} know no SRTP")
    match transport:
        case "twilio":
            return TwilioCaller(background=True, hear_every=None)
        case "asterisk":
            return AsteriskCaller(background=True, hear_every=None)
        case "sip":
            return SipCaller(delay=JITTER, hear_every=None, trust=trust, encrypts=encrypts)
    raise CallFailed(f"calls on lines by {transport} cannot be placed from here")


class ScriptedCall:
    """One placed call.

    Args:
        line: The open call.
        api: Of the gateway that takes it.
        tell: Told of everything that happens, one line at a time.
    """

    def __init__(self, line: CallerLine, api: GatewayApi, tell: Callable[[str, str], None]) -> None:
        self._line = line
        self._api = api
        self._tell = tell
        self._began = time.monotonic()
        self._call_id: str | None = None
        self._record: dict[str, Any] = {}
        self._read_said = 0
        self._told_said = 0
        self._told_turns = 0
        self._spoken: list[tuple[float, bytes]] = []
        self.report = CallReport()

    async def run(self, steps: Sequence[Step]) -> CallReport:
        """Go through the steps, hang up, and compare record and ear."""
        watcher = asyncio.create_task(self._watch())
        try:
            for step in steps:
                await self._do(step)
        finally:
            if self._line.hung_up is None:
                await self._line.hang_up()
            watcher.cancel()
            await asyncio.wait([watcher])
        await self._settle()
        self._compare()
        return self.report

    # --- steps -----------------------------------------------------------------------------------------------------
    async def _do(self, step: Step) -> None:
        match step:
            case SayFile():
                await self._say(step.path)
            case Press():
                self._tell("keys", step.digits)
                await self._line.press(step.digits)
            case Wait():
                await asyncio.sleep(step.seconds)
            case Expect():
                await self._expect(step)
            case ExpectHangup():
                await self._expect_hangup(step)

    async def _say(self, path: Path) -> None:
        format = self._line.peer.format
        data = await asyncio.to_thread(read, path, format, max_bytes=MAX_SAY_BYTES, max_seconds=MAX_SAY_SECONDS)
        self._tell("caller", path.name)
        self._spoken.append((self._now(), data))
        await self._line.say(Frame(data, format))

    async def _expect(self, step: Expect) -> None:
        deadline = self._now() + step.within
        while True:
            is_over = self._line.hung_up is not None
            if is_over:
                await self._settle()  # the last words and the hang-up come together; the record has them a moment later
            fresh = self._unread()
            if step.pattern.search(fresh):
                self._read_said = len(self._record.get("said", ()))
                self._note(f"expect {step.pattern.pattern}", True)
                return
            if self._now() >= deadline or is_over:
                why = "the call was over" if is_over else f"not within {step.within:g} s"
                self._note(f"expect {step.pattern.pattern}", False, f"{why}; heard: {fresh or 'nothing'}")
                return
            await asyncio.sleep(POLL)

    def _unread(self) -> str:
        """What was said since the last expectation that was met."""
        said = self._record.get("said", [])[self._read_said :]
        return " ".join(str(item["text"]) for item in said if item["text"])

    async def _expect_hangup(self, step: ExpectHangup) -> None:
        try:
            async with asyncio.timeout(step.within):
                ended = await self._line.wait_until_over()
        except TimeoutError:
            self._note("expect hang-up", False, f"the call is still up after {step.within:g} s")
            return
        self._note("expect hang-up", ended.by == "gateway", "" if ended.by == "gateway" else f"ended by {ended.by}")

    def _note(self, step: str, ok: bool, detail: str = "") -> None:
        self.report.steps.append(StepResult(step, ok, self._now(), detail))
        if not ok:
            self._tell("wrong", f"{step}: {detail}")

    def _now(self) -> float:
        return time.monotonic() - self._began

    # --- the live record -------------------------------------------------------------------------------------------
    async def _watch(self) -> None:
        while True:
            await self._look()
            await asyncio.sleep(POLL)

    async def _look(self) -> None:
        if self._call_id is None:
            self._call_id = await self._api.find_call(self._line.peer.leg_id)
        if self._call_id is not None:
            self._record = await self._api.call(self._call_id)
            self._tell_news()

    def _tell_news(self) -> None:
        turns = self._record.get("exchange", [])
        for turn in turns[self._told_turns :]:
            if turn["kind"] != "start":
                self._tell("understood", f"{turn['caller'] or turn['kind']}")
        self._told_turns = len(turns)
        said = self._record.get("said", [])
        for item in said[self._told_said :]:
            if item["text"]:
                self._tell("bot", item["text"] + ("" if item["result"] == "played" else f"  [{item['result']}]"))
        self._told_said = len(said)

    async def _settle(self) -> None:
        """Wait until the record is complete."""
        deadline = time.monotonic() + SETTLES_WITHIN
        while time.monotonic() < deadline:
            await self._look()
            if self._record.get("result"):
                return
            await asyncio.sleep(POLL)
        self._note("record", False, "the gateway has no record of this call" if not self._record else "no outcome")

    # --- what was heard --------------------------------------------------------------------------------------------
    def _compare(self) -> None:
        report = self.report
        report.record = self._record
        report.hung_up_by = self._line.hung_up.by if self._line.hung_up else ""
        report.said = sum(float(item["seconds"]) for item in self._record.get("said", ()))
        stretches = self._line.heard()
        report.heard = sum(stretch.end - stretch.at for stretch in stretches)
        pcm = b"".join(convert(stretch.data, stretch.format, L16_8K) for stretch in stretches)
        report.level = rms(pcm) if pcm else float("-inf")
        slack = HEARD_SLACK + report.said / 10
        was_cut = report.hung_up_by == "caller"  # what played when the caller hung up is in nobody's account
        if report.said - report.heard > slack or (report.heard - report.said > slack and not was_cut):
            detail = f"the gateway says it played {report.said:.2f} s, the caller heard {report.heard:.2f} s"
            self._note("heard what was said", False, detail)
        elif report.said > 1 and report.level < AUDIBLE_DBFS:
            self._note("heard what was said", False, f"only {report.level:.0f} dBFS reached the ear")
        else:
            self._note("heard what was said", True)

    def save(self, path: Path) -> None:
        """Write the call as a stereo WAV file: what was said into it left, what was heard right."""
        format = self._line.peer.format
        heard = self._line.heard()
        origin = min([stretch.at for stretch in heard], default=0.0)
        began = min(origin, self._line_time(0.0))
        right = _laid([(stretch.at - began, stretch.data) for stretch in heard], format)
        left = _laid([(self._line_time(at) - began, data) for at, data in self._spoken], format)
        writer = StereoWriter(path, format.rate)
        writer.append(left, right)
        writer.close()

    def _line_time(self, since_start: float) -> float:
        """A moment of this script on the clock the ear uses (the event loop's)."""
        return asyncio.get_running_loop().time() - time.monotonic() + self._began + since_start


def _laid(pieces: Sequence[tuple[float, bytes]], format: AudioFormat) -> bytes:
    """Pieces laid at their times, as PCM at the same rate."""
    target = AudioFormat(L16_8K.encoding, format.rate)
    track = bytearray()
    for at, data in pieces:
        start = max(0, round(at * format.rate)) * 2
        pcm = convert(data, format, target)
        if len(track) < start:
            track.extend(bytes(start - len(track)))
        track[start : start + len(pcm)] = pcm
    return bytes(track)


async def place_call(
    number: str,
    steps: Sequence[Step],
    *,
    to: str | None = None,
    api: str | None = None,
    token: str | None = None,
    caller: str = "",
    auth: CallerAuth | None = None,
    record: Path | None = None,
    trust: CallerTrust | None = None,
    encrypts: bool = False,
    tell: Callable[[str, str], None] = lambda kind, text: None,
) -> CallReport:
    """Place a call and go through its steps.

    Args:
        number: The called number.
        to: URL of a line's media socket, or its SIP address; None: the first line of the gateway on this machine.
        api: URL of the gateway, where it does not follow from `to`.
        token: The gateway's API token.
        caller: The calling number.
        auth: How the line is told that we may call.
        record: Where to write what was said and heard.
        trust: Whom we believe, on lines by SIP over TLS.
        encrypts: Whether audio is to be encrypted by SRTP, on lines by SIP.
    Raises:
        CallFailed: the call could not be placed.
    """
    async with GatewayApi(api_base(api or to), token) as gateway:
        chosen = pick_line(await gateway.lines(), to or api)
        url = line_url(chosen, to, gateway.base)
        client = client_for(str(chosen["transport"]), trust, encrypts=encrypts and not url.startswith("ws"))
        line = client.connect(url, caller=caller, called=number, auth=auth)
        try:
            async with line:
                tell("placed", f"{number} on line {chosen['name']}")
                call = ScriptedCall(line, gateway, tell)
                report = await call.run(steps)
                if record is not None:
                    call.save(record)
                return report
        except InvalidStatus as refused:
            status = refused.response.status_code
            raise CallFailed(f"{url} refuses the call with status {status}: {_reason_of(refused)}") from refused
        except CallRefused as refused:
            raise CallFailed(f"{url} refuses the call with status {refused.status}: {refused.reason}") from refused
        except (OSError, TimeoutError, InvalidHandshake) as error:
            raise CallFailed(f"{url} cannot be reached: {error}") from error
        except httpx.HTTPError as error:
            raise CallFailed(f"the gateway's API broke off: {type(error).__name__}") from error
