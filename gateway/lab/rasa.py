"""A Rasa server to call: the REST channel, whole and streamed, the callback channel, and slots, with fault scripts.

The assistant sends parcels. It knows its intents (``/track``, ``/hours{"day": "monday"}`` ...) and, as one that was
trained would, some words that mean them. Callbacks are sent one after the other before the POST is answered, as
Rasa does it (``rasa/core/channels/callback.py``, read in November 2026).
"""

from __future__ import annotations

import asyncio
import hmac
import json
import re
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import httpx

from gateway.lab.base import SendingLab, lab_parser, run_lab
from gateway.lab.faults import Fault, FaultScript
from gateway.lab.server import LabReply, LabRequest, json_reply

AGENT = "sip:100@pbx"
PICTURE = "https://parcels.example.com/label.png"
MAX_CONVERSATIONS = 10_000
CALLBACK_WITHIN = 10.0
DAYS = {"monday": "from nine to five", "sunday": "not at all"}
MENU = [
    {"title": "track a parcel", "payload": "/track"},
    {"title": "opening hours", "payload": "/hours"},
]
WORDS = {
    "track": "/track",
    "opening": "/hours",
    "monday": '/hours{"day":"monday"}',
    "sunday": '/hours{"day":"sunday"}',
    "yes": "/affirm",
    "person": "/human",
    "label": "/label",
    "letters": "/spell",
    "who am i": "/whoami",
    "nothing": "/mute",
    "remind": "/remind",
    "goodbye": "/goodbye",
}
SAYS: dict[str, list[dict[str, Any]]] = {
    "/session_start": [{"text": "Hello, this is Acme Parcels."}, {"text": "How can I help?", "buttons": MENU}],
    "/greet": [{"text": "Hello, this is Acme Parcels."}, {"text": "How can I help?", "buttons": MENU}],
    "/track": [
        {"text": "I have found one parcel."},
        {
            "text": "Shall it be delivered today?",
            "buttons": [
                {"title": "yes please", "payload": "/affirm"},
                {"title": "no thank you", "payload": "/goodbye"},
            ],
        },
    ],
    "/affirm": [{"text": "Your parcel comes **today**. Goodbye!"}, {"custom": {"hangup": True}}],
    "/goodbye": [{"custom": {"hangup": True}}, {"text": "Thank you for calling. Goodbye!"}],
    "/human": [{"text": "I'll get somebody."}, {"custom": {"transfer": AGENT}}],
    "/transfer_failed": [{"text": "Nobody is free. What else can I do?"}],
    "/label": [{"text": "Here is your label.", "image": PICTURE}],
    "/spell": [{"text": "ACME", "custom": {"ssml": '<speak><say-as interpret-as="characters">ACME</say-as></speak>'}}],
    "/mute": [],
    "/no_input": [{"text": "Are you still there?"}, {"custom": {"color": "blue"}}],
    "/call_ended": [],
    "/remind": [{"text": "I will."}],
}
LATER = [{"text": "Remember your parcel."}]


