"""Whole calls through a session, with a scripted conversation, in virtual time."""

from __future__ import annotations

import asyncio

import pytest

from audio.format import PCMU_8K
from gateway.actions import ActionBatch, Say
from gateway.call.commands import (
    Answer,
    CloseLeg,
    PausePlayout,
    Recording,
    ResumePlayout,
    SendDigitsToCaller,
    SendToBot,
    Silence,
    StartPrompt,
    StopPlayout,
    Tone,
    TransferCall,
)
from gateway.call.outcome import CallOutcome
from gateway.call.services import Services
from gateway.call.session import MAX_EVENTS, Session
from gateway.caller_events import CallEnded, CallStarted
from gateway.errors import RemoteProtocolError, VendorUnavailable
from gateway.events import (
    BotReplied,
    CallAnswered,
    CallInfo,
    CallOffered,
    DigitPressed,
    LegClosed,
    OperatorAsked,
    PromptEnded,
    PromptStarted,
    TimeElapsed,
    TransferFinished,
)
from gateway.interfaces import LegCapabilities, TransferOutcome, TransferTarget
from gateway.speech_interfaces import Utterance
from tests.fakes.backend import ScriptedBackend
from tests.fakes.decider import OVER, ScriptedDecider
from tests.fakes.leg import FakeLeg
from tests.fakes.speech import ScriptedSpeech, ScriptedSynthesizer, text_audio
from tests.fakes.virtual_loop import elapsed, virtual_time

START_BOT = SendToBot(event=CallStarted())


def prompt(prompt_id: int, text: str) -> StartPrompt:
    return StartPrompt(prompt_id=prompt_id, content=Utterance(text=text, plain=text))


async def conduct(
    decider: ScriptedDecider,
    leg: FakeLeg | None = None,
    backend: ScriptedBackend | None = None,
    speech: ScriptedSpeech | None = None,
    services: Services | None = None,
) -> tuple[CallOutcome, FakeLeg]:
    leg = leg or FakeLeg()
    session = Session(leg, decider, backend or ScriptedBackend(), speech or ScriptedSpeech(), services)
    return await session.run(), leg


@virtual_time
async def test_a_call_is_offered_answered_and_over_when_the_caller_hangs_up():
    leg = FakeLeg()
    decider = ScriptedDecider({CallAnswered: lambda _: leg.close() or []})
    outcome, _ = await conduct(decider, leg)
    assert outcome == CallOutcome(result="completed", by="caller")
    assert [type(event) for _, event in decider.log] == [CallOffered, CallAnswered, LegClosed]
    assert leg.actions == ["answer", "hang_up normal"]


@virtual_time
async def test_deadlines_come_exactly_when_asked_for():
    decider = ScriptedDecider(at=[(0.5, []), (1.123456, []), (2.0000004, [OVER])])
    await conduct(decider)
    assert decider.times(TimeElapsed) == pytest.approx([0.5, 1.123456, 2.000001], abs=2e-6)
    assert all(now == round(now, 6) for now, _ in decider.log)


@virtual_time
async def test_a_prompt_is_spoken_heard_and_reported():
    decider = ScriptedDecider({CallAnswered: [prompt(1, "bonjour")], PromptEnded: [OVER]})
    _, leg = await conduct(decider)
    assert leg.heard_bytes == text_audio("bonjour", PCMU_8K)
    assert decider.of(PromptStarted) == [PromptStarted(prompt_id=1)]
    assert decider.of(PromptEnded) == [PromptEnded(prompt_id=1, result="played", seconds=0.7, heard_text="bonjour")]
    assert decider.times(PromptEnded) == pytest.approx([0.7], abs=0.011)


@virtual_time
async def test_the_start_of_a_prompt_tells_how_long_its_audio_took_and_whether_it_was_at_hand():
    speech = ScriptedSpeech(synthesizer=ScriptedSynthesizer(speed=0.5))
    speech.synthesizer.at_hand.add("again")
    decider = ScriptedDecider({CallAnswered: [prompt(1, "new")]}, at=[(2, [prompt(2, "again")]), (4, [OVER])])
    await conduct(decider, speech=speech)
    assert decider.of(PromptStarted) == [
        PromptStarted(prompt_id=1, ready=0.2, cached=False),
        PromptStarted(prompt_id=2, ready=0.2, cached=True),
    ]


