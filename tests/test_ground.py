"""The ground the project stands on: the import contract notices wrong arrows, and the Makefile says what is true."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("config", "audio", "gateway")
WRONG_ARROWS = {
    "config/base.py": "import audio.frame",
    "audio/frame.py": "import gateway.clock",
    "audio/format.py": "import socket",
    "gateway/events.py": "import gateway.text.menu",
    "gateway/caller_events.py": "import gateway.kit.serial",
    "gateway/text/menu.py": "import gateway.kit.serial",
    "gateway/kit/outbox.py": "import gateway.call.outcome",
    "gateway/call/session.py": "import gateway.transports.sockets",
    "gateway/call/facts.py": "import time",
    "gateway/transports/twilio/leg.py": "import gateway.transports.asterisk.leg",
    "gateway/transports/twilio/protocol.py": "import asyncio",
    "gateway/speech/cache.py": "import gateway.speech.local.vendor",
    "gateway/backends/talkr/client.py": "import gateway.records.record",
    "gateway/backends/talkr/protocol.py": "import httpx",
    "gateway/lab/talkr.py": "import gateway.backends.talkr.protocol",
    "gateway/plugins.py": "import gateway.backends.talkr.client",
    "gateway/records/record.py": "import gateway.http.api",
}


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).parent / "lint-imports", "--no-logo", "--no-cache"]
    environment = {**os.environ, "COLUMNS": "400"}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, env=environment)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The three rooms and their contract, to spoil."""
    for room in ROOMS:
        shutil.copytree(
            ROOT / room,
            tmp_path / room,
            ignore=lambda _, names: [n for n in names if "." in n and not n.endswith(".py")],
        )
    shutil.copy(ROOT / ".importlinter", tmp_path)
    return tmp_path


def test_the_import_contract_notices_every_kind_of_wrong_arrow(copy: Path) -> None:
    for name, statement in WRONG_ARROWS.items():
        path = copy / name
        path.write_text(path.read_text(encoding="utf-8") + f"\n{statement}\n", encoding="utf-8")
    result = lint_imports(copy)
    assert result.returncode == 1
    for name, statement in WRONG_ARROWS.items():
        importer, imported = name.removesuffix(".py").replace("/", "."), statement.removeprefix("import ")
        assert f"{importer} -> {imported} (l." in result.stdout, f"{importer} may import {imported}"


def test_make_help_names_every_target() -> None:
    command = ["make", "--no-print-directory", "help"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20)
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony
    assert [line.split()[0] for line in result.stdout.splitlines()] == phony[1].split()


def test_make_takes_the_pythons_that_the_package_takes() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    low, high = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", project["requires-python"]).groups()
    text = (ROOT / "Makefile").read_text()
    assert f"(3, {low}) <= sys.version_info < (3, {high})" in text
    assert " ".join(f"python3.{minor}" for minor in reversed(range(int(low), int(high)))) in text


def test_no_suitable_python_is_one_sentence(tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    command = ["make", "run", "PYTHON=/no/such/python"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=20)
    assert result.returncode != 0
    sentences = [line for line in result.stderr.splitlines() if not line.startswith("make")]
    assert sentences == [
        "talkpath: needs Python 3.11, 3.12 or 3.13 and finds none as /no/such/python; "
        "run `sudo apt-get install python3`, or name one: make PYTHON=/path/to/python3."
    ]
