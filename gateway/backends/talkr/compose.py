"""What is spoken of an answer, and in which order: each message by its type, then the answer beside them.

TALKR says the same thing in two places, ``data.messages`` and ``variables.bot_answer``, and leaves the latter standing
when its tree moves on. The rules here let a caller hear everything once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from gateway.actions import (
    Action,
    Hangup,
    Menu,
    MenuOption,
    Pause,
    Play,
    Record,
    Say,
    SendLink,
    Transfer,
)
from gateway.backends.talkr.reply import Block, Reply, mapping, text
from gateway.backends.talkr.settings import TalkrBotSection
from gateway.text.speakable import detect, norm, speakable

AUDIO_TYPES = frozenset({"audio", "sound"})
VISUAL_TYPES = frozenset({"image", "video", "card", "file"})
CHOICE_TYPES = frozenset({"buttons", "choice", "choices", "quick_replies"})
TRANSFER_TYPES = frozenset({"transfer", "forward", "redirect"})
END_TYPES = frozenset({"hangup", "end"})
MAX_OPTIONS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What the previous turn said, by which a stale answer is known."""

    answer: str | None = None
    texts: tuple[str, ...] = ()
    tracking: str = ""


def compose(reply: Reply, before: Before, settings: TalkrBotSection, turn: int) -> list[Action]:
    """The answer's speech, menus and wishes to transfer or hang up, in the order in which they take effect."""
    parts: list[Action] = []
    for index, block in enumerate(reply.messages):
        parts += _message(block, settings, f"{turn}.{index}")
    answer = reply.answer if reply.answer and norm(reply.answer) else ""
    spoken = _arrange(_speech(parts), answer, reply, before, settings)
    return [*spoken, *_last(parts, reply, turn)]


def say(content: str) -> Say:
    return Say(text=content, format=detect(content))


def _speech(parts: Iterable[Action]) -> list[Action]:
    return [part for part in parts if not isinstance(part, (Menu, Transfer, Hangup))]


def _last(parts: list[Action], reply: Reply, turn: int) -> list[Action]:
    """What comes after all speech: one menu with every option, then leaving."""
    menus = [part for part in parts if isinstance(part, Menu)]
    leaving: list[Action] = [part for part in parts if isinstance(part, (Transfer, Hangup))]
    if not menus:
        return leaving
    labels = dict.fromkeys(option.label for menu in menus for option in menu.options)
    options = tuple(MenuOption(id=str(place), label=label) for place, label in enumerate(labels, 1))[:MAX_OPTIONS]
    prompt = " ".join(menu.prompt for menu in menus if menu.prompt) or None
    name = f"{reply.tracking or 'menu'}.{turn}"
    return [Menu(menu_id=name, prompt=prompt, options=options, max_digits=len(str(len(options)))), *leaving]


def _arrange(parts: list[Action], answer: str, reply: Reply, before: Before, settings: TalkrBotSection) -> list[Action]:
    """Messages and answer in the order of the vendor's document, nothing said twice."""
    texts = [part.text for part in parts if isinstance(part, Say)]
    if not answer:
        return parts
    if reply.background and any(isinstance(part, (Say, Play)) for part in parts):
        return _after_waiting(parts, texts, answer, settings.background_gap)
    if not texts:
        return [*parts, say(answer)]
    said, messages = sentences(answer), [sentences(item) for item in texts]
    joined = [sentence for message in messages for sentence in message]
    if norm(answer) == norm(" ".join(texts)) or stands_in(said, joined):
        return parts
    if all(stands_in(message, said) for message in messages):
        return [*(part for part in parts if not isinstance(part, Say)), say(answer)]
    if settings.stale_answer == "drop" and _is_stale(reply, before):
        return parts
    return [*parts, say(answer)]


def _after_waiting(parts: list[Action], texts: list[str], answer: str, gap: float) -> list[Action]:
    """A waiting message that nothing interrupts, a slight delay, the answer.

    Where the last message is the answer itself it is the answer that is heard, so it can be interrupted and repeated.
    """
    if texts and norm(texts[-1]) == norm(answer):
        last = max(place for place, part in enumerate(parts) if isinstance(part, Say))
        return [*_waiting(parts[:last]), *parts[last:]]
    return [*_waiting(parts), Pause(seconds=gap, interruptible=False), say(answer)]


def _waiting(parts: list[Action]) -> list[Action]:
    return [
        replace(part, role="waiting", interruptible=False)
        if isinstance(part, Say)
        else replace(part, interruptible=False)
        if isinstance(part, Play)
        else part
        for part in parts
    ]


