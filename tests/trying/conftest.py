"""The shell, as a fixture."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.trying.shell import Shell, shell_in


@pytest.fixture
def talkpath(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    return shell_in(tmp_path, monkeypatch, capsys)
