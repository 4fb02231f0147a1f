"""The caller's side of the conversation: voice, recognition streams, keys, and when his turn is over."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from gateway.actions import MenuOption
from gateway.call.commands import CloseEar, FinishUtterance, OpenEar
from gateway.call.digits import DigitCollector, Entry
from gateway.call.facts import CallerTurn, Ear, Facts, State
from gateway.call.question import Question, ReadOn
from gateway.caller_events import UserChoice, UserDigits, UserMedia, UserText
from gateway.events import RecognitionEnded, SpeechStarted, SpeechStopped, SpeechSustained, TranscriptUpdated
from gateway.text import values

MAX_EAR_FAILURES = 3  # streams in a row that broke, or ended at once before anything was said
BRIEF = 5.0  # s; a stream that lasted longer before it ended by itself did nothing wrong
REACH = 2.0  # s before its opening that a stream gets at most; `ears.RING`


@dataclass(frozen=True, slots=True)
class NoMatch:
    """The caller's turn is over and nothing was understood.

    Attributes:
        counts: Enough was heard to say so; otherwise it was a noise, and we listen on as if nothing had been.
    """

    counts: bool


Input = UserText | UserChoice | UserDigits | UserMedia
MESSAGE_TYPE = "audio/wav"


class Hearing:
    """Follows the caller's voice and text, and closes his turn."""

    def __init__(self, facts: Facts, question: Question) -> None:
        self.facts = facts
        self.question = question
        self.keys = DigitCollector(facts.number.digits)

    # --- voice -----------------------------------------------------------------------------------------------------
    def speech_started(self, event: SpeechStarted) -> None:
        facts = self.facts
        facts.voice, facts.voice_since = True, event.at
        if self._is_unwanted:
            facts.dropping = True
            facts.keep("speech_dropped")
        elif facts.ear is not None or self._opens_on_voice:
            self._note_start(event.at)

    @property
    def _is_unwanted(self) -> bool:
        """What the caller says now is dropped: the bot is thinking, and this number's callers wait for it."""
        return self.facts.is_thinking and self.facts.number.thinking_input == "drop"

    @property
    def _opens_on_voice(self) -> bool:
        """While the bot thinks nobody listens until somebody speaks."""
        facts = self.facts
        return facts.waiting is not None and not facts.prompts and facts.number.thinking_input != "drop"

    def _note_start(self, at: float) -> None:
        caller = self.facts.caller
        if caller.dismissed:
            self.facts.caller = caller = CallerTurn()
        if caller.started_at is None:
            self._begin(caller, at)
        caller.stopped_at = None

    def _begin(self, caller: CallerTurn, at: float) -> None:
        caller.started_at = at
        caller.overlapped = bool(self.facts.prompts)
        caller.ahead = self.facts.is_thinking

    def speech_sustained(self, event: SpeechSustained) -> None:
        if self.facts.caller.started_at is not None:
            self.facts.caller.sustained = True

    def speech_stopped(self, event: SpeechStopped) -> None:
        facts, caller = self.facts, self.facts.caller
        facts.voice = False
        if facts.dropping:
            facts.dropping = False
            facts.boundary = max(facts.boundary, event.at)
        if caller.started_at is not None:
            caller.stopped_at = max(event.at, caller.started_at)

    # --- text ------------------------------------------------------------------------------------------------------
    def transcript(self, event: TranscriptUpdated) -> bool:
        """Take recognized text. Returns whether it brought a word of an open stream."""
        facts, caller = self.facts, self.facts.caller
        if facts.ear is None or event.stream != facts.ear.stream:
            return False
        heard = event.transcript
        if not heard.text.strip():
            if heard.final:
                caller.partial = ""
            return False
        facts.ear_failures = 0
        caller.dismissed = False
        if caller.started_at is None:  # the detector missed it, or a text leg that has no voice
            self._begin(caller, facts.now)
        if not facts.voice and caller.stopped_at is None:
            caller.stopped_at = facts.now
        caller.language = heard.language or caller.language
        if not heard.final:
            caller.partial = heard.text.strip()
            return True
        caller.partial = ""
        caller.finals.append(heard.text.strip())
        caller.alternatives = heard.alternatives
        if heard.confidence is not None:
            caller.confidences.append(heard.confidence)
        return True

    def recognition_ended(self, event: RecognitionEnded) -> None:
        ear = self.facts.ear
        if ear is not None and event.stream == ear.stream:
            ear.ended = True

    # --- the ear ---------------------------------------------------------------------------------------------------
    def wants_ear(self, state: State) -> bool:
        facts = self.facts
        if facts.fell_back or facts.ear_failures >= MAX_EAR_FAILURES:
            return False
        if self.keys or facts.dropping or self._is_unwanted:
            return False
        if state is State.SPEAKING:
            return "speech" in self.question.heard_during_prompt or self.facts.caller.started_at is not None
        if state is State.THINKING:
            return facts.caller.started_at is not None
        return state in (State.GAP, State.LISTENING, State.IDLE, State.HEARING, State.CLOSING, State.FINISHING)

    def tend_ear(self, state: State) -> None:
        """Open, reopen or close the recognition stream as state and question ask."""
        facts = self.facts
        wanted = self.wants_ear(state)
        if facts.ear is not None and facts.ear.ended and facts.caller.started_at is None:
            self._ended_unasked(facts.ear)
            wanted = self.wants_ear(state)
        if facts.ear is None:
            if wanted:
                self._open()
        elif self.keys or (facts.caller.started_at is None and not facts.voice and self._is_outdated(facts.ear)):
            self.close_ear()
            if wanted:
                self._open()

    def _ended_unasked(self, ear: Ear) -> None:
        """A stream ended by itself before anything was said. Vendors end long silences; one that is brief is broken."""
        facts = self.facts
        facts.ear = None
        facts.ear_failures = facts.ear_failures + 1 if facts.now - ear.opened_at < BRIEF else 0
        if facts.ear_failures >= MAX_EAR_FAILURES:
            facts.keep("warning", what="recognizer_given_up", vendor=ear.settings.vendor)

    def _is_outdated(self, ear: Ear) -> bool:
        return ear.settings != self.question.settings()

    def _open(self) -> None:
        facts = self.facts
        settings = self.question.settings()
        facts.ear = Ear(stream=facts.next_stream, settings=settings, opened_at=facts.now)
        facts.next_stream += 1
        if facts.voice and facts.caller.started_at is None:
            self._begin(facts.caller, max(facts.voice_since, facts.boundary, facts.now - REACH))
        facts.emit(OpenEar(stream=facts.ear.stream, settings=settings, since=facts.boundary))

    def close_ear(self) -> None:
        if self.facts.ear is not None:
            if not self.facts.ear.ended:
                self.facts.emit(CloseEar(stream=self.facts.ear.stream))
            self.facts.ear = None

    def finish(self) -> None:
        """The caller's turn is over: ask for what is left of the text."""
        ear = self.facts.ear
        if ear is not None and ear.finish_at is None:
            ear.finish_at = self.facts.now
            self.facts.emit(FinishUtterance(stream=ear.stream))

    def dismiss(self) -> None:
        """A reversible barge-in is taken back: what was said so far opens no turn, unless a word comes yet."""
        self.facts.caller = CallerTurn(dismissed=True)
        if self.facts.ear is not None and self.facts.ear.finish_at is not None:
            self.close_ear()

    def forget(self) -> None:
        """Nothing of this turn counts: listen afresh."""
        self.close_ear()
        self.facts.caller = CallerTurn()

    @property
    def has_partials(self) -> bool:
        """Whether words can be known before the caller has finished."""
        ear = self.facts.ear
        vendor = ear.settings.vendor if ear else self.question.speech.recognizer_vendor
        capabilities = self.facts.setup.recognizers.get(vendor)
        return capabilities is None or capabilities.partials

    # --- closing the turn ------------------------------------------------------------------------------------------
    def continues(self) -> bool:
        """The stream is complete, but the caller has gone on speaking since: merge what follows."""
        ear, facts = self.facts.ear, self.facts
        if ear is None or not ear.ended or ear.finish_at is None or facts.voice_since <= ear.finish_at:
            return False
        if facts.now >= (facts.caller.started_at or facts.now) + self.question.max_length:
            return False
        facts.boundary = ear.finish_at
        facts.ear = None
        self._open()
        return True

    def conclude(self) -> Input | ReadOn | NoMatch:
        """Close the caller's spoken turn: an input, a wish to hear more, or that nothing was understood."""
        facts, caller = self.facts, self.facts.caller
        text = caller.words
        confidence = min(caller.confidences) if caller.confidences else None
        stopped_at = caller.stopped_at if caller.stopped_at is not None else facts.now
        result: Input | ReadOn | NoMatch
        doubtful = confidence is not None and confidence < facts.number.recognizer.min_confidence
        if not text or doubtful:
            heard = caller.sustained or caller.interrupted or bool(text)
            passed_by = caller.overlapped and not caller.interrupted and not text
            result = NoMatch(counts=heard and not passed_by)
        else:
            result = self._spoken(text, confidence, caller, stopped_at)
        if self.question.takes_message and result != NoMatch(counts=False):
            result = self._message(stopped_at)
        facts.boundary = max(facts.boundary, stopped_at)
        self.forget()
        return result

    def _message(self, ended_at: float) -> UserMedia:
        """What the caller has left as a message, understood or not; the sound itself is the session's to add."""
        facts, caller = self.facts, self.facts.caller
        started_at = ended_at if caller.started_at is None else caller.started_at
        return UserMedia(
            turn=facts.turn + 1,
            url="",
            mime=MESSAGE_TYPE,
            duration=round(ended_at - started_at, 3),
            text=caller.words,
            started_at=started_at,
            ended_at=ended_at,
        )

    def _spoken(self, text: str, confidence: float | None, caller: CallerTurn, ended_at: float) -> Input | ReadOn:
        language = caller.language or self.question.speech.heard_language
        chosen = self.question.chosen(language, spoken=text)
        if isinstance(chosen, ReadOn):
            return chosen
        if chosen is not None:
            spoken = self._choice(chosen, "speech", caller.interrupted, ended_at)
            return dataclasses.replace(spoken, confidence=confidence, started_at=caller.started_at)
        return UserText(
            turn=self.facts.turn + 1,
            text=text,
            source="message" if self.facts.setup.leg.hears_text else "speech",
            value=self._value(text, language),
            confidence=confidence,
            language=language,
            alternatives=caller.alternatives,
            barged_in=caller.interrupted,
            started_at=caller.started_at,
            ended_at=ended_at,
        )

    def _choice(
        self, option: MenuOption, source: Literal["digits", "speech"], barged_in: bool, ended_at: float
    ) -> UserChoice:
        assert self.question.menu is not None
        return UserChoice(
            turn=self.facts.turn + 1,
            menu_id=self.question.menu.menu_id,
            option_id=option.id,
            label=option.label,
            source=source,
            barged_in=barged_in,
            ended_at=ended_at,
        )

    def _value(self, text: str, language: str) -> Any:
        if self.question.kind == "free":
            return None
        parsed = values.parse(self.question.kind, text, language, today=self.facts.setup.today)
        return None if parsed is None else parsed.value

    # --- keys ------------------------------------------------------------------------------------------------------
    def press(self, digit: str) -> None:
        if digit == self.keys.rules.term_char and self.question.takes_message and self.facts.caller.sustained:
            self.facts.caller.stopped_at = self.facts.now
            self.finish()  # the message; there is no entry it could end
            return
        self.keys.press(digit, self.facts.now)
        self.keys.settle(self.question.answers)
        self.facts.listen_since = None  # a cleared entry starts the wait afresh

    def take_entry(self) -> Entry | None:
        """The next complete entry of keys, if there is one."""
        answers = self.question.answers
        self.keys.settle(answers)
        return self.keys.take(self.facts.now, max_digits=self.question.max_digits, labels=answers)

    def keyed(self, entry: Entry) -> Input | ReadOn:
        """An entry of keys as an input, or as a wish to hear more."""
        facts = self.facts
        turn, barged_in = facts.turn + 1, facts.caller.interrupted
        left = self._message(entry.at) if self.question.takes_message and facts.caller.sustained else None
        facts.boundary = facts.now
        self.forget()
        if left is not None:  # the keys have ended it
            return left
        chosen = self.question.chosen(self.question.speech.heard_language, digits=entry.digits)
        if isinstance(chosen, ReadOn):
            return chosen
        if chosen is not None:
            return self._choice(chosen, "digits", barged_in, entry.at)
        if facts.setup.backend.wants_digits:
            return UserDigits(turn=turn, digits=entry.digits, terminator=entry.terminator, barged_in=barged_in)
        return UserText(
            turn=turn,
            text=entry.digits,
            source="digits",
            value=self._value(entry.digits, self.question.speech.heard_language),
            barged_in=barged_in,
            ended_at=entry.at,
        )
