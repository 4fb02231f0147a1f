"""What a bot's events make of a session and of the call.

Pure: `carry_out` takes events and gives actions, and the session afterwards; events that end it are in `leaving`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from gateway.actions import Action, Listen, Pause, Play, PostCall, Record, Say, SendLink, SetSpeech
from gateway.backends.userlike import leaving
from gateway.backends.userlike.choices import menu_of
from gateway.backends.userlike.protocol import Event
from gateway.backends.userlike.session import Session, transcript_mail
from gateway.backends.userlike.settings import UserlikeBotSection
from gateway.backends.userlike.triggers import (
    MAX_BODY,
    Abort,
    AddonDispatch,
    Choice,
    ContactUpdate,
    ConversationUpdate,
    Delay,
    EmailDispatch,
    End,
    Forward,
    Links,
    Media,
    Message,
    Note,
    Trigger,
)
from gateway.text.language import DEFAULT_REGIONS, base, bcp47
from gateway.text.speakable import detect

SOFT_FILLER_FROM = 2.0  # s of a delay with a typing indicator, from which silence would seem like a broken line
SENTENCE_END = re.compile(r"""[.!?…。！？]["'”»)]?(?=\s)""")
MAX_NOTED = 1000  # characters of what is noted of an odd event

Terminal = Abort | End | Forward
Spoken = Message | Choice | Links | Media


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaFacts:
    """What is known of a file that a bot wants played: whether it could be had, and whether it is sound."""

    is_available: bool = True
    is_audio: bool = True


def carry_out(
    events: Sequence[Event],
    session: Session,
    settings: UserlikeBotSection,
    media: Mapping[str, MediaFacts] | None = None,
    *,
    origin: Literal["answer", "api"] = "answer",
) -> tuple[Session, tuple[Action, ...]]:
    """Carry out a list of events.

    Args:
        media: By link; what is not there is taken to be playable.
        origin: An answer may name another session, or none: it is this one all the same.
    Returns:
        The session afterwards, and what the call is to do.
    """
    work = _Work(session, settings, media or {})
    for place, event in enumerate(events):
        foreign = origin == "answer" and event.cid is not None and event.cid != session.cid
        work.take(event, events[place + 1 :], is_foreign=foreign)
    return work.session, tuple(work.actions)


def listening(session: Session) -> tuple[Action, ...]:
    """How the caller is listened to after the bot has spoken; nothing once somebody else has the call."""
    return () if session.is_over or session.pending is not None else (Listen(on_exhausted="event"),)


