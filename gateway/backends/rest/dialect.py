"""A bot's own dialect: requests made from templates, answers read by paths. Pure."""

from __future__ import annotations

from typing import Any

from gateway.actions import Action, Hangup, Menu, MenuOption, Say, SetSpeech, TextFormat, Transfer
from gateway.backends.rest.paths import Path
from gateway.backends.rest.protocol import MAX_ACTIONS, Reply
from gateway.backends.rest.settings import ResponseSection

NOTHING: tuple[object, ...] = (None, False, "", 0, [], {}, "false", "0")


def read_by_paths(value: Any, where: ResponseSection, name: str, format: TextFormat) -> Reply:
    """What an answer means, by where things are in it.

    Args:
        name: Makes the ids of its menu and its transfer.
        format: Of its texts.
    """
    actions: list[Action] = []
    language = _first(where.language, value)
    if isinstance(language, str) and language:
        actions.append(SetSpeech(language=language))
    actions += [Say(text=text, format=format) for text in _texts(Path.parse(where.text).find(value))]
    options = _options(value, where)
    if options:
        actions.append(Menu(menu_id=name, options=options))
    target = _first(where.transfer, value)
    if isinstance(target, str) and target:
        actions.append(Transfer(transfer_id=name, target=target))
    if _first(where.hangup, value) not in NOTHING:
        actions.append(Hangup())
    return Reply(actions=tuple(actions), session=_first(where.session, value))


def _first(path: str | None, value: Any) -> Any:
    return Path.parse(path).first(value) if path is not None else None


def _texts(found: list[Any]) -> list[str]:
    flat = [text for item in found for text in (item if isinstance(item, list) else [item])]
    return [text for text in flat if isinstance(text, str) and text.strip()][:MAX_ACTIONS]


def _options(value: Any, where: ResponseSection) -> tuple[MenuOption, ...]:
    if where.choices is None:
        return ()
    found = Path.parse(where.choices).find(value)
    items = [choice for item in found for choice in (item if isinstance(item, list) else [item])]
    options: dict[str, MenuOption] = {}
    for item in items[:MAX_ACTIONS]:
        label = item if isinstance(item, str) else Path.parse(where.choice_label).first(item)
        key = item if isinstance(item, str) else Path.parse(where.choice_id).first(item)
        if isinstance(label, str) and label.strip():
            key = str(key) if isinstance(key, str | int | float) else label
            options.setdefault(key, MenuOption(id=key, label=label))
    return tuple(options.values())
