"""The TALKR Chatbot API v4.2 without a socket: what is sent each turn, and what an answer makes the gateway do.

The conversation's state lives in the bot; ours is what must go back to it (session, tracking) and what tells a stale
answer from a new one. Source: the vendor's API reference v4.2, channels ``telephony`` and ``web`` (November 2026).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.actions import (
    Action,
    Fail,
    Hangup,
    Listen,
    Menu,
    Play,
    Record,
    Release,
    Say,
    TextFormat,
    Transfer,
)
from gateway.backends.talkr.compose import Before, compose
from gateway.backends.talkr.reply import Reply, plain
from gateway.backends.talkr.settings import TalkrBotSection
from gateway.backends.talkr.speech import speech_wish
from gateway.caller_events import UserChoice, UserDigits, UserText
from gateway.events import CallInfo
from gateway.text.language import DEFAULT_REGIONS
from gateway.text.speakable import detect, norm

MAX_TEXT = 4000  # characters of one caller turn; the document names no limit
MAX_PROMPTS = 10  # retry blocks that can ever be spoken: `retries` is capped at this


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What one call remembers between turns.

    Attributes:
        session: The bot's; empty before the first answer.
        tracking: What goes back with the next turn; empty when no answer has named one.
        block: Identifies the block of the tree we are in, for what happens once per block.
        prompts: The current block's retry prompts with their trackings.
        spoken: How many of them the caller has heard.
        told: The block whose silence the bot was told of.
        silent: Answers in a row that said nothing.
        kept: What the call record already has.
        regions: Region by language, for languages the bot names without one.
    """

    session: str = ""
    tracking: str = ""
    block: str = ""
    prompts: tuple[tuple[str, str], ...] = ()
    spoken: int = 0
    told: str | None = None
    silent: int = 0
    before: Before = field(default_factory=Before)
    kept: Mapping[str, Any] = field(default_factory=dict)
    regions: Mapping[str, str] = field(default_factory=lambda: DEFAULT_REGIONS)


# --- out -----------------------------------------------------------------------------------------------------------
def init_body() -> dict[str, Any]:
    """The body that starts a conversation: the document takes an empty body or this."""
    return {}


def turn_body(state: State, text: str, variables: Mapping[str, Any], page: str | None) -> dict[str, Any]:
    """The body of a later call; ``variables.userresponse`` is what the bot's language understanding reads."""
    said = text[:MAX_TEXT]
    body: dict[str, Any] = {
        "message": said,
        "session": state.session,
        "tracking": state.tracking,
        "variables": {**variables, "userresponse": said},
    }
    return body if page is None else {**body, "currentUrl": page}


def call_variables(call: CallInfo, event: UserText | UserChoice | UserDigits | None) -> dict[str, Any]:
    """The phone's own variables, sent with `send_call_variables`."""
    found: dict[str, Any] = {"caller_number": call.caller, "called_number": call.called, "call_id": call.call_id}
    match event:
        case UserText(source=source, confidence=confidence):
            found["input_mode"] = {"digits": "dtmf"}.get(source, source)
        case UserChoice(source=source, confidence=confidence):
            found["input_mode"] = "dtmf" if source == "digits" else "speech"
        case UserDigits():
            found["input_mode"], confidence = "dtmf", None
        case None:
            confidence = None
    return found if confidence is None else {**found, "stt_confidence": confidence}


# --- in ------------------------------------------------------------------------------------------------------------
def interpret(reply: Reply, state: State, settings: TalkrBotSection, turn: int) -> tuple[State, tuple[Action, ...]]:
    """What an answer does, and the state after it.

    An answer that says nothing is a silent turn: the caller is listened to. The second in a row is a failed turn
    (apology, then listening), the third the number's fallback. An answer that only reports an error is a failed turn.
    """
    after = _advance(reply, state)
    spoken = compose(reply, state.before, settings, turn)
    is_silent = not any(isinstance(item, (Say, Play, Menu, Transfer, Hangup)) for item in spoken)
    silent = 0 if not is_silent else state.silent if reply.error else state.silent + 1
    actions = [*_settings(reply, state, after), *spoken]
    if not any(isinstance(item, Hangup) for item in spoken):
        actions.append(_listen(reply, after, settings))
    if is_silent and reply.error:
        actions.append(Fail(kind="protocol", detail="the bot reported an error and said nothing"))
    elif silent >= 3:
        actions.append(Release(policy="failed"))
    elif silent == 2:
        actions.append(Fail(kind="protocol", detail="the bot said nothing twice"))
    return replace(after, silent=silent), tuple(actions)


