"""pocketsphinx, tamed for telephone speech. Only worker processes import this.

Its acoustic model expects 16 kHz speech with energy up to 6.8 kHz. `Band` makes telephone audio look like that; an
`Ear` then runs two decoders over it: one for what the question allows, and a loop of arbitrary phones whose score says
how well anything at all could fit. The difference between the two tells an answer from other talk.
"""

from __future__ import annotations

import math
import tempfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pocketsphinx

from gateway.speech.local.grammar import Grammar

MODEL = Path(pocketsphinx.get_model_path()) / "en-us"
ACOUSTIC, DICTIONARY, PHONE_LOOP = MODEL / "en-us", MODEL / "cmudict-en-us.dict", MODEL / "en-us-phone.lm.bin"
RATE = 8000
DITHER = (
    104.0  # standard deviation; -50 dBFS, chosen by measurement, and with a fixed seed so that a call can be replayed
)
DITHER_SECONDS = 8
SEED = 1
LOOP_SEARCH = {"wip": 1e-4, "lw": 2.5, "silprob": 0.1}
"""For loops of words only, where the decoder inserts words otherwise; the penalty harms menus. The weight of the
grammar is low and silence cheap, or a single digit is taken for silence."""
PHRASE_SEARCH = {"lw": 2.0, "silprob": 0.1}
"""For whole phrases: right answers stand out from other talk a little clearer than with the model's own values."""
PHONE_LOOP_WEIGHT = 2.0
LOG_BASE = 1.0001
NO_SPEECH = ("SIL", "+", "<", "(")
"""How the names of silence, noises, and the marks of beginning and end begin."""
CEPSTRAL_MEAN = (
    "48.733,3.63528,1.99116,-4.57984,1.02903,-3.30893,1.31602,-2.17263,1.17248,-0.822096,-3.7886,-0.226804,2.01437"
)
"""Where the running mean of the features begins, for every utterance anew: the model's own value. What an utterance
leaves behind would make the scores of the two decoders incomparable, and one caller's voice the next one's measure."""
IDLE_DECODERS = 12
"""Kept for the next question with the same grammar; 3 to 6 MB each."""


class Band:
    """Telephone audio as the model wants it: zeros between the samples mirror 0-4 kHz into 4-8 kHz, noise fills gaps.

    It sounds wrong, and is of no use to anything else.
    """

    _noise = np.random.default_rng(SEED).normal(0, DITHER, 2 * RATE * DITHER_SECONDS).astype(np.float32)

    def __init__(self) -> None:
        self._at = 0

    def widen(self, pcm: bytes) -> bytes:
        """8 kHz in, 16 kHz out; 16-bit little-endian."""
        samples = np.frombuffer(pcm, "<i2").astype(np.float32)
        wide = np.take(self._noise, np.arange(self._at, self._at + 2 * len(samples)), mode="wrap")
        self._at = (self._at + len(wide)) % len(self._noise)
        wide[::2] += 2 * samples
        return np.clip(wide, -32768, 32767).astype("<i2").tobytes()


@dataclass(frozen=True, slots=True)
class Answer:
    """What an `Ear` made of an utterance.

    Attributes:
        margin: How much better the answer fits than arbitrary phones, per frame with speech, in the decoder's units.
        unmatched: Share of the speech that the answer takes for silence.
    """

    hypothesis: str
    margin: float
    unmatched: float


class Decoders:
    """Decoders that are not in use, by what they decode. One that is in use serves one utterance at a time."""

    def __init__(self) -> None:
        self._idle: OrderedDict[tuple[str, str], list[pocketsphinx.Decoder]] = OrderedDict()

    def take(self, grammar: Grammar) -> pocketsphinx.Decoder:
        return self._take((grammar.jsgf, grammar.dictionary), grammar)

    def take_phone_loop(self) -> pocketsphinx.Decoder:
        return self._take(("", ""), None)

    def give_back(self, decoder: pocketsphinx.Decoder, grammar: Grammar | None) -> None:
        key = (grammar.jsgf, grammar.dictionary) if grammar else ("", "")
        self._idle.setdefault(key, []).append(decoder)
        self._idle.move_to_end(key)
        while sum(map(len, self._idle.values())) > IDLE_DECODERS:
            oldest = next(iter(self._idle))
            self._idle[oldest].pop()
            if not self._idle[oldest]:
                del self._idle[oldest]

    def _take(self, key: tuple[str, str], grammar: Grammar | None) -> pocketsphinx.Decoder:
        if self._idle.get(key):
            decoder = self._idle[key].pop()
            if not self._idle[key]:
                del self._idle[key]
            return decoder
        return _load(grammar)


