"""What the lab's Chatlayer bot says: a small travel desk, with every kind of message the platform has.

Answers are lists of message objects as the vendor's pages show them; each is delivered by a request of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Message = dict[str, Any]

STATES = {"welcome": "1000", "timetable": "3050", "tickets": "3051", "hours": "3052", "silence": "4000", "lost": "4001"}
"""Dialog states by name; their ids are what payloads and asynchronous actions name."""
GREETING = "Hello, this is Acme Travel."
QUESTION = "What can I do for you?"
HOURS = "We are open from nine to five, Monday to Friday."
TICKET = "Which ticket do you want?"
BOUGHT = "Your {ticket} ticket is on its way."
TRAIN = "The {train} train leaves from platform 3."
UNKNOWN = "I did not understand that. You can say timetable, tickets or opening hours."
SILENCE = "I am still here. What can I do for you?"
LOST = "Nobody is free right now. What else can I do for you?"
GOODBYE = "Thank you for travelling with Acme. Goodbye!"
SERVICE_NUMBER = "+32 477 99 00 22"
PICTURE = "https://lab.example/train.jpg"


@dataclass(frozen=True, slots=True)
class Delayed:
    """Seconds before the messages that follow."""

    seconds: float


Answer = Sequence[Message | Delayed]


def text(said: str) -> Message:
    return {"text": said}


def payload(state: str, caption: str, kind: str = "button", **params: str) -> str:
    """A click's payload, written as the vendor's history example has it."""
    value = {
        "title": caption,
        "caption": caption,
        "type": kind,
        "originalTitle": caption,
        "nextDialogstateId": STATES[state],
        "parameters": [{"order": 0, "key": key, "value": value} for key, value in params.items()],
    }
    return json.dumps(value, separators=(",", ":"))


def postback(title: str, state: str, **params: str) -> Message:
    return {"type": "postback", "title": title, "payload": payload(state, title, **params)}


def buttons(said: str, *items: Message) -> Message:
    return {
        "attachment": {
            "type": "template",
            "payload": {"template_type": "button", "text": said, "buttons": list(items)},
        }
    }


def quick_replies(said: str, state: str, **titles: str) -> Message:
    replies = [
        {"content_type": "text", "title": title, "payload": payload(state, title, "quickreply", ticket=key)}
        for key, title in titles.items()
    ]
    return {"text": said, "quick_replies": replies}


def carousel(kind: str, *elements: Message, after: Sequence[Message] = ()) -> Message:
    inside: Message = {"template_type": kind, "elements": list(elements)}
    if kind == "list":
        inside["buttons"] = list(after)
    return {"attachment": {"type": "template", "payload": inside}}


def train(name: str, leaves: str) -> Message:
    return {
        "title": name,
        "subtitle": leaves,
        "image_url": PICTURE,
        "default_action": {"type": "web_url", "url": "https://lab.example/trains"},
        "buttons": [postback("choose", "timetable", train=name)],
    }


WELCOME: Answer = (
    text(GREETING),
    buttons(
        QUESTION, postback("timetable", "timetable"), postback("tickets", "tickets"), postback("opening hours", "hours")
    ),
)
SERVICE = buttons(
    "I can put you through.",
    {"type": "phone_number", "title": "customer service", "payload": SERVICE_NUMBER},
    {"type": "web_url", "title": "our website", "url": "https://lab.example/"},
)
TRAINS = carousel("generic", train("early", "At seven."), train("late", "At nine."))
TOPICS: dict[str, Answer] = {
    "timetable": (TRAINS,),
    "tickets": (quick_replies(TICKET, "tickets", single="single", back="return"),),
    "opening hours": (text(HOURS),),
    "customer service": (SERVICE,),
    "picture": ({"attachment": {"type": "image", "payload": {"url": PICTURE, "is_reusable": False}}},),
    "three things": (text("One."), Delayed(0.3), text("Two."), Delayed(0.3), text("Three.")),
    "sorry": (text("Sorry?"), text("Sorry?")),
    "think": (Delayed(4.0), text("I have thought about it.")),
    "say nothing": (),
    "goodbye": (text(GOODBYE), {"type": "event", "data": {"hangup": True}}),
}
"""What the bot understands, by the words that are suggested."""


def answer(said: str) -> Answer:
    """What the bot says to a text of the caller, or to the payload of a click."""
    clicked = _clicked(said)
    if clicked is not None:
        return _state(str(clicked.get("nextDialogstateId")), clicked)
    plain = f" {' '.join(re.findall(r'[a-z0-9]+', said.lower()))} "
    if plain.strip() in ("", "hi", "hello"):
        return WELCOME
    found = [words for words in TOPICS if f" {words} " in plain]
    return TOPICS[max(found, key=len)] if found else (text(UNKNOWN),)


def at_state(state: str) -> Answer:
    """What the bot says when it is made to go to a dialog state."""
    return _state(state, {})


def _state(state: str, clicked: Mapping[str, Any]) -> Answer:
    params = {item.get("key"): item.get("value") for item in clicked.get("parameters") or clicked.get("params") or ()}
    name = next((name for name, known in STATES.items() if known == state), "")
    match name:
        case "welcome":
            return WELCOME
        case "timetable":
            return (text(TRAIN.format(train=params["train"])),) if "train" in params else TOPICS["timetable"]
        case "tickets":
            kinds = {"single": "single", "back": "return"}
            chosen = kinds.get(str(params.get("ticket")))
            return (text(BOUGHT.format(ticket=chosen)),) if chosen else TOPICS["tickets"]
        case "hours":
            return TOPICS["opening hours"]
        case "silence":
            return (text(SILENCE),)
        case "lost":
            return (text(LOST),)
        case _:
            return (text(UNKNOWN),)


def _clicked(said: str) -> dict[str, Any] | None:
    try:
        value = json.loads(said)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def extract(expression: str) -> dict[str, Any]:
    """The language understanding's answer, with the fields of the vendor's example."""
    words = set(re.findall(r"[a-z]+", expression.lower()))
    scores = {topic: len(words & set(topic.split())) / len(topic.split()) for topic in TOPICS}
    best = sorted(scores.items(), key=lambda item: -item[1])[:3]
    intents = [{"intent": name, "score": score, "__typename": "ExtractResultIntent"} for name, score in best]
    return {
        "score": best[0][1],
        "intent": best[0][0],
        "query": expression,
        "exactMatchedIntent": None,
        "intents": intents,
        "entities": [],
        "entityThreshold": 0.7,
        "intentThreshold": 0.8,
        "__typename": "ExtractResult",
    }
