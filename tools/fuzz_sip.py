"""Coverage-guided fuzzing of everything that reads what SIP peers send: `make fuzz`.

Bytes are changed for as long as that leads to lines not run before (atheris, on libFuzzer), beginning with the captured
and published messages of the tests. Whatever comes, the parsers raise their documented errors and nothing else, take no
longer than `SLOWEST`, and read what they have written as what it was; a user agent raises nothing at all, and forgets
every call. What breaks that is kept in `.cache/fuzz`, and its name printed with the traceback.

``python -m tools.fuzz_sip --seconds 600`` tries longer, ``--again FILE`` one input. atheris has wheels for Linux only
and is no dependency of the project; it is installed beside the cache when it is first wanted.
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "fuzz"
PACKAGE = "atheris>=3,<4"
SECONDS = 60
SLOWEST = 2  # seconds for one input of up to `LONGEST` bytes, traced
LONGEST = 8192
SEPARATOR = b"\n--next--\n"  # between what a user agent gets to see; what begins with a mark is a command of its owner
MARK = b"!"
LONG_AFTER = 100_000.0


def main() -> int:
    """Fuzz for a while; the status of libFuzzer, 0 when nothing was found."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=SECONDS, help=f"how long; {SECONDS} by itself")
    parser.add_argument("--again", type=Path, help="a kept input, to be tried once more")
    options = parser.parse_args()
    atheris = _atheris()
    with atheris.instrument_imports(include=["gateway.transports.sip", "audio.rtp"]):
        targets = Targets()
    if options.again is not None:
        targets.one(options.again.read_bytes())
        return 0
    corpus = CACHE / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for name, data in seeds().items():
        (corpus / name).write_bytes(data)
    limits = [f"-max_total_time={options.seconds}", f"-max_len={LONGEST}", f"-timeout={SLOWEST}", "-rss_limit_mb=1024"]
    shown = ["-print_final_stats=1", "-verbosity=1", f"-artifact_prefix={CACHE}/"]
    atheris.Setup([sys.argv[0], *limits, *shown, str(corpus)], targets.one)
    atheris.Fuzz()
    return 0


class Targets:
    """What is fuzzed, by the first byte of the input. Made while imports are traced."""

    def __init__(self) -> None:
        self._message = importlib.import_module("gateway.transports.sip.message")
        self._framing = importlib.import_module("gateway.transports.sip.framing")
        self._digest = importlib.import_module("gateway.transports.sip.digest")
        self._call_data = importlib.import_module("gateway.transports.sip.call_data")
        self._sdp = importlib.import_module("gateway.transports.media.sdp")
        self._answer = importlib.import_module("gateway.transports.media.answer")
        self._agent = importlib.import_module("gateway.transports.sip.user_agent")
        self._flow = importlib.import_module("gateway.transports.sip.flow")
        self._events = importlib.import_module("gateway.transports.sip.ua_events")
        self._packet = importlib.import_module("audio.rtp.packet")
        self._rtcp = importlib.import_module("audio.rtp.rtcp")
        self._errors = importlib.import_module("gateway.errors")
        self._by_mark = {
            b"m": self.message,
            b"f": self.stream,
            b"s": self.session_description,
            b"r": self.packet,
            b"u": self.user_agent,
        }

    def one(self, data: bytes) -> None:
        """Try one input."""
        target = self._by_mark.get(data[:1])
        if target is not None:
            target(data[1:])

    def message(self, data: bytes) -> None:
        """A datagram: refused, or the same when written and read again; all that is read from it can be read."""
        message = self._attempt(data)
        if isinstance(message, self._message.SipParseError):
            assert (message.status is None) == (message.answer is None)
            assert message.answer is None or message.answer.to_bytes()
            return
        written = message.to_bytes()
        assert self._message.parse(written).to_bytes() == written
        assert all([message.from_, message.to, message.cseq, message.vias])
        for name in ("WWW-Authenticate", "Proxy-Authenticate", "Authorization"):
            for value in message.headers.fields(name):
                self._digest.parse_auth(value)
        if isinstance(message, self._message.SipRequest):
            server = self._digest.DigestServer("pbx", {"bot": "s3cret"}, b"secret")
            server.check(message, 100.0, peer="192.0.2.1")
            self._call_data.read_call_data(message, is_trusted=True).fields()
            self._message.response_to(message, 200, to_tag="t").to_bytes()

    def _attempt(self, data: bytes) -> Any:
        try:
            return self._message.parse(data)
        except self._message.SipParseError as wrong:
            return wrong

    def stream(self, data: bytes) -> None:
        """A stream gives the same when it comes in two pieces, cut where the first byte says."""
        cut = data[:1]
        whole, place = data[1:], ord(cut or b"\0") * 7
        assert self._framed(whole) == self._framed(whole[:place], whole[place:])

    def _framed(self, *pieces: bytes) -> list[Any]:
        framer, items = self._framing.StreamFramer(), []
        try:
            for piece in pieces:
                items += framer.feed(piece)
        except self._message.SipParseError:
            items.append(None)
        return items

    def session_description(self, data: bytes) -> None:
        """A body: refused, or an offer that can be judged."""
        try:
            description = self._sdp.SessionDescription.from_wire(data)
            written = description.to_wire()
            assert self._sdp.SessionDescription.from_wire(written).to_wire() == written
            self._answer.Negotiation(session_id=1).read_offer(data)
        except self._sdp.SdpError:
            return

    def packet(self, data: bytes) -> None:
        """A datagram of media."""
        for read in (self._packet.RtpPacket.from_wire, self._rtcp.from_wire):
            try:
                read(data)
            except self._errors.MediaError:
                continue

    def user_agent(self, data: bytes) -> list[Any]:
        """Messages and commands in any order: nothing is raised, each call ends once, and nothing stays behind.

        Returns:
            What happened before the end, for the tests of this tool.
        """
        tokens = count(1)
        agent = self._agent.UserAgent(
            self._agent.UserAgentSettings(), tokens=lambda: f"t{next(tokens)}", chance=lambda: 0.5
        )
        flow = self._flow.Flow("f", "udp", "192.0.2.1:5060", "192.0.2.2:5060")
        now, open_calls, last, happened = 0.0, set(), None, []
        for piece in data.split(SEPARATOR)[:20]:
            if not piece.startswith(MARK):
                agent.receive(piece, flow, now)
            elif piece[1:2] == b"t":
                now += len(piece)
                agent.timeout(now)
            elif last is not None:
                self._command(agent, last, piece[1:2], now)
            for event in agent.events():
                happened.append(event)
                if isinstance(event, self._events.Invited):
                    last = event.call
                    open_calls.add(last)
                elif isinstance(event, self._events.CallEnd):
                    open_calls.remove(event.call)
            agent.outgoing()
        self._end(agent, open_calls, now)
        return happened

    def _command(self, agent: Any, call: str, name: bytes, now: float) -> None:
        try:
            match name:
                case b"r":
                    agent.ring(call, now=now)
                case b"a":
                    agent.accept(call, b"v=0\r\n", now=now)
                case b"x":
                    agent.reject(call, 486, now=now)
                case b"b":
                    agent.bye(call, now=now)
                case b"f":
                    agent.refer(call, self._message.parse_uri("sip:100@pbx"), now=now)
                case b"o":
                    agent.reinvite(call, b"v=0\r\n", now=now)
                case b"n":
                    agent.answer_reoffer(call, b"v=0\r\n", now=now)
        except self._errors.LocalProtocolError:
            return  # the owner asked for what cannot be at this point

    def _end(self, agent: Any, open_calls: set[str], now: float) -> None:
        for call in open_calls:
            self._command(agent, call, b"b", now)
        for _ in range(10_000):
            due = agent.next_timeout()
            if due is None:
                break
            now = max(now, due)
            agent.timeout(now)
            agent.outgoing()
        for event in agent.events():
            if isinstance(event, self._events.CallEnd):
                open_calls.remove(event.call)
        assert now < LONG_AFTER
        assert not open_calls
        assert len(agent) == 0


