"""The lab's side APIs of Haptik: agents, feedback, transcripts, FAQ files, with every documented error message."""

from __future__ import annotations

import csv
import io
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesParser
from typing import Any

from gateway.lab.server import LabReply, LabRequest, json_reply

AGENT = "/integration/external/v2.0/send_chat_to_agent/"
FEEDBACK = "/v1.0/log_feedback_from_user/"
HISTORY = "/integration/external/v2.0/get_chat_history/"
FAQ = "/mogambo_api/nodes/faq/create/"
FAQ_STATUS = "/mogambo_api/nodes/faq/create/status/"
DONE = "all steps have been created successfully"
RUNNING = "In Progress"
COLUMNS = ["node_name", "Question(User Message)", "answer(bot response)"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One message of a chat, as the transcript has it."""

    sender: str
    text: str
    message_id: int
    timestamp: str


@dataclass(slots=True, kw_only=True)
class User:
    """Somebody who is registered.

    Attributes:
        name: The platform's own name of him.
        team: Whose queue his chat is in; empty: the bot has it.
        agent: Who has taken it.
        feedback: What he thought of it, once an hour.
    """

    auth_id: str
    name: str
    profile: dict[str, Any] = field(default_factory=dict)
    written: list[Written] = field(default_factory=list)
    has_spoken: bool = False
    conversation_no: int = 1
    team: str = ""
    agent: str = ""
    feedback: dict[str, Any] | None = None


@dataclass(slots=True, kw_only=True)
class Account:
    """What the lab's Haptik knows.

    Attributes:
        errors: HTTP status of an answer with an ``error_message``, which nothing documents.
        pxuts: Users by their TRACT token.
        polls: How often an upload is in progress before it is done.
    """

    token: str
    client_id: str
    business_id: int = 343
    is_active: bool = True
    teams: Mapping[str, bool] = field(default_factory=lambda: {"Support": True, "Night shift": False})
    domains: frozenset[str] = frozenset({"acme"})
    errors: int = 400
    users: dict[str, User] = field(default_factory=dict)
    pxuts: dict[str, str] = field(default_factory=dict)
    polls: int = 2
    tasks: dict[str, list[str]] = field(default_factory=dict)
    steps: dict[str, dict[str, bool]] = field(default_factory=dict)
    """FAQ steps by domain, and whether they are active."""

    def named(self, name: object) -> User | None:
        return next((user for user in self.users.values() if user.name == name), None)


def refusal(message: str, status: int) -> LabReply:
    return json_reply({"error_message": message}, status)


def wrong_headers(account: Account, request: LabRequest) -> str | None:
    """What is wrong with the credentials, in the words of the documentation."""
    client, authorization = request.headers.get("client-id"), request.headers.get("authorization")
    if not client:
        return "client_id missing in headers"
    if client != account.client_id:
        return "invalid client_id in headers"
    if not authorization:
        return "token missing in headers"
    if not authorization.startswith("Bearer "):
        return "invalid authorization in headers"
    return None if authorization == f"Bearer {account.token}" else "invalid token provided"


# --- agents --------------------------------------------------------------------------------------------------------
def send_chat_to_agent(account: Account, request: LabRequest, move: Callable[[User, str, float], None]) -> LabReply:
    """Move a chat to a team; ``move`` gets the user, the team, and the countdown."""
    if (wrong := wrong_headers(account, request)) is not None:
        return refusal(wrong, account.errors)
    try:
        body = request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return refusal("user_name missing in the request", account.errors)
    wrong = _wrong_move(account, body)
    if wrong is not None:
        return refusal(wrong, account.errors)
    user = account.named(body["user_name"])
    assert user is not None
    countdown = body.get("countdown", 10)
    move(user, body["team_name"], float(countdown) if isinstance(countdown, int) and 5 <= countdown <= 10 else 10.0)
    return json_reply({"success": True})


def _wrong_move(account: Account, body: Mapping[str, Any]) -> str | None:
    for name in ("user_name", "business_id", "team_name"):
        if not body.get(name):
            return f"{name} missing in the request"
    business, team = body["business_id"], body["team_name"]
    user = account.named(body["user_name"])
    if business != account.business_id:
        return "invalid business_id provided"
    if not account.is_active:
        return f'business "{business}" is inactive'
    if team not in account.teams:
        return "invalid team_name provided"
    if not account.teams[team]:
        return f'team "{team}" is inactive'
    if user is None:
        return "invalid user_name"
    return None if user.has_spoken else "user has not sent a message"


# --- feedback ------------------------------------------------------------------------------------------------------
def log_feedback(account: Account, request: LabRequest) -> LabReply:
    """Take a rating; one that comes twice is refused, because no lab runs for an hour."""
    if wrong_headers(account, request) is not None:
        return refusal("invalid authorization details", 401)
    try:
        body = request.json()
        user = account.users.get(body["auth_id"])
        is_complete = isinstance(body["query_resolved"], bool) and body["query_rating"] in range(1, 6)
    except (ValueError, KeyError, TypeError):
        return refusal("query_resolved and query_rating are required", 400)
    if not is_complete or body.get("business_id") != account.business_id:
        return refusal("query_resolved and query_rating are required", 400)
    if user is None or not user.has_spoken:
        return refusal("no conversation", 404)
    if user.feedback is not None:
        return refusal("duplicate feedback", 400)
    user.feedback = body
    return json_reply({"success": True}, 201)


# --- transcripts ---------------------------------------------------------------------------------------------------
def get_chat_history(account: Account, request: LabRequest) -> LabReply:
    if request.method != "GET":
        return json_reply({"error_message": "An unknown error occurred"}, 405)
    if wrong_headers(account, request) is not None:
        return refusal("Invalid token", account.errors)
    query = request.query
    found = _user_of(account, query)
    if isinstance(found, str):
        return refusal(found, account.errors)
    written = found.written[-int(query["limit"]) :] if query.get("limit", "").isdigit() else found.written
    if query.get("response_type", "json") == "text":
        return json_reply({"chat_text": "".join(f"{one.sender}: {one.text}\n" for one in written)})
    lines = [
        {"text": one.text, "sender": one.sender, "message_id": one.message_id, "timestamp": one.timestamp}
        for one in written
    ]
    return json_reply({"chat_json": lines})


def _user_of(account: Account, query: Mapping[str, str]) -> User | str:
    """Whose transcript is asked for, or what is wrong with the question. Group 1 wins."""
    number = query.get("conversation_no", "")
    if {"business_id", "user_name"} <= set(query) and number:
        if not query["business_id"].isdigit():
            return "Invalid business_id"
        user = account.named(query["user_name"])
        if user is None or int(query["business_id"]) != account.business_id or not user.written:
            return "Either the user has not sent a message yet, or the provided user_name-business_id pair is invalid."
    elif "pxut" in query and number:
        user = account.users.get(account.pxuts.get(query["pxut"], ""))
        if user is None:
            return "Unable to decode pxut-client_id pair"
    else:
        return "Argument group validation: no valid group."
    if not number.isdigit():
        return "Argument group validation: invalid group found."
    return user


# --- FAQ files -----------------------------------------------------------------------------------------------------
def faq_create(account: Account, request: LabRequest) -> LabReply:
    if wrong_headers(account, request) is not None:
        return refusal("Unauthorized Access or invalid token", 401)
    parts = multipart(request)
    if parts is None or "csv_file" not in parts or "domain_name" not in parts:
        return refusal("Invalid or bad request body", 400)
    domain = parts["domain_name"].decode()
    if domain == "forbidden":
        return refusal("Access Forbidden", 403)
    if domain not in account.domains:
        return refusal("invalid doman", 400)
    task = str(uuid.uuid4())
    account.tasks[task] = [RUNNING] * account.polls + [_take_in(account, domain, parts["csv_file"])]
    return json_reply({"success": True, "body": {"task_id": task}, "error": "", "meta": {}})


def _take_in(account: Account, domain: str, content: bytes) -> str:
    """Replace the domain's steps, up to the first row that is wrong. Returns the status it ends with."""
    rows = list(csv.reader(io.StringIO(content.decode("utf-8", "replace"))))
    if not rows or rows[0] != COLUMNS:
        return "Exception: unknown columns"
    known = account.steps.setdefault(domain, {})
    for name in known:
        known[name] = False
    for row in rows[1:]:
        if len(row) != 3 or not all(cell.strip() for cell in row):
            return f"Error while creating step {row[:1]}"
        known[row[0]] = True
    return DONE


def faq_status(account: Account, request: LabRequest) -> LabReply:
    if wrong_headers(account, request) is not None:
        return refusal("Unauthorized Access or invalid token", 401)
    left = account.tasks.get(request.path.removeprefix(FAQ_STATUS).strip("/"))
    if left is None:
        return json_reply({"success": False, "body": {}, "error": "no such task", "meta": {}}, 400)
    status = left.pop(0) if len(left) > 1 else left[0]
    return json_reply({"success": True, "body": {"status": status}, "error": "", "meta": {}})


def multipart(request: LabRequest) -> dict[str, bytes] | None:
    """The fields of a form; None when the request is none."""
    kind = request.headers.get("content-type", "")
    if not kind.startswith("multipart/form-data"):
        return None
    whole = BytesParser().parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + request.body)
    if not whole.is_multipart():
        return None
    parts = [part for part in whole.get_payload() if isinstance(part, Message)]
    found: dict[str, bytes] = {}
    for part in parts:
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            found[name] = content
    return found
