"""G.711 against a sample-by-sample reading of the recommendation, for every code and every sample."""

from __future__ import annotations

import struct
import warnings
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.codecs import g711
from audio.format import PCMA_8K, PCMU_8K, Encoding, MediaError
from audio.frame import Frame

EVERY_CODE = bytes(range(256))
EVERY_SAMPLE = range(-32768, 32768)
LAWS = [Encoding.PCMU, Encoding.PCMA]


def expand_mulaw(code: int) -> int:
    """G.711 table 2, read one code at a time: 14-bit magnitudes, bits inverted on the wire."""
    code ^= 0xFF
    magnitude = ((2 * (code & 15) + 33) * 2 ** ((code >> 4) & 7) - 33) * 4
    return -magnitude if code & 0x80 else magnitude


def expand_alaw(code: int) -> int:
    """G.711 table 1: 13-bit magnitudes at the middle of each step, even bits inverted on the wire."""
    code ^= 0x55
    segment, step = (code >> 4) & 7, code & 15
    magnitude = 16 * step + 8 if segment == 0 else (16 * step + 264) * 2 ** (segment - 1)
    return magnitude if code & 0x80 else -magnitude


def compress_mulaw(sample: int) -> int:
    value = sample >> 2
    magnitude = min(abs(value), 8158) + 33
    segment = next(segment for segment in range(8) if magnitude < 64 << segment)
    code = segment << 4 | (magnitude >> (segment + 1)) & 15
    return code ^ (0x7F if value < 0 else 0xFF)


def compress_alaw(sample: int) -> int:
    value = sample >> 3
    magnitude = -value - 1 if value < 0 else value
    segment = next(segment for segment in range(8) if magnitude < 32 << segment)
    code = segment << 4 | (magnitude >> max(segment, 1)) & 15
    return code ^ (0x55 if value < 0 else 0xD5)


EXPAND = {Encoding.PCMU: expand_mulaw, Encoding.PCMA: expand_alaw}
COMPRESS = {Encoding.PCMU: compress_mulaw, Encoding.PCMA: compress_alaw}


def pack(samples: list[int]) -> bytes:
    return struct.pack(f"<{len(samples)}h", *samples)


@pytest.mark.parametrize("law", LAWS)
def test_every_code_expands_as_the_tables_say(law: Encoding) -> None:
    assert g711.decode(EVERY_CODE, law) == pack([EXPAND[law](code) for code in range(256)])


@pytest.mark.parametrize("law", LAWS)
def test_every_sample_compresses_as_the_tables_say(law: Encoding) -> None:
    assert g711.encode(pack(list(EVERY_SAMPLE)), law) == bytes(COMPRESS[law](sample) for sample in EVERY_SAMPLE)


@pytest.fixture(scope="module")
def audioop() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("audioop", reason="this Python has no audioop")


@pytest.mark.parametrize(("law", "name"), [(Encoding.PCMU, "ulaw"), (Encoding.PCMA, "alaw")])
def test_agrees_with_the_standard_library_while_it_lasts(audioop: ModuleType, law: Encoding, name: str) -> None:
    samples = pack(list(EVERY_SAMPLE))
    assert g711.encode(samples, law) == getattr(audioop, f"lin2{name}")(samples, 2)
    assert g711.decode(EVERY_CODE, law) == getattr(audioop, f"{name}2lin")(EVERY_CODE, 2)


@pytest.mark.parametrize("law", LAWS)
def test_a_second_round_trip_changes_nothing(law: Encoding) -> None:
    once = g711.encode(g711.decode(EVERY_CODE, law), law)
    changed = [code for code in range(256) if once[code] != code]
    assert changed == ([0x7F] if law is Encoding.PCMU else [])  # mu-law has a second zero, which becomes the first


@pytest.mark.parametrize("law", LAWS)
def test_silence_stays_silent(law: Encoding) -> None:
    assert g711.encode(bytes(320), law) == law.silence * 160
    assert g711.decode(law.silence, law) == pack([0 if law is Encoding.PCMU else 8])  # A-law has no zero


# The first segments of G.711 tables 3 and 4 (mu-law to A-law and back), positive values, numbered as there.
@pytest.mark.parametrize(("mulaw", "alaw"), [(0, 1), (1, 1), (2, 2), (15, 8), (16, 9), (31, 24), (32, 25), (127, 128)])
def test_mulaw_becomes_alaw_as_the_conversion_table_says(mulaw: int, alaw: int) -> None:
    code = bytes([0xFF - mulaw])
    assert g711.transcode(code, Encoding.PCMU, Encoding.PCMA) == bytes([(0x80 | (alaw - 1)) ^ 0x55])


@pytest.mark.parametrize("source", LAWS)
def test_transcoding_by_table_is_the_detour_over_pcm(source: Encoding) -> None:
    target = Encoding.PCMA if source is Encoding.PCMU else Encoding.PCMU
    assert g711.transcode(EVERY_CODE, source, target) == g711.encode(g711.decode(EVERY_CODE, source), target)


@given(data=st.binary(max_size=400).map(lambda data: data[: len(data) & ~1]))
def test_transcoding_covers_every_pair(data: bytes) -> None:
    for source in Encoding:
        assert g711.transcode(data, source, source) == data
        assert g711.transcode(data, source, Encoding.L16) == g711.decode(data, source)
        assert g711.transcode(data, Encoding.L16, source) == g711.encode(data, source)


@pytest.mark.parametrize("target", list(Encoding))
def test_half_a_sample_is_refused(target: Encoding) -> None:
    with pytest.raises(MediaError, match="3 bytes"):
        g711.encode(b"abc", target)


@pytest.mark.parametrize("audio_format", [PCMU_8K, PCMA_8K])
def test_a_frame_decodes_itself(audio_format: object) -> None:
    frame = Frame(EVERY_CODE, audio_format)  # type: ignore[arg-type]  # a parameter
    assert frame.pcm() == g711.decode(EVERY_CODE, frame.format.encoding)
