"""Made-up audio in gaps: it goes on where the speech left off, fades out, and does not click at either end."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from audio.codecs import g711
from audio.codecs.concealment import HISTORY, Concealer
from audio.codecs.live import G711Codec
from audio.format import L16_8K, PCMA_8K, PCMU_8K, Encoding
from audio.levels import pcm_of, samples_of
from tests.fakes.lossy_line import SLOT, slots, speech, voice
from tests.fakes.sounds import RATE, pink_noise, tones

Samples = npt.NDArray[np.float32]
BEFORE = 4000  # samples

SOUNDS = {
    "voice": voice(2),
    "another voice": voice(2, seed=11),
    "low": tones(2, 120),
    "middle": tones(2, 440),
    "high": tones(2, 1700),
    "key": tones(2, 770, 1336),
    "chord": tones(2, 200, 310, 530),
    "noise": pink_noise(2, -20),
}


def with_gap(sound: Samples, at: int, length: int, rate: int = RATE) -> Samples:
    """The sound with a piece made up from what was before it, all by packets of 20 ms."""
    concealer = Concealer(rate)
    packet = rate // 50
    pieces = [sound[:at]]
    pieces += [concealer.conceal(sound[at - round(HISTORY * rate) : at], packet) for _ in range(length // packet)]
    pieces.append(concealer.rejoin(sound[at + length : at + length + packet]))
    pieces.append(sound[at + length + packet :])
    return np.concatenate(pieces)


def edge(sound: Samples) -> Samples:
    """How sharply a sound bends at each sample: a click stands out of this."""
    return np.abs(np.diff(sound, 2))


def power(sound: Samples) -> float:
    return float(np.mean(np.square(sound)))


@pytest.mark.parametrize("name", SOUNDS)
@pytest.mark.parametrize("length", [SLOT, 2 * SLOT, 4 * SLOT])
def test_neither_join_is_sharper_than_the_sound_itself(name: str, length: int) -> None:
    sound = SOUNDS[name].astype(np.float32)
    usual = edge(sound).max()
    for at in range(BEFORE, BEFORE + 2000, 237):
        filled = with_gap(sound, at, length)
        assert len(filled) == len(sound)
        for join in (at, at + length):
            assert edge(filled[join - 4 : join + 84]).max() <= 1.5 * usual


@pytest.mark.parametrize("name", SOUNDS)
@pytest.mark.parametrize("length", [SLOT, 2 * SLOT, 4 * SLOT])
def test_the_energy_at_the_joins_is_that_of_the_sound(name: str, length: int) -> None:
    """Above 2 kHz, where a click has its energy, in the 8 ms around each join."""
    sound = SOUNDS[name].astype(np.float32)

    def treble(around: Samples) -> float:
        spectrum = np.abs(np.fft.rfft(around * np.hanning(len(around)))) ** 2
        return float(spectrum[len(spectrum) // 2 :].sum())

    window = 64
    usual = max(treble(sound[start : start + window]) for start in range(BEFORE, BEFORE + 4000, 16))
    whole = max(float((np.abs(np.fft.rfft(sound[s : s + window] * np.hanning(window))) ** 2).sum()) for s in (0, 4000))
    for at in range(BEFORE, BEFORE + 2000, 237):
        filled = with_gap(sound, at, length)
        for join in (at, at + length):
            assert treble(filled[join - window // 2 : join + window // 2]) <= 2 * usual + 0.01 * whole


@pytest.mark.parametrize("name", ["low", "middle", "chord"])
def test_a_hard_cut_would_fail_these_tests(name: str) -> None:
    """Zeros in place of a packet: what concealment is better than."""
    sound = SOUNDS[name].astype(np.float32)
    usual = edge(sound).max()
    sharpest = []
    for at in range(BEFORE, BEFORE + 2000, 237):
        cut = sound.copy()
        cut[at : at + SLOT] = 0
        sharpest.append(edge(cut[at - 4 : at + 36]).max())
    assert max(sharpest) > 3 * usual


@pytest.mark.parametrize("name", ["voice", "another voice", "low", "middle", "key"])
def test_one_lost_packet_of_a_voice_sounds_like_what_was_lost(name: str) -> None:
    sound = SOUNDS[name].astype(np.float32)
    for at in range(BEFORE, BEFORE + 2000, 237):
        lost, made_up = sound[at : at + 80], with_gap(sound, at, SLOT)[at : at + 80]
        assert np.corrcoef(lost, made_up)[0, 1] > 0.85


@pytest.mark.parametrize("name", SOUNDS)
def test_a_gap_is_never_louder_than_what_was_before_it_and_silent_after_sixty_milliseconds(name: str) -> None:
    sound = SOUNDS[name].astype(np.float32)
    for at in range(BEFORE, BEFORE + 2000, 237):
        filled = with_gap(sound, at, 5 * SLOT)
        loudest = max(power(sound[start : start + 80]) for start in range(at - 320, at - 79, 40))
        for start in range(at, at + 5 * SLOT, 80):
            assert power(filled[start : start + 80]) <= 1.6 * loudest
        assert not filled[at + 480 : at + 5 * SLOT].any()
        levels = [power(filled[start : start + SLOT]) for start in range(at, at + 3 * SLOT, SLOT)]
        assert levels == sorted(levels, reverse=True)


def test_at_the_beginning_of_a_call_there_is_nothing_to_repeat() -> None:
    concealer = Concealer(RATE)
    assert not concealer.conceal(np.zeros(0, np.float32), SLOT).any()
    assert len(concealer.rejoin(np.ones(10, np.float32))) == 10
    few = Concealer(RATE).conceal(np.full(50, 1000, np.float32), SLOT)
    assert np.abs(few).max() <= 2000


def test_at_sixteen_kilohertz() -> None:
    times = np.arange(32000) / 16000
    sound = (8000 * np.sin(2 * np.pi * 300 * times) + 3000 * np.sin(2 * np.pi * 4100 * times)).astype(np.float32)
    usual = edge(sound).max()
    for at in range(8000, 9000, 237):
        filled = with_gap(sound, at, 640, 16000)
        for join in (at, at + 640):
            assert edge(filled[join - 4 : join + 164]).max() <= 1.5 * usual


# --- in a codec ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("law", [Encoding.PCMU, Encoding.PCMA])
def test_g711_passes_what_arrives_and_mixes_what_follows_a_gap(law: Encoding) -> None:
    codec = G711Codec(law)
    payloads = slots(speech(0.2, law))
    assert [codec.decode(payload) for payload in payloads[:5]] == payloads[:5]
    assert len(codec.conceal(SLOT)) == SLOT
    assert len(codec.conceal(SLOT)) == SLOT
    after = codec.decode(payloads[7])
    assert after != payloads[7]
    assert after[64:] == payloads[7][64:]
    assert codec.decode(payloads[8]) == payloads[8]


@pytest.mark.parametrize("audio_format", [PCMU_8K, PCMA_8K, L16_8K])
def test_g711_gives_the_format_that_is_wanted(audio_format: object) -> None:
    codec = G711Codec(Encoding.PCMA, audio_format)  # type: ignore[arg-type]  # a parameter
    payload = slots(speech(0.1, Encoding.PCMA))[3]
    data = codec.decode(payload)
    assert data == g711.transcode(payload, Encoding.PCMA, codec.format.encoding)
    assert len(codec.conceal(SLOT)) == len(data)
    assert codec.encode(data) == g711.transcode(data, codec.format.encoding, Encoding.PCMA)
    assert codec.clock_rate == 8000


def test_the_joins_do_not_click_through_g711_either() -> None:
    codec = G711Codec(Encoding.PCMU)
    payloads = slots(speech(2))
    heard = b"".join(
        codec.decode(payload) if number % 7 != 5 else codec.conceal(SLOT) for number, payload in enumerate(payloads)
    )
    sound, original = (samples_of(g711.decode(data, Encoding.PCMU)) for data in (heard, b"".join(payloads)))
    usual = edge(original).max()
    for number in range(5, len(payloads) - 1, 7):
        for join in (number * SLOT, (number + 1) * SLOT):
            assert edge(sound[join - 4 : join + 84]).max() <= 1.5 * usual


def test_another_stream_is_not_mixed_with_the_gap_before_it() -> None:
    codec = G711Codec(Encoding.PCMU)
    codec.decode(slots(speech(0.1))[0])
    codec.conceal(SLOT)
    codec.reset()
    payload = slots(speech(0.1))[3]
    assert codec.decode(payload) == payload
    codec.reset()
    assert g711.decode(codec.conceal(SLOT), Encoding.PCMU) == pcm_of(np.zeros(SLOT))
