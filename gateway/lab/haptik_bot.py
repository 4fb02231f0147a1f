"""What the lab's Haptik bot says: a small reception desk that uses every kind of message a phone has to cope with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

START = ("hi", "hello")
ENDS = ("goodbye", "bye")
UNKNOWN = "I did not understand that. You can say opening hours, rooms, or telephone number."


@dataclass(frozen=True, slots=True)
class Answer:
    """Messages as HSL, and whether the conversation is over with them."""

    messages: tuple[dict[str, Any], ...]
    is_over: bool = False


def quick(label: str, message: str | None = None) -> dict[str, Any]:
    """A quick reply as in the documentation's example."""
    payload = {"message": label if message is None else message, "gogo_message": ""}
    return {"actionable_text": label, "is_default": 0, "type": "TEXT_ONLY", "payload": payload}


def text(words: str, *replies: dict[str, Any]) -> dict[str, Any]:
    return {"text": words, "type": "TEXT", "data": {"quick_replies": list(replies)}}


def button(label: str, uri: str, **payload: str) -> dict[str, Any]:
    return {
        "actionable_text": label,
        "location_required": False,
        "is_default": 0,
        "uri": uri,
        "type": "APP_ACTION",
        "payload": {"message": "", "gogo_message": "", **payload},
    }


GREETING = text(
    "Hello, this is Acme. What can I do for you?",
    quick("opening hours", "opening hours{task}"),
    quick("rooms", "show rooms{task}"),
    quick("telephone number"),
    quick("speak to somebody", "agent{task}"),
)
ROOMS = {
    "text": "We have two rooms.",
    "type": "CAROUSEL",
    "data": {
        "items": [
            {
                "title": title,
                "sub_title": price,
                "description": description,
                "thumbnail": {"image": "https://assets.example.com/room.jpg"},
                "actionables": [quick("Book", f"book the {title.lower()}{{task}}")],
                "mini_actionable": {},
            }
            for title, price, description in (
                ("Single room", "80 euros", "with a view of the garden"),
                ("Double room", "120 euros", "with a balcony"),
            )
        ]
    },
}
NUMBER = {
    "text": "Our telephone number is 0 1 2 3, 4 5 6 7.",
    "type": "BUTTON",
    "data": {
        "items": [
            button("Our web page", "LINK", url="https://acme.example.com/contact"),
            button("Call sales", "CALL", phone_number="+441632960111"),
            button("Where we are", "LOCATION"),
        ]
    },
}
FORM = {
    "text": "I need a few details.",
    "type": "FORM_SHOW",
    "data": {"fields": [{"label": "Your name", "type": "text"}, {"label": "Your age", "type": "number"}]},
}


def answer(said: str) -> Answer:
    """What the bot makes of a message, commands in braces and all."""
    plain = " ".join(re.sub(r"\{[^{}]*\}|[^\w\s:]", " ", said.casefold()).split())
    if plain in START:
        return Answer((GREETING,))
    if plain in ENDS:
        return Answer((text("Thank you for calling. Goodbye!"),), is_over=True)
    found = re.search(r"\b(hours|rooms|book|telephone|agent|form|two things|your name:)", plain)
    match found[1] if found else "":
        case "hours":
            return Answer((text("We are open from nine to five, Monday to Friday."),))
        case "rooms":
            return Answer((ROOMS,))
        case "book":
            return Answer((text(f"Thank you. I have booked {plain.partition('book ')[2]} for you."),))
        case "telephone":
            return Answer((NUMBER,))
        case "agent":
            return Answer((text("I will find somebody for you.{talk_to_agent}"),))
        case "form":
            return Answer((FORM,))
        case "two things":
            return Answer((text("This is the first thing."), text("This is the second thing.")))
        case "your name:":
            return Answer((text("Thank you, I have noted that."),))
        case _:
            return Answer((text(UNKNOWN),))


def agent_answer(said: str) -> Answer:
    """What the person at the other end writes."""
    plain = " ".join(re.sub(r"[^\w\s]", " ", said.casefold()).split())
    if plain in ENDS:
        return Answer((text("Goodbye, and thank you for calling."),), is_over=True)
    return Answer((text(f"You said: {plain}."),))