@virtual_time
async def test_prompts_follow_each_other_without_a_gap():
    decider = ScriptedDecider(
        {
            CallAnswered: [prompt(1, "eins"), prompt(2, "zwei"), prompt(3, "drei")],
            PromptEnded: lambda event: [OVER] if event.prompt_id == 3 else [],
        }
    )
    _, leg = await conduct(decider)
    assert leg.heard_bytes == text_audio("einszweidrei", PCMU_8K)
    heard = leg.heard
    assert heard[-1].at + PCMU_8K.seconds(len(heard[-1].data)) - heard[0].at == pytest.approx(1.2, abs=1e-6)


@virtual_time
async def test_a_stop_tells_what_was_heard_to_the_sample_whatever_the_network_delay():
    leg = FakeLeg(delay=0.15)
    decider = ScriptedDecider(
        {CallAnswered: [prompt(1, "one two three four")]}, at=[(0.75, [StopPlayout()]), (3.0, [OVER])]
    )
    await conduct(decider, leg)
    (ended,) = decider.of(PromptEnded)
    assert ended == PromptEnded(prompt_id=1, result="stopped", seconds=0.75, heard_text="one two")
    assert leg.heard_bytes == text_audio("one two three four", PCMU_8K)[:6000]
    assert decider.times(PromptEnded) == [0.75]


@virtual_time
async def test_a_pause_resumes_at_the_same_sample():
    decider = ScriptedDecider(
        {CallAnswered: [prompt(1, "abcdefghij")], PromptEnded: [OVER]},
        at=[(0.33, [PausePlayout()]), (2.0, [ResumePlayout()])],
    )
    _, leg = await conduct(decider)
    assert leg.heard_bytes == text_audio("abcdefghij", PCMU_8K)
    assert decider.of(PromptEnded)[0].result == "played"
    assert decider.times(PromptEnded) == pytest.approx([2.0 + 0.67], abs=0.011)


@virtual_time
async def test_a_stop_gets_through_to_a_peer_that_takes_nothing():
    leg = FakeLeg(stops_at=2)
    decider = ScriptedDecider(
        {
            CallAnswered: [prompt(1, "long enough to be stopped")],
            PromptEnded: lambda event: [prompt(2, "again")] if event.prompt_id == 1 else [OVER],
        },
        at=[(0.6, [StopPlayout()])],
    )
    await conduct(decider, leg)
    assert "xoff" in leg.actions
    assert [e.result for e in decider.of(PromptEnded)] == ["stopped", "played"]
    assert leg.sent[-1][1].data[-1:] == b"n"


@virtual_time
async def test_a_peer_that_takes_nothing_for_long_has_broken():
    leg = FakeLeg(stops_at=1)
    decider = ScriptedDecider({CallAnswered: [prompt(1, "nobody will hear all of this")]})
    await conduct(decider, leg)
    (closed,) = decider.of(LegClosed)
    assert closed.by == "failure"
    assert 15 < elapsed() < 40


@virtual_time
async def test_silences_and_tones_are_made_on_the_spot():
    decider = ScriptedDecider(
        {
            CallAnswered: [
                StartPrompt(prompt_id=1, content=Silence(seconds=2.5)),
                StartPrompt(prompt_id=2, content=Tone(seconds=1.0)),
                StartPrompt(prompt_id=3, content=Tone(name="ringback", seconds=1.0)),
            ],
            PromptEnded: lambda event: [OVER] if event.prompt_id == 3 else [],
        }
    )
    _, leg = await conduct(decider)
    assert [(e.result, e.seconds) for e in decider.of(PromptEnded)] == [("played", 2.5), ("played", 1), ("played", 1)]
    heard = leg.heard_bytes
    assert set(heard[:20000]) == {0xFF}
    assert len(set(heard[20000:28000])) > 10
    assert len(set(heard[28000:])) > 10


