"""What a turn's responses do: words as they come, then one menu, then leaving."""

from __future__ import annotations

from typing import Any, get_args

from config.call import Kind
from gateway.actions import (
    Action,
    Hangup,
    Listen,
    Menu,
    MenuOption,
    Play,
    Record,
    Say,
    SendLink,
    SetSpeech,
    TextFormat,
    Transfer,
)
from gateway.backends.rasa.protocol import MAX_BUTTONS, Button, Response, at_path, text_of
from gateway.backends.rasa.settings import RasaBotSection
from gateway.text.speakable import detect

NO = frozenset({"", "false", "no", "off", "0", "none", "null"})


class Composer:
    """Gathers one answer. `take` gives what can be heard at once; a menu, a question's kind and leaving wait for
    `close`, because words of a later response would otherwise come after them.

    Args:
        name: Of the answer, for ids that are unique in the call.
        silenced: It answers a silence that went on to the end. If the next one does, too, nobody is there: the line is
            left to the number's idle limit, and the bot is not told over and over.
    """

    def __init__(self, settings: RasaBotSection, name: str, *, silenced: bool = False) -> None:
        self._settings = settings
        self.name = name
        self._buttons: dict[str, Button] = {}  # by title: what is offered twice is read out once
        self._silenced = silenced
        self._listen: Kind | None = None
        self._transfer = ""
        self._hangs_up = False

    def take(self, response: Response) -> list[Action]:
        """What one response says and does at once."""
        custom, ssml = self._custom(response.custom)
        words: list[Action] = [Say(text=ssml, format="ssml")] if ssml else self._text(response.text)
        for button in response.buttons:
            self._buttons.setdefault(button.title, button)
        return [*custom, *words, *self._files(response)]

    def close(self) -> tuple[list[Action], dict[str, str]]:
        """What comes after all words, and the menu's payloads by the ids of its options."""
        offered = list(self._buttons.values())[:MAX_BUTTONS]
        options = tuple(MenuOption(id=str(place), label=button.title) for place, button in enumerate(offered, 1))
        found: list[Action] = []
        if options:
            found.append(Menu(menu_id=self.name, options=options, max_digits=len(str(len(options)))))
        if self._transfer:
            found.append(Transfer(transfer_id=self.name, target=self._transfer))
        elif self._hangs_up:
            found.append(Hangup())
        elif self._listen is not None or self._silenced:
            found.append(Listen(kind=self._listen or "free", on_exhausted="idle" if self._silenced else None))
        return found, {str(place): button.payload for place, button in enumerate(offered, 1)}

    def _text(self, text: str) -> list[Action]:
        if not text:
            return []
        format: TextFormat = detect(text) if self._settings.format == "detect" else self._settings.format
        return [Say(text=text, format=format)]

    def _custom(self, custom: Any) -> tuple[list[Action], str]:
        """What a ``custom`` object does, and its SSML. One that says nothing we know is kept in the record."""
        if custom is None:
            return [], ""
        paths = self._settings.custom
        transfer, ssml = text_of(at_path(custom, paths.transfer)), text_of(at_path(custom, paths.ssml))
        language, kind = text_of(at_path(custom, paths.language)), text_of(at_path(custom, paths.listen))
        hangs_up = at_path(custom, paths.hangup)
        self._transfer = self._transfer or transfer
        self._hangs_up = self._hangs_up or _is_yes(hangs_up)
        self._listen = next((known for known in get_args(Kind) if known == kind), self._listen)
        if not (transfer or ssml or language or kind) and hangs_up is None:
            return [Record(kind="event", data={"custom": custom})], ""
        return [SetSpeech(language=language)] if language else [], ssml

    def _files(self, response: Response) -> list[Action]:
        """Recordings are played; pictures and other files become links, or notes in the record."""
        found: list[Action] = []
        if response.image:
            found.append(self._shown("image", response.image))
        if response.attachment is not None:
            found.append(self._attached(response.attachment))
        return found

    def _attached(self, attachment: Any) -> Action:
        """An address, or ``{"type": "video", "payload": {"src": ..., "title": ...}}`` as Rasa's guides write it."""
        payload = attachment.get("payload", attachment) if isinstance(attachment, dict) else {"src": attachment}
        inner = payload if isinstance(payload, dict) else {"src": payload}
        address = text_of(inner.get("src")) or text_of(inner.get("url"))
        title = text_of(inner.get("title"))
        if isinstance(attachment, dict) and attachment.get("type") == "audio" and _is_address(address):
            return Play(url=address, alt_text=title or None)
        if not _is_address(address):
            return Record(kind="event", data={"attachment": attachment})
        return self._shown("attachment", address, title)

    def _shown(self, kind: str, address: str, title: str = "") -> Action:
        if self._settings.images == "link" and _is_address(address):
            return SendLink(url=address, text=title or None)
        return Record(kind="event", data={kind: address})


def _is_address(text: str) -> bool:
    return text.startswith(("http://", "https://"))


def _is_yes(value: Any) -> bool:
    return value.strip().lower() not in NO if isinstance(value, str) else bool(value)
