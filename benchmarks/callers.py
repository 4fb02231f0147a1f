"""Simulated callers of a Twilio-shaped line, without a socket: what each says, and how good what it hears is.

A caller listens until the prompt is played, waits, talks, and expects an answer. Some interrupt every second prompt.
Like the carrier it plays what it gets in order, returns marks when everything before them was played, and all at a
clear. It keeps the figures of the time that is measured in a `Window` that all callers share.
"""

from __future__ import annotations

import base64
from collections import deque
from dataclasses import dataclass, field, fields
from enum import Enum

from benchmarks import sound, wire

PTIME = 0.02
REST = 1.0
"""Seconds between the end of a prompt and the caller's answer: he talks, and the bot talks, two fifths of the time."""
ANSWER_WITHIN = 6.0
"""Seconds from the end of the caller's speech to the bot's; more is a failure."""
INTERRUPTS_AFTER = 1.5
"""Seconds of the prompt before it is interrupted; the start of a prompt is protected."""
STEADY_AFTER = 1.3
"""Seconds of a prompt that go out at once, because the peer buffers; what comes later follows a beat."""
GREETING = 0
_START = (
    '{"event":"start","sequenceNumber":"1","streamSid":"%(sid)s","start":{"accountSid":"AC0","streamSid":"%(sid)s",'
    '"callSid":"CA%(call)s","tracks":["inbound"],"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,'
    '"channels":1},"customParameters":{"from":"%(caller)s","to":"%(called)s"}}}'
)


@dataclass
class Window:
    """Figures of the time that is measured, in seconds.

    Attributes:
        pacing: By how much later each message came than the most punctual one of its prompt.
        late: Messages that came after the caller had heard everything before, and how late.
        interruptions: Caller's first word sent, to the last sample of the prompt heard.
        greetings: Connection begun, to the greeting's first sample.
        answers: End of the caller's speech, to the answer's first sample; everything included.
        first_audio: When the first audio of a turn came, by the turn's number.
        correlations: Of prompts that were heard to their end, with what was said.
    """

    messages: int = 0
    sent: int = 0
    pacing: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    interruptions: list[float] = field(default_factory=list)
    greetings: list[float] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)
    first_audio: list[tuple[int, float]] = field(default_factory=list)
    correlations: list[float] = field(default_factory=list)
    failures: dict[str, int] = field(default_factory=dict)

    def clear(self) -> None:
        """Begin afresh; callers keep this object."""
        fresh = Window()
        for item in fields(self):
            setattr(self, item.name, getattr(fresh, item.name))

    def fail(self, reason: str) -> None:
        self.failures[reason] = self.failures.get(reason, 0) + 1


class Phase(Enum):
    LISTENING = 0
    RESTING = 1
    TALKING = 2


