"""A bot in any language, as its author would write it from docs/rest.md: JSON in, JSON out.

``/bot`` speaks the gateway's own shape, ``/own`` a shape of its own, which the operator describes by templates and
paths. It takes orders for pizza: it greets, offers a menu, remembers in ``session``, answers later by callback when
asked for something slow, hands over to a person, and says goodbye.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from typing import Any

from gateway.lab.base import SendingLab, lab_parser, run_lab
from gateway.lab.faults import Fault, FaultScript
from gateway.lab.server import LabReply, LabRequest, json_reply

SIZES = {"s": "small", "m": "medium", "l": "large"}
GREETING = "Hello, this is Acme Pizza. Which size would you like?"
AGENT = "sip:100@pbx"
CALLBACK_WITHIN = 10.0


class LabRest(SendingLab):
    """The bot.

    Args:
        secret: Signatures are checked with it; empty: not at all.
        slow: Seconds until a callback.
        faults, callback_faults: What goes wrong with answers and with callbacks, one after the other.
    """

    def __init__(
        self,
        *,
        secret: str = "",
        slow: float = 2.0,
        faults: str = "",
        callback_faults: str = "",
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        super().__init__(within=CALLBACK_WITHIN, faults=faults, host=host, port=port)
        self.secret = secret
        self.callback_faults = FaultScript(callback_faults)
        self.callbacks: list[int] = []  # statuses of the gateway's answers
        self._slow = slow

    @property
    def url(self) -> str:
        return self.server.url + "/bot"

    def announcement(self) -> str:
        return f"lab bot at {self.url}, and in a shape of its own at {self.server.url}/own"

    async def _answer(self, request: LabRequest, fault: Fault) -> LabReply:
        if self.secret and not self._is_signed(request):
            return json_reply({"error": "the signature does not fit"}, 401)
        try:
            asked = request.json()
            if request.path == "/own":
                return json_reply(_own_shape(asked))
            if request.path == "/bot":
                return self._gateways_shape(asked)
        except (ValueError, LookupError, TypeError, AttributeError):
            return json_reply({"error": "not understood"}, 400)
        return json_reply({"error": "not found"}, 404)

    def _is_signed(self, request: LabRequest) -> bool:
        stamp = request.headers.get("x-timestamp", "")
        signed = hmac.new(self.secret.encode(), stamp.encode() + b"." + request.body, hashlib.sha256).hexdigest()
        return hmac.compare_digest(f"sha256={signed}", request.headers.get("x-signature", ""))

    def _gateways_shape(self, event: dict[str, Any]) -> LabReply:
        """An answer in the shape that is the gateway's own, in each of its forms."""
        said = str(event.get("text", "")).lower()
        session = dict(event["session"])
        match event["type"]:
            case "end":
                return LabReply(status=204)
            case "start":
                sizes = [{"id": key, "label": label} for key, label in SIZES.items()]
                return json_reply({"text": GREETING, "actions": [{"type": "menu", "options": sizes}]})
            case "choice":
                size = SIZES[event["choice"]["id"]]
                question = f"A {size} pizza. Shall I order it?"
                listen = {"type": "listen", "kind": "yesno"}
                return json_reply({"text": question, "actions": [listen], "session": {**session, "size": size}})
            case "transfer_result":
                return json_reply({"text": f"Nobody is free: {event['transfer']['cause']}. What else can I do?"})
            case "no_input":
                goodbye = [{"type": "say", "text": "Goodbye then."}, {"type": "hangup"}]
                return json_reply({"actions": goodbye})
        if "person" in said:
            return json_reply({"actions": ["I'll get somebody.", {"type": "transfer", "target": AGENT}]})
        if "status" in said and event["call"].get("callback_url"):
            answer = {"turn": event["turn"], "text": "It is in the oven."}
            self._start(self._call_back(event["call"]["callback_url"], answer))
            return LabReply(status=202)
        if said.startswith("yes") and "size" in session:
            done = [{"type": "say", "text": f"Your {session['size']} pizza is ordered. Goodbye!"}, {"type": "hangup"}]
            return json_reply({"actions": done, "session": {}})
        if said.startswith("no"):
            return LabReply(body=b"Then call again. What else?", headers={"content-type": "text/plain; charset=utf-8"})
        return json_reply({"text": "I only know pizza."})

    async def _call_back(self, url: str, answer: dict[str, Any]) -> None:
        await asyncio.sleep(self._slow)
        fault = self.callback_faults.next()
        times = 2 if fault.name == "duplicate" else 1
        target = url.rpartition("/")[0] + "/wrong" if fault.name == "wrong-token" else url
        for _ in range(times):
            sent = await self._client.post(target, content=_spoilt(answer, fault))
            self.callbacks.append(sent.status_code)


def _spoilt(answer: dict[str, Any], fault: Fault) -> bytes:
    match fault.name:
        case "garbage":
            return b"<html>"
        case "deep":
            return b'{"text":' + b"[" * 20_000 + b"]" * 20_000 + b"}"
        case "oversized":
            return json.dumps({**answer, "padding": "x" * (1 << 20)}).encode()
        case _:
            return json.dumps(answer).encode()


def _own_shape(asked: dict[str, Any]) -> dict[str, Any]:
    """``{"query", "user", "state"}`` comes, ``{"messages", "buttons", "state", "done", "handover"}`` goes."""
    query, state = str(asked["query"]).lower(), asked.get("state") or {}
    if query == "hello":
        buttons = [{"title": label, "value": key} for key, label in SIZES.items()]
        return {"messages": [{"text": "Acme Pizza."}, {"text": "Which size?"}], "buttons": buttons, "state": {"n": 0}}
    count = int(state.get("n", 0)) + 1
    if query in SIZES:
        return {"messages": [{"text": f"A {SIZES[query]} one, for {asked['user']}."}], "state": {"n": count}}
    if "person" in query:
        return {"messages": [{"text": "One moment."}], "handover": {"to": AGENT}, "state": {"n": count}}
    if query == "bye":
        return {"messages": [{"text": f"You said {count} things. Goodbye!"}], "done": True}
    return {"messages": [{"text": "I only know pizza."}], "state": {"n": count}}


def main(argv: list[str] | None = None) -> int:
    """`talkpath lab rest`."""
    parser = lab_parser("rest", "A bot behind one URL: JSON in, JSON out.", port=9108)
    parser.add_argument("--secret", default="", help="check X-Signature with it")
    parser.add_argument("--slow", type=float, default=2.0, metavar="S", help="seconds until a callback (2)")
    parser.add_argument("--callback-faults", default="", metavar="SCRIPT", help="and with callbacks: duplicate,garbage")
    return run_lab(parser, argv, lambda given: LabRest(**vars(given)))
