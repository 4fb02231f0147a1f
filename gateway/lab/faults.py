"""Fault scripts: what goes wrong with which request, in one line a person can type.

A script is a list of steps separated by commas, one per request: ``ok``, an HTTP status (``500``), or a word below,
with a number behind a colon where it takes one, and ``*N`` for N requests: ``ok,500*2,slow:3``.

======================  ==========================================================
``ok``                  nothing
``500`` ``429:3``       that status; with a number: and Retry-After
``code:500``            status 200, and that number as ``code`` in the body
``slow:3``              the answer after so many seconds (3)
``drip:0.1``            so many seconds between bytes (0.1)
``drop``                the connection is closed without an answer
``cut``                 the body ends in the middle
``garbage``             a body that is no JSON
``oversized``           a body of more than a megabyte
``deep``                JSON nested a hundred thousand levels
``expired``             the session is not known any more
``duplicate``           of webhooks: sent twice
``reorder``             of webhooks: sent after the one that follows it
``wrong-token``         of webhooks: with a proof of origin that is wrong
======================  ==========================================================
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, replace

from gateway.lab.server import LabReply, json_reply

WORDS = {"code": 500.0, "slow": 3.0, "drip": 0.1}
WEBHOOK_WORDS = frozenset({"duplicate", "reorder", "wrong-token"})
"""What can only go wrong with what a lab sends by itself."""
BARE_WORDS = frozenset({"ok", "drop", "cut", "garbage", "oversized", "deep", "expired"}) | WEBHOOK_WORDS
MAX_REPEAT = 1000


@dataclass(frozen=True, slots=True)
class Fault:
    """One step: its word or status, and its number."""

    name: str
    value: float | None = None

    def status(self) -> int | None:
        return int(self.name) if self.name.isdigit() else None


OK = Fault("ok")


def parse_fault(step: str) -> Fault:
    """Read one step; raises ValueError with a sentence for the person who typed it."""
    name, _, number = step.strip().lower().partition(":")
    if re.fullmatch(r"[2-5]\d\d", name) or (name in WORDS and number):
        return Fault(name, float(number) if number else None)
    if name in WORDS:
        return Fault(name, WORDS[name])
    if name in BARE_WORDS and not number:
        return Fault(name)
    raise ValueError(f"{step!r} is not a fault; known are a status, {', '.join(sorted([*WORDS, *BARE_WORDS]))}")


def parted(script: str) -> tuple[str, str]:
    """The steps of a script that are about answers, and those that are about webhooks, as two scripts."""
    steps = [step.strip() for step in script.split(",")]
    of_webhooks = [step for step in steps if step.partition("*")[0].strip().lower() in WEBHOOK_WORDS]
    return ",".join(step for step in steps if step not in of_webhooks), ",".join(of_webhooks)


class FaultScript:
    """Steps still to come; used up, everything is well."""

    def __init__(self, script: str = "") -> None:
        self._steps: deque[Fault] = deque()
        self.add(script)

    def add(self, script: str) -> None:
        """Append steps; raises ValueError."""
        for step in filter(None, (part.strip() for part in script.split(","))):
            name, _, count = step.partition("*")
            self._steps += [parse_fault(name)] * min(int(count or 1), MAX_REPEAT)

    def next(self) -> Fault:
        return self._steps.popleft() if self._steps else OK


def spoil(reply: LabReply, fault: Fault) -> LabReply:
    """The reply as the fault leaves it; for those that replace the answer altogether, see `instead`."""
    match fault.name:
        case "slow":
            return replace(reply, delay=reply.delay + (fault.value or 0))
        case "drip":
            return replace(reply, drip=fault.value or 0)
        case "cut":
            return replace(reply, cut=len(reply.body) // 2)
        case _:
            return reply


def instead(fault: Fault) -> LabReply | None:
    """The answer a fault gives before the request is even looked at; None when it does not."""
    status = fault.status()
    if status is not None:
        reply = json_reply({"code": status, "message": "as the fault script says"}, status)
        asked = {} if fault.value is None else {"retry-after": f"{fault.value:g}"}
        return replace(reply, headers={**reply.headers, **asked})
    match fault.name:
        case "drop":
            return LabReply(drop=True)
        case "garbage":
            return LabReply(
                body=b"<html><b>Fatal error</b>: out of memory</html>", headers={"content-type": "text/html"}
            )
        case "oversized":
            return LabReply(body=b'{"name":"' + b"x" * (1 << 20) + b'"}')
        case "deep":
            return LabReply(body=b'{"data":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
        case _:
            return None
