"""Calls written as plays: what happens, when, and what the conversation decides. No sockets, no clock, no waiting.

play = Playbook()
play.greet("Welcome")
play(SpeechSustained(at=1.5, voiced=0.3), at=1.6).expect(StopPlayout())
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from audio.format import PCMU_8K
from config.call import NumberSettings
from gateway.actions import Action, ActionBatch, Listen, Say
from gateway.call.commands import Command, EndCall, KeepRecord, OpenEar, SendToBot, StartPrompt
from gateway.call.conversation import Conversation
from gateway.call.facts import CallSetup, State
from gateway.call.outcome import CallOutcome
from gateway.events import (
    BotReplied,
    CallAnswered,
    CallEvent,
    CallInfo,
    CallOffered,
    DigitPressed,
    PromptEnded,
    PromptStarted,
    RecognitionEnded,
    SpeechStarted,
    SpeechStopped,
    SpeechSustained,
    TimeElapsed,
    Transcript,
    TranscriptUpdated,
)
from gateway.interfaces import BackendCapabilities, LegCapabilities
from gateway.speech_interfaces import RecognizerCapabilities, Utterance


def text_of(command: StartPrompt) -> str:
    """What a prompt says."""
    content = command.content
    return content.plain if isinstance(content, Utterance) else type(content).__name__


class Commands(list[Command]):
    """The commands of one step, with the assertions a play needs."""

    def expect(self, *wanted: Command | type[Command]) -> Commands:
        """Each wanted command, or one of its type, is among them, in this order."""
        rest = iter(self)
        for want in wanted:
            found = any(isinstance(got, want) if isinstance(want, type) else got == want for got in rest)
            assert found, f"expected {want}, in order, among {list(self)}"
        return self

    def refuse(self, *unwanted: type[Command]) -> Commands:
        present = [command for command in self if isinstance(command, unwanted)]
        assert not present, f"unexpected: {present}"
        return self

    @property
    def prompts(self) -> list[str]:
        return [text_of(command) for command in self if isinstance(command, StartPrompt)]

    @property
    def sent(self) -> list[Any]:
        return [command.event for command in self if isinstance(command, SendToBot)]

    def kept(self, kind: str) -> list[dict[str, Any]]:
        """What was kept of a kind for the call record."""
        return [command.data for command in self if isinstance(command, KeepRecord) and command.kind == kind]

    @property
    def outcome(self) -> CallOutcome | None:
        return next((command.outcome for command in self if isinstance(command, EndCall)), None)


class Playbook:
    """One call. Calling it lets time pass up to the event, deadline by deadline, then gives the event."""

    def __init__(
        self,
        *,
        number: Mapping[str, Any] | None = None,
        leg: LegCapabilities | None = None,
        backend: BackendCapabilities | None = None,
        recognizer: RecognizerCapabilities | None = None,
        others: Mapping[str, RecognizerCapabilities] | None = None,
        synthesizers: tuple[str, ...] = ("local",),
        words: Mapping[str, Mapping[str, tuple[str, ...]]] | None = None,
        has_recording: bool = False,
        shares_messages: bool = False,
        people: str | None = None,
    ) -> None:
        self.conversation = Conversation(
            CallSetup(
                number=NumberSettings.model_validate({"number": "+33123456789", "bot": "demo", **(number or {})}),
                info=CallInfo(call_id="call-1", caller="+33612345678", called="+33123456789"),
                leg=leg or LegCapabilities(format=PCMU_8K, has_marks=True, has_clear=True),
                backend=backend or BackendCapabilities(),
                recognizers={"local": recognizer or RecognizerCapabilities(), **(others or {})},
                synthesizers=synthesizers,
                words=words or {},
                has_recording=has_recording,
                shares_messages=shares_messages,
                people=people,
                today=datetime.date(2026, 11, 21),
            )
        )
        self.now = 0.0
        self.log: list[tuple[float, CallEvent, Commands]] = []
        self.stream = 0
        self.outstanding: dict[int, str] = {}
        self.every = Commands()

    @property
    def state(self) -> State:
        return self.conversation.state

    def _give(self, event: CallEvent) -> Commands:
        commands = Commands(self.conversation.handle(event, round(self.now, 6)))
        self.log.append((self.now, event, commands))
        self.every.extend(commands)
        for command in commands:
            if isinstance(command, StartPrompt):
                self.outstanding[command.prompt_id] = text_of(command)
            elif isinstance(command, OpenEar):
                self.stream = command.stream
        if isinstance(event, PromptEnded):
            self.outstanding.pop(event.prompt_id, None)
        return commands

    def __call__(self, event: CallEvent, *, at: float | None = None) -> Commands:
        commands = self.until(self.now if at is None else at)
        commands.extend(self._give(event))
        return commands

    def late(self, event: CallEvent, *, at: float) -> Commands:
        """An event that comes before a busy process has seen the deadlines on the way."""
        self.now = at
        return self._give(event)

    def until(self, at: float) -> Commands:
        """Let time pass, giving `TimeElapsed` at every deadline on the way."""
        commands = Commands()
        while (deadline := self.conversation.next_deadline()) is not None and deadline <= at:
            self.now = max(self.now, deadline)
            step = self._give(TimeElapsed())
            commands.extend(step)
            if self.conversation.next_deadline() == deadline:
                raise AssertionError(f"the deadline {deadline} does not pass in state {self.state}")
        self.now = max(self.now, at)
        return commands

    def recognize(
        self, text: str, *, final: bool = True, at: float | None = None, stream: int | None = None, **details: Any
    ) -> Commands:
        """Text comes of the open stream, or of another one."""
        heard = Transcript(text=text, final=final, **details)
        number = self.stream if stream is None else stream
        return self(TranscriptUpdated(stream=number, transcript=heard), at=at)

    def press(self, keys: str, *, at: float | None = None) -> Commands:
        """Keys, a tenth of a second apart."""
        commands = self.until(self.now if at is None else at)
        for key in keys:
            commands.extend(self(DigitPressed(digit=key)))
            self.now += 0.1
        return commands

    # --- the usual scenes ------------------------------------------------------------------------------------------
    def begin(self, *, at: float = 0.0) -> Commands:
        """Offered and answered."""
        commands = self(CallOffered(), at=at)
        commands.extend(self(CallAnswered(), at=at + 0.01))
        return commands

    def reply(
        self, *actions: Action | str, turn: int | None = -1, done: bool = True, at: float | None = None
    ) -> Commands:
        """The bot answers the running turn (or ``turn``); strings are said."""
        number = self.conversation.facts.turn if turn == -1 else turn
        parts = tuple(Say(text=action) if isinstance(action, str) else action for action in actions)
        return self(BotReplied(batch=ActionBatch(actions=parts, turn=number, turn_done=done)), at=at)

    def start_prompt(self, *, at: float | None = None) -> Commands:
        """The first outstanding prompt becomes audible."""
        return self(PromptStarted(prompt_id=next(iter(self.outstanding))), at=at)

    def play_out(self, *, at: float | None = None, seconds: float = 1.0) -> Commands:
        """Everything outstanding is heard to its end."""
        commands = Commands()
        if at is not None:
            commands.extend(self.until(at))
        while self.outstanding:
            prompt_id, text = next(iter(self.outstanding.items()))
            commands.extend(self(PromptStarted(prompt_id=prompt_id)))
            played = PromptEnded(prompt_id=prompt_id, result="played", seconds=seconds, heard_text=text)
            commands.extend(self(played, at=self.now + seconds))
        return commands

    def report_stopped(self, *, seconds: float = 0.5, heard: str = "", at: float | None = None) -> Commands:
        """Every outstanding prompt reports that it was stopped."""
        commands = self.until(self.now if at is None else at)
        for prompt_id in list(self.outstanding):
            ended = PromptEnded(prompt_id=prompt_id, result="stopped", seconds=seconds, heard_text=heard)
            commands.extend(self._give(ended))
            seconds, heard = 0.0, ""
        return commands

    def greet(self, text: str = "Welcome", *more: Action) -> Commands:
        """The call up to listening."""
        commands = self.begin()
        commands.extend(self.reply(text, *more, at=0.1))
        commands.extend(self.play_out())
        return commands

    def speak(self, text: str, *, at: float, seconds: float = 0.6, confidence: float | None = None) -> Commands:
        """The caller says something; recognized with the end of his turn. Blank: nothing is understood."""
        commands = self(SpeechStarted(at=at), at=at + 0.1)
        if seconds >= 0.25:
            commands.extend(self(SpeechSustained(at=at + 0.25, voiced=0.25), at=at + 0.3))
        commands.extend(self(SpeechStopped(at=at + seconds), at=at + seconds + 0.5))
        silence = self.conversation.question.end_silence
        commands.extend(self.until(max(self.now, at + seconds + silence)))
        stream = self.stream
        if text:
            heard = Transcript(text=text, final=True, confidence=confidence)
            commands.extend(self(TranscriptUpdated(stream=stream, transcript=heard), at=self.now + 0.05))
        commands.extend(self(RecognitionEnded(stream=stream)))
        return commands


LISTEN = Listen()
