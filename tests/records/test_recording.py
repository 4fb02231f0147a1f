"""Recordings: both sides on the call's clock, as long as the call, with what nobody may keep blotted out."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from audio.codecs import g711
from audio.format import L16_8K, L16_16K, PCMU_8K, Encoding
from audio.frame import Frame
from gateway.records.disk import DiskWriter
from gateway.records.recording import MAX_AHEAD, CallRecorder
from tests.fakes.trouble import folder_in_a_file, full_device, no_file_over

RATE = 8000
MILLISECOND = RATE // 1000
TOLERANCE = 20 * MILLISECOND


@pytest.fixture
def disk() -> Iterator[DiskWriter]:
    writer = DiskWriter()
    yield writer
    writer.close()


def pcm(value: int, seconds: float, rate: int = RATE) -> bytes:
    return np.full(round(seconds * rate), value, "<i2").tobytes()


def frame(value: int, seconds: float = 0.02) -> Frame:
    return Frame(pcm(value, seconds), L16_8K)


def sides(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Caller and bot, as samples."""
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (2, 2)
        both = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    return both[:, 0], both[:, 1]


def speak(recorder: CallRecorder, value: int, start: float, end: float, *, bot: int = 0) -> None:
    """The caller speaks, in frames of 20 ms; the bot, too, where it has a value."""
    for index in range(round((end - start) / 0.02)):
        recorder.caller(frame(value), start + index * 0.02)
        if bot:
            recorder.bot(pcm(bot, 0.02), start + index * 0.02)


def closed(recorder: CallRecorder, disk: DiskWriter, path: Path, at: float) -> tuple[np.ndarray, np.ndarray]:
    recorder.close(at)
    assert disk.flush()
    return sides(path)


def heard(samples: np.ndarray, start: float, end: float) -> set[int]:
    return set(samples[round(start * RATE) : round(end * RATE)].tolist())


# --- one clock -----------------------------------------------------------------------------------------------------
def test_both_sides_lie_where_they_were_heard(tmp_path: Path, disk: DiskWriter) -> None:
    path = tmp_path / "call.wav"
    recorder = CallRecorder(path, L16_8K, disk)
    recorder.start(0.0)
    speak(recorder, 100, 0.0, 3.5)
    recorder.bot(pcm(-200, 1.0), 2.0)  # told of as a whole, a little late
    speak(recorder, 100, 3.5, 5.0)
    left, right = closed(recorder, disk, path, 5.0)
    assert len(left) == 5 * RATE
    assert heard(left, 0, 5) == {100}
    assert heard(right, 0, 2) == heard(right, 3, 5) == {0}
    assert heard(right, 2, 3) == {-200}


def test_it_is_as_long_as_the_call_and_begins_where_it_was_started(tmp_path: Path, disk: DiskWriter) -> None:
    path = tmp_path / "call.wav"
    recorder = CallRecorder(path, L16_8K, disk)
    speak(recorder, 1, 0.0, 2.0)
    recorder.bot(pcm(1, 1.0), 0.0)
    recorder.start(2.0)
    speak(recorder, 2, 1.9, 4.0)
    left, right = closed(recorder, disk, path, 12.5)
    assert abs(len(left) - 10.5 * RATE) <= TOLERANCE
    assert heard(left, 0, 2) == {2}
    assert heard(right, 0, 10) == {0}


def test_nothing_is_kept_before_it_starts(tmp_path: Path, disk: DiskWriter) -> None:
    recorder = CallRecorder(tmp_path / "call.wav", L16_8K, disk)
    speak(recorder, 1, 0.0, 3.0)
    recorder.close(3.0)
    assert disk.flush()
    assert list(tmp_path.iterdir()) == []


def test_audio_of_the_wire_is_decoded(tmp_path: Path, disk: DiskWriter) -> None:
    path = tmp_path / "call.wav"
    recorder = CallRecorder(path, PCMU_8K, disk)
    recorder.start(0.0)
    code = g711.encode(pcm(1000, 1.0), Encoding.PCMU)
    recorder.caller(Frame(code, PCMU_8K), 0.0)
    recorder.bot(code, 0.0)
    left, right = closed(recorder, disk, path, 1.0)
    assert abs(int(left[4000]) - 1000) < 40
    assert (left == right).all()


