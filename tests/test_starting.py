"""`talkpath serve` that cannot start says why in one sentence, with file, line and key, and exits with 1: no traceback.

A disk that takes no records is no such reason: it costs the records, never the calls.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import run
from tests.fakes.processes import command, serving, written
from tests.fakes.terse import GREETING, TerseBot
from tests.fakes.trouble import IS_ROOT, folder_in_a_file

NOWHERE = "http://127.0.0.1:9/{company}/{bot_id}/{channel}"


def _text(text: str) -> Callable[[Path], None]:
    return lambda path: path.write_text(text) and None


def _good(**changes: Any) -> Callable[[Path], None]:
    return lambda path: written(path.parent, NOWHERE, **changes) and None


UNREADABLE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "is not there": (lambda path: None, "{file}: cannot be read: No such file or directory"),
    "is not allowed": (lambda path: path.touch(mode=0), "{file}: cannot be read: Permission denied"),
    "is no text": (lambda path: path.write_bytes(b"\xff\xfe\x00\x80"), "{file}: cannot be read: it is not UTF-8 text"),
    "is an empty folder": (lambda path: path.mkdir(), "{file}: the folder has no *.yaml file"),
    "is no YAML": (_text("server:\n  port: [1\n"), "{file}:3: not valid YAML: "),
    "is a list": (_text("- server\n"), "{file}:1: "),
    "has an unknown key": (_text("server:\n  prot: 1\n"), "{file}:2: server.prot: unknown key; did you mean `port`?"),
    "has a wrong value": (_text("server:\n  port: many\n"), "{file}:2: server.port: "),
    "names what is not there": (
        _text("bots:\n  a: {backend: talkr2, url: x}\n"),
        "{file}:2: bots.a.backend: there is no",
    ),
    "needs a variable": (_text('server:\n  api_token: "${TALKPATH_NO_SUCH}"\n'), "{file}:2: server.api_token: "),
    "needs a secret": (_text('server:\n  api_token: "file:/no/such"\n'), "{file}:2: server.api_token: "),
    "includes what is not there": (_text("include: [no-such.yaml]\n"), "{file}:1: include"),
}


@pytest.mark.parametrize("how", UNREADABLE)
def test_a_configuration_that_cannot_be_used_is_one_sentence_with_its_place(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if how == "is not allowed" and IS_ROOT:
        pytest.skip("root may read everything")
    make, why = UNREADABLE[how]
    file = tmp_path / "talkpath.yaml"
    make(file)
    monkeypatch.setattr(sys, "argv", ["talkpath", "serve", "-c", str(file)])
    with pytest.raises(SystemExit) as ended:
        run()
    printed = capsys.readouterr()
    assert (ended.value.code, printed.out) == (1, "")
    assert printed.err.startswith("talkpath: " + why.format(file=file))
    assert len(printed.err.splitlines()) == 1


def test_every_mistake_is_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "talkpath.yaml"
    file.write_text("server:\n  prot: 1\n  max_calls: 0\nnumbers:\n  '*': {bot: nobody}\n")
    monkeypatch.setattr(sys, "argv", ["talkpath", "serve", "-c", str(file)])
    with pytest.raises(SystemExit):
        run()
    lines = capsys.readouterr().err.splitlines()
    assert [line.removeprefix(f"talkpath: {file}:").split(":")[0] for line in lines] == ["2", "3", "5"]


# --- found when it starts ------------------------------------------------------------------------------------------
async def _fails(file: Path) -> str:
    """Why it does not start; it says no more than that."""
    code, out, errors = await command("serve", "-c", str(file))
    assert (code, out) == (1, "")
    (sentence,) = errors.splitlines()
    return sentence


@pytest.mark.asyncio
async def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        why = await _fails(written(tmp_path, NOWHERE, server={"port": port}))
    assert why == f"talkpath: server.port: cannot listen on 127.0.0.1:{port}: address already in use"


@pytest.mark.asyncio
async def test_a_driver_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "asyncpg.py").write_text("raise ModuleNotFoundError(\"No module named 'asyncpg'\", name='asyncpg')\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]))
    records = {
        "directory": str(tmp_path / "records"),
        "database": "postgresql+asyncpg://gateway:secret@127.0.0.1/calls",
    }
    why = await _fails(written(tmp_path, NOWHERE, records=records))
    assert why.startswith("talkpath: records.database: ")
    assert "talkpath[postgres]" in why
    assert "secret" not in why


@pytest.mark.asyncio
async def test_a_plug_in_whose_library_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _install_broken_plugin(tmp_path, monkeypatch)
    why = await _fails(written(tmp_path, NOWHERE, speech={"acme": {}}))
    assert why == (
        "talkpath: the plug-in 'acme' (acme_speech:Speech) cannot be imported: No module named 'acme_library'"
    )


@pytest.mark.asyncio
async def test_a_broken_plug_in_that_nobody_uses_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _install_broken_plugin(tmp_path, monkeypatch)
    async with TerseBot() as bot, serving(written(tmp_path, bot.url)) as gateway, gateway.called() as caller:
        await caller.hears(GREETING)


def _install_broken_plugin(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    described = folder / "acme-1.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1\n")
    (described / "entry_points.txt").write_text("[gateway.speech]\nacme = acme_speech:Speech\n")
    (folder / "acme_speech.py").write_text("import acme_library\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]))


@pytest.mark.asyncio
async def test_a_folder_that_takes_no_records_costs_the_records_and_no_call(tmp_path: Path) -> None:
    records = {"directory": str(folder_in_a_file(tmp_path))}
    async with TerseBot() as bot, serving(written(tmp_path, bot.url, records=records)) as gateway:
        assert "Not a directory" in (await gateway.logs("call records cannot be kept"))["reason"]
        async with gateway.called() as caller:
            await caller.hears(GREETING)
        assert (await gateway.logs("record lost"))["reason"] == "Not a directory"
        await gateway.logs("call ended")
        gateway.signal(signal.SIGTERM)
        assert await gateway.ended() == 0
        assert not [line for line in gateway.log if "exception" in line]
