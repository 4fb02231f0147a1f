"""Choices by telephone: the options as a menu, and what the caller's choice is to the bot.

Userlike's own rule for channels without buttons: the fallback text with a numbered list, and only an answer given
immediately is a click (vendor's page, "Text fallback", November 2026).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.actions import Menu, MenuOption
from gateway.backends.userlike.settings import UserlikeBotSection
from gateway.backends.userlike.triggers import MAX_OPTIONS, Choice, Option

ONE_KEY_OPTIONS = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Armed:
    """A choice the caller may still answer, with the bot's own ids by ours."""

    menu: Menu
    element: str
    options: Mapping[str, Option]


def menu_of(choice: Choice, number: int, settings: UserlikeBotSection) -> tuple[Menu, Armed, list[str]]:
    """The menu of a choice, what to remember of it, and what its author should know."""
    warnings = []
    if not choice.fallback.strip():
        warnings.append(f"{choice.element} has no fallback; its body is spoken")
    if len(choice.options) > MAX_OPTIONS:
        warnings.append(f"{choice.element} has more than {MAX_OPTIONS} options; the first {MAX_OPTIONS} are offered")
    known: dict[str, Option] = {}
    offered: list[MenuOption] = []
    for option in choice.options[:MAX_OPTIONS]:
        ours = str(option.id)[:100]
        while ours in known:
            ours += "'"
        known[ours] = option
        description = option.description if settings.speak_descriptions else None
        offered.append(MenuOption(id=ours, label=option.label, description=description))
    menu = Menu(
        menu_id=f"{choice.element}-{number}",
        options=tuple(offered),
        prompt=_prompt(choice, settings),
        max_digits=1 if len(offered) <= ONE_KEY_OPTIONS else 2,
    )
    return menu, Armed(menu=menu, element=choice.element, options=known), warnings


def _prompt(choice: Choice, settings: UserlikeBotSection) -> str:
    body, fallback = choice.body.strip(), choice.fallback.strip()
    match settings.choice_text:
        case "body":
            return body or fallback
        case "body_then_fallback" if body and fallback and body != fallback:
            return f"{body}\n{fallback}"
        case _:
            return fallback or body
