"""Both halves of a call behind real media sockets, the caller at the other end of them; loopback, virtual time."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from audio.frame import Frame
from config.call import NumberSettings
from config.lines import AuthSection
from gateway.actions import Hangup, Say
from gateway.call.conversation import Conversation
from gateway.call.facts import CallSetup
from gateway.call.outcome import CallOutcome
from gateway.call.services import Services
from gateway.call.session import Session
from gateway.caller.asterisk_line import AsteriskCaller
from gateway.caller.line import CallerClient, CallerLine
from gateway.caller.peer import CallerAuth
from gateway.caller.twilio import TwilioCaller
from gateway.caller_events import PlaybackDone, UserText
from gateway.interfaces import Leg, Transport
from gateway.speech_interfaces import RecognizerCapabilities
from gateway.transports.asterisk.settings import AsteriskLine
from gateway.transports.asterisk.transport import AsteriskTransport
from gateway.transports.sockets import LineContext
from gateway.transports.twilio.settings import TwilioLine
from gateway.transports.twilio.transport import TwilioTransport
from tests.fakes.backend import ScriptedBackend
from tests.fakes.desk import Desk, open_line
from tests.fakes.speech import ScriptedSpeech, SimpleDetector
from tests.fakes.virtual_loop import virtual_time


class Talking(Desk):
    """Conducts whole calls instead of only taking them."""

    def __init__(self, backend: ScriptedBackend, speech: ScriptedSpeech) -> None:
        super().__init__()
        self.backend = backend
        self.speech = speech
        self.outcomes: list[CallOutcome] = []

    async def offer(self, leg: Leg) -> None:
        setup = CallSetup(
            number=NumberSettings(number="+331", bot="b"),
            info=leg.info,
            leg=leg.capabilities,
            backend=self.backend.capabilities,
            recognizers={"local": RecognizerCapabilities()},
            synthesizers=("local",),
            today=datetime.date(2026, 11, 21),
        )
        services = Services(detector=lambda format, on_event: SimpleDetector(format, on_event))
        self.outcomes.append(await Session(leg, Conversation(setup), self.backend, self.speech, services).run())
        await self._tell()


@dataclass(frozen=True)
class Kind:
    transport: Callable[[], Transport]
    client: Callable[[], CallerClient]
    auth: CallerAuth
    path: str


def context() -> LineContext:
    ids = itertools.count(1)
    return LineContext(new_id=lambda: f"call-{next(ids)}")


BASIC = AuthSection.model_validate({"basic": {"username": "pbx", "password": "secret"}})
TWILIO = AuthSection.model_validate({"twilio_signature": "12345"})
PBX = CallerAuth(username="pbx", password="secret")
KINDS = {
    "twilio": Kind(
        lambda: TwilioTransport("line", TwilioLine(auth=TWILIO), context()),
        lambda: TwilioCaller(),
        CallerAuth(twilio_token="12345"),
        "/media/twilio",
    ),
    "asterisk": Kind(
        lambda: AsteriskTransport("line", AsteriskLine(auth=BASIC), context()),
        lambda: AsteriskCaller(),
        PBX,
        "/media/asterisk",
    ),
    "asterisk-slin16": Kind(
        lambda: AsteriskTransport("line", AsteriskLine(auth=BASIC), context()),
        lambda: AsteriskCaller(codec="slin16"),
        PBX,
        "/media/asterisk",
    ),
}
each_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


def words(line: CallerLine) -> str:
    """What the caller heard, as the scripted voice writes it: a tenth of a second for each character."""
    format = line.peer.format
    data = b"".join(piece.data for piece in line.heard() if piece.format == format)
    step = format.size(0.01)
    spoken = "".join(chr(data[start]) for start in range(0, len(data), step))
    return "".join(character * round(len(list(run)) / 10) for character, run in itertools.groupby(spoken))


@each_kind
@virtual_time
async def test_a_call_is_held_over_a_real_line(kind: Kind) -> None:
    desk = Talking(ScriptedBackend(["Hello you.", [Say(text="Bye."), Hangup()]]), ScriptedSpeech(["yes"]))
    async with open_line(kind.transport(), desk) as port:
        connect = kind.client().connect(port.url + kind.path, caller="+336", called="+331", custom={}, auth=kind.auth)
        async with connect as line:
            format = line.peer.format
            await line.say(Frame(format.silence(round(1.5 * format.rate)), format))
            await line.say(Frame(b"\x20" * format.size(0.6), format))
            await line.say(Frame(format.silence(round(4 * format.rate)), format))
            await desk.until(lambda: bool(desk.outcomes))
            assert desk.outcomes == [CallOutcome(result="completed", by="bot", reason="bot")]
            assert words(line) == "Hello you.Bye."
    (said,) = [event for event in desk.backend.received if isinstance(event, UserText)]
    assert said.text == "yes"
    assert said.ended_at == pytest.approx(2.1, abs=0.1)


@each_kind
@virtual_time
async def test_a_barge_in_over_a_real_line_is_told_as_it_was_heard(kind: Kind) -> None:
    text = "One two three four five six seven eight."
    desk = Talking(ScriptedBackend([text, [Say(text="Right."), Hangup()]]), ScriptedSpeech(["stop"]))
    async with open_line(kind.transport(), desk) as port:
        connect = kind.client().connect(port.url + kind.path, caller="+336", called="+331", custom={}, auth=kind.auth)
        async with connect as line:
            format = line.peer.format
            await line.say(Frame(format.silence(format.rate), format))
            await line.say(Frame(b"\x20" * format.size(0.8), format))
            await line.say(Frame(format.silence(round(4 * format.rate)), format))
            await desk.until(lambda: bool(desk.outcomes))
            heard = words(line)
    assert heard.endswith("Right.")
    first = heard.removesuffix("Right.")
    assert text.startswith(first)
    done = next(event for event in desk.backend.received if isinstance(event, PlaybackDone))
    assert not done.complete
    assert first.startswith(done.heard_text)
    assert done.played == pytest.approx(len(first) * 0.1, abs=0.1)
    assert 1.2 <= done.played <= 1.4
