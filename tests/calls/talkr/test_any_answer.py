"""Whatever a TALKR bot answers, the call goes on or ends in order, and its journal decides the same again."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.lab.server import LabReply
from tests.fakes.callers import typist
from tests.fakes.talkr_gateway import talkr_gateway
from tests.fakes.virtual_loop import run_virtual

texts = st.one_of(
    st.sampled_from(
        ["", " ", "Hello.", "<b>Hi</b> &amp; bye", '<speak>Hi<break time="1s"/></speak>', "{name}", "\ud800"]
    ),
    st.text(max_size=20),
)
odd = st.one_of(st.none(), st.booleans(), st.integers(-3, 70_000), st.floats(), texts, st.just([]), st.just({}))
flags = st.one_of(st.sampled_from([0, 1, "0", "1", True, False, None]), odd)
blocks = st.fixed_dictionaries(
    {"content": st.one_of(texts, odd, st.lists(texts, max_size=3))},
    optional={
        "type": st.sampled_from(["text", "custom", "audio", "image", "buttons", "transfer", "hangup", "strange"]),
        "tracking": st.one_of(texts, odd),
        "url": st.just("https://media.example/x.wav"),
        "text": texts,
    },
)
lists = st.one_of(st.lists(st.one_of(blocks, texts), max_size=3), blocks, odd)
synthesis = st.dictionaries(st.sampled_from(["vendor", "voice", "language", "options", "model"]), odd, max_size=4)
recognizer = st.dictionaries(
    st.sampled_from(
        ["vendor", "language", "timeout", "speech_timeout", "asrTimeoutMs", "max_duration", "hints", "barge_in"]
    ),
    odd,
    max_size=5,
)
data = st.fixed_dictionaries(
    {},
    optional={
        "messages": lists,
        "responses": lists,
        "object_id": odd,
        "has_background_text": flags,
        "background_content": odd,
        "hangup_no_response": flags,
        "retries": odd,
        "speech_synthesis": st.one_of(synthesis, odd),
        "speech_recognizer": st.one_of(recognizer, odd),
    },
)
variables = st.fixed_dictionaries(
    {}, optional={"bot_answer": st.one_of(texts, odd), "error": st.one_of(odd, st.just("session lost")), "x": odd}
)
bodies = st.fixed_dictionaries(
    {},
    optional={
        "session": st.one_of(st.just("s"), odd),
        "code": st.one_of(st.just(200), st.sampled_from([400, 404, 500]), odd),
        "name": odd,
        "language": st.one_of(st.fixed_dictionaries({"slug": st.one_of(st.sampled_from(["FR", "en"]), texts)}), odd),
        "variables": st.one_of(variables, odd),
        "data": st.one_of(data, data, data, odd),
    },
)
answers = st.lists(st.one_of(bodies, bodies, bodies, odd), min_size=1, max_size=5)
acts = st.lists(st.sampled_from(["say", "keys", "wait"]), max_size=6)


@settings(max_examples=40)
@given(answers=answers, acts=acts)
def test_any_answer_leaves_a_call_in_order(answers: list[Any], acts: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run_virtual(hold_call(Path(folder), answers, acts))


async def hold_call(folder: Path, answers: list[Any], acts: list[str]) -> None:
    replies = [LabReply(body=json.dumps(answer).encode()) for answer in answers]
    parts = {"bot": {"allow_bot_transfer": True}, "number": {"transfer": {"allow": ["*"]}}}
    async with talkr_gateway(folder, *replies, **parts, may_ask_more=True) as gateway, typist(gateway) as caller:
        for act in acts:
            match act:
                case "say":
                    await caller.say("some words")
                case "keys":
                    await caller.press("12#")
                case "wait":
                    await caller.wait(8)
        await caller.wait(1)
    result, _ = gateway.outcome
    assert result in ("completed", "abandoned", "no_input", "bot_failed")
