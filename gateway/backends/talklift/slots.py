"""A module's questions: each asked, heard, read back, validated here and by the backend, until it is done. No I/O.

What comes before the first and after the last of them is `runner`'s.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.actions import Record, Say, SendLink
from gateway.backends.talklift.fields import Answer, Invalid, is_read_back, read, type_of
from gateway.backends.talklift.outputs import Arm, Deliver, Mode, Output, question, read_back, refusal, say
from gateway.backends.talklift.protocol import SlotState, slot_event
from gateway.backends.talklift.standing import Standing
from gateway.text.yesno import yes_or_no


class Slots:
    """The questions of whichever module is under way.

    Args:
        finish: What the call does when no question is left.
    """

    def __init__(self, standing: Standing, finish: Callable[[], list[Output]]) -> None:
        self._at = standing
        self._finish = finish

    # --- asking ----------------------------------------------------------------------------------------------------
    def advance(self) -> list[Output]:
        """On to the next slot that is to be asked, or to the module's end."""
        story = self._at.story
        assert story is not None
        outputs: list[Output] = []
        for state in story.states:
            if state.is_done or not story.is_shown(state):
                continue
            if type_of(state.slot) != "media":
                return [*outputs, *self.ask(state)]
            done = self._media(state)
            if done is None:
                return [*outputs, *self._at.give_up("a slot wants what a telephone cannot give")]
            outputs += done
        return [*outputs, *self._finish()]

    def _media(self, state: SlotState) -> list[Output] | None:
        """A file, a picture, a place: a link to a page that takes it, or nothing; None: neither is allowed."""
        at, settings = self._at, self._at.settings
        if settings.media_slots == "fallback":
            return None
        if settings.media_slots == "skip" or settings.media_link is None:
            return [Record(kind="event", data={"slot_skipped": state.slot.label})]
        link = settings.media_link.replace("{session}", str(at.session)).replace("{slot}", str(state.slot.id))
        at.fill(state, link)
        return [say(at.words.say("link_follows")), SendLink(url=link, text=state.slot.label)]

    def ask(self, state: SlotState, *before: Output) -> list[Output]:
        """Ask a slot's question."""
        self._at.open(state)
        return [*before, *question(state.slot, state.id, self._retries)]

    def back(self, state: SlotState) -> list[Output]:
        """Open the answer before this one again."""
        story = self._at.story
        assert story is not None
        earlier = [each for each in story.states[: story.states.index(state)] if each.is_done]
        state.waiting_response = False
        if not earlier:
            return self.ask(state)
        earlier[-1].is_done = False
        return self.ask(earlier[-1])

    # --- answers ---------------------------------------------------------------------------------------------------
    def answered(self, state: SlotState, said: str) -> list[Output]:
        """The caller's words to a question."""
        at = self._at
        found = read(state.slot, said, at.setting())
        if isinstance(found, Invalid):
            return self._again(state, refusal(state.slot.validation_message or at.words.say(found.complaint)))
        if is_read_back(state.slot, at.settings.confirm):
            at.mode, at.candidate = Mode.CONFIRMING, found
            return read_back(found, state.slot, at.words, self._retries)
        return self._accepted(state, found.data)

    def confirmed(self, state: SlotState, candidate: Answer, said: str) -> list[Output]:
        """The caller's words to what was read back."""
        at = self._at
        verdict = {"1": True, "2": False}.get(said.strip(), yes_or_no(said, at.words.language))
        if verdict:
            return self._accepted(state, candidate.data)
        if verdict is None:
            if at.is_invalid_once_more():
                return at.give_up("no answer was confirmed")
            return read_back(candidate, state.slot, at.words, self._retries)
        return self._again(state)

    def _again(self, state: SlotState, *before: Output) -> list[Output]:
        """Ask once more, up to the limit."""
        if self._at.is_invalid_once_more():
            return [*before, *self._at.give_up("no valid answer")]
        return self.ask(state, *before)

    def _accepted(self, state: SlotState, data: str) -> list[Output]:
        """Valid here; the backend may have to agree."""
        at = self._at
        assert at.story is not None
        if not state.slot.validate_with_webhook:
            return self.done(state, data)
        at.mode, at.candidate, at.has_backend_spoken = Mode.VALIDATING, Answer(data, data), False
        at.mark += 1
        state.waiting_response = True
        at.touch()
        body = slot_event(at.story, state, data, at.since)
        key = f"{at.call.call_id}-{state.id}-{at.mark}"
        return [
            Deliver(body=body, key=key, slot_state=state.id, mark=at.mark),
            Arm(name="validation", seconds=at.settings.validation_timeout, mark=at.mark),
        ]

    def done(self, state: SlotState, data: str) -> list[Output]:
        """A slot is complete: on to the next."""
        at = self._at
        at.fill(state, data)
        outputs: list[Output] = []
        if at.settings.partial_webhook and at.story is not None:
            outputs.append(at.story.progress())
        return [*outputs, *self.advance()]

    # --- the backend's answer --------------------------------------------------------------------------------------
    def unchecked(self, mark: int) -> list[Output]:
        """The backend was not reached, or has not updated the slot in time. Nothing is taken for granted."""
        at, state, candidate = self._at, self._at.current, self._at.candidate
        if mark != at.mark or at.mode is not Mode.VALIDATING or state is None or candidate is None:
            return []
        note = Record(kind="event", data={"slot_not_checked": state.slot.label})
        if at.settings.on_validation_failure == "accept":
            return [note, *self.done(state, candidate.data)]
        state.unchecked += 1
        sorry = say(at.words.say("not_checked"))
        if state.unchecked > 1:
            return [note, sorry, *at.give_up("the backend checks nothing")]
        return self.ask(state, note, sorry)

    def reopened(self, state: SlotState, data: str | None) -> list[Output]:
        """The backend wants it asked again: after what it has said, else after the slot's own message."""
        at = self._at
        if at.mode is not Mode.VALIDATING:
            return []
        state.reopened += 1
        if state.reopened >= at.settings.max_reasks:
            return at.give_up("the backend opened the same slot too often")
        message = "" if at.has_backend_spoken else state.slot.validation_message
        before: tuple[Say, ...] = (refusal(message),) if message else ()
        outputs = self.ask(state, *before)
        state.data = data
        return outputs

    @property
    def _retries(self) -> int:
        return self._at.settings.max_retries
