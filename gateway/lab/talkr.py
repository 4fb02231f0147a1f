"""A TALKR bot to call: the Chatbot API v4.2 as its document describes it, with a scripted bot and fault scripts.

Both channels, ``POST /api/{company}/{bot_id}/{channel}``. The first call has an empty body or ``{}``; later ones bring
``message``, ``session``, ``tracking`` and ``variables.userresponse``. Where the conversation is, is known from the
tracking that comes back, as in the document. Faults come from a script, or with one request in the header
``X-Lab-Fault`` or the query's ``fault``.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from gateway.lab.base import Lab, lab_parser, run_lab
from gateway.lab.faults import Fault
from gateway.lab.server import LabReply, LabRequest, json_reply
from gateway.lab.talkr_bot import BLOCKS, BOTS, Answer, answer

TRACKINGS = {block: f"17517300000{place}" for place, block in enumerate(BLOCKS, 1)}
MAX_SESSIONS = 10_000
Expiry = Literal["400", "404", "new", "error"]


@dataclass(slots=True)
class Session:
    """One caller's conversation; where it is comes back with each request."""

    language: str
    last: str
    used: float


class LabTalkr(Lab):
    """The server with its bots, sessions and faults. Use it as an asynchronous context manager.

    Args:
        bots: Language (``en``, ``fr``) by bot number.
        session_ttl: Seconds without a request after which a session is gone.
        expiry: How that shows: as a status, as a new session, or as ``variables.error``.
        slow: Seconds the bot works for when asked for something it must look up.
        faults: A fault script, see `gateway.lab.faults`.
    """

    def __init__(
        self,
        *,
        company: str = "acme",
        bots: Mapping[str, str] | None = None,
        session_ttl: float = 300.0,
        expiry: Expiry = "400",
        slow: float = 2.0,
        faults: str = "",
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        super().__init__(faults=faults, host=host, port=port)
        self._company = company
        self.bots = dict(bots or {"42": "en", "43": "fr"})
        self._session_ttl = session_ttl
        self._expiry = expiry
        self._slow = slow
        self._sessions: dict[str, Session] = {}

    @property
    def url(self) -> str:
        """The endpoint as a customer is given it, with placeholders."""
        return self.server.url + "/api/{company}/{bot_id}/{channel}"

    def expire(self) -> None:
        """Forget every session."""
        self._sessions.clear()

    def announcement(self) -> str:
        bots = "".join(
            f"\n  bot_id {number} speaks {BOTS[language].name}; it understands: {', '.join(BOTS[language].phrases)}"
            for number, language in self.bots.items()
        )
        return f"TALKR lab at {self.url}{bots}"

    def _refusal(self, status: int, message: str) -> LabReply:
        return json_reply({"code": status, "message": message}, status)

    async def _answer(self, request: LabRequest, fault: Fault) -> LabReply:
        place = request.path.strip("/").split("/")
        if len(place) != 4 or place[0] != "api" or place[1] != self._company or place[2] not in self.bots:
            return self._refusal(404, "bot not found")
        if place[3] not in ("web", "telephony"):
            return self._refusal(404, "channel not found")
        if request.method != "POST":
            return self._refusal(405, "use POST")
        if not request.headers.get("content-type", "").startswith("application/json"):
            return self._refusal(400, "Content-Type must be application/json")
        try:
            body = request.json() if request.body.strip() else {}
        except ValueError:
            return self._refusal(400, "not JSON")
        if not isinstance(body, dict):
            return self._refusal(400, "not a JSON object")
        reply = self._welcome(self.bots[place[2]]) if not body else self._turn(body, fault, self.bots[place[2]])
        return _phone_only_where_due(reply, place[3], fault)

    def _welcome(self, language: str) -> tuple[dict[str, Any], float]:
        return self._open(Answer(says=BOTS[language].greeting, language=language, topic="greeting"))

    def _open(self, first: Answer) -> tuple[dict[str, Any], float]:
        now = asyncio.get_running_loop().time()
        while len(self._sessions) >= MAX_SESSIONS:
            self._sessions.pop(next(iter(self._sessions)))
        name = secrets.token_hex(12)
        self._sessions[name] = Session(language=first.language, last=first.says, used=now)
        return _reply(name, first), 0.0

    def _turn(self, body: dict[str, Any], fault: Fault, language: str) -> tuple[dict[str, Any], float] | LabReply:
        variables = body.get("variables")
        said = variables.get("userresponse") if isinstance(variables, dict) else None
        fields = (body.get("message"), body.get("session"), body.get("tracking"), said)
        if not all(isinstance(value, str) for value in fields):
            return self._refusal(400, "message, session, tracking and variables.userresponse are required")
        _, name, tracking, text = (str(value) for value in fields)
        block = next((block for block, known in TRACKINGS.items() if known == tracking), "menu")
        session = self._sessions.get(name)
        now = asyncio.get_running_loop().time()
        if session is None or now - session.used > self._session_ttl or fault.name == "expired":
            self._sessions.pop(name, None)
            return self._expired(text, block, language)
        found = answer(text, block=block, language=session.language, last=session.last)
        session.language, session.last, session.used = found.language, found.says, now
        return _reply(name, found), self._slow if found.waiting else 0.0

    def _expired(self, text: str, block: str, language: str) -> tuple[dict[str, Any], float] | LabReply:
        if self._expiry == "new":
            return self._open(answer(text, block=block, language=language, last=""))
        if self._expiry == "error":
            return {"session": "", "code": 200, "variables": {"error": "unknown session"}, "data": {}}, 0.0
        return self._refusal(int(self._expiry), "session expired")


def _phone_only_where_due(reply: tuple[dict[str, Any], float] | LabReply, channel: str, fault: Fault) -> LabReply:
    """The reply on its channel: the web channel has no speech settings and no rules for silence."""
    if isinstance(reply, LabReply):
        return reply
    value, delay = reply
    if channel == "web":
        phone = ("speech_synthesis", "speech_recognizer", "retries", "hangup_no_response")
        value = {**value, "data": {key: item for key, item in value["data"].items() if key not in phone}}
    if fault.name == "code":
        value = {**value, "code": int(fault.value or 500)}
    return replace(json_reply(value), delay=delay)


def _reply(session: str, found: Answer) -> dict[str, Any]:
    """The response of the vendor's document, with the telephony channel's additions."""
    bot = BOTS[found.language]
    tracking = TRACKINGS[found.block]
    again = bot.code_again if found.block == "code" else bot.again
    synthesis = {"language": bot.tag, **({"voice": found.voice} if found.voice else {})}
    data = {
        "messages": [{"type": "text", "content": found.waiting or found.says}],
        "responses": [{"type": "custom", "content": again, "tracking": tracking}],
        "object_id": tracking,
        "has_background_text": 1 if found.waiting else 0,
        "background_content": "ok",
        "retries": 0 if found.block == "end" else 2,
        "hangup_no_response": 1 if found.block == "end" else 0,
        "speech_recognizer": {"language": bot.tag, "timeout": 7, "hints": list(bot.phrases)},
        **({} if found.voice is None else {"speech_synthesis": synthesis}),
    }
    return {
        "session": session,
        "code": 200,
        "name": "Acme reception",
        "language": {"name": bot.name, "slug": bot.slug},
        "variables": {"bot_answer": found.says, "model": "lab", "topic": found.topic},
        "data": data,
    }


def main(argv: list[str] | None = None) -> int:
    """`talkpath lab talkr`."""
    parser = lab_parser("talkr", "A TALKR bot to call.", port=9101)
    parser.add_argument("--company", default="acme")
    parser.add_argument("--bot", action="append", metavar="ID=LANGUAGE", help="such as 42=en; may be repeated")
    parser.add_argument("--session-ttl", type=float, default=300.0, metavar="SECONDS")
    parser.add_argument("--expiry", choices=["400", "404", "new", "error"], default="400")
    parser.add_argument("--slow", type=float, default=2.0, metavar="SECONDS")
    return run_lab(parser, argv, _lab)


def _lab(given: argparse.Namespace) -> LabTalkr:
    bots = dict(item.partition("=")[::2] for item in given.bot or [])
    if set(bots.values()) - set(BOTS):
        raise ValueError(f"--bot: languages are {', '.join(BOTS)}")
    return LabTalkr(
        company=given.company,
        bots=bots or None,
        session_ttl=given.session_ttl,
        expiry=given.expiry,
        slow=given.slow,
        faults=given.faults,
        host=given.host,
        port=given.port,
    )
