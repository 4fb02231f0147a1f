"""`talkpath bench speech`: how well, and how soon, vendors hear and speak. Figures of one run compare with each other.

Each recording is played as a call would bring it: G.711, the caller's silence before the turn is over, one stream a
turn. Recognizers that hear only what they are told of get a menu of `MENU` phrases, the right one among them.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from audio import levels
from audio.codecs import g711
from audio.format import PCMU_8K, Encoding
from config.call import Endpointing
from gateway.errors import VendorError
from gateway.events import Transcript
from gateway.speech_interfaces import ListenSettings, Utterance
from gateway.trying.accuracy import middle, word_errors, words_of
from gateway.trying.hearing import Hearing, hear
from gateway.trying.material import RATE, Recording, Samples, at_level, mixed
from gateway.trying.saying import say
from gateway.trying.vendor import Tried
from gateway.trying.voiced import interruptions, voice_events
from gateway.tuning import Tuning

MENU = 4
BEFORE, END_SILENCE = 0.3, 0.8
"""Seconds of the line before a word, and after the last: `end_silence.free`."""
STRETCHES, STRETCH = 5, 4.0
"""How often, and how long in seconds, vendors are given noise with nobody speaking."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Under what people speak.

    Attributes:
        snr: Decibels of speech over noise; None: there is none.
        noise: As long as the longest turn, of any level.
    """

    snr: float | None = None
    noise: Samples | None = None

    @property
    def name(self) -> str:
        return "clean" if self.snr is None else f"{self.snr:g} dB"

    def under(self, recording: Recording, after: float) -> bytes:
        """The recording as a line has it, with silence or noise around it, as mu-law."""
        around = b"\0\0" * round(BEFORE * RATE), b"\0\0" * round(after * RATE)
        pcm = around[0] + recording.pcm + around[1]
        if self.snr is not None and self.noise is not None:
            level = levels.active_level(recording.pcm, RATE) - self.snr
            pcm = mixed(pcm, at_level(self.noise, level))
        return g711.encode(pcm, Encoding.PCMU)

    def alone(self, speech_level: float) -> list[bytes]:
        """Stretches of the noise with nobody speaking, as mu-law; none where there is no noise."""
        if self.snr is None or self.noise is None:
            return []
        noise, size = at_level(self.noise, speech_level - self.snr), round(STRETCH * RATE)
        pieces = (noise[start : start + size] for start in range(0, STRETCHES * size, size))
        return [g711.encode(levels.pcm_of(piece), Encoding.PCMU) for piece in pieces if piece.size == size]


@dataclass(slots=True)
class EarScore:
    """How a recognizer fared under one condition.

    Attributes:
        delays: Seconds from the end of the speech until the text of the turn is complete.
        stretches: Of noise with nobody speaking.
        heard_in_noise: In how many of them words were reported, which would interrupt the bot.
    """

    vendor: str
    condition: str
    menu: bool = False
    turns: int = 0
    exact: int = 0
    words: int = 0
    errors: int = 0
    delays: list[float] = field(default_factory=list)
    stretches: int = 0
    heard_in_noise: int = 0
    failures: list[str] = field(default_factory=list)

    def count(self, recording: Recording, heard: str) -> None:
        said, understood = words_of(recording.text), words_of(heard)
        wrong = word_errors(said, understood)
        self.turns += 1
        self.exact += wrong == 0
        self.words += len(said)
        self.errors += wrong

    def to_json(self) -> dict[str, Any]:
        return {
            "vendor": self.vendor,
            "condition": self.condition,
            "menu": self.menu,
            "turns": self.turns,
            "word_error_rate": self.errors / self.words if self.words else None,
            "exact": self.exact / self.turns if self.turns else None,
            "end_to_text_p50": middle(self.delays),
            "end_to_text_p95": middle(self.delays, 0.95),
            "words_in_noise": self.heard_in_noise / self.stretches if self.stretches else None,
            "failures": self.failures,
        }


@dataclass(slots=True)
class VoiceScore:
    """How a synthesizer fared. The first request, which may have to connect, stands by itself."""

    vendor: str
    first_request: float | None = None
    first_audio: list[float] = field(default_factory=list)
    loudness: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return {
            "vendor": self.vendor,
            "first_audio_of_first_request": self.first_request,
            "first_audio_p50": middle(self.first_audio),
            "first_audio_p95": middle(self.first_audio, 0.95),
            "level_dbfs": middle(self.loudness),
            "failures": self.failures,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How vendors are measured."""

    language: str
    recordings: Sequence[Recording]
    conditions: Sequence[Condition]
    endpointing: Endpointing = "gateway"
    at_once: int = 4
    speed: float = 1.0
    within: float = 10.0