def test_wide_lines_are_recorded_at_their_rate(tmp_path: Path, disk: DiskWriter) -> None:
    path = tmp_path / "call.wav"
    recorder = CallRecorder(path, L16_16K, disk)
    recorder.start(0.0)
    recorder.bot(pcm(5, 1.0, 16000), 0.5)
    recorder.close(2.0)
    assert disk.flush()
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnframes()) == (16000, 32000)


def test_a_side_that_is_behind_is_waited_for(tmp_path: Path, disk: DiskWriter) -> None:
    path = tmp_path / "call.wav"
    recorder = CallRecorder(path, L16_8K, disk)
    recorder.start(0.0)
    speak(recorder, 7, 0.0, 4.0)
    recorder.bot(pcm(9, 1.0), 2.5)  # told of 1.5 s late
    left, right = closed(recorder, disk, path, 4.0)
    assert heard(right, 2.5, 3.5) == {9}
    assert heard(left, 0, 4) == {7}


def test_a_long_pause_of_both_sides_is_silence_of_that_length(tmp_path: Path, disk: DiskWriter) -> None:
    path = tmp_path / "call.wav"
    recorder = CallRecorder(path, L16_8K, disk)
    recorder.start(0.0)
    speak(recorder, 7, 0.0, 1.0)
    speak(recorder, 7, 600.0, 601.0)
    left, _ = closed(recorder, disk, path, 601.0)
    assert len(left) == 601 * RATE
    assert heard(left, 1, 600) == {0}
    assert heard(left, 600, 601) == {7}


def test_a_time_that_cannot_be_does_not_fill_the_disk(tmp_path: Path, disk: DiskWriter) -> None:
    path = tmp_path / "call.wav"
    recorder = CallRecorder(path, L16_8K, disk)
    recorder.start(0.0)
    speak(recorder, 7, 0.0, 1.0)
    recorder.caller(frame(8), MAX_AHEAD * 2)
    recorder.bot(pcm(8, 0.1), -MAX_AHEAD * 2)
    left, right = closed(recorder, disk, path, 2.0)
    assert len(left) == 2 * RATE
    assert 8 not in heard(left, 0, 2) | heard(right, 0, 2)


PIECES = st.lists(
    st.tuples(st.booleans(), st.floats(min_value=-1, max_value=30), st.floats(min_value=0.001, max_value=3)),
    max_size=30,
)


@settings(deadline=None, max_examples=40)
@given(pieces=PIECES, end=st.floats(min_value=0.1, max_value=40))
def test_the_length_is_the_calls_whatever_comes(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[tuple[bool, float, float]], end: float
) -> None:
    path = tmp_path_factory.getbasetemp() / "random.wav"
    disk = DiskWriter()
    recorder = CallRecorder(path, L16_8K, disk)
    recorder.start(0.0)
    latest = 0.0
    for is_caller, at, seconds in sorted(pieces, key=lambda piece: piece[1]):
        if at + seconds > end:
            continue
        latest = max(latest, at + seconds)
        if is_caller:
            recorder.caller(frame(3, seconds), at)
        else:
            recorder.bot(pcm(4, seconds), at)
    recorder.close(end)
    disk.close()
    left, right = sides(path)
    assert len(left) == len(right) == round(end * RATE)


# --- what may not be kept ------------------------------------------------------------------------------------------
def test_a_muted_stretch_of_the_caller_is_silent_to_the_sample_and_the_bot_is_not(
    tmp_path: Path, disk: DiskWriter
) -> None:
    path = tmp_path / "call.wav"
    recorder = CallRecorder(path, L16_8K, disk)
    recorder.start(1.0)
    speak(recorder, 7, 1.0, 3.0, bot=9)
    recorder.mute(3.005)
    speak(recorder, 7, 3.0, 4.0, bot=9)
    recorder.unmute(3.995)
    speak(recorder, 7, 4.0, 5.0, bot=9)
    left, right = closed(recorder, disk, path, 5.0)
    assert heard(left, 2.005, 2.98) == {0}
    assert heard(left, 0, 2.005) == {7}
    assert heard(left, 3, 4) == {7}
    assert heard(right, 0, 4) == {9}