def _atheris() -> ModuleType:
    """The library, installed where it does not mix with the project's own."""
    sys.path.append(str(CACHE / "packages"))
    try:
        return importlib.import_module("atheris")
    except ImportError:
        print(f"Installing {PACKAGE} into {CACHE / 'packages'}.", flush=True)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(CACHE / "packages"), PACKAGE]
    subprocess.run([*command, "--disable-pip-version-check", "--no-input"], check=True)
    importlib.invalidate_caches()
    return importlib.import_module("atheris")


def seeds() -> dict[str, bytes]:
    """The first inputs: every message of the tests, for every target it is for, and some calls."""
    from tests.fakes import captured_sip, torture

    messages = {name: torture.torture(name) for name in torture.NAMES}
    messages |= {name: captured_sip.captured(name) for name in captured_sip.NAMES}
    found = {f"message_{name}": b"m" + data for name, data in messages.items()}
    found |= {f"stream_{name}": b"f\x10" + data for name, data in messages.items()}
    for path in sorted((ROOT / "tests" / "fixtures" / "sip" / "offers").glob("*.sdp")):
        found[f"sdp_{path.stem}"] = b"s" + path.read_bytes().replace(b"\n", b"\r\n")
    found["rtp"] = b"r" + bytes.fromhex("8000000100000140deadbeef") + b"\xff" * 160
    invite, ack, bye = (messages[f"kamailio_{name}"] for name in ("invite", "ack", "bye"))
    tagged = [message.replace(b"tag=cea2c0f3", b"tag=t2") for message in (ack, bye)]
    again = tagged[0].replace(b"ACK", b"INVITE").replace(b"6059", b"6060").replace(b"21cbcc", b"31cbcc")
    cancel = invite.replace(b"INVITE", b"CANCEL")
    calls = {
        "answered": [invite, b"!r", b"!a", *tagged],
        "repeated": [invite, invite, b"!a", invite, tagged[0], b"!ttttt", tagged[1]],
        "cancelled": [invite, b"!r", cancel, b"!x"],
        "changed": [invite, b"!a", tagged[0], again, b"!n", b"!o", b"!f", b"!b"],
    }
    found |= {f"agent_{name}": b"u" + SEPARATOR.join(pieces) for name, pieces in calls.items()}
    return found


if __name__ == "__main__":
    sys.exit(main())
