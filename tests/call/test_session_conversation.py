"""The two halves of a call together: the real conversation decides, the session does, in virtual time."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Sequence

import pytest

from audio.format import PCMU_8K
from config.call import NumberSettings
from gateway.actions import Hangup, Say, Transfer
from gateway.call.conversation import Conversation
from gateway.call.facts import CallSetup
from gateway.call.outcome import CallOutcome
from gateway.call.services import Services
from gateway.call.session import Session
from gateway.caller_events import CallEnded, CallStarted, PlaybackDone, UserText
from gateway.errors import VendorUnavailable
from gateway.events import DigitPressed
from gateway.interfaces import TransferOutcome
from gateway.speech_interfaces import RecognizerCapabilities
from tests.fakes.backend import ScriptedBackend, Step
from tests.fakes.leg import FakeLeg
from tests.fakes.speech import ScriptedSpeech, ScriptedSynthesizer, SimpleDetector, text_audio
from tests.fakes.virtual_loop import virtual_time


def hush(seconds: float) -> bytes:
    return PCMU_8K.silence(round(seconds * 8000))


def voice(seconds: float) -> bytes:
    return b"\x20" * round(seconds * 8000)


class Call:
    """A call to a number, with a bot that follows a script and a caller who says his audio."""

    def __init__(self, script: Sequence[Step], audio: bytes = b"", texts: Sequence[str] = (), **settings) -> None:
        number = NumberSettings.model_validate({"number": "+331", "bot": "b", "language": "en-GB", **settings})
        self.leg = FakeLeg(delay=0.05)
        self.backend = ScriptedBackend(script)
        self.speech = ScriptedSpeech(texts)
        self.setup = CallSetup(
            number=number,
            info=self.leg.info,
            leg=self.leg.capabilities,
            backend=self.backend.capabilities,
            recognizers={"local": RecognizerCapabilities()},
            synthesizers=("local",),
            today=datetime.date(2026, 11, 21),
        )
        self.journal: list[tuple] = []
        self._audio = audio

    async def run(self, until: float | None = None) -> CallOutcome:
        services = Services(
            detector=lambda format, on_event: SimpleDetector(format, on_event),
            observers=[lambda *step: self.journal.append(step)],
        )
        session = Session(self.leg, Conversation(self.setup), self.backend, self.speech, services)
        talking = asyncio.create_task(self.leg.talk(self._audio))
        if until is not None:
            asyncio.get_running_loop().call_later(until, self.leg.close)
        outcome = await session.run()
        talking.cancel()
        await asyncio.wait([talking])
        return outcome

    @property
    def heard(self) -> str:
        """What the caller heard, as the scripted voice writes it: a tenth of a second for each character."""
        data = b"".join(played.data for played in self.leg.heard_at_last)
        return bytes(data[start] for start in range(0, len(data), 800)).decode("latin-1")

    @property
    def sent(self) -> list:
        return self.backend.received


@virtual_time
async def test_a_caller_is_greeted_heard_answered_and_hung_up_on():
    audio = hush(1.5) + voice(0.6) + hush(3)
    call = Call(["Hello.", [Say(text="Bye."), Hangup()]], audio, ["yes please"])
    outcome = await call.run()
    assert outcome == CallOutcome(result="completed", by="bot", reason="bot")
    assert call.heard == "Hello.Bye."
    assert [type(event) for event in call.sent] == [CallStarted, PlaybackDone, UserText, PlaybackDone, CallEnded]
    said = call.sent[2]
    assert (said.text, said.barged_in) == ("yes please", False)
    assert said.started_at == pytest.approx(1.5, abs=0.05)
    assert said.ended_at == pytest.approx(2.1, abs=0.05)
    assert call.sent[1].heard_text == "Hello."
    assert call.leg.hangup == "normal"


@virtual_time
async def test_a_barge_in_tells_the_bot_what_was_heard():
    audio = hush(1.0) + voice(0.8) + hush(3)
    call = Call(["One two three four five.", [Say(text="Right."), Hangup()]], audio, ["stop"])
    await call.run()
    done, text = call.sent[1:3]
    assert not done.complete
    assert done.heard_text == "One two"
    assert (text.text, text.barged_in) == ("stop", True)
    assert call.heard.startswith("One two th")
    assert call.heard.endswith("Right.")
    assert "five" not in call.heard


@virtual_time
async def test_keys_interrupt_and_are_sent():
    call = Call(["One two three four five six seven.", [Hangup()]])
    for at, digit in ((1.0, "4"), (1.3, "2"), (1.6, "#")):
        asyncio.get_running_loop().call_later(at, call.leg.push, DigitPressed(digit=digit))
    await call.run()
    texts = [event for event in call.sent if isinstance(event, UserText)]
    assert [(text.text, text.source, text.barged_in) for text in texts] == [("42", "digits", True)]


@virtual_time
async def test_silence_is_answered_with_the_question_again_and_the_caller_may_go():
    call = Call(["Your name?"], no_input={"timeout": 2, "retries": 1, "then": "hangup"})
    outcome = await call.run()
    assert call.heard == "Your name?Your name?"
    assert outcome.result == "no_input"
    assert call.leg.hangup == "no_input"


@virtual_time
async def test_a_bot_that_fails_at_once_leaves_the_caller_with_a_sentence():
    call = Call([VendorUnavailable("down", vendor="acme")])
    outcome = await call.run()
    assert outcome.result == "bot_failed"
    assert len(call.heard) > 10


@virtual_time
async def test_a_voice_that_always_fails_ends_the_call_and_not_in_a_loop():
    call = Call(["Hello."])
    call.speech.synthesizer = ScriptedSynthesizer(error=VendorUnavailable("down", vendor="acme"))
    outcome = await call.run()
    assert outcome.result == "bot_failed"


@virtual_time
async def test_a_transfer_waits_for_the_words_before_it():
    call = Call(
        [[Say(text="One moment."), Transfer(transfer_id="t", target="+331", mode="blind")]], transfer={"allow": ["+33"]}
    )
    call.leg.transfer_outcome = TransferOutcome(ok=True)
    outcome = await call.run(until=10)
    assert call.heard.startswith("One moment.")
    assert "transfer +331" in call.leg.actions
    assert outcome.result == "transferred"


@virtual_time
async def test_a_caller_who_hangs_up_while_the_bot_thinks_ends_the_call_at_once():
    call = Call([100.0, "too late"])
    outcome = await call.run(until=2)
    assert outcome.by == "caller"
    assert call.backend.cancelled == [CallStarted()]
    assert isinstance(call.sent[-1], CallEnded)


@virtual_time
async def test_what_happened_can_be_decided_again_from_the_journal():
    audio = hush(1.0) + voice(0.8) + hush(3)
    call = Call(["One two three four five.", [Say(text="Right."), Hangup()]], audio, ["stop"])
    await call.run()
    again = Conversation(call.setup)
    for now, event, commands in call.journal:
        assert again.handle(event, now) == commands


@virtual_time
async def test_the_audio_is_what_the_voice_made():
    call = Call([[Say(text="Hello."), Hangup()]])
    await call.run()
    assert b"".join(played.data for played in call.leg.heard_at_last) == text_audio("Hello.", PCMU_8K)