def adopt(welcome: Reply, state: State) -> tuple[State, tuple[Action, ...]]:
    """A new session in the middle of a call: its settings count, its welcome is not spoken."""
    fresh = State(silent=state.silent, kept=state.kept, regions=state.regions)
    after = _advance(welcome, fresh)
    return replace(after, silent=state.silent), tuple(_settings(welcome, fresh, after))


def silence_is_news(state: State, settings: TalkrBotSection) -> bool:
    """Whether the bot wants to be told that the caller stayed silent to the end."""
    return settings.send_no_input and state.told != state.block


def prompt_heard(state: State, heard: str, settings: TalkrBotSection) -> State:
    """The caller heard something: if it was the next retry prompt, its tracking may be the one that goes back."""
    words = norm(heard).rstrip(" .!?…")
    if not state.prompts or not words:
        return state
    place = min(state.spoken, len(state.prompts) - 1)
    content, tracking = state.prompts[place]
    if not norm(content).startswith(words):
        return state
    follows = settings.retry_tracking == "spoken" and tracking.strip()
    return replace(state, spoken=place + 1, tracking=tracking if follows else state.tracking)


def is_session_lost(reply: Reply) -> bool:
    """How a bot words an expired session is not documented; any error that names the session is taken as one."""
    return reply.error is not None and "session" in reply.error.lower()


def _advance(reply: Reply, state: State) -> State:
    block = reply.tracking or state.block
    return replace(
        state,
        session=reply.session or state.session,
        tracking=reply.tracking or state.tracking,
        block=block,
        prompts=tuple((item.content, item.tracking) for item in reply.responses[:MAX_PROMPTS]),
        spoken=0,
        told=state.told if block == state.block else None,
        before=Before(answer=reply.answer, texts=reply.texts, tracking=block),
        kept=_facts(reply),
    )


def _facts(reply: Reply) -> dict[str, Any]:
    """For the call record: the bot's name, body code, language, variables and whatever nobody knows."""
    facts = {
        "name": reply.name,
        "code": reply.code,
        "language": reply.slug,
        "variables": plain(dict(reply.variables)),
        "other": dict(reply.other),
    }
    return {key: value for key, value in facts.items() if value not in ("", None, {})}


def _settings(reply: Reply, state: State, after: State) -> list[Action]:
    wish = speech_wish(reply, state.regions)
    found: list[Action] = []
    if after.kept and after.kept != state.kept:
        found.append(Record(kind="variables", data=dict(after.kept)))
    if reply.error:
        found.append(Record(kind="event", data={"bot_error": reply.error[:1000]}))
    if wish.settings is not None:
        found.append(wish.settings)
    if wish.asked:
        found.append(Record(kind="event", data={"speech_setting": wish.asked}))
    return found


def _listen(reply: Reply, after: State, settings: TalkrBotSection) -> Listen:
    """The bot's silence policy. Without a retry block, or with a blank one, the last answer is repeated."""
    prompts = tuple(item.content if norm(item.content) else "" for item in reply.responses[:MAX_PROMPTS]) or ("",)
    tells = silence_is_news(after, settings)
    return Listen(
        no_input_prompts=prompts,
        no_input_format=_richest(prompts),
        no_input_retries=reply.retries,
        on_exhausted="hangup" if reply.hangup else "event" if tells else "idle",
    )


def _richest(texts: tuple[str, ...]) -> TextFormat:
    """One format for all prompts of a block: the richest of them, which the plainer ones also are."""
    formats = {detect(text) for text in texts}
    order: tuple[TextFormat, ...] = ("ssml", "html", "markdown", "plain")
    return next((name for name in order if name in formats), "plain")
