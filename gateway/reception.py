"""The reception: every leg a line offers comes here, gets its number's settings, and a session for its call.

It knows seams, not vendors; `app` gives it what is configured. A reload gives it another `House`, and calls that are
up keep the one they came in by.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from audio.endpointing import VoiceEvent
from audio.format import AudioFormat
from config.call import (
    FallbackRecognizerSection,
    FallbackVoiceSection,
    NumberSettings,
    RecognizerSection,
    SynthesizerSection,
)
from config.settings import Settings
from gateway.call.conversation import Conversation
from gateway.call.facts import CallSetup
from gateway.call.outcome import CallOutcome
from gateway.call.registry import CallRefused, Registry, UnknownCall
from gateway.call.services import Canceller, Detector, Observer, Services, Speech
from gateway.call.session import Session
from gateway.clock import Clock
from gateway.events import LinkSent
from gateway.http.metrics import CallMetrics, Metrics
from gateway.interfaces import Backend, HangupReason, Leg
from gateway.jobs.desk import JobDesk
from gateway.jobs.job import Job
from gateway.people import Answering, AskHook
from gateway.records.disk import AppendOnly, DiskWriter
from gateway.records.keeping import CallKeeping, day_folder
from gateway.records.live import Saying
from gateway.records.record import CallRecord
from gateway.records.recording import CallRecorder
from gateway.records.storage import CallStore
from gateway.speech_interfaces import ListenSettings, RecognizerCapabilities, SpeechUsed

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
        fetch_media: Fetches recordings that bots name by address; media_root: where those lie that they name by path.
        ask_hook: Asks a service of the operator's who is free; None: nobody knows.
        put_message: Lays a caller's message where his bot can fetch it. None: bots get only its text.
        jobs: Takes what is to be done after calls. None: that is only noted in their records.
    """

    clock: Clock
    registry: Registry
    metrics: Metrics
    store: CallStore
    disk: DiskWriter
    detector: Callable[[AudioFormat, Callable[[VoiceEvent], None], float], Detector]
    canceller: Callable[[AudioFormat], Canceller]
    fetch_media: Callable[[str], Awaitable[bytes]] | None = None
    media_root: Path | None = None
    put_message: Callable[[bytes], str] | None = None
    jobs: JobDesk | None = None
    ask_hook: AskHook | None = None


class Reception:
    """Takes calls."""

    def __init__(self, house: House, equipment: Equipment) -> None:
        self.house = house
        self.equipment = equipment
        self.recent: deque[CallRecord] = deque(maxlen=MAX_RECENT)
        self._running: dict[str, CallRecord] = {}
        self._answering = Answering(equipment.clock, equipment.ask_hook)

    async def offer(self, line: str, leg: Leg) -> None:
        """Conduct a call from its offer to its record. Lasts as long as the call."""
        house, metrics = self.house, self.equipment.metrics
        metrics.offered.labels(line).inc()
        number = house.settings.number_for(leg.info.called)
        if number is None:
            await self._refuse(line, leg, "unknown_number", "no entry under numbers matches the called number")
            return
        info = dataclasses.replace(leg.info, line=line, number=number.number, language=number.language)
        people: str | None = None
        if not await self._answering.is_for_bot(number, info):
            people = number.answer_when.people
            if people is None or not leg.capabilities.can_transfer:
                await self._refuse(line, leg, "busy", "people answer now")
                return
        try:
            with self.equipment.registry.register(info) as place:
                call = Call(line, leg, number, info, house, self.equipment, people)
                place.snapshot = call.snapshot
                place.post = call.session.post
                metrics.running.inc()
                self._running[info.call_id] = call.record
                try:
                    await call.run()
                finally:
                    metrics.running.dec()
                    del self._running[info.call_id]
                    self.recent.append(call.record)
        except CallRefused as refused:
            reason: HangupReason = "draining" if refused.reason == "draining" else "full"
            await self._refuse(line, leg, reason, refused.reason)

    async def _refuse(self, line: str, leg: Leg, reason: HangupReason, why: str) -> None:
        self.equipment.metrics.refused.labels(line, reason).inc()
        log.warning("call refused", line=line, reason=reason, why=why, leg_id=leg.info.leg_id)
        await leg.hang_up(reason)

    def recently(self, call_id: str) -> CallRecord | None:
        """The record of a call that has just ended."""
        return next((record for record in self.recent if record.info.call_id == call_id), None)

    # --- what jobs ask ---------------------------------------------------------------------------------------------
    async def record_of(self, call_id: str) -> Mapping[str, Any] | None:
        """A call's record, be it up, just over, or long ago."""
        known = self._running.get(call_id) or self.recently(call_id)
        return await self.equipment.store.get(call_id) if known is None else known.to_json()

    async def add_notes(self, call_id: str, notes: Sequence[Mapping[str, Any]], context: Mapping[str, Any]) -> bool:
        """Add what a job has brought to a call's record; see `gateway.jobs.job.Books`."""
        running = self._running.get(call_id)
        known = running or self.recently(call_id)
        if known is not None:
            jobs = {note["job"] for note in notes}
            known.notes[:] = [old for old in known.notes if old.get("job") not in jobs] + [dict(note) for note in notes]
        return running is not None or await self.equipment.store.add_notes(call_id, notes, context)

    def told(self, job: Job, is_done: bool) -> None:
        """An attempt at a job is over: a call that is up learns what became of its link."""
        if job.kind != "link" or not (is_done or job.attempts == 1):
            return
        with contextlib.suppress(UnknownCall):
            place = self.equipment.registry.call(job.call_id)
            if place.post is not None:
                url, text = str(job.data.get("url", "")), str(job.data.get("text") or "")
                place.post(LinkSent(url=url, ok=is_done, text=text))