async def bench_ear(tried: Tried, plan: Plan) -> list[EarScore]:
    """One score for each condition. A turn that fails counts as understood in none of its words."""
    return [await _under(tried, plan, condition) for condition in plan.conditions]


async def _under(tried: Tried, plan: Plan, condition: Condition) -> EarScore:
    can = tried.recognizer.capabilities
    by_vendor = plan.endpointing == "vendor" and can.own_endpointing != "none"
    score, gate = EarScore(tried.name, condition.name, menu=can.needs_hints), asyncio.Semaphore(plan.at_once)

    async def turn(recording: Recording) -> None:
        settings = ListenSettings(
            vendor=tried.name,
            language=plan.language,
            hints=menu_around(recording, plan.recordings) if can.needs_hints else (),
            tuning=Tuning(interim=True, endpointing="vendor" if by_vendor else "gateway"),
        )
        after = 0.0 if by_vendor else END_SILENCE
        async with gate:
            hearing = await _heard(tried, plan, settings, condition.under(recording, after), score)
        score.count(recording, hearing.text if hearing else "")
        if hearing and hearing.text and (late := hearing.complete_after) is not None:
            score.delays.append(late + len(recording.pcm) / 2 / RATE - recording.speech_end + after)

    async def stretch(noise: bytes) -> None:
        menu = menu_around(plan.recordings[0], plan.recordings) if can.needs_hints else ()
        settings = ListenSettings(vendor=tried.name, language=plan.language, hints=menu)
        async with gate:
            hearing = await _heard(tried, plan, settings, noise, score)
        if hearing is not None:
            score.stretches += 1
            score.heard_in_noise += _has_words(hearing)

    async with asyncio.TaskGroup() as turns:
        for recording in plan.recordings:
            turns.create_task(turn(recording))
        for noise in condition.alone(_usual_level(plan.recordings)):
            turns.create_task(stretch(noise))
    return score


async def _heard(tried: Tried, plan: Plan, settings: ListenSettings, audio: bytes, score: EarScore) -> Hearing | None:
    try:
        return await hear(tried, settings, audio, PCMU_8K, within=plan.within, speed=plan.speed)
    except VendorError as error:
        score.failures.append(error.reason)
        return None


def _has_words(hearing: Hearing) -> bool:
    return any(isinstance(each.what, Transcript) and each.what.text.strip() for each in hearing.noticed)


def menu_around(recording: Recording, every: Sequence[Recording]) -> tuple[str, ...]:
    """What is said, among others; always the same ones."""
    chance = random.Random(recording.name)
    others = [other.text for other in every if other.text != recording.text]
    menu = [recording.text, *chance.sample(others, min(MENU - 1, len(others)))]
    chance.shuffle(menu)
    return tuple(menu)


def _usual_level(recordings: Sequence[Recording]) -> float:
    return middle([levels.active_level(recording.pcm, RATE) for recording in recordings]) or levels.SILENT


async def bench_voice(tried: Tried, plan: Plan) -> VoiceScore:
    """The recordings' texts, one after the other."""
    score = VoiceScore(tried.name)
    for recording in plan.recordings:
        utterance = Utterance(text=recording.text, plain=recording.text, vendor=tried.name, language=plan.language)
        try:
            said = await say(tried, utterance, PCMU_8K, within=plan.within)
        except VendorError as error:
            score.failures.append(error.reason)
            continue
        if score.first_request is None:
            score.first_request = said.first
        else:
            score.first_audio.append(said.first)
        score.loudness.append(said.level)
    return score


# --- the gateway itself ----------------------------------------------------------------------------------------------
def false_barge_ins(condition: Condition, recordings: Sequence[Recording]) -> float | None:
    """How often in a minute of the noise the gateway's own detector would let somebody interrupt; None: no noise."""
    audio = b"".join(condition.alone(_usual_level(recordings)))
    if not audio:
        return None
    return interruptions(voice_events(audio, PCMU_8K)) * 60 / PCMU_8K.seconds(len(audio))
