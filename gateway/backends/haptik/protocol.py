"""Haptik's Bot API and side APIs without a socket: what is sent, and what an answer or an event means.

Sources: "Different APIs that can be used on Conversation Studio" (agents, transcripts v2.0, FAQ upload) and Haptik's
public documentation of webhooks and of the messaging API; November 2026. The HTTP statuses of errors are not
documented: what counts is whether there is an ``error_message``, whatever the status.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from gateway.backends.haptik.values import first_text, identity, items, mapping, number, text
from gateway.errors import LocalProtocolError, RemoteProtocolError
from gateway.kit.jsonbody import JsonRefused, parse_json
from gateway.kit.signature import equal, hmac_hex

USER_PATH = "/v1.0/user/"
MESSAGE_PATH = "/v1.0/log_message_from_user/"
FEEDBACK_PATH = "/v1.0/log_feedback_from_user/"
AGENT_PATH = "/integration/external/v2.0/send_chat_to_agent/"
HISTORY_PATH = "/integration/external/v2.0/get_chat_history/"
MIN_COUNTDOWN, MAX_COUNTDOWN = 5, 10  # s; also the default, where none is sent
MAX_MESSAGE = 4000  # characters of one message; the documentation names no limit

ErrorClass = Literal["auth", "config", "user", "state", "unknown"]
"""Whose it is: credentials, our settings, the user's name, or the moment."""
ERRORS: Mapping[str, ErrorClass] = {
    # send_chat_to_agent
    "client_id missing in headers": "auth",
    "invalid client_id in headers": "auth",
    "invalid authorization in headers": "auth",
    "token missing in headers": "auth",
    "invalid token provided": "auth",
    "user_name missing in the request": "user",
    "business_id missing in the request": "config",
    "team_name missing in the request": "config",
    "invalid user_name": "user",
    "invalid business_id provided": "config",
    "invalid team_name provided": "config",
    "user has not sent a message": "state",
    "user is not registered": "user",
    # get_chat_history
    "Invalid business_id": "config",
    "Invalid token": "auth",
    "Either the user has not sent a message yet, or the provided user_name-business_id pair is invalid.": "state",
    "Unable to decode pxut-client_id pair": "user",
    "Argument group validation: no valid group.": "config",
    "Argument group validation: invalid group found.": "config",
    # messages
    "invalid authorization details": "auth",
    "duplicate feedback": "state",
}
NOT_REGISTERED = "user is not registered"
NO_MESSAGE_YET = "user has not sent a message"
_INACTIVE = re.compile(r'(business|team) ".*" is inactive', re.IGNORECASE | re.DOTALL)
_KNOWN = {message.casefold().rstrip("."): found for message, found in ERRORS.items()}


def classify(message: str) -> ErrorClass:
    """What kind of error a message is; the documented ones are told by their words."""
    folded = " ".join(message.split()).casefold().rstrip(".")
    return "config" if _INACTIVE.fullmatch(folded) else _KNOWN.get(folded, "unknown")


def is_error(message: str, documented: str) -> bool:
    return message.strip().casefold().rstrip(".") == documented


def error_message(body: bytes) -> str | None:
    """The ``error_message`` of an answer, or what stands for one; None when it is a success, or no JSON object."""
    try:
        value = mapping(parse_json(body))
    except JsonRefused:
        return None
    if found := identity(value.get("error_message")):
        return found[:500]
    if value.get("success") is False:
        return first_text(value, "error", "message")[:500] or "success is false"
    return None


# --- out -----------------------------------------------------------------------------------------------------------
def headers(token: str, client_id: str) -> dict[str, str]:
    """Of every request."""
    return {"Authorization": f"Bearer {token}", "client-id": client_id}


def user_body(
    auth_id: str, *, caller: str, language: str, custom: Mapping[str, str], name: str = ""
) -> dict[str, object]:
    """`POST /v1.0/user/`: a user, new or changed. ``custom`` is flat; a withheld number is left out."""
    found = {"auth_id": auth_id, "mobile_no": caller, "name": name, "language_code": language}
    return {**{key: value for key, value in found.items() if value}, "custom_data": dict(custom)}


def message_body(auth_id: str, message: str, business_id: int) -> dict[str, object]:
    """`POST /v1.0/log_message_from_user/`, and its synchronous sibling."""
    user = {"auth_id": auth_id}
    return {"user": user, "message_body": message[:MAX_MESSAGE], "message_type": 0, "business_id": business_id}


def feedback_body(auth_id: str, business_id: int, *, resolved: bool, rating: int) -> dict[str, object]:
    """`POST /v1.0/log_feedback_from_user/`: whether the question was answered, and a rating from 1 to 5."""
    return {"auth_id": auth_id, "business_id": business_id, "query_resolved": resolved, "query_rating": rating}