def _is_stale(reply: Reply, before: Before) -> bool:
    """The bot's variables outlive its blocks: the same answer word for word, although messages and block are new."""
    is_elsewhere = reply.tracking not in ("", before.tracking)  # without a tracking the bot is where it was
    return reply.answer == before.answer and reply.texts != before.texts and is_elsewhere


def sentences(content: str) -> list[str]:
    """The content's sentences in plain form, without their full stops."""
    plain = speakable(content, detect(content), "en").plain.casefold()
    pieces = (piece.strip(" .!?…") for piece in re.split(r"(?<=[.!?…])\s+|\n+", plain))
    return [piece for piece in pieces if piece]


def stands_in(part: list[str], whole: list[str]) -> bool:
    """Whether ``part`` occurs in ``whole`` as whole sentences, in order and without a gap."""
    size = len(part)
    return any(whole[start : start + size] == part for start in range(len(whole) - size + 1))


def _message(block: Block, settings: TalkrBotSection, name: str) -> list[Action]:
    """One item of ``data.messages``. Only ``text`` and ``custom`` are documented; the other types are guesses."""
    if block.type in AUDIO_TYPES:
        url = _url(block.raw)
        return [Play(url=url, alt_text=_text_beside(block) or None)] if url else _skipped(block)
    if block.type in VISUAL_TYPES:
        url = _url(block.raw)
        return [SendLink(url=url, text=_text_beside(block) or None)] if url and settings.send_links else _skipped(block)
    if block.type in CHOICE_TYPES:
        menu = _menu(block)
        return [menu] if menu else _spoken(block)
    if block.type in TRANSFER_TYPES:
        return _transfer(block, settings, name)
    if block.type in END_TYPES:
        leave: list[Action] = [Hangup()] if settings.allow_bot_transfer else _skipped(block)
        return [*(_spoken(block) if block.content else []), *leave]
    return _spoken(block)


def _spoken(block: Block) -> list[Action]:
    if norm(block.content):
        return [say(block.content)]
    return [] if block.type in ("", "text", "custom") else _skipped(block)


def _skipped(block: Block) -> list[Action]:
    return [Record(kind="event", data={"skipped_message": block.type[:40]})]


def _fields(raw: Any) -> dict[str, Any]:
    """The message's own keys, and those of a ``content`` that is an object."""
    return {**mapping(raw), **mapping(mapping(raw).get("content"))}


def _url(raw: Any) -> str | None:
    fields = _fields(raw)
    found = (text(fields.get(key)) for key in ("url", "src", "link", "href", "content", "file"))
    return next((url for url in found if re.fullmatch(r"https?://\S{1,2000}", url)), None)


def _text_beside(block: Block) -> str:
    """Words that come with a file."""
    fields = _fields(block.raw)
    return next(
        (found for key in ("alt_text", "alt", "caption", "title", "text") if (found := text(fields.get(key)))), ""
    )


def _menu(block: Block) -> Menu | None:
    """A message's question and choices; `_last` names and numbers them."""
    fields = _fields(block.raw)
    lists = (
        fields.get(key) for key in ("content", "buttons", "choices", "options", "quick_replies", "items", "elements")
    )
    items = next((value for value in lists if isinstance(value, list) and value), [])
    labels = [label for item in items[:MAX_OPTIONS] if (label := _label(item))]
    if not labels:
        return None
    prompt = next((found for key in ("text", "title", "question", "content") if (found := text(fields.get(key)))), "")
    options = tuple(MenuOption(id="", label=label) for label in labels)
    return Menu(menu_id="", prompt=prompt or None, options=options)


def _label(item: Any) -> str:
    fields = mapping(item)
    keys = ("label", "title", "text", "name", "content", "value")
    return text(item) or next((found for key in keys if (found := text(fields.get(key)))), "")


def _transfer(block: Block, settings: TalkrBotSection, name: str) -> list[Action]:
    fields = _fields(block.raw)
    found = (_target(text(fields.get(key))) for key in ("target", "to", "number", "phone", "uri", "url", "content"))
    target = next((item for item in found if item), None)
    words = _spoken(block) if block.content and _target(block.content) is None else []
    if target is None or not settings.allow_bot_transfer:
        return [*words, *_skipped(block)]
    return [*words, Transfer(transfer_id=name, target=target)]


def _target(value: str) -> str | None:
    """``tel:``, ``sip:`` or digits; None for anything else."""
    if re.fullmatch(r"sips?:\S{1,200}", value):
        return value
    digits = re.sub(r"[\s().-]", "", value.removeprefix("tel:"))
    return digits if re.fullmatch(r"\+?\d{2,20}", digits) else None