@virtual_time
async def test_a_voice_that_fails_is_reported_with_what_was_heard():
    error = VendorUnavailable("gone", vendor="acme")
    speech = ScriptedSpeech(synthesizer=ScriptedSynthesizer(error=error, audio_before_error=0.4))
    decider = ScriptedDecider({CallAnswered: [prompt(1, "ab cd ef")], PromptEnded: [OVER]})
    await conduct(decider, speech=speech)
    assert decider.of(PromptEnded) == [PromptEnded(prompt_id=1, result="failed", seconds=0.4, heard_text="ab")]


@virtual_time
async def test_a_bug_in_a_voice_fails_its_prompt_and_nothing_else():
    speech = ScriptedSpeech(synthesizer=ScriptedSynthesizer(error=KeyError("bug")))
    decider = ScriptedDecider({CallAnswered: [prompt(1, "ab")], PromptEnded: [OVER]})
    outcome, _ = await conduct(decider, speech=speech)
    assert outcome.result == "completed"
    assert decider.of(PromptEnded)[0].result == "failed"


@virtual_time
async def test_a_voice_that_says_nothing_at_all_has_failed():
    class Mute(ScriptedSynthesizer):
        async def speak(self, utterance, target):
            await asyncio.get_running_loop().create_future()
            yield

    decider = ScriptedDecider({CallAnswered: [prompt(1, "ab")], PromptEnded: [OVER]})
    await conduct(decider, speech=ScriptedSpeech(synthesizer=Mute()))
    assert decider.of(PromptEnded)[0].result == "failed"


@virtual_time
async def test_synthesis_runs_two_prompts_ahead_and_waits_for_the_playout():
    speech = ScriptedSpeech(synthesizer=ScriptedSynthesizer(speed=50))
    texts = ["x" * 200, "y" * 200, "z" * 10]
    decider = ScriptedDecider(
        {CallAnswered: [prompt(n + 1, text) for n, text in enumerate(texts)]}, at=[(2.0, []), (3.0, [OVER])]
    )
    _, leg = await conduct(decider, speech=speech)
    assert speech.synthesizer.said == texts[:2]
    assert len(leg.heard_bytes) == pytest.approx(24000, abs=100)


@virtual_time
async def test_a_stop_ends_the_synthesis():
    speech = ScriptedSpeech(synthesizer=ScriptedSynthesizer(speed=1))
    decider = ScriptedDecider({CallAnswered: [prompt(1, "stop me")]}, at=[(0.35, [StopPlayout()]), (0.4, [OVER])])
    await conduct(decider, speech=speech)
    assert speech.synthesizer.left == ["stop me"]


@virtual_time
async def test_a_recording_that_cannot_be_played_is_spoken():
    content = Recording(url="http://127.0.0.1/x.wav", alternative=Utterance(text="abc", plain="abc"))
    decider = ScriptedDecider({CallAnswered: [StartPrompt(prompt_id=1, content=content)], PromptEnded: [OVER]})
    _, leg = await conduct(decider)
    assert leg.heard_bytes == text_audio("abc", PCMU_8K)
    assert decider.of(PromptEnded)[0].heard_text == "abc"


@virtual_time
async def test_a_recording_without_words_that_cannot_be_played_has_failed():
    decider = ScriptedDecider(
        {CallAnswered: [StartPrompt(prompt_id=1, content=Recording(path="x.wav"))], PromptEnded: [OVER]}
    )
    await conduct(decider)
    assert decider.of(PromptEnded)[0].result == "failed"