class Call:
    """One call: its conversation, its session, and what is written down about it."""

    def __init__(
        self,
        line: str,
        leg: Leg,
        number: NumberSettings,
        info: Any,
        house: House,
        equipment: Equipment,
        people: str | None,
    ) -> None:
        self._equipment = equipment
        self._number = number
        backend = house.backends[number.bot]
        started = equipment.clock.wall()
        self._folder = day_folder(house.settings.records.directory, started)
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
            shares_messages=self._recorder is not None
            and equipment.put_message is not None
            and not leg.capabilities.hears_text,
            today=started.date(),
            people=people,
        )
        self.conversation = Conversation(self.setup)
        journal = None
        if house.settings.records.journal:
            journal = AppendOnly(self._folder / f"{info.call_id}.jsonl", equipment.disk)
        self._keeping = CallKeeping(self.setup, self.conversation, started, journal=journal, recorder=self._recorder)
        self.record = self._keeping.record
        self._saying = Saying()
        self._jobs = None if equipment.jobs is None else equipment.jobs.open_call(self._context(), self._note)
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
            fallback_voices=_voices_of(self._number.synthesizer),
            first_audio_within=self._number.synthesizer.first_audio_within,
            fallback_recognizers=_recognizers_of(self._number.recognizer),
            final_within=self._number.recognizer.final_within,
            on_use=self._used,
            fetch_media=equipment.fetch_media,
            media_root=equipment.media_root,
            put_message=equipment.put_message,
            observers=self._observers(),
            recorder=self._recorder,
        )

    def _used(self, use: SpeechUsed) -> None:
        self.record.usage.add(use)
        self._equipment.metrics.speech_used(use)

    def _observers(self) -> list[Observer]:
        metrics = CallMetrics(self._equipment.metrics, self._number.bot)
        return [
            self._keeping.observe,
            metrics.observe,
            self._saying.observe,
            *([self._jobs.observe] if self._jobs else []),
        ]

    def _context(self) -> dict[str, Any]:
        """What the call's jobs know of it where a crash leaves no record."""
        ended = {"result": "leg_failed", "by": "gateway", "reason": "no record was stored"}
        return {**self.record.to_json(), **ended, "bot": self._number.bot}

    def _note(self, kind: str, data: Mapping[str, Any]) -> None:
        self.record.notes.append({"at": round(self.session.now(), 6), "kind": kind, "data": dict(data)})

    async def run(self) -> CallOutcome:
        """Conduct the call, then close its books. The books never cost the call, nor the next one."""
        try:
            outcome = await self.session.run()
        except asyncio.CancelledError:  # the process ends under the call: what was kept until now is kept
            stopped = CallOutcome(result="leg_failed", by="gateway", reason="the gateway stopped")
            self._keeping.close(stopped, round(self.session.now(), 6))
            if self._jobs is not None:
                self._jobs.over()
            raise
        self._keeping.close(outcome, round(self.session.now(), 6))
        self._equipment.metrics.call_ended(self.record, outcome)
        await self._keep()
        return outcome

    async def _keep(self) -> None:
        """Store the jobs, then the record, then let the jobs be done, which adds to the record."""
        if self._jobs is not None:
            await self._jobs.stored()
        record = self.record.to_json()
        await self._equipment.store.keep(record)
        if late := self.record.notes[len(record["notes"]) :]:  # by a job that was done meanwhile
            await self._equipment.store.add_notes(self.record.info.call_id, late)
        if self._jobs is not None:
            self._jobs.over()

    def snapshot(self) -> dict[str, Any]:
        """The record so far, where the conversation stands, and what the bot is just saying."""
        now = {"state": str(self.conversation.state), "saying": self._saying.text}
        return {**self.record.to_json(), **now}


def _voices_of(own: SynthesizerSection) -> tuple[FallbackVoiceSection, ...]:
    """Who speaks when the voice a bot has chosen fails: the number's own voice, then those behind it."""
    return (FallbackVoiceSection(vendor=own.vendor, voice=own.voice, options=own.options), *own.fallback)


def _recognizers_of(own: RecognizerSection) -> tuple[FallbackRecognizerSection, ...]:
    """Who listens when the recognizer a bot has chosen fails: the number's own, then those behind it."""
    return (FallbackRecognizerSection(vendor=own.vendor, model=own.model, options=own.options), *own.fallback)


def _is_speech_only(recognizers: Mapping[str, RecognizerCapabilities], settings: ListenSettings) -> bool:
    found = recognizers.get(settings.vendor)
    return found is not None and found.speech_only