class _Work:
    """One list at work."""

    def __init__(self, session: Session, settings: UserlikeBotSection, media: Mapping[str, MediaFacts]) -> None:
        self.session = session
        self.settings = settings
        self.media = media
        self.actions: list[Action] = []
        self.has_left = False

    def take(self, event: Event, later: Sequence[Event], *, is_foreign: bool) -> None:
        for oddity in event.oddities:
            self.warn(oddity)
        if event.is_context_too_big:
            self.warn("the context is larger than 10 KB, and was ignored")
        if is_foreign:
            self.warn("info.cid names another session; taken as this one")
        if event.context is not None:
            self.session = replace(self.session, context=event.context)
        if event.problem is not None:
            self.warn(f"ignored: {event.problem}")
        elif event.trigger is not None:
            self._do(event.trigger, event.name, later)

    def warn(self, text: str) -> None:
        self.actions.append(Record(kind="event", data={"bot_warning": text[:MAX_NOTED]}))

    def _do(self, trigger: Trigger, name: str, later: Sequence[Event]) -> None:
        if self.has_left and isinstance(trigger, Terminal | Spoken | Delay):
            self.warn(f"{name} after the session has ended, ignored")
            return
        match trigger:
            case Message():
                self._say(trigger.text, is_markdown=trigger.is_markdown)
            case Choice():
                self._ask(trigger)
            case Links():
                self._links(trigger)
            case Media():
                self._play(trigger)
            case Delay():
                if any(isinstance(event.trigger, Spoken) for event in later):
                    soft = trigger.typing and trigger.seconds > SOFT_FILLER_FROM
                    self.actions.append(Pause(seconds=trigger.seconds, filler="soft" if soft else "none"))
            case Abort() | End() | Forward():
                self.has_left = True
                self.session, actions = leaving.leave(trigger, self.session, self.settings)
                self.actions += actions
            case _:
                self._record(trigger)

    # --- speech ------------------------------------------------------------------------------------------------------
    def _say(self, text: str, *, is_markdown: bool) -> None:
        if len(text) > MAX_BODY:
            self.warn(f"the message has more than {MAX_BODY} characters, and was cut")
            text = cut(text)
        if text.strip():
            is_marked = is_markdown or detect(text) == "markdown"
            self.actions.append(Say(text=text, format="markdown" if is_marked else "plain"))

    def _ask(self, choice: Choice) -> None:
        menu, armed, warnings = menu_of(choice, self.session.counted + 1, self.settings)
        for warning in warnings:
            self.warn(warning)
        self.session = replace(self.session, armed=armed, counted=self.session.counted + 1)
        self.actions.append(menu)
        if self.settings.send_images:
            pictures = [(option.label, option.image) for option in choice.options if option.image]
            self.actions += [SendLink(url=image, text=label) for label, image in pictures]

    def _links(self, links: Links) -> None:
        """The text is spoken here; the text beside a link, where that is spoken too, must not repeat it."""
        self._say(links.text, is_markdown=links.is_markdown)
        for label, url in links.links:
            self.actions.append(
                SendLink(url=url, text=label if label.strip() not in ("", links.text.strip()) else None)
            )

    def _play(self, media: Media) -> None:
        facts = self.media.get(media.link, MediaFacts())
        if not facts.is_available:
            self.warn("the media file cannot be fetched")
        elif facts.is_audio:
            self.actions.append(Play(url=media.link))
        elif self.settings.send_images:
            self.actions.append(SendLink(url=media.link, text=media.name or None))

    # --- records -----------------------------------------------------------------------------------------------------
    def _record(self, trigger: Trigger) -> None:
        match trigger:
            case ContactUpdate(fields=fields):
                self.session = replace(self.session, contact=self.session.contact.updated(fields))
                self.actions.append(Record(kind="contact", data={"id": self.session.contact.id, **fields}))
            case ConversationUpdate(fields=fields):
                self._update(fields)
            case Note():
                self._note(trigger)
            case AddonDispatch(addon=addon, payload=payload):
                data = {"hook": addon, "transcript": True, "payload": dict(payload), "cid": self.session.cid}
                self.actions.append(PostCall(kind="addon", data=data))
            case EmailDispatch():
                self._mail(trigger)
            case _:
                raise AssertionError(f"nobody carries out {type(trigger).__name__}")

    def _update(self, fields: Mapping[str, Any]) -> None:
        known = self.session.conversation
        merged = {**known, **fields}
        if "custom_fields" in fields:
            merged["custom_fields"] = {**(known.get("custom_fields") or {}), **fields["custom_fields"]}
        self.session = replace(self.session, conversation=merged)
        self.actions.append(Record(kind="conversation", data=dict(fields)))
        locale = fields.get("locale")
        if not isinstance(locale, str) or not locale:
            return
        language = bcp47(locale, _regions(self.session.call.language))
        if language:
            self.actions.append(SetSpeech(language=language))
        else:
            self.warn("the locale is no language tag")

    def _note(self, note: Note) -> None:
        about = "conversation" if note.contact_id is None else "contact"
        data = {"about": about, "text": note.text[:MAX_BODY]}
        if note.contact_id is not None:
            data["contact_identity_id"] = self.session.contact.id
            if note.contact_id != self.session.contact.id:
                self.warn("contact_identity_id is not the caller's; the note is about him all the same")
        self.actions.append(Record(kind="note", data=data))

    def _mail(self, mail: EmailDispatch) -> None:
        contact = self.session.contact.fields.get("email")
        address = self.settings.operators.get(mail.operator_id) if mail.to == "operator" else contact
        if not isinstance(address, str) or not address.strip():
            whose = f"operator {mail.operator_id!r} has" if mail.to == "operator" else "the contact has"
            self.warn(f"email_dispatch: {whose} no known address; nothing is sent")
            return
        self.actions.append(transcript_mail(address.strip(), self.session, self.settings))


def cut(text: str) -> str:
    """A message shortened to its documented length: after a sentence, else after a word, where there is one."""
    kept = text[:MAX_BODY]
    ends = [match.end() for match in SENTENCE_END.finditer(text[: MAX_BODY + 1])]
    return kept[: ends[-1]] if ends else kept.rpartition(" ")[0] or kept


def _regions(language: str) -> Mapping[str, str]:
    """A language without a region is spoken as the number's own is."""
    parts = language.split("-")
    own = {base(language): parts[-1]} if len(parts) > 1 else {}
    return {**DEFAULT_REGIONS, **own}