@virtual_time
async def test_a_recording_is_read_from_the_media_folder_and_from_nowhere_else(tmp_path):
    from audio.wav import write_wav

    (tmp_path / "media").mkdir()
    for place in (tmp_path / "media" / "in.wav", tmp_path / "out.wav"):
        write_wav(place, b"\x00\x10" * 8000, 8000)
    decider = ScriptedDecider(
        {
            CallAnswered: [
                StartPrompt(prompt_id=1, content=Recording(path="in.wav")),
                StartPrompt(prompt_id=2, content=Recording(path="../out.wav")),
            ],
            PromptEnded: lambda event: [OVER] if event.prompt_id == 2 else [],
        }
    )
    await conduct(decider, services=Services(media_root=tmp_path / "media"))
    assert [e.result for e in decider.of(PromptEnded)] == ["played", "failed"]
    assert decider.of(PromptEnded)[0].seconds == pytest.approx(1.0, abs=0.01)


@virtual_time
async def test_a_recording_comes_from_the_network(tmp_path):
    from audio.wav import write_wav

    write_wav(tmp_path / "a.wav", b"\x00\x10" * 4000, 8000)
    asked = []

    async def fetch(url: str) -> bytes:
        asked.append(url)
        return (tmp_path / "a.wav").read_bytes()

    content = Recording(url="http://media.example/a.wav")
    decider = ScriptedDecider({CallAnswered: [StartPrompt(prompt_id=1, content=content)], PromptEnded: [OVER]})
    await conduct(decider, services=Services(fetch_media=fetch))
    assert decider.of(PromptEnded)[0].seconds == pytest.approx(0.5, abs=0.01)
    assert asked == ["http://media.example/a.wav"]


@virtual_time
async def test_the_bot_hears_of_the_call_and_its_answer_is_an_event():
    backend = ScriptedBackend(["Bonjour"])
    decider = ScriptedDecider({CallOffered: [Answer(), START_BOT], BotReplied: [OVER]})
    keys = []
    await conduct(decider, backend=backend, services=Services(claim=keys.append))
    assert decider.of(BotReplied) == [BotReplied(batch=ActionBatch(actions=(Say(text="Bonjour"),), turn=0))]
    assert [type(event) for event in backend.received] == [CallStarted, CallEnded]
    assert backend.chats[0].closed
    assert keys == ["key-of-call-1"]


@virtual_time
async def test_keys_go_to_the_conversation_and_digits_to_the_caller():
    leg = FakeLeg()
    decider = ScriptedDecider({CallAnswered: [SendDigitsToCaller(digits="12#")], DigitPressed: [OVER]}, at=[(1, [])])
    asyncio.get_running_loop().call_later(2, leg.push, DigitPressed(digit="5"))
    await conduct(decider, leg)
    assert "digits 12#" in leg.actions
    assert decider.of(DigitPressed) == [DigitPressed(digit="5")]


@virtual_time
async def test_a_line_without_digits_gets_their_sound():
    leg = FakeLeg(capabilities=LegCapabilities(has_marks=True, has_clear=True))
    decider = ScriptedDecider({CallAnswered: [SendDigitsToCaller(digits="12")]}, at=[(3, [OVER])])
    await conduct(decider, leg)
    assert len(leg.heard_bytes) == 3200
    assert decider.of(PromptStarted) == decider.of(PromptEnded) == []


@virtual_time
async def test_a_transfer_reports_even_when_the_leg_closes_meanwhile():
    leg = FakeLeg(transfer_takes=3.0, transfer_outcome=TransferOutcome(ok=True, sip_code=200))
    target = TransferTarget(transfer_id="t1", target="sip:100@pbx")
    decider = ScriptedDecider({CallAnswered: [TransferCall(target=target)], LegClosed: [], TransferFinished: [OVER]})
    asyncio.get_running_loop().call_later(1, leg.close)
    await conduct(decider, leg)
    assert [type(event) for _, event in decider.log][-2:] == [LegClosed, TransferFinished]
    assert decider.of(TransferFinished) == [TransferFinished(transfer_id="t1", ok=True, sip_code=200)]


