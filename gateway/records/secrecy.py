"""What of a call may not be written down, and what is written instead.

While a question marked sensitive is open, and until the bot has taken the answer, everything the caller says or keys is
masked before any sink sees it: journal, record, logs, metrics. So is what the bot asks to have noted in reply to such
an answer. What the bot says aloud is not masked.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.actions import Action, ActionBatch, Listen, PostCall, Record
from gateway.call.commands import Command, KeepRecord, OpenEar, SendToBot
from gateway.call.conversation import Conversation
from gateway.caller_events import NoInput, TransferResult, UserChoice, UserDigits, UserLocation, UserMedia, UserText
from gateway.events import BotReplied, CallEvent, DigitPressed, TranscriptUpdated
from gateway.records.waterfall import is_answer

MASK = "***"
MASKED_KEY = "x"  # no key of any telephone, so that in a replay it is the key of no menu either
MAX_SECRET_NOTES = 500
TURNS = (UserText, UserChoice, UserDigits, UserMedia, UserLocation, NoInput, TransferResult)


class Secrecy:
    """Follows one call and says of each step whether it holds what nobody may write down.

    Args:
        conversation: Asked after it has handled the step.

    Attributes:
        is_on: What the caller says or keys from here on is part of a sensitive answer.
        covers_pending: So was what he had said or keyed before the last step.
    """

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self.is_on = False
        self.covers_pending = False
        self._is_unanswered = False
        self._stream = 0
        self._secret_stream = 0
        self._secret_turns: set[int] = set()
        self._secret_notes: list[Mapping[str, Any]] = []

    @property
    def has_pending_input(self) -> bool:
        """The caller has said or keyed something that was not sent yet: typed ahead, or not finished."""
        caller = self._conversation.facts.caller
        return bool(self._conversation.hearing.keys) or bool(caller.words) or caller.started_at is not None

    @property
    def owes_answer(self) -> bool:
        """The bot has not answered yet, so the question that pending input will answer is not known."""
        waiting = self._conversation.facts.waiting
        return waiting is not None and waiting.replied_at is None

    def judge(self, event: CallEvent, commands: Sequence[Command]) -> bool:
        """Whether this step, just handled, is secret."""
        before = self.is_on
        was_on = before or self._conversation.touched_sensitive
        if isinstance(event, BotReplied):
            self._replied(event.batch, commands, notes_are_secret=before)
        for command in commands:
            self._follow(command, was_on)
        still_answering = was_on and (self._is_unanswered or self.has_pending_input)
        self.is_on = self._conversation.is_sensitive or self._is_next_sensitive or still_answering
        self.covers_pending = was_on or self.is_on
        is_late = isinstance(event, TranscriptUpdated) and 0 < event.stream <= self._secret_stream
        if self.is_on:
            self._secret_stream = self._stream
        return self.covers_pending or is_late or self._has_secret_notes(event, commands)

    @property
    def _is_next_sensitive(self) -> bool:
        """A sensitive question is on its way, behind something that has to be said before it."""
        script = self._conversation.facts.script
        return any(isinstance(action, Listen) and action.sensitive for _, action in script)

    def _replied(self, batch: ActionBatch, commands: Sequence[Command], *, notes_are_secret: bool) -> None:
        is_stale = any(isinstance(command, KeepRecord) and command.kind == "stale_batch" for command in commands)
        if is_answer(batch) and not is_stale:
            self._is_unanswered = False
        if notes_are_secret or self._is_reply_to_secret(batch):
            self._secret_notes.extend(_notes_of(batch)[: MAX_SECRET_NOTES - len(self._secret_notes)])

    def _follow(self, command: Command, was_on: bool) -> None:
        if isinstance(command, OpenEar):
            self._stream = command.stream
        elif was_on and isinstance(command, SendToBot) and isinstance(command.event, TURNS):
            self._is_unanswered = True
            self._secret_turns.add(command.event.turn)

    def _is_reply_to_secret(self, batch: ActionBatch) -> bool:
        turn = self._conversation.facts.turn if batch.turn is None else batch.turn
        return turn in self._secret_turns

    def _has_secret_notes(self, event: CallEvent, commands: Sequence[Command]) -> bool:
        if not self._secret_notes:
            return False
        kept = [command.data for command in commands if isinstance(command, KeepRecord)]
        asked = _notes_of(event.batch) if isinstance(event, BotReplied) else []
        return any(data in self._secret_notes for data in (*kept, *asked))

    # --- masking ---------------------------------------------------------------------------------------------------
    def mask_event(self, event: CallEvent) -> CallEvent:
        """The event of a secret step as it may be written."""
        match event:
            case DigitPressed(digit=digit):
                return event if digit in self._telling_nothing else DigitPressed(digit=MASKED_KEY)
            case TranscriptUpdated(transcript=heard):
                masked = dataclasses.replace(heard, text=mask_words(heard.text), alternatives=())
                return dataclasses.replace(event, transcript=masked)
            case BotReplied(batch=batch):
                actions = tuple(self._mask_note(action) for action in batch.actions)
                return BotReplied(batch=dataclasses.replace(batch, actions=actions))
        return event

    def mask_command(self, command: Command) -> Command:
        """A command of a secret step as it may be written."""
        match command:
            case SendToBot(event=UserText() as sent):
                value = None if sent.value is None else MASK
                said = dataclasses.replace(sent, text=mask_words(sent.text), value=value, alternatives=())
                return SendToBot(event=said)
            case SendToBot(event=UserChoice() as sent):
                return SendToBot(event=dataclasses.replace(sent, option_id=MASK, label=MASK))
            case SendToBot(event=UserDigits() as sent):
                return SendToBot(event=dataclasses.replace(sent, digits=MASK))
            case SendToBot(event=UserMedia() as sent):
                return SendToBot(event=dataclasses.replace(sent, url=MASK, text=mask_words(sent.text)))
            case SendToBot(event=UserLocation() as sent):
                return SendToBot(event=dataclasses.replace(sent, lat=0.0, lon=0.0, label=MASK))
            case KeepRecord(data=data) if data in self._secret_notes:
                return dataclasses.replace(command, data=blot(data))
        return command

    def _mask_note(self, action: Action) -> Action:
        if isinstance(action, Record | PostCall) and action.data in self._secret_notes:
            return dataclasses.replace(action, data=blot(action.data))
        return action

    @property
    def _telling_nothing(self) -> tuple[str, str]:
        """The keys that end or clear an entry: they decide, and are no part of it."""
        rules = self._conversation.facts.number.digits
        return rules.term_char, rules.clear_char


def _notes_of(batch: ActionBatch) -> list[dict[str, Any]]:
    return [action.data for action in batch.actions if isinstance(action, Record | PostCall)]


def mask_words(text: str) -> str:
    """Each word blotted out. How many there were may have decided a barge-in."""
    return re.sub(r"\S+", MASK, text)


def blot(value: Any) -> Any:
    """The same structure without its contents."""
    if isinstance(value, Mapping):
        return {name: blot(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(blot(item) for item in value)
    return value if value is None else MASK
