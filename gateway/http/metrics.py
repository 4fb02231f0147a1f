"""What Prometheus reads: calls, turns, where the time goes, and what goes wrong."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from gateway.call.commands import Command, KeepRecord, StopPlayout
from gateway.call.outcome import CallOutcome
from gateway.events import BotFailed, CallEvent, PromptEnded, PromptStarted, RecognizerFailed
from gateway.records.record import STAGES, CallRecord

SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
LENGTHS = (5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)


class Metrics:
    """Counts for one gateway; each has a registry of its own, so that tests do not share numbers."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.offered = Counter("talkpath_calls_offered_total", "Calls offered by a line.", ["line"], registry=registry)
        self.refused = Counter(
            "talkpath_calls_refused_total", "Calls refused before any audio.", ["line", "reason"], registry=registry
        )
        self.ended = Counter(
            "talkpath_calls_ended_total", "Calls by how they ended.", ["line", "result"], registry=registry
        )
        self.running = Gauge("talkpath_calls_running", "Calls that are up.", registry=registry)
        self.length = Histogram("talkpath_call_seconds", "Length of calls.", buckets=LENGTHS, registry=registry)
        self.turns = Counter("talkpath_turns_total", "Turns by what the caller did.", ["kind"], registry=registry)
        self.stage = Histogram(
            "talkpath_turn_stage_seconds",
            "Where the time of a turn goes, from the caller's last sound to the first of the answer.",
            ["stage"],
            buckets=SECONDS,
            registry=registry,
        )
        self.answer = Histogram(
            "talkpath_turn_answer_seconds",
            "From the caller's last sound to the first of the answer.",
            buckets=SECONDS,
            registry=registry,
        )
        self.barge_ins = Counter("talkpath_barge_ins_total", "Prompts stopped by the caller.", registry=registry)
        self.silences = Counter("talkpath_no_inputs_total", "Times the caller said nothing.", registry=registry)
        self.no_matches = Counter("talkpath_no_matches_total", "Speech that was not understood.", registry=registry)
        self.errors = Counter(
            "talkpath_errors_total", "Failures by part and vendor.", ["part", "vendor"], registry=registry
        )
        self.prompts = Counter(
            "talkpath_prompts_total", "Prompts by what became of them.", ["result"], registry=registry
        )
        self.cached = Counter("talkpath_prompts_cached_total", "Prompts that came from the cache.", registry=registry)
        self.lag = Gauge("talkpath_loop_lag_seconds", "How late the event loop runs its timers.", registry=registry)

    def text(self) -> bytes:
        return generate_latest(self.registry)

    def observe(self, event: CallEvent, commands: Sequence[Command], *, bot: str, recognizer: str) -> None:
        """Count one step of a call."""
        match event:
            case BotFailed():
                self.errors.labels("bot", bot).inc()
            case RecognizerFailed():
                self.errors.labels("recognizer", recognizer).inc()
            case PromptStarted(cached=True):
                self.cached.inc()
            case PromptEnded():
                self.prompts.labels(event.result).inc()
        for command in commands:
            match command:
                case StopPlayout():
                    self.barge_ins.inc()
                case KeepRecord(kind="no_input"):
                    self.silences.inc()
                case KeepRecord(kind="no_match"):
                    self.no_matches.inc()
                case KeepRecord(kind="warning", data={"what": "prompt_failed"}):
                    self.errors.labels("synthesizer", "").inc()

    def call_ended(self, record: CallRecord, outcome: CallOutcome) -> None:
        """Count a call that is over, and its turns."""
        self.ended.labels(record.info.line, outcome.result).inc()
        self.length.observe(record.seconds)
        for turn in record.turns:
            self.turns.labels(turn.kind).inc()
            if turn.number == 0:
                continue
            for stage, seconds in turn.waterfall.stages().items():
                self.stage.labels(stage).observe(seconds)
            if turn.waterfall.total is not None:
                self.answer.observe(turn.waterfall.total)

    def prepare(self, lines: Sequence[str]) -> None:
        """Make the series of every line and stage, so that a rate over them starts at zero."""
        for line in lines:
            self.offered.labels(line)
        for stage in STAGES:
            self.stage.labels(stage)
