"""The caller's audio, from the leg to everything that listens, by direct calls: nothing waits here.

Leg -> time line -> echo canceller -> voice activity detector, recognition streams, recording. Only changes leave as
events. The opposite direction is `mouth`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

from audio.codecs import g711
from audio.endpointing import VoiceEvent, VoiceStarted, VoiceStopped, VoiceSustained
from audio.format import AudioFormat
from audio.frame import Frame
from audio.framing import Timeline
from gateway.call.ears import Ears
from gateway.call.guard import shielded
from gateway.call.kept_sound import KeptSound
from gateway.call.playout import Heard
from gateway.call.services import Canceller, Detector, Services
from gateway.events import CallEvent, SpeechStarted, SpeechStopped, SpeechSustained
from gateway.speech_interfaces import ListenSettings

MAX_EARLY = 100
"""Messages of ours before the first of the caller's audio, from which their place on its time line is known."""


class CallerAudio:
    """One call's way in.

    Args:
        format: Of the line.
        services: Detector, canceller, recorder.
        timeline: Where the call's samples are numbered.
        ears: The call's recognition streams.
        post: Takes speech events.
        heard: What the caller heard of us since the last time.
    """

    def __init__(
        self,
        format: AudioFormat,
        services: Services,
        timeline: Timeline,
        ears: Ears,
        post: Callable[[CallEvent], None],
        heard: Callable[[], list[Heard]],
    ) -> None:
        self._format = format
        self._timeline = timeline
        self._post = post
        self._heard = heard
        self._ears = ears
        self._canceller: Canceller | None = services.canceller(format) if services.canceller else None
        self._detector: Detector | None = services.detector(format, self._voice) if services.detector else None
        recorder = services.recorder
        self._keep_caller = shielded("recorder", recorder.caller) if recorder else None
        self._keep_bot = shielded("recorder", recorder.bot) if recorder else None
        self._is_recording = False
        self._message: KeptSound | None = None
        self._early: deque[tuple[bytes, float]] = deque(maxlen=MAX_EARLY)

    def next_deadline(self) -> float:
        """When `tick` is due; infinite before the first audio."""
        return self._timeline.next_deadline()

    def start_recording(self) -> None:
        self._is_recording = True

    def keep_message(self, longest: float) -> None:
        """The caller is asked to leave a message: keep what he says from here on."""
        self._message = KeptSound(self._format, longest)

    def message(self, since: float, until: float) -> bytes:
        """The message as a WAV file."""
        kept, self._message = self._message or KeptSound(self._format, 0.0), None
        return kept.wav(since, until)

    def ask(self, settings: ListenSettings) -> None:
        """The open question decides how much silence ends an utterance."""
        if self._detector is not None:
            self._detector.end_silence = settings.end_silence

    def take(self, frame: Frame, now: float) -> None:
        """Audio as the leg got it."""
        for placed in self._timeline.place(frame, now):
            self._pass(placed)
        if self._early and self._canceller is not None:
            self._tell(self._canceller)

    def tick(self, now: float) -> None:
        """Fill up with silence where the peer sends nothing."""
        for placed in self._timeline.fill(now):
            self._pass(placed)
        self.record_bot()

    # --- what we say, for canceller and recording --------------------------------------------------------------------
    def bot_speaks(self, data: bytes, at: float) -> None:
        """Audio in the wire's format is on its way; the caller hears it from call time ``at`` on."""
        if self._canceller is None:
            return
        self._early.append((data, at))
        if not math.isnan(self._timeline.time_of(0)):
            self._tell(self._canceller)

    def bot_falls_silent(self, now: float) -> None:
        """What was on its way is dropped."""
        if self._canceller is not None and not math.isnan(self._timeline.time_of(0)):
            self._canceller.cut(self._position(now))

    def record_bot(self) -> None:
        """Hand the recording what the caller heard of us since the last time."""
        if self._keep_bot is not None:
            for heard in self._heard():
                if self._is_recording:
                    self._keep_bot(heard.data, heard.at)

    def _tell(self, canceller: Canceller) -> None:
        encoding = self._format.encoding
        while self._early:
            data, at = self._early.popleft()
            pcm, position = g711.decode(data, encoding), self._position(at)
            canceller.reference(pcm[max(0, -position) * 2 :], max(0, position))

    def _position(self, time: float) -> int:
        return round((time - self._timeline.time_of(0)) * self._format.rate)

    def close(self) -> None:
        self.record_bot()
        if self._detector is not None:
            self._detector.close()

    def _pass(self, frame: Frame) -> None:
        at = self._timeline.time_of(frame.pts_samples)
        if self._keep_caller is not None and self._is_recording:
            self._keep_caller(frame, at)
        if self._message is not None:
            self._message.take(frame, at)
        if self._canceller is not None:
            frame = self._canceller.process(frame)
        self._ears.push(frame)
        if self._detector is not None:
            self._detector.push(frame)

    def _voice(self, event: VoiceEvent) -> None:
        assert self._detector is not None
        rate = self._detector.rate
        position = event.at_samples * self._format.rate // rate
        at = self._timeline.time_of(position)
        match event:
            case VoiceStarted():
                self._ears.voice_started(position)
                self._post(SpeechStarted(at=at))
            case VoiceSustained():
                self._post(SpeechSustained(at=at, voiced=event.voiced_samples / rate))
            case VoiceStopped():
                self._ears.voice_stopped(position)
                self._post(SpeechStopped(at=at))
