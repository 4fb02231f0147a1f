"""Recordings in whole calls: by address and by path, in the usual formats, and what becomes of one that is not there.

The office is furnished as the application furnishes a gateway.
"""

from __future__ import annotations

import io
import wave
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from audio import levels
from gateway.actions import Action, Play, Say
from gateway.kit.media import MediaFetcher
from gateway.lab.server import LabReply, LabRequest, LabServer
from tests.fakes.backend import ScriptedBackend
from tests.fakes.office import LINES, Line, Office, dial
from tests.fakes.talkr_office import open_office
from tests.fakes.virtual_loop import virtual_time

RATE, PITCH, SECONDS = 8000, 440, 1.5
CODECS = {"mp3": "mp3", "ogg": "libopus"}


def tone(rate: int) -> bytes:
    return levels.pcm_of(9000 * np.sin(2 * np.pi * PITCH * np.arange(round(rate * SECONDS)) / rate))


def wav(rate: int = 44_100) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, rate, 0, "NONE", ""))
        writer.writeframes(tone(rate))
    return file.getvalue()


def compressed(kind: str, rate: int = 48_000) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format=kind) as container:
        stream = container.add_stream(CODECS[kind], rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.frombuffer(tone(rate), "<i2")[None, :], "s16", "mono")
        frame.sample_rate = rate
        resampler = av.AudioResampler(stream.format.name, stream.layout.name, rate, stream.codec_context.frame_size)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return file.getvalue()


FILES = {"mp3": compressed("mp3"), "wav": wav(), "ogg": compressed("ogg")}


@asynccontextmanager
async def shelf(**replies: LabReply) -> AsyncIterator[LabServer]:
    """A server of recordings."""
    files = {f"/{kind}": LabReply(body=data, headers={"content-type": "text/plain"}) for kind, data in FILES.items()}
    known: Mapping[str, LabReply] = {**files, **{f"/{name}": reply for name, reply in replies.items()}}

    async def answer(request: LabRequest) -> LabReply:
        return known.get(request.path, LabReply(status=404))

    async with LabServer(answer) as server:
        yield server


@asynccontextmanager
async def office_that_plays(
    folder: Path, *actions: Action, root: Path | None = None, **bounds: Any
) -> AsyncIterator[Office]:
    """A call there is recorded, and its bot does these things at once."""

    async def fetch(url: str) -> bytes:
        return (await fetcher.fetch(url)).data

    number = {"recording": {"mode": "on"}}
    fetcher = MediaFetcher(allow=("127.0.0.0/8",), **bounds)
    async with aclosing(fetcher), open_office(folder, number=number) as office:
        reception = office.reception
        reception.house = replace(reception.house, backends={"reception": ScriptedBackend([list(actions)])})
        reception.equipment = replace(reception.equipment, fetch_media=fetch, media_root=root)
        office.is_truth_checked = False  # callers know the sound of words, not of recordings
        yield office


