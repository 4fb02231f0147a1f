"""The sound of a caller's message: cut where it was spoken, and never more of it held than was asked for."""

from __future__ import annotations

import io
import wave

import numpy as np
import pytest

from audio.codecs import g711
from audio.format import L16_16K, PCMU_8K, AudioFormat, Encoding
from audio.frame import Frame
from gateway.call.kept_sound import AROUND, MARGIN, KeptSound

PTIME = 0.02


def samples_of(wav: bytes, rate: int) -> np.ndarray:
    with wave.open(io.BytesIO(wav)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (rate, 1, 2)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def kept(format: AudioFormat, seconds: float, *, starts_at: float = 0.0, longest: float = 60.0) -> KeptSound:
    """A caller whose samples count the seconds since he began, a hundred to each."""
    sound = KeptSound(format, longest)
    length = round(PTIME * format.rate)
    for place in range(round(seconds / PTIME)):
        at = place * PTIME
        pcm = np.full(length, int(at) * 100 + 100, "<i2").tobytes()
        data = pcm if format.encoding is Encoding.L16 else g711.encode(pcm, format.encoding)
        sound.take(Frame(data, format, place * length), starts_at + at)
    return sound


@pytest.mark.parametrize("format", [PCMU_8K, L16_16K], ids=str)
def test_what_was_spoken_is_cut_out_with_a_little_around_it(format: AudioFormat) -> None:
    found = samples_of(kept(format, 10.0, starts_at=5.0).wav(since=8.0, until=10.0), format.rate)
    assert len(found) == round((2.0 + 2 * MARGIN) * format.rate)
    second = format.rate
    margin = round(MARGIN * second)
    loud = [found[margin - 80].item(), found[margin + 80].item(), found[margin + second + 80].item(), found[-80].item()]
    assert loud == [pytest.approx(value, rel=0.05) for value in (300, 400, 500, 600)]


def test_a_message_at_the_edge_is_as_long_as_what_is_there() -> None:
    found = samples_of(kept(PCMU_8K, 2.0).wav(since=0.1, until=5.0), 8000)
    assert len(found) == 2 * 8000


def test_without_sound_the_file_is_empty() -> None:
    assert len(samples_of(KeptSound(PCMU_8K, 5.0).wav(1.0, 2.0), 8000)) == 0


def test_what_is_older_than_the_longest_message_is_forgotten() -> None:
    sound = kept(PCMU_8K, 40.0, longest=5.0)
    found = samples_of(sound.wav(since=0.0, until=40.0), 8000)
    assert len(found) == round((5.0 + AROUND) * 8000)
    assert found[0] == pytest.approx((25 + 1) * 100, rel=0.05)
    late = samples_of(sound.wav(since=30.5, until=31.5), 8000)
    assert late[len(late) // 2 - 400] == pytest.approx(31 * 100, rel=0.05)
