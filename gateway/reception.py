"""The reception: every leg a line offers comes here, gets its number's settings, and a session for its call.

It knows seams, not vendors; `app` gives it what is configured. A reload gives it another `House`, and calls that are
up keep the one they came in by.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from audio.endpointing import VoiceEvent
from audio.format import AudioFormat
from config.call import NumberSettings
from config.settings import Settings
from gateway.call.commands import Command
from gateway.call.conversation import Conversation
from gateway.call.facts import CallSetup
from gateway.call.outcome import CallOutcome
from gateway.call.registry import CallRefused, Registry
from gateway.call.services import Canceller, Detector, Services, Speech
from gateway.call.session import Session
from gateway.clock import Clock
from gateway.events import CallEvent
from gateway.http.metrics import Metrics
from gateway.interfaces import Backend, HangupReason, Leg, ListenSettings, RecognizerCapabilities
from gateway.records.disk import AppendOnly, DiskWriter
from gateway.records.journal import Journal
from gateway.records.record import CallRecord
from gateway.records.recording import CallRecorder
from gateway.records.storage import CallStore

log = structlog.get_logger()

MAX_RECENT = 200  # ended calls whose record stays at hand for the API, whether or not they are stored
RECORDING_STARTED = "recording_started"


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """What one configuration amounts to.

    Attributes:
        backends: By the names under `bots`.
        recognizers: What each configured recognizer can do, by name.
        words: The operator's wording of the gateway's sentences.
    """

    settings: Settings
    backends: Mapping[str, Backend]
    speech: Speech
    recognizers: Mapping[str, RecognizerCapabilities]
    synthesizers: tuple[str, ...]
    words: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """What every call is given, whatever the configuration says.

    Attributes:
        detector: Makes a voice activity detector; canceller: an echo canceller.
    """

    clock: Clock
    registry: Registry
    metrics: Metrics
    store: CallStore
    disk: DiskWriter
    detector: Callable[[AudioFormat, Callable[[VoiceEvent], None], float], Detector]
    canceller: Callable[[AudioFormat], Canceller]
    fetch_media: Callable[[str], Any] | None = None


class Reception:
    """Takes calls."""

    def __init__(self, house: House, equipment: Equipment) -> None:
        self.house = house
        self.equipment = equipment
        self.recent: deque[CallRecord] = deque(maxlen=MAX_RECENT)

    async def offer(self, line: str, leg: Leg) -> None:
        """Conduct a call from its offer to its record. Lasts as long as the call."""
        house, metrics = self.house, self.equipment.metrics
        metrics.offered.labels(line).inc()
        number = house.settings.number_for(leg.info.called)
        if number is None:
            await self._refuse(line, leg, "unknown_number", "no entry under numbers matches the called number")
            return
        info = dataclasses.replace(leg.info, line=line, number=number.number, language=number.language)
        try:
            with self.equipment.registry.register(info) as place:
                call = Call(line, leg, number, info, house, self.equipment)
                place.snapshot = call.snapshot
                place.post = call.session.post
                metrics.running.inc()
                try:
                    await call.run()
                finally:
                    metrics.running.dec()
                    self.recent.append(call.record)
        except CallRefused as refused:
            reason: HangupReason = "draining" if refused.reason == "draining" else "busy"
            await self._refuse(line, leg, reason, refused.reason)

    async def _refuse(self, line: str, leg: Leg, reason: HangupReason, why: str) -> None:
        self.equipment.metrics.refused.labels(line, reason).inc()
        log.warning("call refused", line=line, reason=reason, why=why, leg_id=leg.info.leg_id)
        await leg.hang_up(reason)

    def recently(self, call_id: str) -> CallRecord | None:
        """The record of a call that has just ended."""
        return next((record for record in self.recent if record.info.call_id == call_id), None)


class Call:
    """One call: its conversation, its session, and what is written down about it."""

    def __init__(
        self, line: str, leg: Leg, number: NumberSettings, info: Any, house: House, equipment: Equipment
    ) -> None:
        self._equipment = equipment
        self._number = number
        backend = house.backends[number.bot]
        started = equipment.clock.wall()
        self._folder = _folder(house.settings, started)
        self._recorder = self._make_recorder(leg, info.call_id)
        self.setup = CallSetup(
            number=number,
            info=info,
            leg=leg.capabilities,
            backend=backend.capabilities,
            recognizers=house.recognizers,
            synthesizers=house.synthesizers,
            words=house.words,
            has_recording=self._recorder is not None,
            today=started.date(),
        )
        self.conversation = Conversation(self.setup)
        self.record = CallRecord(info=info, started_at=started.isoformat(timespec="milliseconds"))
        self._journal: Journal | None = None
        if house.settings.records.journal:
            file = AppendOnly(self._folder / f"{info.call_id}.jsonl", equipment.disk)
            self._journal = Journal(self.setup, self.record.started_at, file)
        services = self._services(house, info.call_id)
        self.session = Session(leg, self.conversation, backend, house.speech, services, info=info)

    def _make_recorder(self, leg: Leg, call_id: str) -> CallRecorder | None:
        if self._number.recording.mode == "off":
            return None
        path = self._folder / f"{call_id}.wav"
        return CallRecorder(path, leg.capabilities.format, self._equipment.disk)

    def _services(self, house: House, call_id: str) -> Services:
        equipment, registry = self._equipment, self._equipment.registry
        min_speech = self._number.barge_in.min_speech
        return Services(
            clock=equipment.clock,
            claim=lambda key: registry.claim(call_id, key),
            detector=lambda format, on_event: equipment.detector(format, on_event, min_speech),
            canceller=equipment.canceller,
            speech_only=lambda settings: _is_speech_only(house.recognizers, settings),
            fallback_voices=self._number.synthesizer.fallback,
            fetch_media=equipment.fetch_media,
            observers=[self._observe],
            recorder=self._recorder,
        )

    async def run(self) -> CallOutcome:
        """Conduct the call, then close its books. The books never cost the call, nor the next one."""
        outcome = await self.session.run()
        self.record.outcome = outcome
        self.record.seconds = max(self.record.seconds, round(self.session.now(), 6))
        if self._journal is not None:
            self._journal.close()
        if self._recorder is not None:
            self._recorder.close(self.record.seconds)
        self._equipment.metrics.call_ended(self.record, outcome)
        await self._equipment.store.keep(self.record.to_json())
        return outcome

    def snapshot(self) -> dict[str, Any]:
        """The record so far, and where the conversation stands."""
        return {**self.record.to_json(), "state": str(self.conversation.state)}

    def _observe(self, now: float, event: CallEvent, commands: Sequence[Command]) -> None:
        is_masked = self.conversation.touched_sensitive
        self.record.observe(now, event, commands, is_masked=is_masked)
        if self._journal is not None:
            self._journal.write(now, event, commands, is_masked=is_masked)
        vendor = self.conversation.speech.recognizer_vendor
        self._equipment.metrics.observe(event, commands, bot=self._number.bot, recognizer=vendor)


def _is_speech_only(recognizers: Mapping[str, RecognizerCapabilities], settings: ListenSettings) -> bool:
    found = recognizers.get(settings.vendor)
    return found is not None and found.speech_only


def _folder(settings: Settings, started: Any) -> Path:
    """A folder per day, so that a year of calls does not end in one."""
    return Path(settings.records.directory) / str(started.date())