class Caller:
    """One call, after its socket is open. Time is the caller of the methods' business.

    Args:
        number: Of the call; decides what it says.
        interrupts: Whether it interrupts every second prompt.
        checks: Whether what it hears is compared with what was said.
        has_marks: Whether a mark ends each prompt; without, its known length does.
        window: Where its figures go.
        began: When the connection was begun.
    """

    def __init__(
        self, number: int, window: Window, began: float, *, interrupts: bool, checks: bool, has_marks: bool = True
    ) -> None:
        self.window = window
        self._began = began
        self._interrupts = interrupts
        self._checks = checks
        self._has_marks = has_marks
        self._clips = _encoded_clips()
        self._turn = number
        sid = b"MZ%032x" % number
        self._head = b'{"event":"media","streamSid":"' + sid + b'","sequenceNumber":"%d","media":{"track":"inbound",'
        self._head += b'"chunk":"%d","timestamp":"%d","payload":"'
        self._sid = sid.decode()
        self._sequence = 1
        self._chunk = 0
        self._phase = Phase.LISTENING
        self._until = began + ANSWER_WITHIN  # in this phase
        self._talk: list[bytes] = []
        self._word_at: float | None = None  # when the caller began to talk over a prompt
        self._stopped_talking: float | None = None
        self._ends_at = 0.0  # of what is buffered
        self._marks: deque[tuple[float, str]] = deque()
        self._heard = 0  # samples of the prompt that is being heard
        self._began_prompt = 0.0
        self._steady: list[float] = []
        self._prompt: int | None = None
        self._kept: list[bytes] = []
        self.outgoing: list[bytes] = []

    def start(self, caller: str, called: str) -> None:
        """The first messages."""
        self._say(b'{"event":"connected","protocol":"Call","version":"1.0.0"}')
        names = {"sid": self._sid, "call": self._sid[2:], "caller": caller, "called": called}
        self._say((_START % names).encode())

    def stop(self) -> None:
        self._say(b'{"event":"stop","streamSid":"%s","stop":{}}' % self._sid.encode())

    # --- every 20 ms -------------------------------------------------------------------------------------------------
    def speak(self, now: float) -> bytes:
        """The next 20 ms, as a frame of the socket; marks that are due go to `outgoing`."""
        while self._marks and self._marks[0][0] <= now:
            self._return(self._marks.popleft()[1], now)
        if not self._has_marks and self._heard >= sound.TALK * 8000 and now >= self._ends_at:
            self._prompt_played(now)
        payload = sound.SILENT_PAYLOAD
        if self._phase is Phase.TALKING:
            payload = self._talk.pop()
            if not self._talk:
                self._wait_for_answer(now)
        elif now >= self._until:
            if self._phase is Phase.RESTING:
                self._begin_to_talk()
            else:
                self.window.fail("no greeting" if self._began else "no answer")
                self._until = now + ANSWER_WITHIN
        elif self._interrupts and self._turn % 2 and self._heard and now > self._began_prompt + INTERRUPTS_AFTER:
            self._word_at = now
            self._begin_to_talk()
        self.window.sent += 1
        return self.frame(payload)

    def frame(self, payload: bytes) -> bytes:
        """A media message with this payload, as it goes over the socket."""
        self._sequence += 1
        self._chunk += 1
        message = self._head % (self._sequence, self._chunk, self._chunk * 20 - 20) + payload + b'"}}'
        return wire.client_head(len(message)) + message

    def _begin_to_talk(self) -> None:
        self._phase = Phase.TALKING
        self._talk = list(self._clips[self._turn % len(self._clips)])
        self._turn += 1

    def _wait_for_answer(self, now: float) -> None:
        self._phase, self._until = Phase.LISTENING, now + ANSWER_WITHIN
        self._stopped_talking = now

    # --- what comes --------------------------------------------------------------------------------------------------
    def hear(self, message: bytes, now: float) -> None:
        """A message of the gateway."""
        kind = message[:20]  # of whatever spacing
        if b'"media"' in kind:
            self._play(_value(message, b'"payload"'), now)
        elif b'"mark"' in kind:
            self._marks.append((max(now, self._ends_at), _value(message, b'"name"').decode()))
        elif b'"clear"' in kind:
            self._clear(now)
        else:
            self.window.fail("unknown message")

    def _play(self, payload: bytes, now: float) -> None:
        samples = len(payload) // 4 * 3 - payload[-2:].count(b"=")
        self.window.messages += 1
        if self._heard == 0:
            self._begin_prompt(payload, now)
        elif now > self._ends_at:
            self.window.late.append(now - self._ends_at)
        at = self._heard / 8000
        if at > STEADY_AFTER:
            self._steady.append(now - self._began_prompt - at)
        self._heard += samples
        self._ends_at = max(now, self._ends_at) + samples / 8000
        if self._checks:
            self._kept.append(payload)

    def _begin_prompt(self, payload: bytes, now: float) -> None:
        self._began_prompt = now
        self._prompt = sound.read_stamp(base64.b64decode(payload[:8]))
        if self._prompt is None:
            self.window.fail("prompt not recognized")
        elif self._prompt == GREETING and self._began:
            self.window.greetings.append(now - self._began)
        elif self._prompt != GREETING and self._stopped_talking is not None:
            self.window.answers.append(now - self._stopped_talking)
            self.window.first_audio.append((self._prompt, now))
        self._began = 0.0
        self._stopped_talking = None
        if self._phase is Phase.TALKING:
            self.window.fail("answered before the caller had finished")
        self._until = now + 3 * sound.TALK

    def _return(self, name: str, now: float) -> None:
        """Everything before this mark was played: the prompt is over."""
        self._say(
            b'{"event":"mark","sequenceNumber":"%d","streamSid":"%s","mark":{"name":"%s"}}'
            % (self._sequence, self._sid.encode(), name.encode())
        )
        if self._heard and not self._marks:
            self._prompt_played(now)

    def _prompt_played(self, now: float) -> None:
        self._end_prompt()
        if self._phase is Phase.LISTENING:
            self._phase, self._until = Phase.RESTING, now + REST

    def _end_prompt(self) -> None:
        if self._steady:
            best = min(self._steady)
            self.window.pacing.extend(value - best for value in self._steady)
        if self._checks and self._prompt is not None and self._word_at is None:
            clips = sound.prompt_clips()
            said = sound.stamp(clips[self._prompt % len(clips)], self._prompt)
            heard = b"".join(base64.b64decode(payload) for payload in self._kept)
            self.window.correlations.append(sound.correlation(heard, said))
        elif self._heard < sound.TALK * 8000 and self._word_at is None:
            self.window.fail("prompt cut short")
        self._heard = 0
        self._steady, self._kept, self._word_at = [], [], None

    def _clear(self, now: float) -> None:
        if self._word_at is not None:
            self.window.interruptions.append(max(0.0, min(self._ends_at, now) - self._word_at))
        elif self._heard:
            self.window.fail("prompt stopped without a word")
            self._word_at = now
        self._ends_at = now
        while self._marks:
            self._return(self._marks.popleft()[1], now)
        if self._heard:
            self._end_prompt()

    def _say(self, message: bytes) -> None:
        self.outgoing.append(wire.client_head(len(message)) + message)


def _value(message: bytes, key: bytes) -> bytes:
    """The text behind a key; nothing in it is escaped."""
    start = message.index(b'"', message.index(key) + len(key)) + 1
    return message[start : message.index(b'"', start)]


_clips: list[tuple[bytes, ...]] = []


def _encoded_clips() -> list[tuple[bytes, ...]]:
    """Each clip as base64 payloads, the last one first."""
    if not _clips:
        for clip in sound.caller_clips():
            _clips.append(tuple(base64.b64encode(frame) for frame in reversed(sound.frames(clip))))
    return _clips


class EchoCaller:
    """A caller of `benchmarks.echo`: every message comes back, and how long that took is kept."""

    def __init__(self, number: int, window: Window, began: float) -> None:
        self.window = window
        self._began = began
        self._caller = Caller(number, Window(), began, interrupts=False, checks=False)
        self._sent_at: deque[float] = deque()
        self.outgoing: list[bytes] = []

    def start(self, caller: str, called: str) -> None:
        """There is nobody to greet."""

    def stop(self) -> None:
        """Closing the socket is enough."""

    def speak(self, now: float) -> bytes:
        self._sent_at.append(now)
        self.window.sent += 1
        return self._caller.frame(sound.SILENT_PAYLOAD)

    def hear(self, message: bytes, now: float) -> None:
        self.window.messages += 1
        if self._began:
            self.window.greetings.append(now - self._began)
            self._began = 0.0
        self.window.pacing.append(now - self._sent_at.popleft())
