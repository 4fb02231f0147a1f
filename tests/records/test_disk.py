"""Files are written behind the loop's back, for their owner only; a disk that refuses costs a file and nothing else."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from gateway.records.disk import MAX_WAITING, MAX_WAITING_BYTES, AppendOnly, DiskWriter, expire, make_folder
from tests.fakes.trouble import folder_in_a_file, full_device, no_file_over

DAY = 86_400.0


@pytest.fixture
def disk() -> Iterator[DiskWriter]:
    writer = DiskWriter()
    yield writer
    writer.close()


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


# --- writing -------------------------------------------------------------------------------------------------------
def test_lines_arrive_in_order(tmp_path: Path, disk: DiskWriter) -> None:
    file = AppendOnly(tmp_path / "a" / "b" / "call.jsonl", disk)
    for number in range(200):
        file.append(b"%d\n" % number)
    file.close()
    assert disk.flush()
    written = (tmp_path / "a" / "b" / "call.jsonl").read_bytes().split()
    assert written == [b"%d" % number for number in range(200)]


def test_files_and_every_folder_made_for_them_are_private(tmp_path: Path, disk: DiskWriter) -> None:
    previous = os.umask(0)
    try:
        AppendOnly(tmp_path / "records" / "2026-11-21" / "call.jsonl", disk).append(b"x\n")
        assert disk.flush()
    finally:
        os.umask(previous)
    assert mode(tmp_path / "records") == 0o700
    assert mode(tmp_path / "records" / "2026-11-21") == 0o700
    assert mode(tmp_path / "records" / "2026-11-21" / "call.jsonl") == 0o600


def test_what_is_written_is_let_go(disk: DiskWriter) -> None:
    class Samples:
        def write(self) -> None:
            pass

    samples = [Samples() for _ in range(10)]
    kept = [weakref.ref(it) for it in samples]
    for it in samples:
        disk.submit(it.write)
    del it, samples
    assert disk.flush()
    assert [reference() for reference in kept] == [None] * 10


def test_a_folder_that_exists_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir(mode=0o750)
    make_folder(tmp_path / "shared" / "records")
    assert mode(tmp_path / "shared") == 0o750


def test_closing_writes_what_was_accepted_and_takes_no_more(tmp_path: Path) -> None:
    disk = DiskWriter()
    file = AppendOnly(tmp_path / "call.jsonl", disk)
    file.append(b"x\n")
    disk.close()
    assert (tmp_path / "call.jsonl").read_bytes() == b"x\n"
    assert not disk.submit(lambda: None)
    disk.close()


def test_a_bug_in_one_file_does_not_stop_the_others(tmp_path: Path, disk: DiskWriter) -> None:
    def buggy() -> None:
        raise ZeroDivisionError

    with structlog.testing.capture_logs() as logs:
        disk.submit(buggy)
        AppendOnly(tmp_path / "call.jsonl", disk).append(b"x\n")
        assert disk.flush()
    assert (tmp_path / "call.jsonl").exists()
    assert [entry["event"] for entry in logs] == ["record not written"]


# --- a disk that refuses -------------------------------------------------------------------------------------------
def warnings_of(path: Path, disk: DiskWriter, lines: int = 3) -> list[str]:
    """Append to a file; the reasons of what was lost."""
    file = AppendOnly(path, disk)
    with structlog.testing.capture_logs() as logs:
        for number in range(lines):
            file.append(b"line %d\n" % number)
        file.close()
        assert disk.flush()
    return [str(entry["reason"]) for entry in logs if entry["event"] == "record lost"]


def test_a_full_disk_loses_the_file_with_one_warning(tmp_path: Path, disk: DiskWriter) -> None:
    assert warnings_of(full_device(tmp_path / "call.jsonl"), disk) == ["No space left on device"]


def test_a_folder_that_cannot_be_made_loses_the_file_with_one_warning(tmp_path: Path, disk: DiskWriter) -> None:
    assert warnings_of(folder_in_a_file(tmp_path) / "call.jsonl", disk) == ["Not a directory"]


def test_a_folder_that_is_read_only_loses_the_file(tmp_path: Path, disk: DiskWriter) -> None:
    folder = tmp_path / "records"
    folder.mkdir(mode=0o500)
    if os.access(folder, os.W_OK):
        pytest.skip("root may write everywhere")
    assert warnings_of(folder / "call.jsonl", disk) == ["Permission denied"]


def test_a_disk_that_fills_up_keeps_what_fitted(tmp_path: Path, disk: DiskWriter) -> None:
    path = tmp_path / "call.jsonl"
    with no_file_over(10):
        assert warnings_of(path, disk) == ["File too large"]
    assert path.read_bytes() == b"line 0\nlin"
    assert warnings_of(tmp_path / "next.jsonl", disk) == []


def test_too_many_waiting_lines_cost_their_file_only(tmp_path: Path, disk: DiskWriter) -> None:
    hold = threading.Event()
    assert disk.submit(lambda: hold.wait(10) and None)
    while disk.submit(lambda: None):
        pass
    with structlog.testing.capture_logs() as logs:
        AppendOnly(tmp_path / "call.jsonl", disk).append(b"x\n")
    assert [entry["reason"] for entry in logs] == ["too much waits for the disk"]
    hold.set()
    assert MAX_WAITING >= 1000


def test_what_waits_is_bounded_in_bytes(disk: DiskWriter) -> None:
    hold = threading.Event()
    assert disk.submit(lambda: hold.wait(10) and None, MAX_WAITING_BYTES)
    assert not disk.submit(lambda: None, 1)
    hold.set()
    assert disk.flush()
    assert disk.submit(lambda: None, 1)


# --- retention -----------------------------------------------------------------------------------------------------
def aged(path: Path, *, days: float, now: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    os.utime(path, (now - days * DAY, now - days * DAY))
    return path


def test_old_journals_and_recordings_go_and_young_ones_stay(tmp_path: Path) -> None:
    now = 1_800_000_000.0
    old = [aged(tmp_path / "2026-10-01" / name, days=31, now=now) for name in ("a.jsonl", "a.wav")]
    young = aged(tmp_path / "2026-11-20" / "b.jsonl", days=1, now=now)
    running = aged(tmp_path / "2026-10-01b" / "c.jsonl", days=31, now=now)
    assert expire(tmp_path, 30, now=now) == 2
    assert not any(path.exists() for path in old)
    assert not (tmp_path / "2026-10-01").exists()
    assert young.exists()
    assert running.exists()  # its folder is no day


def test_nothing_is_removed_that_is_not_ours(tmp_path: Path) -> None:
    now = 1_800_000_000.0
    elsewhere = aged(tmp_path / "elsewhere" / "d.wav", days=99, now=now)
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "2026-01-01").symlink_to(tmp_path / "elsewhere")
    kept = [
        aged(tmp_path / "records" / "calls.sqlite", days=99, now=now),
        aged(tmp_path / "records" / "notes" / "a.wav", days=99, now=now),
        aged(tmp_path / "records" / "2026-01-02" / "invoice.pdf", days=99, now=now),
        elsewhere,
    ]
    assert expire(tmp_path / "records", 1, now=now) == 0
    assert all(path.exists() for path in kept)


def test_retention_zero_keeps_everything(tmp_path: Path) -> None:
    old = aged(tmp_path / "2026-01-01" / "a.wav", days=999, now=1_800_000_000.0)
    assert expire(tmp_path, 0, now=1_800_000_000.0) == 0
    assert old.exists()


def test_a_folder_that_is_not_there_has_nothing_to_expire(tmp_path: Path) -> None:
    assert expire(tmp_path / "nowhere", 1) == 0
    assert expire(folder_in_a_file(tmp_path), 1) == 0
