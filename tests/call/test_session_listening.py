"""The caller's audio on its way to detector, recognizers, canceller and recording, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from audio.format import PCMU_8K
from audio.frame import Frame
from gateway.call.commands import (
    CloseEar,
    Command,
    FinishUtterance,
    KeepRecord,
    OpenEar,
    StartPrompt,
    StopPlayout,
)
from gateway.call.ears import MAX_QUEUED
from gateway.call.services import Services
from gateway.call.session import Session
from gateway.errors import VendorUnavailable
from gateway.events import (
    CallAnswered,
    PromptEnded,
    RecognitionEnded,
    RecognizerFailed,
    SpeechStarted,
    SpeechStopped,
    SpeechSustained,
    Transcript,
    TranscriptUpdated,
)
from gateway.interfaces import LegCapabilities
from gateway.speech_interfaces import ListenSettings, SpeechHeard, Utterance
from tests.fakes.backend import ScriptedBackend
from tests.fakes.decider import OVER, ScriptedDecider
from tests.fakes.leg import FakeLeg
from tests.fakes.speech import ScriptedSpeech, ScriptedStream, SimpleDetector, text_audio
from tests.fakes.virtual_loop import virtual_time

SILENCE = PCMU_8K.silence(8000)


def voice(seconds: float) -> bytes:
    """Sound in which every frame is different."""
    return b"".join(bytes([1 + index % 200]) * 160 for index in range(round(seconds * 50)))


def hush(seconds: float) -> bytes:
    return PCMU_8K.silence(round(seconds * 8000))


def ear(stream: int = 1, since: float = 0.0, **settings) -> OpenEar:
    return OpenEar(stream=stream, settings=ListenSettings(**settings), since=since)


class Caller:
    """A call in which the caller says what `audio` has, from the first moment on."""

    def __init__(
        self,
        audio: bytes,
        at: Sequence[tuple[float, Sequence[Command]]],
        *,
        script: dict | None = None,
        speech: ScriptedSpeech | None = None,
        leg: FakeLeg | None = None,
        **services,
    ) -> None:
        self.audio = audio
        self.leg = leg or FakeLeg()
        self.speech = speech or ScriptedSpeech(["oui"])
        self.decider = ScriptedDecider(script, at=at)
        self.detectors: list[SimpleDetector] = []
        services.setdefault("detector", self._detector)
        self.session = Session(self.leg, self.decider, ScriptedBackend(), self.speech, Services(**services))

    def _detector(self, format, on_event) -> SimpleDetector:
        self.detectors.append(SimpleDetector(format, on_event))
        return self.detectors[-1]

    async def run(self) -> Caller:
        talking = asyncio.create_task(self.leg.talk(self.audio))
        await self.session.run()
        talking.cancel()
        await asyncio.wait([talking])
        return self

    @property
    def stream(self) -> ScriptedStream:
        return self.speech.streams[0]


@virtual_time
async def test_speech_is_reported_in_call_time_with_its_true_start_and_end():
    call = await Caller(hush(1.0) + voice(0.5) + hush(1.0), [(2.5, [OVER])]).run()
    (started,) = call.decider.of(SpeechStarted)
    (stopped,) = call.decider.of(SpeechStopped)
    assert started.at == pytest.approx(1.0, abs=0.021)
    assert stopped.at - started.at == pytest.approx(0.5)
    assert call.decider.times(SpeechStarted)[0] == pytest.approx(1.1, abs=0.021)
    sustained = call.decider.of(SpeechSustained)
    assert sustained[-1].voiced == pytest.approx(0.5)
    assert sustained[-1].at == stopped.at
    assert call.detectors[0].closed


@virtual_time
async def test_the_question_sets_the_end_silence_of_the_detector():
    call = await Caller(hush(1), [(0.2, [ear(end_silence=0.3)]), (1, [OVER])]).run()
    assert call.detectors[0].end_silence == 0.3


@virtual_time
async def test_a_stream_gets_the_audio_and_what_was_heard_just_before():
    said = hush(1.0) + voice(1.0) + hush(1.0)
    call = await Caller(said, [(1.5, [ear()]), (2.6, [FinishUtterance(stream=1)]), (2.7, [OVER])]).run()
    assert voice(1.0) in call.stream.data
    assert call.stream.data.startswith(hush(0.28))
    assert call.decider.of(TranscriptUpdated) == [
        TranscriptUpdated(stream=1, transcript=Transcript(text="oui", final=True))
    ]
    assert call.decider.of(RecognitionEnded) == [RecognitionEnded(stream=1)]
    assert call.speech.closed == 1


@virtual_time
async def test_the_pre_roll_never_reaches_into_the_turn_before():
    said = voice(3.0)
    call = await Caller(said, [(1.5, [ear(since=1.2)]), (2.0, [OVER])]).run()
    start = round(1.2 * 8000)
    assert call.stream.data == said[start : start + len(call.stream.data)]


@virtual_time
async def test_audio_travels_in_messages_and_is_flushed_at_the_end_of_speech():
    call = await Caller(hush(0.5) + voice(0.54) + hush(1), [(0.1, [ear()]), (0.5, []), (1.9, [OVER])]).run()
    sizes = [len(frame.data) for _, frame in call.stream.frames]
    assert sizes.count(800) >= len(sizes) - 2
    stopped = call.decider.times(SpeechStopped)[0]
    flushed = [time for time, frame in call.stream.frames if len(frame.data) < 800]
    assert flushed[-1] == pytest.approx(1000 + stopped, abs=0.001)


@virtual_time
async def test_a_recognizer_for_speech_only_gets_speech_and_a_little_around_it():
    call = await Caller(
        hush(2.0) + voice(0.5) + hush(2.0), [(0.5, [ear()]), (4.4, [OVER])], speech_only=lambda settings: True
    ).run()
    assert voice(0.5) in call.stream.data
    assert len(call.stream.data) / 8000 == pytest.approx(0.3 + 0.5 + 0.3, abs=0.05)


@virtual_time
async def test_a_slow_recognizer_loses_the_oldest_audio_and_delays_nobody():
    speech = ScriptedSpeech(make_stream=lambda settings: ScriptedStream(settings, push_takes=1.0))
    call = await Caller(voice(25), [(0.1, [ear()]), (25, [OVER])], speech=speech).run()
    assert call.decider.times(SpeechSustained)[-1] == pytest.approx(25, abs=0.05)
    newest = call.stream.frames[-1][1]
    assert newest.pts_samples / 8000 > 25 - MAX_QUEUED * 0.1 - 2.5


@virtual_time
async def test_a_stream_that_is_closed_says_nothing_more():
    call = await Caller(voice(1), [(0.1, [ear()]), (0.5, [CloseEar(stream=1)]), (1, [OVER])]).run()
    assert call.decider.of(RecognitionEnded) == []
    assert call.speech.closed == 1


@virtual_time
async def test_streams_that_break_are_reported():
    error = VendorUnavailable("gone", vendor="acme", operation="listen")
    call = await Caller(hush(1), [(0.1, [ear()]), (1, [OVER])], speech=ScriptedSpeech(open_error=error)).run()
    assert call.decider.of(RecognizerFailed) == [RecognizerFailed(stream=1, reason="acme: listen: gone", vendor="acme")]

    speech = ScriptedSpeech()
    asyncio.get_running_loop().call_later(0.5, lambda: speech.streams[0].give(error))
    call = await Caller(hush(1), [(0.1, [ear()]), (1, [OVER])], speech=speech).run()
    assert call.decider.of(RecognizerFailed) == [RecognizerFailed(stream=1, reason="acme: listen: gone", vendor="acme")]
    assert call.decider.of(RecognitionEnded) == []


@virtual_time
async def test_a_bug_in_a_recognizer_is_a_failure_of_its_stream():
    class Buggy(ScriptedStream):
        async def push(self, frame):
            raise KeyError("bug")

    call = await Caller(
        voice(1), [(0.1, [ear()]), (1, [OVER])], speech=ScriptedSpeech(make_stream=lambda s: Buggy(s))
    ).run()
    assert [failed.stream for failed in call.decider.of(RecognizerFailed)] == [1]


@virtual_time
async def test_without_a_detector_the_recognizer_is_believed():
    speech = ScriptedSpeech()
    loop = asyncio.get_running_loop()
    loop.call_later(1.0, lambda: speech.streams[0].give(SpeechHeard(started=True, at=0.4)))
    loop.call_later(1.5, lambda: speech.streams[0].give(SpeechHeard(started=False, at=0.9)))
    call = await Caller(voice(2), [(0.5, [ear(since=0.5)]), (2, [OVER])], speech=speech, detector=None).run()
    assert call.decider.of(SpeechStarted)[0].at == pytest.approx(0.9, abs=0.03)
    assert call.decider.of(SpeechStopped)[0].at == pytest.approx(1.4, abs=0.03)


@virtual_time
async def test_a_peer_that_sends_nothing_is_silent_in_samples_too():
    call = await Caller(voice(0.5), [(0.1, [ear()]), (5, [OVER])]).run()
    assert call.decider.of(SpeechStopped)[0].at == pytest.approx(0.5, abs=0.021)
    assert call.decider.times(SpeechStopped)[0] < 1.2
    assert len(call.stream.data) / 8000 == pytest.approx(4.7, abs=0.3)


@virtual_time
async def test_the_recording_gets_both_sides_from_its_start_on():
    class Tape:
        def __init__(self) -> None:
            self.left: list[tuple[float, bytes]] = []
            self.right: list[tuple[float, bytes]] = []

        def caller(self, frame: Frame, at: float) -> None:
            self.left.append((at, frame.data))

        def bot(self, data: bytes, at: float) -> None:
            self.right.append((at, data))

    tape = Tape()
    prompt = StartPrompt(prompt_id=1, content=Utterance(text="abcdef", plain="abcdef"))
    call = await Caller(
        voice(3),
        [(1.0, [KeepRecord(kind="recording_started"), prompt]), (1.45, [StopPlayout()]), (3.0, [OVER])],
        recorder=tape,
    ).run()
    assert call.decider.of(PromptEnded)[0].seconds == 0.45
    assert b"".join(data for _, data in tape.right) == text_audio("abcdef", PCMU_8K)[:3600]
    assert tape.right[0][0] == pytest.approx(1.0)
    assert tape.left[0][0] == pytest.approx(1.0, abs=0.021)
    assert tape.left[-1][0] == pytest.approx(2.98, abs=0.021)


@virtual_time
async def test_a_recording_that_breaks_does_not_cost_the_call():
    class Broken:
        def caller(self, frame, at):
            raise OSError("disk full")

        bot = caller

    start = KeepRecord(kind="recording_started")
    call = await Caller(voice(1), [(0.2, [start]), (1, [OVER])], recorder=Broken()).run()
    assert call.decider.of(SpeechStarted)


@virtual_time
async def test_the_canceller_knows_what_is_sent_and_what_was_cut_and_has_the_first_word():
    class Watch:
        def __init__(self) -> None:
            self.sent: list[tuple[int, int]] = []
            self.cuts: list[int] = []

        def reference(self, pcm: bytes, at_samples: int) -> None:
            self.sent.append((at_samples, len(pcm) // 2))

        def cut(self, at_samples: int) -> None:
            self.cuts.append(at_samples)

        def process(self, frame: Frame) -> Frame:
            return Frame(PCMU_8K.silence(frame.samples), frame.format, frame.pts_samples)

    watch = Watch()
    prompt = StartPrompt(prompt_id=1, content=Utterance(text="abcdefgh", plain="abcdefgh"))
    call = await Caller(
        voice(2), [(0.5, [ear(), prompt]), (0.9, [StopPlayout()]), (2, [OVER])], canceller=lambda format: watch
    ).run()
    start = call.decider.times(CallAnswered)[0]
    assert watch.sent[0][0] == pytest.approx((0.5 - start) * 8000, abs=165)
    assert sum(count for _, count in watch.sent) >= 6400
    assert watch.cuts == [pytest.approx(0.9 * 8000, abs=165)]
    assert call.decider.of(SpeechStarted) == []
    assert set(call.stream.data) == {0xFF}


# --- peers that hear and speak for themselves ----------------------------------------------------------------------
TEXT = LegCapabilities(hears_text=True, speaks_text=True, has_marks=True, has_clear=True)


@virtual_time
async def test_a_text_leg_is_given_text_and_gives_text():
    leg = FakeLeg(capabilities=TEXT)
    loop = asyncio.get_running_loop()
    loop.call_later(4.0, leg.say_text, "non merci")
    prompts = [
        StartPrompt(prompt_id=n, content=Utterance(text=text, plain=text)) for n, text in ((1, "a" * 15), (2, "b" * 15))
    ]
    call = await Caller(
        b"",
        [(3.0, [ear(7)]), (4.5, [FinishUtterance(stream=7)]), (5, [OVER])],
        script={CallAnswered: prompts},
        leg=leg,
    ).run()
    assert [utterance.text for _, utterance, _ in leg.spoken] == ["a" * 15, "b" * 15]
    assert [(e.prompt_id, e.result, e.seconds) for e in call.decider.of(PromptEnded)] == [
        (1, "played", 1),
        (2, "played", 1),
    ]
    assert call.decider.of(TranscriptUpdated)[0].transcript.text == "non merci"
    assert call.decider.of(RecognitionEnded) == [RecognitionEnded(stream=7)]
    assert call.speech.streams == []


@virtual_time
async def test_what_a_text_leg_heard_before_anybody_listened_is_not_lost():
    leg = FakeLeg(capabilities=TEXT)
    loop = asyncio.get_running_loop()
    loop.call_later(0.5, leg.say_text, "too early")
    loop.call_later(1.5, leg.say_text, "just so")
    call = await Caller(b"", [(2.0, [ear(1, since=1.0)]), (3, [OVER])], leg=leg).run()
    assert [event.transcript.text for event in call.decider.of(TranscriptUpdated)] == ["just so"]


@virtual_time
async def test_a_text_leg_that_is_stopped_reports_what_the_usual_speed_allows():
    leg = FakeLeg(capabilities=TEXT)
    words = "one two three four five six"
    prompts = [StartPrompt(prompt_id=n, content=Utterance(text=words, plain=words)) for n in (1, 2)]
    call = await Caller(b"", [(1.0, [StopPlayout()]), (2, [OVER])], script={CallAnswered: prompts}, leg=leg).run()
    first, second = call.decider.of(PromptEnded)
    assert (first.result, first.heard_text) == ("stopped", "one two three")
    assert (second.result, second.heard_text, second.seconds) == ("stopped", "", 0.0)
    assert "clear" in leg.actions
