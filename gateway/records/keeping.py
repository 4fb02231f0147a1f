"""All that one call leaves behind, kept together: live record, journal, recording.

`CallKeeping` watches the conversation (it is an `Observer`) and sees to it that none of the sinks gets what the caller
answered to a sensitive question.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path

import structlog

from gateway.call.commands import Command, KeepRecord
from gateway.call.conversation import Conversation
from gateway.call.facts import CallSetup
from gateway.call.outcome import CallOutcome
from gateway.events import CallEvent, DigitPressed, PromptStarted, TranscriptUpdated
from gateway.records.disk import AppendOnly
from gateway.records.journal import Journal
from gateway.records.record import CallRecord
from gateway.records.recording import MARGIN, CallRecorder
from gateway.records.secrecy import Secrecy

log = structlog.get_logger()

RECORDING_STARTED = "recording_started"
MAX_HELD = 500  # steps that wait for the question to be known; more are written, masked

_Step = tuple[float, CallEvent, list[Command], bool]


def day_folder(directory: Path | str, started: datetime.datetime) -> Path:
    """Where a call's files lie: a folder per day, so that a year of calls does not end in one."""
    return Path(directory) / started.astimezone(datetime.UTC).date().isoformat()


class CallKeeping:
    """Keeps one call. Give `observe` to the session, and call `close` when the call is over.

    Args:
        setup: What the conversation was given.
        conversation: Asked, after each step, what of it may be written down.
        started: When the call was offered, with its zone.
        journal: Where the journal goes; None: none is kept.
        recorder: The recording; also one of the session's services. None: the call is not recorded.

    Attributes:
        record: The call's record so far.
    """

    def __init__(
        self,
        setup: CallSetup,
        conversation: Conversation,
        started: datetime.datetime,
        *,
        journal: AppendOnly | None = None,
        recorder: CallRecorder | None = None,
    ) -> None:
        started_at = started.astimezone(datetime.UTC).isoformat(timespec="milliseconds")
        recording = setup.number.recording
        announces = setup.has_recording and recording.mode == "on" and bool(recording.announce)
        self.record = CallRecord(setup.info, started_at, has_announcement=announces)
        self._secrecy = Secrecy(conversation)
        self._journal = None if journal is None else Journal(setup, started_at, journal)
        self._recorder = recorder
        self._held: list[_Step] = []
        self._pending_since: float | None = None

    def observe(self, now: float, event: CallEvent, commands: Sequence[Command]) -> None:
        """Take one step of the call, exactly as handled. Never waits."""
        is_secret = self._secrecy.judge(event, commands)
        seen: CallEvent = event
        done = list(commands)
        if is_secret:
            seen = self._secrecy.mask_event(event)
            done = [self._secrecy.mask_command(command) for command in commands]
        self._conduct_recording(now, event, commands)
        self._observe_record(now, seen, done, is_masked=is_secret)
        self._journalise((now, seen, done, is_secret))

    def close(self, outcome: CallOutcome, now: float) -> None:
        """The call is over, however it ended: finish the files. Never waits."""
        self.record.outcome = outcome
        self.record.seconds = max(self.record.seconds, now)
        self._release(is_masked=False)
        if self._journal is not None:
            self._journal.close()
        if self._recorder is not None:
            self._recorder.close(now)

    # --- record ----------------------------------------------------------------------------------------------------
    def _observe_record(self, now: float, event: CallEvent, commands: Sequence[Command], *, is_masked: bool) -> None:
        turn = self.record.turns[-1] if self.record.turns else None
        was_sent = turn is None or turn.waterfall.sent is not None
        self.record.observe(now, event, commands, is_masked=is_masked)
        if turn is not None and not was_sent and isinstance(event, PromptStarted) and turn.waterfall.sent is not None:
            personal = {"pii.caller": turn.text}
            stages = {"total": turn.waterfall.total, **turn.waterfall.stages()}
            log.info("turn answered", turn=turn.number, kind=turn.kind, **stages, **personal)

    # --- recording -------------------------------------------------------------------------------------------------
    def _conduct_recording(self, now: float, event: CallEvent, commands: Sequence[Command]) -> None:
        if self._recorder is None:
            return
        if any(isinstance(command, KeepRecord) and command.kind == RECORDING_STARTED for command in commands):
            self._recorder.start(now)
        if self._secrecy.is_on:
            self._recorder.mute(self._since(now) - MARGIN)
        else:
            self._recorder.unmute(now)
        self._note_pending(now, event)

    def _since(self, now: float) -> float:
        """Since when what the caller says belongs to the sensitive answer: he may have begun before he was asked."""
        return now if self._pending_since is None else min(self._pending_since, now)

    def _note_pending(self, now: float, event: CallEvent) -> None:
        if not self._secrecy.has_pending_input:
            self._pending_since = None
        elif self._pending_since is None:
            self._pending_since = getattr(event, "at", now)

    # --- journal ---------------------------------------------------------------------------------------------------
    def _journalise(self, step: _Step) -> None:
        """Write a step, or hold it back: which question typed-ahead keys and words answer is not known yet."""
        if self._journal is None:
            return
        self._held.append(step)
        if self._secrecy.covers_pending or len(self._held) > MAX_HELD:
            self._release(is_masked=True)
        elif not self._must_wait():
            self._release(is_masked=False)

    def _must_wait(self) -> bool:
        """There is input that was given before its question was known."""
        if not self._secrecy.has_pending_input:
            return False
        return len(self._held) > 1 or self._secrecy.owes_answer

    def _release(self, *, is_masked: bool) -> None:
        held, self._held = self._held, []
        if self._journal is None:
            return
        for now, event, commands, was_masked in held:
            hides = is_masked and not was_masked and isinstance(event, DigitPressed | TranscriptUpdated)
            written = self._secrecy.mask_event(event) if hides else event
            self._journal.write(now, written, commands, is_masked=was_masked or hides)