def test_audio_that_arrives_after_the_mute_has_ended_is_muted_by_its_own_time(tmp_path: Path, disk: DiskWriter) -> None:
    path = tmp_path / "call.wav"
    recorder = CallRecorder(path, L16_8K, disk)
    recorder.start(0.0)
    recorder.mute(0.5)
    recorder.unmute(1.0)
    speak(recorder, 7, 0.0, 2.0)
    left, _ = closed(recorder, disk, path, 2.0)
    assert heard(left, 0.5, 1.0) == {0}
    assert heard(left, 0, 0.5) == heard(left, 1.0, 2.0) == {7}


def test_a_mute_reaches_back_into_what_is_on_the_disk_at_once(tmp_path: Path, disk: DiskWriter) -> None:
    path = tmp_path / "call.wav"
    recorder = CallRecorder(path, L16_8K, disk)
    recorder.start(0.0)
    speak(recorder, 7, 0.0, 10.0, bot=9)
    assert disk.flush()
    assert 7 in heard(sides(path)[0], 6, 8)
    recorder.mute(6.0)
    assert disk.flush()
    written, _ = sides(path)
    assert heard(written, 6, 10) <= {0}
    speak(recorder, 7, 10.0, 11.0)
    recorder.unmute(11.0)
    left, right = closed(recorder, disk, path, 11.0)
    assert heard(left, 0, 6) == {7}
    assert heard(left, 6, 11) == {0}
    assert heard(right, 0, 10) == {9}


def test_muting_twice_is_muting_once(tmp_path: Path, disk: DiskWriter) -> None:
    path = tmp_path / "call.wav"
    recorder = CallRecorder(path, L16_8K, disk)
    recorder.start(0.0)
    recorder.unmute(0.0)
    recorder.mute(1.0)
    recorder.mute(1.5)
    recorder.unmute(2.0)
    recorder.unmute(2.5)
    speak(recorder, 7, 0.0, 3.0)
    left, _ = closed(recorder, disk, path, 3.0)
    assert heard(left, 1, 2) == {0}
    assert heard(left, 2, 3) == {7}


# --- a disk that refuses -------------------------------------------------------------------------------------------
def lost(recorder: CallRecorder, disk: DiskWriter) -> list[str]:
    recorder.start(0.0)
    with structlog.testing.capture_logs() as logs:
        speak(recorder, 7, 0.0, 10.0)
        recorder.close(10.0)
        assert disk.flush()
    return [entry["event"] for entry in logs]


def test_a_full_disk_costs_the_recording_with_one_warning(tmp_path: Path, disk: DiskWriter) -> None:
    recorder = CallRecorder(full_device(tmp_path / "call.wav"), L16_8K, disk)
    assert lost(recorder, disk) == ["recording lost"]


def test_a_folder_that_cannot_be_made_costs_the_recording_with_one_warning(tmp_path: Path, disk: DiskWriter) -> None:
    recorder = CallRecorder(folder_in_a_file(tmp_path) / "call.wav", L16_8K, disk)
    assert lost(recorder, disk) == ["recording lost"]


def test_a_disk_that_fills_up_keeps_a_playable_beginning(tmp_path: Path, disk: DiskWriter) -> None:
    path = tmp_path / "call.wav"
    with no_file_over(100_000):
        assert lost(CallRecorder(path, L16_8K, disk), disk) == ["recording lost"]
    left, _ = sides(path)
    assert 2 * RATE < len(left) < 4 * RATE
    assert heard(left, 0, 2) == {7}


def test_the_file_is_private_and_playable_while_the_call_runs(tmp_path: Path, disk: DiskWriter) -> None:
    path = tmp_path / "day" / "call.wav"
    recorder = CallRecorder(path, L16_8K, disk)
    recorder.start(0.0)
    speak(recorder, 7, 0.0, 8.0)
    assert disk.flush()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert len(sides(path)[0]) >= 4 * RATE


def test_after_the_end_nothing_is_added(tmp_path: Path, disk: DiskWriter) -> None:
    path = tmp_path / "call.wav"
    recorder = CallRecorder(path, L16_8K, disk)
    recorder.start(0.0)
    recorder.close(1.0)
    speak(recorder, 7, 1.0, 9.0)
    recorder.close(9.0)
    assert disk.flush()
    assert len(sides(path)[0]) == RATE
