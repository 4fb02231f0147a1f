"""What Prometheus reads: calls, turns, where the time goes, and what goes wrong.

Every label has few values: names from the configuration, or words from closed sets. Nothing personal is a label.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from gateway.actions import Fail
from gateway.call.commands import Command, Content, KeepRecord, OpenEar, Recording, StartPrompt
from gateway.call.outcome import CallOutcome
from gateway.events import BotFailed, BotReplied, CallEvent, PromptEnded, PromptStarted, RecognizerFailed, VendorFailed
from gateway.events import TransferFinished as Transferred
from gateway.interfaces import REGISTRATION_STATES, RegistrationState
from gateway.records.record import CallRecord, is_barge_in
from gateway.records.waterfall import STAGES
from gateway.speech_interfaces import SpeechUsed, Utterance

CONTENT_TYPE = "text/plain; version=1.0.0; charset=utf-8"  # what `generate_latest` writes
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
        self.fallbacks = Counter("talkpath_fallbacks_total", "Calls taken from the bot.", registry=registry)
        self.transfers = Counter("talkpath_transfers_total", "Transfers by how they went.", ["ok"], registry=registry)
        self.errors = Counter(
            "talkpath_errors_total", "Failures by part and vendor.", ["part", "vendor"], registry=registry
        )
        self.prompts = Counter(
            "talkpath_prompts_total", "Prompts by what became of them.", ["result"], registry=registry
        )
        self.cached = Counter("talkpath_prompts_cached_total", "Prompts that came from the cache.", registry=registry)
        self.heard = Counter(
            "talkpath_recognized_seconds_total", "Audio that recognizers were given.", ["vendor"], registry=registry
        )
        self.spoken = Counter(
            "talkpath_synthesized_characters_total",
            "Text that voices were given to say.",
            ["vendor"],
            registry=registry,
        )
        self.circuits = Gauge(
            "talkpath_circuit_open", "1 while a speech vendor is not asked.", ["part", "vendor"], registry=registry
        )
        self.webhooks = Counter(
            "talkpath_webhook_requests_total", "Requests to webhooks.", ["path", "status"], registry=registry
        )
        self.webhook_time = Histogram(
            "talkpath_webhook_seconds",
            "From a webhook's request to its answer.",
            ["path"],
            buckets=SECONDS,
            registry=registry,
        )
        self.jobs = Counter("talkpath_jobs_stored_total", "Jobs that calls have left.", ["kind"], registry=registry)
        self.jobs_done = Counter(
            "talkpath_jobs_ended_total", "Attempts at jobs by how they ended.", ["kind", "result"], registry=registry
        )
        self.jobs_left = Gauge("talkpath_jobs_waiting", "Jobs that are not done yet.", ["kind"], registry=registry)
        self.registered = Gauge("talkpath_registrations", "Accounts at PBXs.", ["line", "state"], registry=registry)
        self.lag = Gauge("talkpath_loop_lag_seconds", "How late the event loop runs its timers.", registry=registry)

    def text(self) -> bytes:
        return generate_latest(self.registry)

    def prepare(self, lines: Sequence[str]) -> None:
        """Make the series of every line and stage, so that a rate over them starts at zero."""
        for line in lines:
            self.offered.labels(line)
        for stage in STAGES:
            self.stage.labels(stage)

    def webhook_served(self, path: str, status: int, seconds: float) -> None:
        """Count a request to a webhook; ``path`` is the route's, with its parameters unfilled."""
        self.webhooks.labels(path, str(status)).inc()
        self.webhook_time.labels(path).observe(seconds)

    def speech_used(self, use: SpeechUsed) -> None:
        """Count what a speech vendor did."""
        if use.part == "recognizer":
            self.heard.labels(use.vendor).inc(use.seconds)
        elif not use.cached:
            self.spoken.labels(use.vendor).inc(use.characters)

    def circuit_changed(self, part: str, vendor: str, state: str) -> None:
        """Note whether a speech vendor is asked."""
        self.circuits.labels(part, vendor).set(0 if state == "closed" else 1)

    def job_stored(self, kind: str) -> None:
        """Count a job that a call has left."""
        self.jobs.labels(kind).inc()

    def job_ended(self, kind: str, result: str) -> None:
        """Count an attempt at a job, or its end."""
        self.jobs_done.labels(kind, result).inc()

    def registrations_are(self, line: str, counts: Mapping[RegistrationState, int]) -> None:
        """How many accounts of a line are in each state; states that are not named have none."""
        for state in REGISTRATION_STATES:
            self.registered.labels(line, state).set(counts.get(state, 0))

    def jobs_waiting(self, counts: Mapping[str, int]) -> None:
        """How many of each kind wait; kinds that are not named have none."""
        self.jobs_left.clear()
        for kind, count in counts.items():
            self.jobs_left.labels(kind).set(count)

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


class CallMetrics:
    """Counts one call while it runs. `observe` is an observer of its session.

    Args:
        metrics: Of the gateway.
        bot: The bot's name in the configuration.
    """

    def __init__(self, metrics: Metrics, bot: str) -> None:
        self._metrics = metrics
        self._bot = bot
        self._recognizer = ""
        self._synthesizers: dict[int, str] = {}

    def observe(self, _: float, event: CallEvent, commands: Sequence[Command]) -> None:
        """Count one step of the call."""
        metrics = self._metrics
        match event:
            case BotFailed():
                self._error("bot", self._bot)
            case BotReplied(batch=batch) if any(isinstance(action, Fail) for action in batch.actions):
                self._error("bot", self._bot)
            case RecognizerFailed(vendor=vendor):
                self._error("recognizer", vendor or self._recognizer)
            case VendorFailed(part=part, vendor=vendor):
                self._error(part, vendor)
            case PromptStarted(cached=True):
                metrics.cached.inc()
            case PromptEnded():
                self._prompt_ended(event)
            case Transferred():
                metrics.transfers.labels("yes" if event.ok else "no").inc()
        if is_barge_in(event, commands):
            metrics.barge_ins.inc()
        for command in commands:
            self._count(command)

    def _count(self, command: Command) -> None:
        metrics = self._metrics
        match command:
            case OpenEar(settings=settings):
                self._recognizer = settings.vendor
            case StartPrompt(prompt_id=prompt_id, content=content):
                self._synthesizers[prompt_id] = _vendor_of(content)
            case KeepRecord(kind="no_input"):
                metrics.silences.inc()
            case KeepRecord(kind="no_match"):
                metrics.no_matches.inc()
            case KeepRecord(kind="fallback"):
                metrics.fallbacks.inc()
            case KeepRecord(kind="failed_turn", data={"reason": "no answer in time"}):
                self._error("bot", self._bot)

    def _prompt_ended(self, event: PromptEnded) -> None:
        self._metrics.prompts.labels(event.result).inc()
        vendor = self._synthesizers.pop(event.prompt_id, "")
        if event.result == "failed":
            self._error("synthesizer", vendor)

    def _error(self, part: str, vendor: str) -> None:
        self._metrics.errors.labels(part, vendor).inc()


def _vendor_of(content: Content) -> str:
    """Who is to speak a prompt; a file is played by nobody's vendor."""
    if isinstance(content, Recording):
        return "file"
    return content.vendor if isinstance(content, Utterance) else ""
