"""TalkLift on the wire: how far a module has come (story state, slot states), and the two events about it.

Source: TalkLift Developers API Reference, "General Webhook" and "Slot Filling Webhook" (November 2026). Its samples
disagree about where `order` begins and repeat a slot's id; here both are as configured.
"""

from __future__ import annotations

import datetime
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from gateway.actions import Record
from gateway.backends.talklift.settings import MAX_ID, ModuleSection, SlotSection

SLOT_PREFIX = "SLOT-MODULE:"  # no space behind it

IdKind = Literal["session", "story_state", "slot_state"]


class Ids(Protocol):
    """Gives positive numbers that were not used before, also over restarts."""

    def __call__(self, kind: IdKind) -> int: ...


def random_id(kind: IdKind) -> int:
    """A positive 31-bit number; the backend that hands it out makes sure that no running call has it."""
    return 1 + secrets.randbelow(MAX_ID)


@dataclass(slots=True, kw_only=True)
class SlotState:
    """One slot of a running module.

    Attributes:
        reopened: How often the backend has asked for it again.
        unchecked: How often the backend could not be asked.
    """

    id: int
    story_state: int
    slot: SlotSection
    is_done: bool = False
    waiting_response: bool = False
    data: str | None = None
    reopened: int = 0
    unchecked: int = 0

    def to_wire(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "story_state": self.story_state,
            "slot": self.slot.id,
            "order": self.slot.order,
            "is_done": self.is_done,
            "waiting_response": self.waiting_response,
            "data": self.data,
            "slot_label": self.slot.label,
        }


@dataclass(slots=True, kw_only=True)
class StoryState:
    """One running module of a session."""

    id: int
    module: ModuleSection
    session: int
    org: int
    project: int
    created_at: datetime.datetime
    updated_at: datetime.datetime
    states: list[SlotState] = field(default_factory=list)
    is_complete: bool = False

    @classmethod
    def begin(
        cls,
        module: ModuleSection,
        *,
        session: int,
        org: int,
        project: int,
        ids: Callable[[IdKind], int],
        at: datetime.datetime,
    ) -> StoryState:
        """A module nothing of which was answered."""
        story = cls(
            id=ids("story_state"),
            module=module,
            session=session,
            org=org,
            project=project,
            created_at=at,
            updated_at=at,
        )
        story.states = [SlotState(id=ids("slot_state"), story_state=story.id, slot=slot) for slot in module.ordered]
        return story

    def to_wire(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "slot_states": [state.to_wire() for state in self.states],
            "created_at": stamp(self.created_at),
            "updated_at": stamp(self.updated_at),
            "session": self.session,
            "story": self.module.story,
            "project": self.project,
            "org": self.org,
        }

    def is_shown(self, state: SlotState) -> bool:
        """Whether a slot is to be asked, by its condition on one before it."""
        condition = state.slot.condition()
        if condition is None:
            return True
        before = self.states[: self.states.index(state)]
        named = condition.find([each.slot for each in before])
        return condition.holds(next((each.data for each in before if each.slot is named), None))

    def masked(self) -> dict[str, Any]:
        """For the call's record: without sensitive answers."""
        wire = self.to_wire()
        for shown, state in zip(wire["slot_states"], self.states, strict=True):
            if state.slot.sensitive and shown["data"] is not None:
                shown["data"] = None
        return wire

    def progress(self) -> Record:
        """How far the module has come, for the event of one that is left in the middle."""
        return Record(kind="variables", data={"story_state": self.masked()})

    @property
    def holds_secrets(self) -> bool:
        return any(state.slot.sensitive and state.data is not None for state in self.states)


def stamp(at: datetime.datetime) -> str:
    """ISO 8601 with microseconds and the zone's offset."""
    return at.isoformat(timespec="microseconds")


def module_event(story: StoryState) -> dict[str, Any]:
    """The general webhook: a module is complete. Its payload is a list of one."""
    return {"event_name": story.module.name, "payload": [story.to_wire()]}


def slot_event(story: StoryState, state: SlotState, value: str, since: datetime.datetime) -> dict[str, Any]:
    """The slot webhook: a slot was answered and is to be validated.

    Args:
        value: The caller's answer; the slot's state stays open.
        since: Stands for a slot's own dates where the configuration has none.
    """
    slot = state.slot
    shown = {
        "id": slot.id,
        "label": slot.label,
        "field_type": slot.field_type,
        "choice_options": slot.choice_options,
        "validation_regex": slot.validation_regex,
        "validation_message": slot.validation_message,
        "validate_with_webhook": slot.validate_with_webhook,
        "show_condition": slot.show_condition,
        "show_condition_value": slot.show_condition_value,
        "date_gte_today": slot.date_gte_today,
        "order": slot.order,
        "created_at": slot.created_at or stamp(since),
        "updated_at": slot.updated_at or stamp(since),
    }
    about = {"slot": shown, "value": value, "session": story.session, "project": story.project, "org": story.org}
    return {"event_name": SLOT_PREFIX + story.module.name, "payload": [{**about, "slot_state": story.to_wire()}]}
