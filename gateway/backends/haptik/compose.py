"""A message of Haptik's as actions: what is said, what can be chosen, which links are sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.actions import Action, Listen, Menu, MenuOption, Say, SendLink
from gateway.backends.haptik.hsl import Choice, Field, Message
from gateway.backends.haptik.protocol import Agent
from gateway.text.speakable import detect

MAX_OPTIONS = 99  # what keys can tell apart
ONE_DIGIT = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """``choices``: what each option of the menu stands for, by option id; empty without a menu."""

    actions: tuple[Action, ...] = ()
    choices: Mapping[str, Choice] = field(default_factory=dict)


def compose(message: Message, menu_id: str, agent: Agent, agent_voice: str | None) -> Composed:
    """What a message makes the gateway do. A system message says nothing."""
    if message.kind == "system":
        return Composed()
    actions: list[Action] = [say(words, agent, agent_voice) for words in message.says]
    actions += [SendLink(url=link.url, text=link.label or None) for link in message.links]
    menu, choices = menu_of(message.choices, menu_id)
    return Composed(actions=(*actions, *([menu] if menu else [])), choices=choices)


def say(words: str, agent: Agent, agent_voice: str | None = None) -> Say:
    """The bot's words, or a person's in that person's voice."""
    if agent.is_automated:
        return Say(text=words, format=detect(words))
    return Say(text=words, format=detect(words), role="agent", voice=agent_voice)


def menu_of(choices: tuple[Choice, ...], menu_id: str) -> tuple[Menu | None, Mapping[str, Choice]]:
    """A menu over choices, and what its options stand for."""
    found = {str(place): choice for place, choice in enumerate(choices[:MAX_OPTIONS], 1)}
    if not found:
        return None, {}
    options = tuple(MenuOption(id=place, label=choice.label) for place, choice in found.items())
    return Menu(menu_id=menu_id, options=options, max_digits=1 if len(options) <= ONE_DIGIT else 2), found


def ask_field(question: Field, menu_id: str) -> tuple[Action, ...]:
    """One question of a form."""
    words = Say(text=question.label, format=detect(question.label))
    menu, _ = menu_of(tuple(Choice(label=option, sends=option) for option in question.options), menu_id)
    return (words, menu) if menu is not None else (words, Listen(kind=question.kind))


def form_line(answers: list[tuple[str, str]]) -> str:
    """A form that is filled in, as the one line that is sent: Haptik collects forms as free text elsewhere, too."""
    return ", ".join(f"{label.rstrip(':?. ')}: {value}" for label, value in answers)