def countdown_of(wish: float | None) -> int | None:
    """A countdown within what Haptik takes: 5 to 10 seconds; None stays None, and the key is left out."""
    return None if wish is None else round(min(MAX_COUNTDOWN, max(MIN_COUNTDOWN, wish)))


def agent_body(
    *, team_name: str, user_name: str, business_id: int, countdown: float | None, receiver: str
) -> dict[str, object]:
    """`POST .../send_chat_to_agent/`."""
    seconds = countdown_of(countdown)
    chosen = {} if seconds is None else {"countdown": seconds}
    return {
        "team_name": team_name,
        "user_name": user_name,
        "business_id": business_id,
        **chosen,
        "receiver": receiver,
    }


def history_query(
    *,
    conversation_no: int | None,
    business_id: int | None = None,
    user_name: str = "",
    pxut: str = "",
    limit: int | None = None,
    response_type: str = "json",
) -> dict[str, str]:
    """`GET .../get_chat_history/`: group 1 (business and user) or group 2 (TRACT token); with both, group 1.

    Raises:
        LocalProtocolError: Neither group is complete.
    """
    if conversation_no is None:
        raise LocalProtocolError("a transcript is asked for by the number of its conversation")
    if user_name and business_id is not None:
        group = {"business_id": str(business_id), "user_name": user_name}
    elif pxut:
        group = {"pxut": pxut}
    else:
        raise LocalProtocolError("a transcript needs business_id and user_name, or pxut")
    query = {**group, "conversation_no": str(conversation_no)}
    if limit is not None:
        query["limit"] = str(limit)
    return query if response_type == "json" else {**query, "response_type": response_type}


# --- in ------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """Who writes; ``is_automated``: the bot, which is called gogo."""

    name: str = ""
    is_automated: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One webhook's body.

    Attributes:
        auth_id: Ours; empty when the platform left it out.
        user_name: Theirs, which agents and transcripts want.
        message_id: Empty when there is none.
        body: HSL, for `hsl.parse_body`; None when there is none.
        data: Of a conversation's end; of others empty.
    """

    name: str
    auth_id: str = ""
    user_name: str = ""
    message_id: str = ""
    agent: Agent = field(default_factory=Agent)
    body: Any = None
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_completion(self) -> bool:
        return self.name in ("webhook_conversation_complete", "chat_complete")

    @property
    def joined(self) -> str:
        """The name of the agent who has entered the conversation."""
        payload = mapping(mapping(mapping(self.body).get("data")).get("payload"))
        named = text(payload.get("agent_name"))
        return self.agent.name or ("" if named.startswith("<") else named)

    @property
    def conversation_no(self) -> int | None:
        return number(self.data.get("conversation_no"))


def is_signed(secret: str, body: bytes, headers: Mapping[str, str]) -> bool:
    """Whether a webhook's raw body is Haptik's: `X-Hub-Signature: sha1=...`, or its SHA-256 form [assumed].

    Both are computed and compared, so that the time taken says nothing.
    """
    matches = [
        equal(f"{algorithm}={hmac_hex(secret, body, algorithm)}", headers.get(name, "").strip())
        for name, algorithm in (("x-hub-signature", "sha1"), ("x-hub-signature-256", "sha256"))
    ]
    return any(matches)


def parse_event(body: bytes) -> Event:
    """Read a webhook's body. Keys may be missing, new ones may appear.

    Raises:
        RemoteProtocolError: It is no JSON object.
    """
    try:
        value = parse_json(body)
    except JsonRefused as refused:
        raise RemoteProtocolError(str(refused)) from refused
    if not isinstance(value, dict):
        raise RemoteProtocolError("the event is not a JSON object")
    user, agent, message = (mapping(value.get(key)) for key in ("user", "agent", "message"))
    return Event(
        name=text(value.get("event_name")),
        auth_id=identity(user.get("auth_id")),
        user_name=identity(user.get("user_name")),
        message_id=identity(message.get("id")),
        agent=parse_agent(agent),
        body=message.get("body"),
        data=mapping(value.get("data")),
    )


def parse_agent(agent: Mapping[str, Any]) -> Agent:
    """A bot unless it is said that it is a person."""
    return Agent(name=text(agent.get("name")), is_automated=agent.get("is_automated") is not False)


def parse_sync(body: bytes) -> tuple[Agent, list[Any]]:
    """The answer of the synchronous variant: who writes, and the bodies of the messages.

    Raises:
        RemoteProtocolError: It is no JSON object.
    """
    try:
        value = parse_json(body)
    except JsonRefused as refused:
        raise RemoteProtocolError(str(refused)) from refused
    if not isinstance(value, dict):
        raise RemoteProtocolError("the answer is not a JSON object")
    found = value.get("message", value.get("messages"))
    return parse_agent(mapping(value.get("agent"))), [mapping(item).get("body", item) for item in items(found)]