def pitched(office: Office) -> Sequence[float]:
    """The stretches of the recording's tone that were sent to the caller, each in seconds."""
    (path,) = (office.folder / "records").glob("*/*.wav")
    with wave.open(str(path)) as file:
        both = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    window = RATE // 20
    blocks = both[: len(both) // window * window, 1].reshape(-1, window).astype(float)
    wave_ = np.exp(-2j * np.pi * PITCH * np.arange(window) / RATE)
    is_tone = np.abs(blocks @ wave_) * 2 / window > 4000
    edges = np.flatnonzero(np.diff(np.concatenate([[0], is_tone.astype(int), [0]])))
    return [round((end - start) / 20, 2) for start, end in zip(edges[::2], edges[1::2], strict=True)]


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("kind", FILES)
@virtual_time
async def test_a_recording_of_a_usual_kind_is_heard_whole(kind: str, line: Line, tmp_path: Path) -> None:
    async with shelf() as server:
        actions = (Say(text="Listen"), Play(url=f"{server.url}/{kind}"), Say(text="That was it"))
        async with office_that_plays(tmp_path, *actions) as office, dial(office, line) as caller:
            await caller.hears("Listen")
            await caller.hears("That was it")
            await caller.hang_up()
    assert pitched(office) == [pytest.approx(SECONDS, abs=0.11)]
    assert office.notes("warning") == []
    assert [said["result"] for said in office.record["said"]] == ["played"] * 3


@virtual_time
async def test_a_recording_by_path_is_read_from_the_media_folder_alone(tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    for place in ("media/in.wav", "out.wav"):
        (tmp_path / place).write_bytes(FILES["wav"])
    actions = (
        Play(path="in.wav"),
        Play(path="../out.wav"),
        Play(path=str(tmp_path / "out.wav")),
        Play(path="none.wav", alt_text="Nothing there"),
        Say(text="That was it"),
    )
    async with office_that_plays(tmp_path, *actions, root=tmp_path / "media") as office, dial(office) as caller:
        await caller.hears("Nothing there")
        await caller.hears("That was it")
        await caller.hang_up()
    assert len(pitched(office)) == 1
    failed = [note["detail"] for note in office.notes("warning") if note["what"] == "media_failed"]
    assert sorted(failed) == [  # two are read at the same time, each in a thread
        "the recording cannot be read: No such file or directory",
        "the recording lies outside of the media folder",
        "the recording lies outside of the media folder",
    ]


BAD = {
    "gone": (LabReply(status=410), "127.0.0.1 answers with status 410"),
    "cut": (LabReply(body=FILES["wav"], cut=1000), "the connection to 127.0.0.1 broke"),
    "page": (LabReply(body=b"<html>"), "this is no audio file of a known kind"),
    "large": (LabReply(body=b"RIFF" + bytes(200_000)), "the recording at 127.0.0.1 exceeds 150000 bytes"),
    "slow": (LabReply(body=FILES["wav"], delay=30), "127.0.0.1 did not send the recording in time"),
    "away": (LabReply(status=302, headers={"location": "http://[::1]/x"}), "::1 is private, and not under media.allow"),
}


@pytest.mark.parametrize("bad", BAD)
@virtual_time
async def test_a_recording_that_cannot_be_played_costs_its_own_prompt(bad: str, tmp_path: Path) -> None:
    reply, says = BAD[bad]
    async with shelf(bad=reply) as server:
        actions = (Play(url=f"{server.url}/bad", alt_text="In words"), Play(url=f"{server.url}/wav"), Say(text="End"))
        async with (
            office_that_plays(tmp_path, *actions, max_bytes=150_000, timeout=3) as office,
            dial(office) as caller,
        ):
            await caller.hears("In words", within=10)
            await caller.hears("End")
            await caller.hang_up()
    assert pitched(office) == [pytest.approx(SECONDS, abs=0.11)]
    assert office.notes("warning") == [{"what": "media_failed", "detail": says}]
    assert office.outcome == ("abandoned", "caller")


@virtual_time
async def test_without_words_of_its_own_the_gateway_says_that_it_did_not_work(tmp_path: Path) -> None:
    async with shelf() as server:
        actions = (Say(text="Listen"), Play(url=f"{server.url}/none"), Say(text="That was it"))
        async with office_that_plays(tmp_path, *actions) as office, dial(office) as caller:
            await caller.hears("Listen")
            await caller.hears("That was it")
            await caller.hang_up()
    assert [note["what"] for note in office.notes("warning")] == ["media_failed", "prompt_failed"]
    assert office.outcome == ("abandoned", "caller")


@virtual_time
async def test_who_hangs_up_does_not_wait_for_a_recording(tmp_path: Path) -> None:
    async with shelf(slow=LabReply(delay=9)) as server:
        actions = (Say(text="Listen"), Play(url=f"{server.url}/slow"))
        async with office_that_plays(tmp_path, *actions) as office, dial(office) as caller:
            await caller.hears("Listen")
            await caller.hang_up()
    assert office.record["seconds"] < 5
