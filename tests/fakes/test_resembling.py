"""The ear of the emulated recognizers hears what was said, and nothing where the audio is not what was announced."""

from __future__ import annotations

import pytest

from audio.codecs import convert
from audio.format import L16_8K, L16_16K, PCMA_8K, PCMU_8K, AudioFormat
from audio.frame import Frame
from gateway.speech.convert import Converter
from tests.fakes.resembling import heard_in
from tests.recordings import recording

pytestmark = pytest.mark.recordings
NAMES = ("agent-pass", "auth-incorrect", "vm-goodbye")


def known() -> dict[str, bytes]:
    return {name: recording("en", name) for name in NAMES}


@pytest.mark.parametrize("format", [PCMU_8K, PCMA_8K, L16_8K, L16_16K], ids=str)
def test_every_recording_is_told_apart_in_every_format(format: AudioFormat) -> None:
    for name in NAMES:
        converter = Converter(format)
        data = converter.convert(Frame(recording("en", name), L16_8K)).data + converter.flush().data
        assert heard_in(data, format, known()) == [name]


def test_two_in_a_row_are_both_heard_in_their_order() -> None:
    pcm = recording("en", "vm-goodbye") + bytes(8000) + recording("en", "agent-pass")
    assert heard_in(pcm, L16_8K, known()) == ["vm-goodbye", "agent-pass"]


@pytest.mark.parametrize("announced", [L16_8K, L16_16K], ids=str)
def test_audio_that_is_not_what_was_announced_is_not_heard(announced: AudioFormat) -> None:
    sent = convert(recording("en", "agent-pass"), L16_8K, PCMU_8K)
    assert heard_in(sent, announced, known()) == []


def test_silence_and_half_a_recording_are_nothing() -> None:
    assert heard_in(bytes(32000), L16_8K, known()) == []
    assert heard_in(recording("en", "agent-pass")[:8000], L16_8K, known()) == []
