"""The page that calls: choose a number, talk to its bot, and watch what is understood and how long answers take.

Its scripts, in the folder `talk`, do the call by WebRTC; what they show of the conversation is the call's live record.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from starlette.responses import Response

from gateway.http.call_page import MEANINGS
from gateway.http.control import Control
from gateway.http.pages import page
from gateway.records.waterfall import STAGES

SCRIPT_NAMES = ("page.js", "call.js", "transcript.js", "meter.js", "view.js")
_FILES = files("gateway.http").joinpath("talk")
STYLE = _FILES.joinpath("talk.css").read_text(encoding="utf-8")
SCRIPTS = {name: _FILES.joinpath(name).read_text(encoding="utf-8") for name in SCRIPT_NAMES}
"""By name; the first is the page's own, which takes in the others."""
TRANSPORT = "browser"
KEYS = (
    *(("1", ""), ("2", "abc"), ("3", "def"), ("4", "ghi"), ("5", "jkl"), ("6", "mno")),
    *(("7", "pqrs"), ("8", "tuv"), ("9", "wxyz"), ("*", ""), ("0", "+"), ("#", "")),
)
NAMES = {"*": "star", "#": "hash"}
NO_LINE = (
    '<p class="problem" role="alert">No line takes calls from browsers. Add one to the configuration, and start the '
    "gateway again: <code>lines: {browser: {transport: browser}}</code></p>"
)
NO_NUMBER = (
    '<p class="problem" role="alert">The configuration has no entry under <code>numbers</code>: no call is taken.</p>'
)


def has_browser_line(control: Control) -> bool:
    return any(line["transport"] == TRANSPORT for line in control.lines())


def talk_page(control: Control) -> Response:
    """The page."""
    numbers = control.numbers()
    problem = NO_LINE if not has_browser_line(control) else NO_NUMBER if not numbers else ""
    body = (
        '<header><h1>Talk to a bot</h1><a href="./">Console</a></header>'
        f'<main class="talk" data-ready="{"no" if problem else "yes"}">{problem}'
        f'<section class="phone" aria-label="Telephone">{_dial(numbers)}{_in_call()}'
        '<p id="problem" class="problem" role="alert" hidden></p></section>'
        f"{_conversation()}</main>"
        '<audio id="heard" autoplay></audio>'
    )
    return page("Talkpath: talk to a bot", body, style=STYLE, script="./talk/page.js")


def _dial(numbers: Sequence[Mapping[str, Any]]) -> str:
    """What there is to call, and the button that does."""
    choices = "".join(_choice(number, is_first=not index) for index, number in enumerate(numbers))
    return (
        f'<form id="dial"><fieldset id="numbers"><legend>Whom to call</legend>{choices}</fieldset>'
        '<div id="typed" hidden><label for="number">Number</label>'
        '<input id="number" type="tel" inputmode="tel" autocomplete="off" spellcheck="false"></div>'
        '<details><summary>Call as somebody</summary><label for="caller">Your number</label>'
        '<input id="caller" type="tel" inputmode="tel" autocomplete="off" placeholder="withheld"></details>'
        f'<button id="call" class="call" type="submit">{_icon("call")}<span>Call</span></button>'
        '<p class="quiet" id="hint">The browser will ask for your microphone.</p></form>'
    )


def _choice(number: Mapping[str, Any], *, is_first: bool) -> str:
    name = str(number["number"])
    is_pattern = name == "*" or (name.endswith("*") and not name.startswith("*"))
    title = "Any other number" if name == "*" else name.replace("*", "…") if is_pattern else name
    about = " · ".join(str(part) for part in (number["bot"], number["language"], number.get("profile")) if part)
    kind = f' data-prefix="{html.escape(name[:-1])}"' if is_pattern else ""
    checked = " checked" if is_first else ""
    return (
        f'<label class="choice"><input type="radio" name="number" value="{html.escape(name)}"{kind}{checked}>'
        f"<span><b>{html.escape(title)}</b><small>{html.escape(about)}</small></span></label>"
    )


def _in_call() -> str:
    """What there is during a call: who speaks, how loud, and the keys."""
    keys = "".join(
        f'<button type="button" data-key="{key}" aria-label="{NAMES.get(key, key)}">'
        f'{key}<small aria-hidden="true">{letters}</small></button>'
        for key, letters in KEYS
    )
    return (
        '<div id="up" hidden>'
        '<p class="line"><span id="state" class="pill" role="status">Calling</span>'
        '<time id="length">0:00</time></p><p id="with" class="with"></p>'
        f"{_meter('bot', 'Bot')}{_meter('you', 'You')}"
        '<div class="actions">'
        f'<button id="mute" type="button" class="mute" aria-pressed="false">'
        f"{_icon('microphone')}<span>Mute</span></button>"
        f'<button id="hangup" type="button" class="hangup">{_icon("hangup")}<span>Hang up</span></button></div>'
        '<details id="keypad" class="keypad" open><summary>Keypad</summary>'
        f'<div class="keys" role="group" aria-label="Keypad">{keys}</div>'
        '<p id="pressed" class="pressed" role="status"></p>'
        '<p class="quiet">Your keyboard has the keys, too: 0 to 9, * and #. M mutes, Esc hangs up.</p></details></div>'
    )


def _meter(name: str, title: str) -> str:
    return (
        f'<div class="meter" id="{name}" role="meter" aria-label="Level: {title}" aria-valuemin="0" '
        f'aria-valuemax="100" aria-valuenow="0"><span>{title}</span>'
        '<canvas width="600" height="72" aria-hidden="true"></canvas></div>'
    )


def _conversation() -> str:
    legend = "".join(
        f'<li title="{html.escape(MEANINGS[name])}"><svg viewBox="0 0 1 1" aria-hidden="true">'
        f'<rect class="{name}" width="1" height="1"/></svg>{name}</li>'
        for name in STAGES
    )
    return (
        '<section class="conversation" aria-labelledby="said"><h2 id="said">Conversation</h2>'
        '<div class="scroll" tabindex="0" aria-labelledby="said"><ol id="talk" aria-live="polite"></ol>'
        '<p id="empty" class="quiet"><svg viewBox="0 0 24 24" aria-hidden="true">'
        '<path d="M3 10v4M7 7v10M11 4v16M15 8v8M19 6v12M22.500 11v2"/></svg>What is said appears here, '
        "and after each of your turns, how long the answer took.</p></div>"
        f'<footer id="legend" hidden><span>Where the time of an answer goes:</span><ul class="key">{legend}</ul>'
        '<a id="record" href="./" hidden>This call in detail</a></footer></section>'
    )


def _icon(name: str) -> str:
    shape = MICROPHONE if name == "microphone" else HANDSET
    turned = ' transform="rotate(135 12 12)"' if name == "hangup" else ""
    return f'<svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path{turned} d="{shape}"/></svg>'


HANDSET = (
    "M7 11a14 14 0 0 0 6 6l2-2a1 1 0 0 1 1-.2 12 12 0 0 0 4 .7 1 1 0 0 1 1 1V20a1 1 0 0 1-1 1"
    "A17 17 0 0 1 3 4a1 1 0 0 1 1-1h3.500a1 1 0 0 1 1 1 12 12 0 0 0 .7 4 1 1 0 0 1-.2 1z"
)
MICROPHONE = "M9 6a3 3 0 0 1 6 0v5a3 3 0 0 1-6 0zM5 11h2a5 5 0 0 0 10 0h2a7 7 0 0 1-14 0zM11 17h2v4h-2z"
