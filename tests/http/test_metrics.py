"""What Prometheus reads after a few plays: counts, histograms that add up, and labels that stay few."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.actions import Fail, Listen
from gateway.call.outcome import CallOutcome
from gateway.events import (
    BotFailed,
    CallEvent,
    DigitPressed,
    OperatorAsked,
    PromptEnded,
    PromptStarted,
    RecognizerFailed,
    TransferFinished,
)
from gateway.http.metrics import CONTENT_TYPE, CallMetrics, Metrics
from gateway.records.waterfall import STAGES
from tests.fakes.journalling import KeptPlaybook
from tests.fakes.playbook import Commands

OUTCOME = CallOutcome(result="completed", by="caller")


class CountedPlaybook(KeptPlaybook):
    """A play that is counted."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.metrics = Metrics()
        self.counting = CallMetrics(self.metrics, "reception")
        super().__init__(folder, **settings)

    def _give(self, event: CallEvent) -> Commands:
        commands = super()._give(event)
        self.counting.observe(self.now, event, commands)
        return commands

    def value(self, name: str, **labels: str) -> float:
        """A sample, over with the call; 0 where there is none."""
        return samples(self.metrics).get((name, tuple(sorted(labels.items()))), 0.0)


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    found = {}
    for family in text_string_to_metric_families(metrics.text().decode()):
        for sample in family.samples:
            found[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
    return found


@pytest.fixture
def play(tmp_path: Path) -> CountedPlaybook:
    return CountedPlaybook(tmp_path)


def test_a_call_its_turns_and_their_stages_are_counted(play: CountedPlaybook) -> None:
    play.greet()
    play.speak("hello", at=3.0)
    play.reply("Yes?", at=5.0)
    play(PromptStarted(prompt_id=next(iter(play.outstanding)), ready=0.1, cached=True), at=5.3)
    play.play_out()
    play(DigitPressed(digit="1"), at=play.now + 1)
    play(DigitPressed(digit="#"), at=play.now + 1)
    play.metrics.call_ended(play.record, OUTCOME)
    assert play.value("talkpath_calls_ended_total", line="", result="completed") == 1
    assert play.value("talkpath_call_seconds_count") == 1
    assert play.value("talkpath_call_seconds_sum") == pytest.approx(play.now)
    assert [play.value("talkpath_turns_total", kind=kind) for kind in ("start", "speech", "digits")] == [1, 1, 1]
    assert play.value("talkpath_prompts_cached_total") == 1
    assert play.value("talkpath_turn_answer_seconds_count") == 1
    spent = sum(play.value("talkpath_turn_stage_seconds_sum", stage=stage) for stage in STAGES)
    assert spent == pytest.approx(play.value("talkpath_turn_answer_seconds_sum"))


def test_barge_ins_are_the_callers_only(play: CountedPlaybook) -> None:
    play.begin()
    play.reply("A long story", at=0.1)
    play.start_prompt(at=0.2)
    play(DigitPressed(digit="1"), at=1.0)
    assert play.value("talkpath_barge_ins_total") == 1
    play.report_stopped()
    play(DigitPressed(digit="#"), at=1.5)
    play.reply("Another story", at=2.0)
    play(OperatorAsked(), at=3.0)
    assert play.value("talkpath_barge_ins_total") == 1
    assert play.value("talkpath_prompts_total", result="stopped") == 1


def test_silence_and_misunderstandings_are_counted(play: CountedPlaybook) -> None:
    play.greet()
    play.until(play.now + 7.1)
    play.play_out()
    play.speak("", at=play.now + 1)
    assert play.value("talkpath_no_inputs_total") == 1
    assert play.value("talkpath_no_matches_total") == 1


def test_failures_are_counted_by_part_and_vendor(tmp_path: Path) -> None:
    play = CountedPlaybook(tmp_path, number={"answer_timeout": 5, "filler_after": 60})
    play.greet()
    play.speak("one", at=3.0)
    play(BotFailed(turn=1))
    play.play_out()
    play.speak("two", at=play.now + 1)
    play.reply(Fail(kind="protocol"))
    play.play_out()
    assert play.value("talkpath_errors_total", part="bot", vendor="reception") == 2
    play(RecognizerFailed(stream=play.stream, reason="gone"))
    assert play.value("talkpath_errors_total", part="recognizer", vendor="local") == 1


def test_a_bot_that_does_not_answer_in_time_is_an_error(tmp_path: Path) -> None:
    play = CountedPlaybook(tmp_path, number={"answer_timeout": 5, "filler_after": 60})
    play.greet()
    play.speak("one", at=3.0)
    play.until(play.now + 6)
    assert play.value("talkpath_errors_total", part="bot", vendor="reception") == 1


def test_a_prompt_that_cannot_be_spoken_is_its_vendors_error(play: CountedPlaybook) -> None:
    play.begin()
    play.reply("Welcome", at=0.1)
    play(PromptEnded(prompt_id=next(iter(play.outstanding)), result="failed"), at=0.2)
    assert play.value("talkpath_errors_total", part="synthesizer", vendor="local") == 1
    assert play.value("talkpath_prompts_total", result="failed") == 1


def test_fallbacks_and_transfers_are_counted(play: CountedPlaybook) -> None:
    play.begin()
    play(BotFailed(turn=0), at=0.1)
    play(TransferFinished(transfer_id="t", ok=False), at=0.2)
    assert play.value("talkpath_fallbacks_total") == 1
    assert play.value("talkpath_transfers_total", ok="no") == 1


def test_every_name_follows_the_conventions(play: CountedPlaybook) -> None:
    families = list(text_string_to_metric_families(play.metrics.text().decode()))
    assert len(families) > 10
    for family in families:
        if family.name.endswith("_created"):
            continue
        assert re.fullmatch(r"talkpath_[a-z_]+", family.name)
        assert family.documentation.endswith(".")
        if family.type == "counter":
            assert all(sample.name.endswith(("_total", "_created")) for sample in family.samples)
        if family.type == "histogram":
            assert family.name.endswith("_seconds")
    assert "version=" in CONTENT_TYPE


def test_lines_and_stages_are_there_from_the_start() -> None:
    metrics = Metrics()
    metrics.prepare(["pbx"])
    found = samples(metrics)
    assert found["talkpath_calls_offered_total", (("line", "pbx"),)] == 0
    assert all(("talkpath_turn_stage_seconds_count", (("stage", stage),)) in found for stage in STAGES)


def test_nothing_personal_becomes_a_label(play: CountedPlaybook) -> None:
    play.greet("Your PIN, please", Listen(kind="digits", sensitive=True))
    play.speak("zebra walrus", at=3.0)
    play.reply("Thank you, quokka")
    play.play_out()
    play.metrics.call_ended(play.record, OUTCOME)
    text = play.metrics.text().decode()
    for personal in ("zebra", "quokka", "+33", "call-1"):
        assert personal not in text


def test_two_gateways_do_not_share_numbers() -> None:
    one, other = Metrics(), Metrics()
    one.running.inc()
    assert samples(one)["talkpath_calls_running", ()] == 1
    assert samples(other)["talkpath_calls_running", ()] == 0
