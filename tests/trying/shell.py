"""`talkpath` as somebody types it, with what it prints, on a configuration of scripted vendors."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gateway.cli import run

SPEECH: dict[str, Any] = {
    "acme": {"engine": "scripted", "echo": True, "texts": ["opening hours", "an operator"]},
    "wide": {"engine": "scripted", "formats": ["l16/16000"]},
    "plain": {"engine": "scripted", "partials": False, "texts": ["good morning"]},
    "turns": {"engine": "scripted", "texts": ["good morning"], "turn_after": 0.3},
    "mute": {"engine": "scripted", "fail_speech_after": 0},
    "stuck": {"engine": "scripted", "stall_speech_after": 0},
    "breaks": {"engine": "scripted", "fail_speech_after": 0.2},
    "deaf": {"engine": "scripted", "fail_listening_after": 0.2},
    "silent": {"engine": "scripted", "stall_listening": True},
}


class Done(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    out: str
    errors: str


Shell = Callable[..., Done]


def shell_in(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """Types commands, where `talkpath.yaml` has `SPEECH`."""
    (folder / "talkpath.yaml").write_text(json.dumps({"speech": SPEECH, "defaults": {"language": "fr-FR"}}))
    monkeypatch.chdir(folder)

    def type_in(*words: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["talkpath", *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            run()
        printed = capsys.readouterr()
        code = ended.value.code
        return Done(code if isinstance(code, int) else 0 if code is None else 1, printed.out, printed.err)

    return type_in
