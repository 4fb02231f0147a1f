"""The lab's bots for Userlike's Chatbot API: the two samples of the vendor's page with their mistakes, and a shop's.

Each is a function of one webhook request's body, as the samples are: what it knows of a conversation comes back to it
in ``info.context``. Written anew, same behaviour. Source: the vendor's page "Chatbot API" (November 2026).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Said:
    """What a bot does with a request.

    Attributes:
        value: Of the answer; None: an empty body.
        later: Events for the API URL, once the bot has found out what it was asked.
    """

    value: Any = None
    status: int = 200
    later: tuple[Json, ...] = ()


Bot = Callable[[Json], Said]


def event(cid: str, name: str, payload: Json, context: Json | None = None) -> Json:
    info: Json = {"cid": cid} if context is None else {"cid": cid, "context": context}
    return {"info": info, "packet": {"name": name, "payload": payload}}


# --- the page's server sample ----------------------------------------------------------------------------------------
CONFUSED = Said({"error": "Invalid packet name or state"}, 400)
WELCOME = "Welcome! I am a Bot. What is your name?"
ASK_EMAIL = "Hello {name}! Could you tell me your email as well?"
THANKS = "Thanks! I'll forward you to a human now..."


def sample(message: Json) -> Said:
    """As published: its first question is also its last, because the branch before it asks the same and forwards."""
    name, cid = message["packet"]["name"], message["info"]["cid"]
    context = message["info"].get("context", {})
    if name == "start":
        return Said(event(cid, "forward_any", {}, context))
    if name == "start":
        return _ask_name(message)
    return _dialogue(message)


def repaired(message: Json) -> Said:
    """The same without the branch that is in the way."""
    return _ask_name(message) if message["packet"]["name"] == "start" else _dialogue(message)


def _dialogue(message: Json) -> Said:
    name, context = message["packet"]["name"], message["info"].get("context", {})
    if name == "message" and context.get("state") == "name":
        return _ask_email(message)
    if name == "message" and context.get("state") == "email":
        return _hand_over(message)
    return CONFUSED


def _ask_name(message: Json) -> Said:
    return Said(event(message["info"]["cid"], "message", {"body": WELCOME}, {"state": "name"}))


def _ask_email(message: Json) -> Said:
    cid, name = message["info"]["cid"], message["packet"]["payload"]["body"]
    update = event(cid, "contact_update", {"name": name}, {})
    return Said([update, event(cid, "message", {"body": ASK_EMAIL.format(name=name)}, {"state": "email"})])


def _hand_over(message: Json) -> Said:
    cid, email = message["info"]["cid"], message["packet"]["payload"]["body"]
    update = event(cid, "contact_update", {"email": email}, {})
    return Said([update, event(cid, "message", {"body": THANKS}, {}), event(cid, "forward_any", {}, {})])


# --- the page's campaign sample --------------------------------------------------------------------------------------
INVITATION = "Please click 'start' to subscribe to our campaign."
SUBSCRIBED = "You've been subscribed to the campaign!"
LOST = "I don't understand this, I will redirect you to support."


def campaign(message: Json) -> Said:
    """Subscribes whoever chooses, or says, "start", and forwards everybody else."""
    name, cid = message.get("packet", {}).get("name"), message["info"]["cid"]
    if name == "start":
        options = [{"id": "start", "label": "start"}]
        payload = {"body": f"Welcome! {INVITATION}", "fallback": INVITATION, "options": options}
        return Said(event(cid, "button_template", payload))
    if name not in ("message", "click"):
        return Said({"error": "Invalid packet name"}, 400)
    payload = message["packet"]["payload"]
    word = payload.get("body", "") if name == "message" else payload["value"]["id"]
    if word and word.lower() == "start":
        subscribed = event(cid, "message", {"body": SUBSCRIBED})
        return Said([event(cid, "contact_update", {"campaigns": True}), subscribed])
    return Said([event(cid, "message", {"body": LOST}), event(cid, "forward_any", {})])


# --- the page's example flow: a shop ---------------------------------------------------------------------------------
SHOP_WELCOME = "Welcome to Acme."
SHOP_QUESTION = "What can I do for you?"
SHOP_OPTIONS = (
    ("delivery", "delivery status of an order"),
    ("hours", "opening hours"),
    ("person", "talk to a person"),
    ("bye", "goodbye"),
)
ASK_ORDER = "Please key in your order number, then press hash."
LOOKING_UP = "One moment, I am looking that up."
RESULT = "Your order {order} will arrive tomorrow."
HOURS = "We are open from nine to five, Monday to Friday."
PUTTING_THROUGH = "One moment, I will put you through."
NOBODY = "I am sorry, all of my colleagues are busy."
GOODBYE = "Thank you for calling Acme. Goodbye."
NOT_UNDERSTOOD = "I did not understand that."


def shop(message: Json) -> Said:
    """The flow the page tells: a choice, a question, and a result that comes by itself when it has been looked up."""
    info, packet = message["info"], message["packet"]
    name, cid, payload = packet["name"], info["cid"], packet.get("payload") or {}
    if name == "start":
        return Said([_speak(cid, SHOP_WELCOME), _choice(cid)])
    if name == "click":
        return _chosen(cid, payload["value"]["id"])
    if name == "forward_failed":
        return Said([_speak(cid, NOBODY), _choice(cid)])
    if name == "message" and info["context"].get("state") == "order":
        order = " ".join(character for character in payload["body"] if character.isdigit())
        result = [_speak(cid, RESULT.format(order=order), {"state": "menu"}), _choice(cid)]
        return Said([_speak(cid, LOOKING_UP)], later=tuple(result))
    if name == "message":
        return Said([_speak(cid, NOT_UNDERSTOOD), _choice(cid)])
    return Said()


def _speak(cid: str, body: str, context: Json | None = None) -> Json:
    return event(cid, "message", {"body": body, "text_format": "markdown_v1"}, context)


def _choice(cid: str) -> Json:
    options = [{"id": option_id, "label": label} for option_id, label in SHOP_OPTIONS]
    return event(cid, "bubbles", {"body": SHOP_QUESTION, "fallback": SHOP_QUESTION, "options": options})


def _chosen(cid: str, option: str) -> Said:
    match option:
        case "delivery":
            return Said([_speak(cid, ASK_ORDER, {"state": "order"})])
        case "hours":
            return Said([_speak(cid, HOURS), _choice(cid)])
        case "person":
            forward = event(cid, "forward_group", {"group": "support", "on_failure": "feedback"})
            return Said([_speak(cid, PUTTING_THROUGH), forward])
        case "bye":
            return Said([_speak(cid, GOODBYE), event(cid, "end", {})])
        case _:
            return Said([_speak(cid, NOT_UNDERSTOOD), _choice(cid)])


BOTS: Mapping[str, Bot] = {"sample": sample, "repaired": repaired, "campaign": campaign, "shop": shop}
