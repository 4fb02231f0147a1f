"""A server of OpenAI's chat completions, with a small mind of its own: rules instead of a model.

Built from the OpenAI API reference ("Chat completions", "Streaming", November 2026). It streams, calls tools in pieces,
thinks aloud where it is told to, and leaves out what servers of the same shape leave out: by `--style`.
"""

from __future__ import annotations

import json
import re
from typing import Any

from gateway.lab.base import Lab, lab_parser, run_lab
from gateway.lab.faults import Fault, instead
from gateway.lab.server import LabReply, LabRequest, json_reply

STYLES = ("openai", "bare", "thinking", "whole")
"""As OpenAI does it; without `[DONE]` and with chunks of usage alone; with its reasoning; without streaming."""
PIECE = 7  # characters of a chunk
GREETING = "Hello, this is Acme Travel. Where would you like to go?"


class LabOpenAi(Lab):
    """The server.

    Args:
        api_key: What `Authorization` must bring; empty: anything.
        style: One of `STYLES`.
        drip: Seconds between single bytes of a stream.
    """

    def __init__(
        self,
        *,
        api_key: str = "",
        style: str = "openai",
        faults: str = "",
        drip: float = 0.0,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        super().__init__(faults=faults, host=host, port=port)
        self.api_key = api_key
        self.style = style
        self.drip = drip

    @property
    def url(self) -> str:
        return self.server.url + "/v1"

    def announcement(self) -> str:
        return f"chat completions at {self.url}"

    def _refusal(self, status: int, message: str) -> LabReply:
        return _error(status, message)

    def _instead(self, fault: Fault) -> LabReply | None:
        status = fault.status()
        return instead(fault) if status is None else _error(status, "as the fault script says")

    async def _answer(self, request: LabRequest, fault: Fault) -> LabReply:
        if request.path == "/tools/weather" and request.method == "POST":
            return json_reply({"weather": "sunny", "degrees": 21, "place": request.json().get("place")})
        if (request.method, request.path) != ("POST", "/v1/chat/completions"):
            return _error(404, f"Invalid URL ({request.method} {request.path})")
        if self.api_key and request.headers.get("authorization") != f"Bearer {self.api_key}":
            return _error(401, "Incorrect API key provided.")
        try:
            body = request.json()
            problem = _problem(body)
            if problem:
                return _error(400, problem)
            text, tools = _think(body["messages"], {tool["function"]["name"] for tool in body.get("tools", ())})
        except (ValueError, LookupError, TypeError):
            return _error(400, "We could not parse the JSON body of your request.")
        if not body.get("stream") or self.style == "whole":
            return _whole(text, tools)
        return LabReply(
            body=_stream(text, tools, self.style),
            headers={"content-type": "text/event-stream; charset=utf-8"},
            drip=self.drip,
        )


def _error(status: int, message: str) -> LabReply:
    return json_reply({"error": {"message": message, "type": "invalid_request_error", "code": None}}, status)


def _problem(body: dict[str, Any]) -> str:
    """What the real one refuses: no model, and tools whose results are missing or nobody has asked for."""
    if not isinstance(body.get("model"), str):
        return "you must provide a model parameter"
    waiting: set[str] = set()
    for message in body["messages"]:
        if message["role"] == "tool":
            if message["tool_call_id"] not in waiting:
                return "messages with role 'tool' must be a response to a preceding message with 'tool_calls'."
            waiting.discard(message["tool_call_id"])
            continue
        if waiting:
            return "An assistant message with 'tool_calls' must be followed by tool messages."
        waiting = {call["id"] for call in message.get("tool_calls", ())}
    return "An assistant message with 'tool_calls' must be followed by tool messages." if waiting else ""


# --- its mind --------------------------------------------------------------------------------------------------------
def _think(messages: list[dict[str, Any]], tools: set[str]) -> tuple[str, list[tuple[str, dict[str, Any]]]]:
    last = messages[-1]
    if last["role"] == "tool":
        return _after_tool(str(last["content"]))
    said = str(last["content"]).lower()
    if last["role"] == "system":
        return ("I am sorry, nobody is free." if "put through" in said else GREETING), []
    if "weather" in said and "weather" in tools:
        return "", [("weather", {"place": said.rpartition(" ")[2]})]
    if "person" in said and "transfer_call" in tools:
        return "One moment, please.", [("transfer_call", {"target": "sales"})]
    if "wrong person" in said:
        return "", [("transfer_call", {"target": "nobody"})]
    if "bye" in said and "end_call" in tools:
        return "Goodbye, and have a good trip!", [("end_call", {"reason": "done"})]
    if "booking" in said and "collect_digits" in tools:
        return "", [("collect_digits", {"prompt": "Please key in your booking number.", "max": 6})]
    if "options" in said and "offer_choices" in tools:
        return "", [("offer_choices", {"prompt": "By which?", "options": ["train", "plane", "ship"]})]
    if "story" in said:
        return "This is the first sentence. This is the second one. And here the story ends.", []
    if "what did i hear" in said:
        heard = [str(message["content"]) for message in messages if message["role"] == "assistant"]
        return f"You heard: {heard[-1]}", []
    if said == "(no answer)":
        return "Are you still there?", []
    if re.fullmatch(r"\d+", said):
        return f"Booking {' '.join(said)}. It leaves at nine.", []
    return f"{said.strip('.').capitalize()} is a good choice.", []


def _after_tool(result: str) -> tuple[str, list[tuple[str, dict[str, Any]]]]:
    if result.startswith("error"):
        return "I am sorry, that did not work.", []
    try:
        weather = json.loads(result)
    except ValueError:
        return "Done.", []
    return f"It is {weather['weather']} in {weather['place']}, {weather['degrees']} degrees.", []


# --- how it says so --------------------------------------------------------------------------------------------------
def _calls(tools: list[tuple[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    return [
        {"id": f"call_{place}_{name}", "type": "function", "function": {"name": name, "arguments": json.dumps(values)}}
        for place, (name, values) in enumerate(tools)
    ]


def _whole(text: str, tools: list[tuple[str, dict[str, Any]]]) -> LabReply:
    message = {"role": "assistant", "content": text or None, **({"tool_calls": _calls(tools)} if tools else {})}
    reason = "tool_calls" if tools else "stop"
    choice = {"index": 0, "message": message, "finish_reason": reason}
    return json_reply({"id": "chatcmpl-lab", "object": "chat.completion", "model": "lab", "choices": [choice]})


def _stream(text: str, tools: list[tuple[str, dict[str, Any]]], style: str) -> bytes:
    if style == "thinking":
        text = f"<think>They want an answer, {len(text)} characters.</think>{text}"
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": text[start : start + PIECE]} for start in range(0, len(text), PIECE)]
    for index, call in enumerate(_calls(tools)):
        arguments = call["function"]["arguments"]
        begun = {**call, "index": index, "function": {"name": call["function"]["name"], "arguments": ""}}
        deltas.append({"tool_calls": [begun]})
        pieces = [arguments[start : start + PIECE] for start in range(0, len(arguments), PIECE)]
        deltas += [{"tool_calls": [{"index": index, "function": {"arguments": piece}}]} for piece in pieces]
    chunks = [_chunk([{"index": 0, "delta": delta, "finish_reason": None}]) for delta in deltas]
    chunks.append(_chunk([{"index": 0, "delta": {}, "finish_reason": "tool_calls" if tools else "stop"}]))
    lines = [f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n" for chunk in chunks]
    if style == "bare":
        usage = {**_chunk([]), "usage": {"total_tokens": len(text)}}
        return "".join([": waiting\n\n", *lines, f"data: {json.dumps(usage)}\n\n"]).encode()
    return "".join([*lines, "data: [DONE]\n\n"]).encode()


def _chunk(choices: list[dict[str, Any]]) -> dict[str, Any]:
    return {"id": "chatcmpl-lab", "object": "chat.completion.chunk", "model": "lab", "choices": choices}


def main(argv: list[str] | None = None) -> int:
    """`talkpath lab openai`."""
    about = "Chat completions as OpenAI has them, answered by rules."
    parser = lab_parser("openai", about, port=9109, faults="ok,500*2,slow:3,cut")
    parser.add_argument("--api-key", default="", help="what Authorization must bring; default: anything")
    parser.add_argument("--style", choices=STYLES, default="openai", help="like which servers it answers")
    parser.add_argument("--drip", type=float, default=0.0, metavar="S", help="seconds between bytes of a stream")
    return run_lab(parser, argv, lambda given: LabOpenAi(**vars(given)))
