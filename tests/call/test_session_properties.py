"""Whatever is commanded in whatever order: every prompt is reported once, every stream ends, and the call is over."""

from __future__ import annotations

import asyncio
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.call.commands import (
    AbandonTurn,
    CloseEar,
    Command,
    FinishUtterance,
    OpenEar,
    PausePlayout,
    Recording,
    ResumePlayout,
    SendToBot,
    Silence,
    StartPrompt,
    StopPlayout,
)
from gateway.call.services import Services
from gateway.call.session import Session
from gateway.caller_events import CallEnded, CallStarted, UserText
from gateway.errors import VendorUnavailable
from gateway.events import PromptEnded, RecognitionEnded, RecognizerFailed
from gateway.speech_interfaces import ListenSettings, Utterance
from tests.fakes.backend import ScriptedBackend
from tests.fakes.decider import OVER, ScriptedDecider
from tests.fakes.leg import FakeLeg
from tests.fakes.speech import ScriptedSpeech, ScriptedSynthesizer, SimpleDetector
from tests.fakes.virtual_loop import run_virtual

moments = st.integers(0, 8_000_000).map(lambda microseconds: microseconds / 1e6)
kinds = st.sampled_from(
    ["speak", "speak", "silence", "recording", "stop", "pause", "resume", "open", "finish", "close", "send", "abandon"]
)


def commands(plan: list[tuple[float, str]]) -> list[tuple[float, list[Command]]]:
    prompts = streams = turns = 0
    made: list[tuple[float, list[Command]]] = []
    for at, kind in sorted(plan):
        command: Command
        match kind:
            case "speak":
                prompts += 1
                text = "abcdefghij"[: 1 + prompts % 10]
                command = StartPrompt(prompt_id=prompts, content=Utterance(text=text, plain=text))
            case "silence":
                prompts += 1
                command = StartPrompt(prompt_id=prompts, content=Silence(seconds=prompts % 3))
            case "recording":
                prompts += 1
                command = StartPrompt(prompt_id=prompts, content=Recording(path="nowhere"))
            case "open":
                streams += 1
                command = OpenEar(stream=streams, settings=ListenSettings(), since=max(0.0, at - 1))
            case "send":
                turns += 1
                command = SendToBot(event=UserText(turn=turns, text="x"))
            case "abandon":
                command = AbandonTurn(turn=turns)
            case "finish":
                command = FinishUtterance(stream=streams)
            case "close":
                command = CloseEar(stream=streams)
            case "stop":
                command = StopPlayout()
            case "pause":
                command = PausePlayout()
            case _:
                command = ResumePlayout()
        made.append((at, [command]))
    return made


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(moments, kinds), max_size=25), st.integers(0, 3), st.floats(0, 0.3), st.randoms())
def test_a_call_under_random_commands_owes_nothing(plan, weather, delay, chance: random.Random):
    async def conduct() -> tuple[ScriptedDecider, FakeLeg, ScriptedBackend]:
        script = commands(plan)
        decider = ScriptedDecider(
            at=[(0.0, [SendToBot(event=CallStarted())]), *script, (9, [ResumePlayout()]), (90, [OVER])]
        )
        leg = FakeLeg(delay=delay, honours_marks=weather != 1)
        error = VendorUnavailable("gone", vendor="acme") if weather == 2 else None
        synthesizer = ScriptedSynthesizer(
            error=error, audio_before_error=0.2, speed=None if chance.random() < 0.5 else 0.5 + 3 * chance.random()
        )
        backend = ScriptedBackend(["a", VendorUnavailable("gone", vendor="acme"), 3.0, "b", KeyError("bug")])
        speech = ScriptedSpeech(["oui"] * 3, synthesizer=synthesizer, open_error=error)
        services = Services(detector=lambda format, on_event: SimpleDetector(format, on_event))
        session = Session(leg, decider, backend, speech, services)
        voice = bytes(chance.choice((0x7F, 0xFF)) for _ in range(100))
        talking = asyncio.create_task(leg.talk(b"".join(bytes([byte]) * 800 for byte in voice)))
        outcome = await session.run()
        talking.cancel()
        await asyncio.wait([talking])
        assert outcome.result == "completed"
        return decider, leg, backend

    decider, leg, backend = run_virtual(conduct())
    made = [command for _, step in commands(plan) for command in step]
    started = [command.prompt_id for command in made if isinstance(command, StartPrompt)]
    ended = decider.of(PromptEnded)
    assert [event.prompt_id for event in ended] == started
    assert sum(event.seconds for event in ended) <= 90
    heard = sum(len(played.data) for played in leg.heard_at_last) / 8000
    assert sum(event.seconds for event in ended) <= heard + 0.001
    opened = [command.stream for command in made if isinstance(command, OpenEar)]
    over = [event.stream for event in decider.of(RecognitionEnded) + decider.of(RecognizerFailed)]
    assert len(over) == len(set(over))
    assert set(over) <= set(opened)
    assert [event for event in backend.received if isinstance(event, CallEnded)] == backend.received[-1:]
