"""What the backend asks of a running module by REST: slots updated, messages said. Does no I/O.

Source: TalkLift Developers API Reference, "Sending Slot Feedback" and "Sending Message" (November 2026). Its sample of
an update does not say that the slot is done; `update_semantics` chooses how that is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.actions import MenuOption, Record, SendLink
from gateway.backends.talklift.outputs import Button, Mode, Output, menu, say
from gateway.backends.talklift.protocol import SlotState, StoryState
from gateway.backends.talklift.runner import Runner
from gateway.backends.talklift.standing import Standing

MAX_TEXT = 20_000
MAX_BUTTONS = 99


@dataclass(frozen=True, slots=True, kw_only=True)
class Steered:
    """The reply to a request, and what the call does."""

    status: int = 200
    body: Any = None
    outputs: list[Output] = field(default_factory=list)


def detail(status: int, words: str) -> Steered:
    """An error as Django REST framework words it."""
    return Steered(status=status, body={"detail": words})


NOT_FOUND = "Not found."
FORBIDDEN = "You do not have permission to perform this action."


def whole(value: Any) -> int | None:
    """A whole number, also in quotes."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = value.strip() if isinstance(value, str) else ""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def words_of(value: Any) -> str:
    """Text, or a number as text; empty for anything else."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return ""
    return str(value)[:MAX_TEXT].strip()


def is_yes(value: Any) -> bool:
    return value is True or (isinstance(value, str) and value.strip().lower() in ("true", "1", "yes"))


# --- update_from_webhook -------------------------------------------------------------------------------------------
def update(runner: Runner, body: Mapping[str, Any]) -> Steered:
    """A slot's state, as the backend would have it."""
    found = _find(runner, whole(body.get("id")))
    if found is None:
        return detail(404, NOT_FOUND)
    story, state = found
    if (wrong := _mismatch(story, state, body)) is not None:
        return wrong
    outputs = [] if state.is_done and story is not runner.standing.story else _apply(runner, story, state, body)
    return Steered(body=state.to_wire(), outputs=outputs)


def _find(runner: Runner, wanted: int | None) -> tuple[StoryState, SlotState] | None:
    pairs = ((story, state) for story in runner.standing.stories.values() for state in story.states)
    return next((pair for pair in pairs if pair[1].id == wanted), None)


def _mismatch(story: StoryState, state: SlotState, body: Mapping[str, Any]) -> Steered | None:
    """Another organization's or project's is forbidden; a state that is not this slot's is a mistake."""
    for key, own in (("org", story.org), ("project", story.project)):
        if body.get(key) is not None and whole(body[key]) != own:
            return detail(403, FORBIDDEN)
    for key, own in (("story_state", story.id), ("slot", state.slot.id)):
        if body.get(key) is not None and whole(body[key]) != own:
            return Steered(status=400, body={key: [f'Invalid pk "{words_of(body[key])}" - object does not exist.']})
    return None


def _apply(runner: Runner, story: StoryState, state: SlotState, body: Mapping[str, Any]) -> list[Output]:
    at = runner.standing
    data = words_of(body.get("data")) or None
    by_call = at.settings.update_semantics == "call_is_success" and data is not None
    is_success = is_yes(body.get("is_done")) or by_call
    if state is not at.current:
        _correct(at, story, state, data, is_success=is_success)
        return []
    if is_success:
        candidate = at.candidate.data if at.candidate is not None else ""
        return runner.slots.done(state, data or candidate) if data or candidate else []
    return runner.slots.reopened(state, data)


def _correct(at: Standing, story: StoryState, state: SlotState, data: str | None, *, is_success: bool) -> None:
    """A slot that is not the current one: a done one is corrected, one that is to come is filled in ahead."""
    if story.is_complete or data is None:
        return
    if state.is_done or is_success:
        state.data, state.is_done, state.waiting_response = data, True, False
        story.updated_at = at.now()


# --- send_message --------------------------------------------------------------------------------------------------
def message(runner: Runner, body: Mapping[str, Any]) -> Steered:
    """Something to say, with buttons to choose from. The session was found already."""
    at = runner.standing
    for key, own in (("org_id", at.settings.org), ("project_id", at.settings.project)):
        if body.get(key) is not None and whole(body[key]) != own:
            return detail(403, FORBIDDEN)
    text, buttons = words_of(body.get("text")), body.get("buttons")
    listed = [button for button in buttons if isinstance(button, dict)] if isinstance(buttons, list) else []
    if not text and not listed:
        return Steered(status=400, body={"text": ["This field is required."]})
    if at.mode is Mode.OVER:
        return detail(404, NOT_FOUND)
    at.has_backend_spoken = True
    note = {"message": words_of(body.get("channel")), "sender": words_of(body.get("sender")) or "BOT"}
    outputs: list[Output] = [Record(kind="event", data=note)]
    outputs += [say(text)] if text else []
    return Steered(body={"status": "ok"}, outputs=[*outputs, *_buttons(at, listed[:MAX_BUTTONS])])


def _buttons(at: Standing, listed: Sequence[Mapping[str, Any]]) -> list[Output]:
    """Postbacks become a menu, pages a link."""
    links: list[Output] = []
    postbacks: list[Button] = []
    for button in listed:
        title, kind = words_of(button.get("title")), words_of(button.get("type")).lower()
        if kind == "web_url":
            if url := words_of(button.get("url")):
                links.append(SendLink(url=url, text=title or None))
        elif title:
            postbacks.append(Button(title=title, payload=words_of(button.get("payload")) or title))
    if not postbacks:
        return links
    at.buttons = {str(place): button for place, button in enumerate(postbacks, 1)}
    options = tuple(MenuOption(id=place, label=button.title) for place, button in at.buttons.items())
    at.mark += at.mode is Mode.CLOSING  # the call goes on only once the caller has answered
    return [*links, menu(f"message-{len(at.buttons)}", options), at.listen()]
