"""Audio files as they come from operators, bots and vendors, and the recordings we leave."""

from __future__ import annotations

import io
import os
import resource
import stat
import struct
import wave
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio import files, levels, wav
from audio.codecs import g711
from audio.format import L16_8K, L16_16K, PCMU_8K, AudioFormat, Encoding, MediaError
from audio.wav import StereoWriter, write_wav

COMPRESSED = ["mp3", "ogg", "flac", "webm", "mp4", "adts"]
CODECS = {"mp3": "mp3", "ogg": "libopus", "flac": "flac", "webm": "libopus", "mp4": "aac", "adts": "aac"}


def tone(rate: int, seconds: float = 0.5) -> bytes:
    return levels.pcm_of(9000 * np.sin(2 * np.pi * 440 * np.arange(round(rate * seconds)) / rate))


def wav_file(rate: int = 8000, width: int = 2, channels: int = 1, seconds: float = 0.5) -> bytes:
    samples = levels.samples_of(tone(rate, seconds)).astype(np.int64)
    encoded = {
        1: (samples // 256 + 128).astype("u1").tobytes(),
        2: samples.astype("<i2").tobytes(),
        3: b"".join(int(sample * 256).to_bytes(3, "little", signed=True) for sample in samples),
        4: (samples * 65536).astype("<i4").tobytes(),
    }[width]
    frames = b"".join(encoded[n : n + width] * channels for n in range(0, len(encoded), width))
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((channels, width, rate, 0, "NONE", ""))
        writer.writeframes(frames)
    return file.getvalue()


def compressed(kind: str, rate: int = 48000, seconds: float = 1.0) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format=kind) as container:
        stream = container.add_stream(CODECS[kind], rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.frombuffer(tone(rate, seconds), "<i2")[None, :], "s16", "mono")
        frame.sample_rate = rate
        resampler = av.AudioResampler(stream.format.name, stream.layout.name, rate, stream.codec_context.frame_size)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return file.getvalue()


def wav_with_tag(tag: int, bits: int, content: bytes) -> bytes:
    size = bits // 8
    chunk = struct.pack("<HHIIHH", tag, 1, 8000, 8000 * size, size, bits)
    body = b"WAVEfmt " + struct.pack("<I", len(chunk)) + chunk + b"data" + struct.pack("<I", len(content)) + content
    return b"RIFF" + struct.pack("<I", len(body)) + body


def assert_is_tone(pcm: bytes, rate: int, seconds: float, tolerance: float = 0.0) -> None:
    samples = levels.samples_of(pcm)
    assert len(samples) / rate == pytest.approx(seconds, abs=max(tolerance, 1 / rate))
    inner = samples[len(samples) // 5 : -len(samples) // 5]
    power = np.abs(np.fft.rfft(inner * np.hanning(len(inner))))
    assert np.argmax(power) * rate / len(inner) == pytest.approx(440, abs=rate / len(inner))
    assert np.abs(inner).max() == pytest.approx(9000, rel=0.1)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000])
@pytest.mark.parametrize("width", [1, 2, 3, 4])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_wav_of_any_kind_is_read(rate: int, width: int, channels: int) -> None:
    assert_is_tone(files.read(wav_file(rate, width, channels), L16_8K), 8000, 0.5)


@pytest.mark.parametrize("target", [PCMU_8K, L16_16K, AudioFormat(Encoding.PCMA, 8000)])
def test_the_result_has_the_wanted_format(target: AudioFormat) -> None:
    data = files.read(wav_file(24000), target)
    assert target.seconds(len(data)) == 0.5
    assert_is_tone(g711.decode(data, target.encoding), target.rate, 0.5)


@pytest.mark.parametrize("kind", COMPRESSED)
def test_compressed_files_are_read_without_another_program(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert_is_tone(files.read(compressed(kind), L16_8K), 8000, 1.0, tolerance=0.08)


def test_telephone_wav_is_read() -> None:
    law = g711.encode(tone(8000), Encoding.PCMU)
    assert_is_tone(files.read(wav_with_tag(7, 8, law), L16_8K), 8000, 0.5)
    floats = (levels.samples_of(tone(8000)) / 32768).astype("<f4").tobytes()
    assert_is_tone(files.read(wav_with_tag(3, 32, floats), L16_8K), 8000, 0.5)


def test_a_streamed_wav_that_does_not_know_its_length_is_read_to_its_end() -> None:
    data = wav.header(0xFFFFFFFF - 44, 8000, 1) + tone(8000)
    assert_is_tone(files.read(data, L16_8K), 8000, 0.5)


def test_a_truncated_wav_is_read_as_far_as_it_goes() -> None:
    assert_is_tone(files.read(wav_file(channels=2, seconds=1)[: 44 + 16000 + 3], L16_8K), 8000, 0.5)


def test_a_path_is_read(tmp_path: Path) -> None:
    path = tmp_path / "prompt.wav"
    path.write_bytes(wav_file())
    assert files.read(path, L16_8K) == files.read(str(path), L16_8K) == tone(8000)


@pytest.mark.parametrize("make", [lambda path: path / "absent.wav", lambda path: path])
def test_a_path_that_cannot_be_read_is_a_media_error(make: object, tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="cannot read"):
        files.read(make(tmp_path), L16_8K)  # type: ignore[operator]  # a table of functions


def test_files_are_bounded_in_size(tmp_path: Path) -> None:
    (tmp_path / "large.wav").write_bytes(wav_file())
    for source in (tmp_path / "large.wav", wav_file()):
        with pytest.raises(MediaError, match="larger than 1000 bytes"):
            files.read(source, L16_8K, max_bytes=1000)


@pytest.mark.parametrize("make", [lambda: wav_file(seconds=2.0), lambda: compressed("mp3", seconds=2.0)])
def test_files_are_bounded_in_duration(make: object) -> None:
    with pytest.raises(MediaError, match="longer than"):
        files.read(make(), L16_8K, max_seconds=1.5)  # type: ignore[operator]  # a table of functions


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"RIFF",
        b"not audio at all",
        b"#EXTM3U\n#EXTINF:1,\nhttp://192.0.2.1/a.ts\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"ID3\x03\x00\x00\x00\x00\x00\x00",
        b"\xff\xfb",
        wav_with_tag(1, 16, b"ab")[:30],
        wav_with_tag(0, 16, b"ab"),
        wav.header(4, 0, 1) + b"abcd",
        wav.header(4, 8000, 0) + b"abcd",
        wav.header(4, 2_000_000_000, 1) + b"abcd",
        compressed("ogg")[:60],
        b"\x00\x00\x00\x18ftypmp42",
    ],
    ids=lambda data: (
        f"{len(data)}-{data[:6].hex()}"
    ),  # an Ogg stream has a random number, and the name of a test must be the same in every process
)
def test_what_is_no_audio_is_a_media_error(data: bytes) -> None:
    with pytest.raises(MediaError):
        files.read(data, L16_8K)


