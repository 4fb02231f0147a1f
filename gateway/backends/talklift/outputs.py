"""What a running module wants done, as values: actions for the call, webhooks to deliver, timers to start."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from gateway.actions import Action, Listen, Menu, MenuOption, Say
from gateway.backends.talklift.fields import Answer, kind_of, type_of
from gateway.backends.talklift.settings import ModuleSection, SlotSection, options_of
from gateway.backends.talklift.words import Words
from gateway.text.speakable import detect

MAX_OPTIONS = 99
ONE_DIGIT = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliver:
    """A webhook to send. ``key``: the same at every attempt; ``slot_state``: whose validation it is."""

    body: dict[str, Any]
    key: str
    slot_state: int | None = None
    mark: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """A timer to start; ``mark`` comes back with it, so that one that is no longer wanted is told."""

    name: Literal["validation", "after"]
    seconds: float
    mark: int


Output = Action | Deliver | Arm


class Mode(StrEnum):
    """What the caller's next words are."""

    ASKING = "asking"
    CONFIRMING = "confirming"
    VALIDATING = "validating"
    MENU = "menu"
    CLOSING = "closing"
    OVER = "over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """A postback the backend has sent: its title, and what it names."""

    title: str
    payload: str


def say(text: str) -> Say:
    return Say(text=text, format=detect(text))


def refusal(text: str) -> Say:
    """Why an answer is not taken: said to the end."""
    return Say(text=text, format=detect(text), interruptible=False, role="agent")


def menu(menu_id: str, options: tuple[MenuOption, ...]) -> Menu:
    return Menu(menu_id=menu_id, options=options, max_digits=1 if len(options) <= ONE_DIGIT else 2)


def module_menu(modules: tuple[ModuleSection, ...], retries: int) -> list[Output]:
    """The modules to choose from."""
    options = tuple(
        MenuOption(id=str(module.story), label=module.name, aliases=module.triggers) for module in modules[:MAX_OPTIONS]
    )
    return [menu("modules", options), listen(None, retries)]


def question(slot: SlotSection, slot_state: int, retries: int) -> list[Output]:
    """A slot's question, with its choices."""
    options = options_of(slot.choice_options) if type_of(slot) == "choice" else ()
    shown = tuple(MenuOption(id=str(place), label=option) for place, option in enumerate(options[:MAX_OPTIONS], 1))
    choices: list[Output] = [menu(f"slot-{slot_state}", shown)] if shown else []
    return [say(slot.label), *choices, listen(slot, retries)]


def listen(slot: SlotSection | None, retries: int) -> Listen:
    """Silence repeats the question, as often as a wrong answer is forgiven; then the runner is told."""
    is_plain = slot is not None and type_of(slot) != "choice"
    return Listen(
        kind="free" if slot is None else kind_of(slot),
        sensitive=slot is not None and slot.sensitive,
        no_input_prompts=(slot.label,) if slot is not None and is_plain else ("",),
        no_input_format=detect(slot.label) if slot is not None else "plain",
        no_input_retries=retries,
        on_exhausted="event",
    )


def read_back(answer: Answer, slot: SlotSection, words: Words, retries: int) -> list[Output]:
    """What was understood, to be confirmed."""
    asked = words.say("confirm", value=answer.spoken)
    yes_or_no = Listen(
        kind="yesno",
        sensitive=slot.sensitive,
        no_input_prompts=(asked,),
        no_input_retries=retries,
        on_exhausted="event",
    )
    return [Say(text=asked), yes_or_no]