class LabRasa(SendingLab):
    """The server with its assistant. Use it as an asynchronous context manager.

    Args:
        token: What ``?token=`` or ``Authorization: Bearer`` must be; empty: nothing is asked for.
        callback_url: Where answers of the callback channel go, as in ``credentials.yml``; may be set later.
        callback_token: Put behind it as ``?token=``, as Rasa does.
        slow: Seconds between two responses of one answer by callback, and until a reminder.
        faults, callback_faults: What goes wrong with answers and with callbacks, one after the other.
    """

    def __init__(
        self,
        *,
        token: str = "",
        callback_url: str = "",
        callback_token: str = "",
        slow: float = 1.0,
        faults: str = "",
        callback_faults: str = "",
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        # Rasa opens a session for each callback, so no connection is kept.
        limits = httpx.Limits(max_keepalive_connections=0)
        super().__init__(within=CALLBACK_WITHIN, limits=limits, faults=faults, host=host, port=port)
        self.callback_url = callback_url
        self.callback_token = callback_token
        self.callback_faults = FaultScript(callback_faults)
        self.callbacks: deque[int] = deque(maxlen=MAX_CONVERSATIONS)  # statuses of the gateway's answers
        self.slots: dict[str, dict[str, Any]] = {}  # by sender
        self._token = token
        self._slow = slow

    def announcement(self) -> str:
        return f"Rasa lab at {self.url}, channels rest and callback; it understands: {', '.join(WORDS)}"

    def _refusal(self, status: int, message: str) -> LabReply:
        return _failure(status, message)

    async def _answer(self, request: LabRequest, fault: Fault) -> LabReply:
        if request.method != "POST":
            return json_reply({"status": "ok"})  # the channels' own health check
        if self._token and not self._is_allowed(request):
            return _failure(401, "User is not authenticated.")
        try:
            body = request.json()
        except ValueError:
            return _failure(400, "not JSON")
        if found := re.fullmatch(r"/conversations/([^/]+)/tracker/events", request.path):
            return self._keep(found[1], body)
        if not isinstance(body, dict) or not all(isinstance(body.get(key), str) for key in ("sender", "message")):
            return _failure(400, "sender and message are required")
        sender, said = body["sender"], self._say(body["sender"], body["message"])
        answer = [{"recipient_id": sender, **response} for response in said]
        match request.path:
            case "/webhooks/rest/webhook" if request.query.get("stream") == "true":
                lines = "".join(json.dumps(response) + "\n" for response in answer)
                return LabReply(body=lines.encode(), headers={"content-type": "text/event-stream"})
            case "/webhooks/rest/webhook":
                return json_reply(answer)
            case "/webhooks/callback/webhook":
                await self._call_back(answer, _intent(body["message"]))
                return LabReply(body=b"success", headers={"content-type": "text/plain"})
        return _failure(404, "Requested URL not found")

    def _is_allowed(self, request: LabRequest) -> bool:
        given = (request.query.get("token", ""), request.headers.get("authorization", "").removeprefix("Bearer "))
        return any(hmac.compare_digest(self._token.encode(), secret.encode()) for secret in given)

    def _keep(self, sender: str, body: Any) -> LabReply:
        """Slots that are set from outside."""
        while len(self.slots) >= MAX_CONVERSATIONS:
            self.slots.pop(next(iter(self.slots)))
        for event in body if isinstance(body, list) else [body]:
            if not isinstance(event, dict) or event.get("event") != "slot":
                return _failure(400, "Couldn't extract a proper event from the request body")
            self.slots.setdefault(sender, {})[str(event.get("name"))] = event.get("value")
        return json_reply({"sender_id": sender, "slots": self.slots.get(sender, {})})

    def _say(self, sender: str, message: str) -> list[dict[str, Any]]:
        intent, entities = _intent(message), _entities(message)
        match intent:
            case "/hours":
                day = str(entities.get("day", "monday"))
                return [{"text": f"On {day} we are open {DAYS.get(day, 'from ten to four')}."}]
            case "/whoami":
                return [{"text": f"You call from {self.slots.get(sender, {}).get('phone', 'somewhere')}."}]
        return SAYS.get(intent, [{"text": "I only know parcels."}])

    # --- the callback channel --------------------------------------------------------------------------------------
    async def _call_back(self, answer: Sequence[dict[str, Any]], intent: str) -> None:
        for place, response in enumerate(answer):
            if place:
                await asyncio.sleep(self._slow)
            await self._deliver(response)
        if intent == "/remind" and answer:
            self._start(self._remind(answer[0]["recipient_id"]))

    async def _remind(self, sender: str) -> None:
        for response in LATER:
            await asyncio.sleep(self._slow)
            await self._deliver({"recipient_id": sender, **response})

    async def _deliver(self, response: dict[str, Any]) -> None:
        """One callback; like Rasa, a refusal is only noted."""
        fault = self.callback_faults.next()
        token = "wrong" if fault.name == "wrong-token" else self.callback_token
        for _ in range(2 if fault.name == "duplicate" else 1):
            try:
                sent = await self._client.post(
                    self.callback_url, params={"token": token} if token else {}, content=_spoilt(response, fault)
                )
            except httpx.HTTPError:
                self.callbacks.append(0)
            else:
                self.callbacks.append(sent.status_code)


def _spoilt(response: dict[str, Any], fault: Fault) -> bytes:
    match fault.name:
        case "garbage":
            return b"<html>"
        case "deep":
            return b'{"text":' + b"[" * 20_000 + b"]" * 20_000 + b"}"
        case "oversized":
            return json.dumps({**response, "padding": "x" * (1 << 20)}).encode()
        case _:
            return json.dumps(response).encode()


def _meant(message: str) -> str:
    """The message, or the intent its words mean."""
    if message.startswith("/"):
        return message
    said = message.lower()
    return next((intent for words, intent in WORDS.items() if words in said), "")


def _intent(message: str) -> str:
    return _meant(message).partition("{")[0]


def _entities(message: str) -> dict[str, Any]:
    _, brace, inner = _meant(message).partition("{")
    with suppress(ValueError):
        found = json.loads(brace + inner) if brace else {}
        return found if isinstance(found, dict) else {}
    return {}


def _failure(status: int, message: str) -> LabReply:
    return json_reply({"status": "failure", "message": message, "code": status}, status)


def main(argv: list[str] | None = None) -> int:
    """`talkpath lab rasa`."""
    parser = lab_parser("rasa", "A Rasa assistant to call.", port=9110)
    parser.add_argument("--token", default="", help="what ?token= or Authorization must bring; default: anything")
    parser.add_argument("--callback-url", default="", metavar="URL", help="where answers of the callback channel go")
    parser.add_argument("--callback-token", default="", help="sent behind it as ?token=")
    parser.add_argument("--slow", type=float, default=1.0, metavar="S", help="seconds between two callbacks (1)")
    parser.add_argument(
        "--callback-faults", default="", metavar="SCRIPT", help="and with callbacks: garbage,wrong-token"
    )
    return run_lab(parser, argv, lambda given: LabRasa(**vars(given)))