MUTATED = [
    wav_file(seconds=0.02),
    wav_file(width=3, channels=2, seconds=0.02),
    compressed("mp3", seconds=0.1),
    compressed("flac", seconds=0.1),
]


@given(
    data=st.sampled_from(MUTATED),
    place=st.integers(0, 120),
    junk=st.binary(min_size=1, max_size=8),
    end=st.integers(0, 3000),
)
def test_any_bytes_are_audio_or_a_media_error(data: bytes, place: int, junk: bytes, end: int) -> None:
    data = (data[:place] + junk + data[place + len(junk) :])[:end]
    try:
        result = files.read(data, PCMU_8K, max_seconds=10)
    except MediaError:
        return
    assert isinstance(result, bytes)
    assert len(result) <= 80_001


def test_what_was_written_is_read_and_is_ours_alone(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    path.write_bytes(b"x" * 100_000)
    path.chmod(0o644)
    write_wav(path, tone(16000), 16000)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with wave.open(str(path)) as file:
        assert file.getparams()[:4] == (1, 2, 16000, 8000)
        assert file.readframes(8000) == tone(16000)


def test_a_place_that_cannot_be_written_is_a_media_error(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="cannot write"):
        write_wav(tmp_path / "absent" / "out.wav", b"", 8000)
    with pytest.raises(MediaError, match="cannot create"):
        StereoWriter(tmp_path / "absent" / "out.wav")


def recorded(path: Path) -> tuple[bytes, bytes]:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 8000)
        both = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
        return both[:, 0].tobytes(), both[:, 1].tobytes()


@given(pieces=st.lists(st.tuples(st.integers(0, 900), st.integers(0, 900)), max_size=20))
def test_the_caller_is_left_and_the_bot_right(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[tuple[int, int]]
) -> None:
    path = tmp_path_factory.mktemp("recordings") / "call.wav"
    left = right = b""
    with StereoWriter(path) as writer:
        for caller, bot in pieces:
            writer.append(b"\x01\x02" * caller, b"\x03\x04" * bot)
            longer = max(caller, bot)
            left += (b"\x01\x02" * caller).ljust(2 * longer, b"\x00")
            right += (b"\x03\x04" * bot).ljust(2 * longer, b"\x00")
        assert writer.seconds == len(left) / 16000
    assert recorded(path) == (left, right)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_recording_can_be_played_while_it_grows(tmp_path: Path) -> None:
    writer = StereoWriter(tmp_path / "call.wav")
    assert recorded(writer.path) == (b"", b"")
    for _ in range(125):
        writer.append(bytes(320), bytes(320))
    left, right = recorded(writer.path)
    assert 1.4 <= len(left) / 16000 == len(right) / 16000 <= 2.5
    writer.close()
    writer.close()
    assert len(recorded(writer.path)[0]) == 125 * 320
    with pytest.raises(MediaError, match="closed"):
        writer.append(b"", b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk_is_a_media_error_and_devices_keep_their_mode() -> None:
    mode = os.stat("/dev/full").st_mode
    with pytest.raises(MediaError, match=r"(?i)no space"):
        StereoWriter("/dev/full")
    assert os.stat("/dev/full").st_mode == mode


def test_a_recording_that_fails_later_keeps_what_it_has(tmp_path: Path) -> None:
    writer = StereoWriter(tmp_path / "call.wav")
    writer.append(bytes(16000), bytes(16000))
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (writer.path.stat().st_size, limit[1]))
    try:
        with pytest.raises(MediaError, match=r"(?i)too large"):
            writer.append(bytes(16000), bytes(16000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert len(recorded(writer.path)[0]) == 16000
    with pytest.raises(MediaError, match="closed"):
        writer.append(b"", b"")


def test_a_recording_has_a_largest_size(tmp_path: Path) -> None:
    writer = StereoWriter(tmp_path / "call.wav", max_bytes=1000)
    writer.append(bytes(400), bytes(400))
    with pytest.raises(MediaError, match="largest size"):
        writer.append(bytes(400), bytes(400))
    assert len(recorded(writer.path)[0]) == 500
    with pytest.raises(MediaError, match="closed"):
        writer.append(b"", b"")


def test_half_a_sample_is_not_recorded(tmp_path: Path) -> None:
    with StereoWriter(tmp_path / "call.wav") as writer, pytest.raises(MediaError, match="whole"):
        writer.append(b"abc", b"")
