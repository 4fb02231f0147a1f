"""What the demonstrations' callers say is heard with a margin, however a call cuts and delays it."""

from __future__ import annotations

import pytest

from audio.codecs import g711
from audio.files import read
from audio.format import PCMU_8K, Encoding
from gateway.demo.bundle import demonstrations, opened
from gateway.speech.local.decoding import DICTIONARY, Answer, Decoders, Ear
from gateway.speech.local.espeak import Espeak
from gateway.speech.local.grammar import Grammar, compile_grammar
from gateway.speech.local.lexicon import Lexicon
from gateway.speech.local.listen_worker import ENGLISH_THRESHOLD, MOST_UNMATCHED

SAFETY = 3.0
"""Margin over what the recognizer accepts: another question's other answers compete, too."""
BYTES_PER_MS = 16
LEADS = (0, 37, 123, 331)  # ms of silence before the phrase
CUT = (0, 20)  # ms that are lost of its beginning
PIECE = 100  # ms, as the gateway hands it over


def recordings() -> list[tuple[str, str]]:
    found = []
    for vendor in demonstrations():
        with opened(vendor) as (_, shown, _):
            found += [(vendor, name) for name in shown.phrases]
    return found


def heard(pcm: bytes, grammar: Grammar, decoders: Decoders) -> Answer | None:
    ear = Ear(grammar, decoders)
    try:
        for start in range(0, len(pcm), PIECE * BYTES_PER_MS):
            ear.hear(pcm[start : start + PIECE * BYTES_PER_MS])
        return ear.finish()
    finally:
        ear.close()


@pytest.mark.parametrize(("vendor", "name"), recordings())
def test_a_demonstrations_phrase_is_heard_wherever_a_call_cuts_it(vendor: str, name: str) -> None:
    lexicon, decoders = Lexicon(DICTIONARY, Espeak()), Decoders()
    with opened(vendor) as (folder, shown, _):
        on_the_line = g711.decode(read(folder / f"{name}.wav", PCMU_8K), Encoding.PCMU)
    phrases = [phrase.text for phrase in shown.phrases.values()]
    grammar = compile_grammar(phrases, (), lambda phrase: lexicon.pronounce(phrase, shown.language))
    assert grammar is not None
    for lead in LEADS:
        for cut in CUT:
            silence = bytes(lead * BYTES_PER_MS)
            answer = heard(silence + on_the_line[cut * BYTES_PER_MS :] + bytes(8000), grammar, decoders)
            assert answer is not None
            assert grammar.text(answer.hypothesis) == shown.phrases[name].text
            assert answer.margin > ENGLISH_THRESHOLD + SAFETY
            assert answer.unmatched < MOST_UNMATCHED