def _load(grammar: Grammar | None) -> pocketsphinx.Decoder:
    """A new decoder: for a grammar, or for arbitrary phones.

    Raises:
        RuntimeError, ValueError: pocketsphinx does not take the grammar or the dictionary.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".dict", encoding="utf-8") as dictionary:
        dictionary.write(grammar.dictionary if grammar else "sil SIL\n")
        dictionary.flush()
        common = {"hmm": str(ACOUSTIC), "dict": dictionary.name, "lm": None, "loglevel": "FATAL"}
        if grammar is None:
            return pocketsphinx.Decoder(**common, allphone=str(PHONE_LOOP), lw=PHONE_LOOP_WEIGHT)
        decoder = pocketsphinx.Decoder(**common, **(LOOP_SEARCH if grammar.is_loop else PHRASE_SEARCH))
        decoder.add_jsgf_string("question", grammar.jsgf)
        decoder.activate_search("question")
        return decoder


class Ear:
    """One utterance against one grammar."""

    def __init__(self, grammar: Grammar, decoders: Decoders) -> None:
        self._grammar = grammar
        self._decoders = decoders
        self._band = Band()
        self._decoder = decoders.take(grammar)
        self._phone_loop = decoders.take_phone_loop()
        for decoder in (self._decoder, self._phone_loop):
            decoder.set_cmn(CEPSTRAL_MEAN)
            decoder.start_utt()
        self._is_open = True

    def hear(self, pcm: bytes) -> None:
        """8 kHz audio, 16-bit little-endian; any length."""
        wide = self._band.widen(pcm)
        if wide:
            self._decoder.process_raw(wide, False, False)
            self._phone_loop.process_raw(wide, False, False)

    def guess(self) -> str:
        """The best hypothesis so far; jumpy."""
        hypothesis = self._decoder.hyp()
        return hypothesis.hypstr if hypothesis else ""

    def finish(self) -> Answer | None:
        """The answer; None where the grammar cannot be matched at all."""
        self._end()
        return self.judge()

    def judge(self) -> Answer | None:
        """The best hypothesis so far, and how well it fits."""
        ours, any_phones = self._decoder.hyp(), self._phone_loop.hyp()
        if not ours or not ours.hypstr or not any_phones:
            return None
        spoken = _frames_with_speech(self._phone_loop)
        matched = _frames_with_speech(self._decoder)
        frames = max(len(spoken), 1)
        margin = (_log(ours.score) - _log(any_phones.score)) / frames
        return Answer(ours.hypstr, margin, len(spoken - matched) / frames)

    def close(self) -> None:
        """Give the decoders back. Needed after `finish`, too."""
        self._end()
        self._decoders.give_back(self._decoder, self._grammar)
        self._decoders.give_back(self._phone_loop, None)

    def _end(self) -> None:
        if self._is_open:
            self._is_open = False
            self._decoder.end_utt()
            self._phone_loop.end_utt()


def _frames_with_speech(decoder: pocketsphinx.Decoder) -> set[int]:
    """The frames that its best path does not take for silence or noise."""
    frames: set[int] = set()
    for segment in decoder.seg():
        if not segment.word.startswith(NO_SPEECH):
            frames.update(range(segment.start_frame, segment.end_frame + 1))
    return frames


def _log(score: float) -> float:
    """The decoder's own unit; it hands scores out as numbers that are a power of its base."""
    return math.log(score) / math.log(LOG_BASE)
