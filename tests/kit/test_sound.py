"""Sound in pieces: whole samples out, headers walked, and what is no sound refused."""

from __future__ import annotations

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.format import L16_8K, PCMA_8K, PCMU_8K, AudioFormat, Encoding, MediaError
from audio.wav import header
from gateway.kit.sound import MAX_HEADER_BYTES, SoundReader, format_named

L16_16K = AudioFormat(Encoding.L16, 16000)
SAMPLES = bytes(range(1, 241))


def read(pieces: list[bytes], raw: AudioFormat | None) -> tuple[bytes, SoundReader]:
    reader, sound, position = SoundReader(raw), b"", 0
    for piece in pieces:
        if (frame := reader.feed(piece)) is not None:
            assert frame.pts_samples == position
            position = frame.end_samples
            sound += frame.data
    return sound, reader


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted({place % (len(data) + 1) for place in places}), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


def wav(fmt: bytes, data: bytes, size: int | None = None, *, before: bytes = b"", after: bytes = b"") -> bytes:
    chunk = struct.pack("<4sI", b"fmt ", len(fmt)) + fmt
    body = before + chunk + struct.pack("<4sI", b"data", len(data) if size is None else size) + data + after
    return b"RIFF\0\0\0\0WAVE" + body


def fmt(tag: int, bits: int, rate: int = 8000, channels: int = 1) -> bytes:
    return struct.pack("<HHIIHH", tag, channels, rate, rate, channels * bits // 8, bits)


@given(st.binary(min_size=4).filter(lambda data: data[:4] != b"RIFF" and len(data) % 2 == 0), st.lists(st.integers(0)))
def test_samples_come_out_as_they_went_in_however_they_are_cut(data: bytes, places: list[int]) -> None:
    sound, reader = read(cut(data, places), L16_8K)
    assert sound == data
    reader.finish()


@given(st.lists(st.integers(0)))
def test_a_file_is_read_however_it_is_cut(places: list[int]) -> None:
    junk = struct.pack("<4sI", b"LIST", 5) + b"abcde\0"
    data = wav(fmt(1, 16, 16000), SAMPLES, before=junk, after=junk)
    sound, reader = read(cut(data, places), L16_8K)
    assert (sound, reader.format) == (SAMPLES, L16_16K)
    assert reader.seconds == pytest.approx(120 / 16000)
    reader.finish()


@pytest.mark.parametrize("size", [0, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_file_of_unknown_size_goes_on_to_its_end(size: int) -> None:
    sound, reader = read([wav(fmt(1, 16), SAMPLES, size)], None)
    assert sound == SAMPLES
    reader.finish()


@pytest.mark.parametrize(
    ("chunk", "format"),
    [
        (fmt(6, 8), PCMA_8K),
        (fmt(7, 8), PCMU_8K),
        (fmt(0xFFFE, 16, 16000) + struct.pack("<HHIH", 22, 16, 0, 1) + bytes(14), L16_16K),
    ],
)
def test_the_header_names_the_coding(chunk: bytes, format: AudioFormat) -> None:
    sound, reader = read([wav(chunk, SAMPLES)], None)
    assert (sound, reader.format) == (SAMPLES, format)


@pytest.mark.parametrize("chunk", [fmt(3, 32), fmt(1, 24), fmt(1, 16, channels=2), fmt(1, 16, rate=0), b"short"])
def test_a_file_that_cannot_be_used_is_refused(chunk: bytes) -> None:
    with pytest.raises(MediaError):
        read([wav(chunk, SAMPLES)], None)


def test_what_breaks_off_is_told() -> None:
    for pieces, reason in (
        ([b"abcde"], "middle of a sample"),
        ([], "no sound"),
        ([b"RIFF"], "no sound"),
        ([header(400, 8000, 1) + SAMPLES], "before the samples"),
    ):
        _, reader = read(pieces, L16_8K)
        with pytest.raises(MediaError, match=reason):
            reader.finish()


def test_a_header_without_an_end_is_refused() -> None:
    with pytest.raises(MediaError, match="does not end"):
        read([b"RIFF\0\0\0\0WAVE" + struct.pack("<4sI", b"LIST", 1 << 30), bytes(MAX_HEADER_BYTES)], None)


def test_samples_of_no_known_format_are_refused() -> None:
    with pytest.raises(MediaError):
        SoundReader().feed(b"abcd")
    with pytest.raises(MediaError):
        SoundReader().feed(wav(b"", b"")[:12] + b"data\0\0\0\0")


@pytest.mark.parametrize(
    ("content_type", "format"),
    [
        ("", L16_8K),
        ("application/octet-stream", L16_8K),
        ("audio/pcm", L16_8K),
        ("audio/L16;rate=16000;channels=1", L16_16K),
        ('audio/pcm; rate="16000"', L16_16K),
        ("audio/basic", PCMU_8K),
        ("audio/x-alaw", PCMA_8K),
        ("audio/wav", None),
    ],
)
def test_content_types_name_formats(content_type: str, format: AudioFormat | None) -> None:
    assert format_named(content_type, L16_8K) == format


@pytest.mark.parametrize("content_type", ["audio/mpeg", "application/json", "text/html; charset=utf-8"])
def test_other_content_types_are_no_sound(content_type: str) -> None:
    with pytest.raises(MediaError):
        format_named(content_type, L16_8K)
