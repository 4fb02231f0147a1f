"""How a bot leaves a call: forwards, `abort`, `end`, the conversation timeout, and what becomes of a caller whom nobody
takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.actions import Action, Hangup, Listen, PostCall, Record, Release, Say, Transfer
from gateway.backends.userlike.session import Pending, Session, transcript_mail
from gateway.backends.userlike.settings import UserlikeBotSection
from gateway.backends.userlike.triggers import Abort, End, Forward

Step = tuple[Session, list[Action]]
MESSAGE_END_SILENCE = 3.0  # s of silence that end a message for the voicemail


def leave(trigger: Abort | End | Forward, session: Session, settings: UserlikeBotSection) -> Step:
    """The bot ends its session."""
    match trigger:
        case End():
            return replace(session, is_over=True, armed=None), [Hangup(reason="bot")]
        case Abort():
            return send_on(replace(session, is_over=True), settings.human_target)
        case Forward():
            feedback = trigger.wants_feedback and (trigger.to != "skills" or settings.skills_feedback)
            gone = replace(session, is_over=not feedback)
            return send_on(gone, _target(trigger, settings), wants_feedback=feedback)


def _target(forward: Forward, settings: UserlikeBotSection) -> str | None:
    match forward.to:
        case "group":
            return settings.group_target(forward.group)
        case "skills":
            return settings.skilled_target(forward.skills)
        case "any":
            return settings.own_group


def send_on(session: Session, target: str | None, *, wants_feedback: bool = False, is_last: bool = False) -> Step:
    """Transfer the caller. Without a target it fails at once, by the same way as one that nobody answers."""
    number = session.counted + 1
    transfer = Transfer(
        transfer_id=f"forward-{number}",
        target=target,
        feedback=True,
    )
    pending = Pending(transfer_id=transfer.transfer_id, wants_feedback=wants_feedback, is_last=is_last)
    return replace(session, counted=number, pending=pending, armed=None), [transfer]


def timed_out(session: Session, settings: UserlikeBotSection) -> Step:
    """Neither side has said anything for the conversation timeout."""
    gone = replace(session, is_over=True, armed=None)
    match settings.timeout_action:
        case "end":
            return gone, [Hangup(reason="no_input")]
        case "unassign":
            return unassign(gone, settings)
        case "forward":
            return send_on(gone, settings.own_group)


def not_taken(session: Session, settings: UserlikeBotSection) -> Step:
    """A transfer has failed, and the bot does not want to know."""
    if session.pending is not None and session.pending.is_last:
        return announce(replace(session, pending=None), settings)
    return unassign(session, settings)


def unassign(session: Session, settings: UserlikeBotSection) -> Step:
    """Nobody has taken the caller; the bot's session is over."""
    gone = replace(session, is_over=True, armed=None, pending=None)
    policy = settings.unassigned
    noted: list[Action] = [Record(kind="event", data={"unassigned": policy.then})]
    match policy.then:
        case "announce":
            return _after(noted, announce(gone, settings))
        case "callback":
            return _after([*noted, *_tell("callback", gone, settings)], announce(gone, settings))
        case "default_target":
            spoken: list[Action] = [] if policy.say is None else [_own(policy.say)]
            return _after([*noted, *spoken], send_on(gone, policy.target, is_last=True))
        case "voicemail":
            return _after(noted, _ask_for_message(gone, settings))


def _after(before: list[Action], step: Step) -> Step:
    session, actions = step
    return session, [*before, *actions]


def announce(session: Session, settings: UserlikeBotSection) -> Step:
    """A last sentence: the operator's, or the number's fallback."""
    if settings.unassigned.say is None:
        return session, [Release(policy="unassigned")]
    return session, [_own(settings.unassigned.say), Hangup(reason="unassigned")]


def _own(text: str) -> Say:
    return Say(text=text, role="agent", interruptible=False)


def _tell(
    what: str, session: Session, settings: UserlikeBotSection, media: Mapping[str, Any] | None = None
) -> list[Action]:
    """Tell the operator's own services when the call is over."""
    policy, call, told = settings.unassigned, session.call, list[Action]()
    if policy.hook is not None:
        payload = {"type": what, "caller": call.caller, "called": call.called, "contact": dict(session.contact.fields)}
        if media is not None:
            payload["media"] = dict(media)
        data = {"hook": policy.hook, "transcript": True, "payload": payload, "cid": session.cid}
        told.append(PostCall(kind="addon", data=data))
    if policy.mail is not None:
        told.append(transcript_mail(policy.mail, session, settings))
    return told


def _ask_for_message(session: Session, settings: UserlikeBotSection) -> Step:
    policy = settings.unassigned
    return replace(session, is_message_due=True), record_message(policy.say, policy.longest_message)


def record_message(prompt: str | None, longest: float) -> list[Action]:
    """Have the caller leave a message, of at most so many seconds."""
    listen = Listen(
        max_length=longest,
        end_silence=MESSAGE_END_SILENCE,
        no_input_retries=0,
        on_exhausted="event",
        is_message=True,
    )
    return [listen] if prompt is None else [_own(prompt), listen]


def message_left(
    text: str | None, session: Session, settings: UserlikeBotSection, media: Mapping[str, Any] | None = None
) -> Step:
    """The caller has left his message; without words where nothing was understood of it. None: he has left none.

    Args:
        media: Where the sound can be fetched, as in a ``media`` event.
    """
    gone = replace(session, is_message_due=False)
    if text is None:
        return gone, [Hangup(reason="unassigned")]
    note = Record(kind="note", data={"about": "voicemail", "text": text})
    thanks = settings.unassigned.thanks
    spoken: list[Action] = [] if thanks is None else [_own(thanks)]
    return gone, [note, *_tell("voicemail", gone, settings, media), *spoken, Hangup(reason="unassigned")]
