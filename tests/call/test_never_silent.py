"""The rule no call may break: somebody is heard, or a timer runs, or the call is over. Held against random calls."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.actions import (
    ActionBatch,
    Fail,
    Hangup,
    Listen,
    Menu,
    MenuOption,
    Pause,
    Play,
    RecognizerChoice,
    Record,
    Release,
    Say,
    SendDigits,
    SetSpeech,
    SynthesizerChoice,
    Transfer,
)
from gateway.call.commands import EndCall, OpenEar, PausePlayout, ResumePlayout, StartPrompt, StopPlayout
from gateway.call.facts import State
from gateway.events import (
    BotFailed,
    BotReplied,
    CallAnswered,
    CallOffered,
    DigitPressed,
    HoldChanged,
    LegClosed,
    OperatorAsked,
    PromptEnded,
    PromptStarted,
    RecognitionEnded,
    RecognizerFailed,
    SpeechStarted,
    SpeechStopped,
    SpeechSustained,
    TimeElapsed,
    Transcript,
    TranscriptUpdated,
    TransferFinished,
)
from gateway.interfaces import BackendCapabilities, LegCapabilities
from gateway.speech_interfaces import RecognizerCapabilities
from tests.fakes.playbook import Playbook

TEXTS = st.sampled_from(["", "Hello.", "One moment please. Then more.", "<b>x</b>", "  "])
OPTIONS = (MenuOption(id="a", label="sales"), MenuOption(id="b", label="support"))
ACTIONS = st.one_of(
    st.builds(
        Say, text=TEXTS, interruptible=st.booleans(), more=st.booleans(), role=st.sampled_from(["answer", "waiting"])
    ),
    st.builds(Pause, seconds=st.sampled_from([0.0, 0.4])),
    st.just(Play(url="https://example.com/a.wav")),
    st.just(Menu(menu_id="m", options=OPTIONS)),
    st.builds(
        Listen,
        kind=st.sampled_from(["free", "digits", "yesno"]),
        no_input_retries=st.sampled_from([None, 0, 1]),
        no_input_prompts=st.sampled_from([None, (), ("Sorry?",), ("",)]),
        on_exhausted=st.sampled_from([None, "event", "hangup", "idle"]),
        barge_in=st.sampled_from([None, True, False]),
    ),
    st.builds(SetSpeech, synthesizer=st.sampled_from([None, SynthesizerChoice(), SynthesizerChoice(vendor="nobody")])),
    st.builds(SetSpeech, recognizer=st.sampled_from([RecognizerChoice(), RecognizerChoice(end_silence=0.3)])),
    st.just(Record(kind="note", data={})),
    st.just(SendDigits(digits="1")),
    st.builds(Hangup, after_speech=st.booleans()),
    st.builds(Transfer, transfer_id=st.just("t"), target=st.sampled_from([None, "sip:1@pbx", "tel:+4930123"])),
    st.just(Release()),
    st.builds(Fail, kind=st.sampled_from(["unavailable", "config"])),
)
BATCHES = st.tuples(st.lists(ACTIONS, max_size=4), st.sampled_from(["now", "old", "none"]), st.booleans())
STEPS = st.tuples(
    st.one_of(
        st.tuples(st.just("bot"), BATCHES),
        st.tuples(st.just("bot_failed"), st.sampled_from(["now", "old", "gone"])),
        st.tuples(st.just("digit"), st.sampled_from("0123456789*#A")),
        st.tuples(st.just("speech"), st.sampled_from(["started", "sustained", "stopped"])),
        st.tuples(st.just("text"), st.tuples(st.sampled_from(["", "sales", "no"]), st.booleans(), st.booleans())),
        st.tuples(st.just("ear_ended"), st.none()),
        st.tuples(st.just("ear_failed"), st.none()),
        st.tuples(st.just("prompt_started"), st.none()),
        st.tuples(st.just("prompt_ended"), st.sampled_from(["played", "stopped", "failed"])),
        st.tuples(st.just("transferred"), st.booleans()),
        st.tuples(st.just("operator"), st.sampled_from([None, "sip:1@pbx"])),
        st.tuples(st.just("held"), st.booleans()),
        st.tuples(st.just("elapsed"), st.none()),
    ),
    st.sampled_from([0.0, 0.01, 0.3, 1.0, 5.0]),
)
NUMBERS = st.fixed_dictionaries(
    {
        "barge_in": st.fixed_dictionaries(
            {
                "by": st.sampled_from([[], ["speech"], ["digits"], ["speech", "digits"]]),
                "confirm_within": st.sampled_from([0, 0.5]),
                "min_words": st.sampled_from([0, 1]),
            }
        ),
        "no_input": st.fixed_dictionaries(
            {"retries": st.sampled_from([0, 2]), "then": st.sampled_from(["event", "hangup", "idle"])}
        ),
        "thinking_input": st.sampled_from(["next_turn", "barge_in", "drop"]),
        "transfer": st.just({"allow": ["sip:*@pbx"]}),
    }
)


class Chaos:
    """Feeds a conversation whatever comes, and checks the rule after every event."""

    def __init__(self, play: Playbook) -> None:
        self.play = play

    def event(self, name: str, detail: Any) -> Any:
        play, turn = self.play, self.play.conversation.facts.turn
        prompt = next(iter(play.outstanding), 99)
        turns = {"now": turn, "old": turn - 1, "none": None, "gone": None}
        match name:
            case "bot":
                actions, which, done = detail
                return BotReplied(batch=ActionBatch(actions=tuple(actions), turn=turns[which], turn_done=done))
            case "bot_failed":
                return BotFailed(turn=turns[detail])
            case "digit":
                return DigitPressed(digit=detail)
            case "speech":
                now = play.now
                kinds = {"started": SpeechStarted(at=now), "stopped": SpeechStopped(at=now)}
                return kinds.get(detail) or SpeechSustained(at=now, voiced=0.3)
            case "text":
                text, final, ends = detail
                heard = Transcript(text=text, final=final, ends_turn=ends)
                return TranscriptUpdated(stream=play.stream, transcript=heard)
            case "ear_ended":
                return RecognitionEnded(stream=play.stream)
            case "ear_failed":
                return RecognizerFailed(stream=play.stream, reason="gone")
            case "prompt_started":
                return PromptStarted(prompt_id=prompt)
            case "prompt_ended":
                return PromptEnded(prompt_id=prompt, result=detail, seconds=0.0 if detail == "failed" else 1.0)
            case "transferred":
                return TransferFinished(transfer_id="t", ok=detail)
            case "held":
                return HoldChanged(held=detail)
            case "operator":
                return OperatorAsked(target=detail)
        return TimeElapsed()

    def step(self, name: str, detail: Any, wait: float) -> None:
        self.play(self.event(name, detail), at=self.play.now + wait)
        self.check()

    def check(self) -> None:
        conversation = self.play.conversation
        if conversation.is_over:
            assert conversation.next_deadline() is None
            return
        state = conversation.state
        deadline = conversation.state_deadline()  # the longest call's would hide its absence
        if state is State.HELD:
            deadline = conversation.next_deadline()  # the longest call's alone
        if state is State.SPEAKING:
            assert self.play.outstanding, "speaking, and the playout owes nothing"
            told = [c for c in self.play.every if isinstance(c, PausePlayout | ResumePlayout | StopPlayout)]
            assert not told or not isinstance(told[-1], PausePlayout), "speaking, and the playout is paused"
        else:
            assert deadline is not None, f"nothing happens ever after in {state}"
            assert deadline > self.play.now - 1e-6, f"{state} is overdue"
        commands = [command for command in self.play.every if isinstance(command, EndCall)]
        assert not commands

    def die_down(self) -> None:
        """The bot and the caller say nothing more; the playout is honest, the leg closes when told."""
        play = self.play
        for _ in range(200):
            if play.outstanding:
                play.play_out()
            if play.conversation.is_over:
                return
            if play.conversation.state is State.ENDING:
                play(LegClosed(by="gateway"))
            elif play.conversation.state is not State.SPEAKING:
                deadline = play.conversation.next_deadline()
                assert deadline is not None
                play.until(deadline)
            self.check()
        raise AssertionError(f"the call never ends: {play.conversation.state}")


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    number=NUMBERS,
    steps=st.lists(STEPS, max_size=40),
    partials=st.booleans(),
    wants_no_input=st.booleans(),
    transfers=st.booleans(),
    answered=st.booleans(),
)
def test_somebody_is_heard_or_a_timer_runs_or_the_call_is_over(
    number: dict[str, Any],
    steps: list[tuple[tuple[str, Any], float]],
    partials: bool,
    wants_no_input: bool,
    transfers: bool,
    answered: bool,
) -> None:
    play = Playbook(
        number={**number, "max_call": 600},
        recognizer=RecognizerCapabilities(partials=partials),
        backend=BackendCapabilities(wants_no_input=wants_no_input, transfer_feedback=transfers),
        leg=LegCapabilities(can_transfer=transfers),
    )
    chaos = Chaos(play)
    play(CallOffered())
    if answered:
        play(CallAnswered(), at=0.01)
    chaos.check()
    for (name, detail), wait in steps:
        chaos.step(name, detail, wait)
    chaos.die_down()
    assert sum(isinstance(command, EndCall) for command in play.every) == 1
    started = [command.prompt_id for command in play.every if isinstance(command, StartPrompt)]
    assert len(started) == len(set(started))
    ears = [command.stream for command in play.every if isinstance(command, OpenEar)]
    assert ears == sorted(set(ears))
    assert sum(isinstance(command, StopPlayout) for command in play.every) <= len(started)