@virtual_time
async def test_a_transfer_that_says_nothing_fails():
    leg = FakeLeg(transfer_outcome=None)
    target = TransferTarget(transfer_id="t1", target="sip:100@pbx", ring=5)
    decider = ScriptedDecider({CallAnswered: [TransferCall(target=target)], TransferFinished: [OVER]})
    await conduct(decider, leg)
    assert decider.of(TransferFinished) == [TransferFinished(transfer_id="t1", ok=False, cause="failed")]


@virtual_time
async def test_a_hang_up_is_not_behind_a_slow_bot():
    backend = ScriptedBackend([100.0, "too late"])
    decider = ScriptedDecider({CallOffered: [Answer(), START_BOT]}, at=[(1.0, [CloseLeg(reason="no_input")])])
    _, leg = await conduct(decider, backend=backend)
    assert leg.hangup == "no_input"
    assert elapsed() == pytest.approx(1.0, abs=0.01)
    assert backend.cancelled == [CallStarted()]
    assert [type(event) for event in backend.received] == [CallStarted, CallEnded]


@virtual_time
async def test_an_operator_reaches_the_conversation():
    decider = ScriptedDecider({OperatorAsked: [OVER]})
    session = Session(FakeLeg(), decider, ScriptedBackend(), ScriptedSpeech())
    asyncio.get_running_loop().call_later(1, session.post, OperatorAsked())
    assert (await session.run()).result == "completed"


@virtual_time
async def test_the_bot_gets_to_know_the_call_as_the_gateway_does():
    info = CallInfo(call_id="c", number="+33*", line="pbx")
    backend = ScriptedBackend()
    await Session(FakeLeg(), ScriptedDecider(at=[(1, [OVER])]), backend, ScriptedSpeech(), info=info).run()
    assert backend.calls == [info]


# --- when things break ---------------------------------------------------------------------------------------------
@virtual_time
async def test_a_bug_in_the_conversation_ends_this_call_tells_the_bot_and_hangs_up():
    def bug(event):
        raise ZeroDivisionError("bug")

    backend = ScriptedBackend(["Bonjour"])
    decider = ScriptedDecider({CallOffered: [Answer(), START_BOT], BotReplied: bug})
    outcome, leg = await conduct(decider, backend=backend)
    assert outcome.result == "internal_error"
    assert leg.hangup == "failure"
    assert backend.received[-1] == CallEnded(turn=0, by="gateway", cause="internal_error")


@virtual_time
async def test_a_bug_in_the_leg_ends_the_call():
    class Broken(FakeLeg):
        async def events(self):
            await asyncio.sleep(1)
            raise ZeroDivisionError("bug")
            yield

    outcome, leg = await conduct(ScriptedDecider(), Broken())
    assert outcome.result == "internal_error"
    assert leg.hangup == "failure"


@virtual_time
async def test_a_helper_cancelled_by_nobody_is_noticed():
    class Stray(FakeLeg):
        async def events(self):
            raise asyncio.CancelledError
            yield

    outcome, _ = await conduct(ScriptedDecider(), Stray())
    assert outcome.result == "internal_error"


@virtual_time
async def test_a_leg_that_breaks_the_protocol_is_closed():
    class Rude(FakeLeg):
        async def events(self):
            raise RemoteProtocolError("nonsense")
            yield

    decider = ScriptedDecider()
    await conduct(decider, Rude())
    assert decider.of(LegClosed) == [LegClosed(by="failure", reason="nonsense")]


@virtual_time
async def test_a_leg_whose_events_end_without_a_word_is_closed():
    class Silent(FakeLeg):
        async def events(self):
            return
            yield

    decider = ScriptedDecider()
    await conduct(decider, Silent())
    assert [closed.by for closed in decider.of(LegClosed)] == ["failure"]


@virtual_time
async def test_the_first_word_waits_for_a_peer_that_listens_later_and_does_not_count_as_heard():
    class Late(FakeLeg):
        async def until_heard(self):
            self.actions.append("until_heard")
            await asyncio.sleep(0.4)

    text = "one two three four five"
    decider = ScriptedDecider(
        {CallAnswered: [prompt(1, text)]},
        at=[(1.15, [StopPlayout()]), (2.0, [prompt(2, text)]), (2.75, [StopPlayout()]), (3.0, [OVER])],
    )
    leg = Late()
    await conduct(decider, leg)
    assert leg.actions.count("until_heard") == 1
    assert [(ended.result, ended.seconds) for ended in decider.of(PromptEnded)] == [("stopped", 0.75)] * 2
    assert decider.times(PromptStarted) == pytest.approx([0.4, 2.0], abs=0.011)


@virtual_time
async def test_when_sending_fails_because_the_caller_hung_up_the_caller_did_it():
    class Gone(FakeLeg):
        async def send_audio(self, frame):
            asyncio.get_running_loop().call_later(0.5, self.close)
            raise RemoteProtocolError("connection closed")

    decider = ScriptedDecider({CallAnswered: [prompt(1, "hello")]})
    await conduct(decider, Gone())
    assert decider.of(LegClosed) == [LegClosed(by="caller")]


@virtual_time
async def test_a_leg_that_takes_no_audio_and_does_not_say_why_has_broken():
    class Gone(FakeLeg):
        async def send_audio(self, frame):
            raise RemoteProtocolError("connection closed")

    decider = ScriptedDecider({CallAnswered: [prompt(1, "hello")]})
    await conduct(decider, Gone())
    assert decider.of(LegClosed) == [LegClosed(by="failure", reason="connection closed")]


@virtual_time
async def test_a_leg_that_does_not_hang_up_does_not_keep_the_call():
    class Sticky(FakeLeg):
        async def hang_up(self, reason):
            await asyncio.get_running_loop().create_future()

    outcome, _ = await conduct(ScriptedDecider(at=[(1, [CloseLeg()]), (2, [OVER])]), Sticky())
    assert outcome.result == "completed"
    assert elapsed() < 10


@virtual_time
async def test_a_deadline_that_stays_is_a_bug_and_not_a_spin():
    class Stuck(ScriptedDecider):
        def next_deadline(self):
            return 0.5

    outcome, _ = await conduct(Stuck())
    assert outcome.result == "internal_error"


@virtual_time
async def test_too_many_events_end_the_call():
    decider = ScriptedDecider()
    leg = FakeLeg()
    session = Session(leg, decider, ScriptedBackend(), ScriptedSpeech())

    def flood() -> None:
        for _ in range(MAX_EVENTS + 1):
            session.post(DigitPressed(digit="1"))

    asyncio.get_running_loop().call_later(1, flood)
    assert (await session.run()).result == "internal_error"
    assert leg.hangup == "failure"


@virtual_time
async def test_an_observer_that_fails_costs_nothing():
    seen = []

    def broken(now, event, commands):
        seen.append(event)
        raise ValueError("disk full")

    healthy = []
    decider = ScriptedDecider(at=[(1, []), (2, [OVER])])
    observers = (broken, lambda *handled: healthy.append(handled))
    outcome, _ = await conduct(decider, services=Services(observers=observers))
    assert outcome.result == "completed"
    assert len(seen) == 1
    assert [(now, event) for now, event, _ in healthy] == decider.log
    assert healthy[-1][2] == [OVER]


@virtual_time
async def test_a_cancelled_session_hangs_up():
    leg = FakeLeg()
    backend = ScriptedBackend()
    session = Session(leg, ScriptedDecider({CallOffered: [START_BOT]}), backend, ScriptedSpeech())
    task = asyncio.create_task(session.run())
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert leg.hangup == "failure"
    assert isinstance(backend.received[-1], CallEnded)


@virtual_time
async def test_hundreds_of_calls_do_not_disturb_each_other():
    async def one(number: int) -> None:
        decider = ScriptedDecider({CallAnswered: [prompt(1, f"call {number}")], PromptEnded: [OVER]})
        _, leg = await conduct(decider)
        assert leg.heard_bytes == text_audio(f"call {number}", PCMU_8K)

    await asyncio.gather(*(one(number) for number in range(100)))
    assert elapsed() < 2
