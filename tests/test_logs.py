"""What is logged: structured, in one form for all, without personal data, secrets or local variables."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from config.server import LoggingSection
from gateway import logs
from gateway.actions import Record
from gateway.events import BotFailed, CallEvent, LegClosed
from tests.fakes.journalling import KeptPlaybook
from tests.fakes.playbook import Commands

CALLER, CALLED = "+33612345678", "+33123456789"


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Logging as it was before the test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def set_up(**settings: Any) -> Any:
    logs.set_up(LoggingSection(**{"format": "json", **settings}))
    return structlog.get_logger()


def entries(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


# --- personal data -------------------------------------------------------------------------------------------------
def test_personal_data_is_dropped_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    set_up().info("turn", turn=3, **{"pii.caller": "my name is Zoë", "pii.digits": "1234"})
    (entry,) = entries(capsys)
    assert entry.keys() == {"event", "level", "timestamp", "turn"}
    assert (entry["event"], entry["level"], entry["turn"]) == ("turn", "info", 3)


def test_personal_data_is_written_where_it_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    set_up(pii=True).info("turn", **{"pii.caller": f"call me at {CALLER}"})
    assert entries(capsys)[0]["pii.caller"] == f"call me at {CALLER}"


class LoggedPlaybook(KeptPlaybook):
    """A play of which every event and command is logged, as carelessly as can be."""

    def _give(self, event: CallEvent) -> Commands:
        commands = super()._give(event)
        structlog.get_logger().info("handled", what=event, commands=list(commands), **{"pii.event": str(event)})
        return commands


@pytest.mark.parametrize("format", ["json", "console"])
def test_the_log_of_a_whole_play_has_no_telephone_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], format: str
) -> None:
    set_up(format=format, level="debug")
    play = LoggedPlaybook(tmp_path)
    with structlog.contextvars.bound_contextvars(call_id="call-1", leg_id="leg-1"):
        play.greet("Welcome")
        play.speak("my number is 06 12 34 56 78", at=3.0)
        play.reply(f"I call you at {CALLER}", Record(kind="contact", data={"phone": CALLED}))
        play.play_out()
        play.speak("thanks", at=play.now + 1)
        play(BotFailed(turn=2, detail=f"no route to {CALLED}"))
        play(LegClosed(by="caller"))
    written = capsys.readouterr().err
    assert written.count("handled") == len(play.log)
    assert written.count("turn answered") == 2
    assert "call-1" in written
    for number in (CALLER, CALLED, CALLER[1:], "0612345678", "06 12 34 56 78"):
        assert number not in written


# --- what others wrote ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("no answer from +33 6 12-34-56-78.", "no answer from ***."),
        ("sip:+33612345678@pbx answers 486", "sip:***@pbx answers 486"),
        ("(030) 123 45 67 is busy", "(*** is busy"),
        ("192.168.100.200:5060 refused", "192.168.100.200:5060 refused"),
        ("status 503 after 30.000 s, id 4f2a9c1177aa0b31", "status 503 after 30.000 s, id 4f2a9c1177aa0b31"),
        ("1795261293.2817", "1795261293.2817"),
        ("left channel 1795261293.2817.", "left channel 1795261293.2817."),
        ("+1795261293.28", "***.28"),
        ("0612345678.2817", "***.2817"),
        ("PJSIP/601-0000001a", "PJSIP/601-0000001a"),
        ("PJSIP/601-00000012 is gone", "PJSIP/601-00000012 is gone"),
        ("PJSIP/33612345678-00000012", "PJSIP/***-00000012"),
        ("Local/33612345678@from-pbx-00000012;2", "Local/***@from-pbx-00000012;2"),
        ("WebSocket/media/0x7f2c-00000012", "WebSocket/media/0x7f2c-00000012"),
        ("550e8400-e29b-41d4-a716-446655440000", "550e8400-e29b-41d4-a716-446655440000"),
        ("12345678-1234-1234-1234-123456789012", "12345678-1234-1234-1234-123456789012"),
        ("612345678-1234-1234-1234-123456789012", "***"),
        ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer ***"),
        ("wss://bot:geheim@example.com/x", "wss://***@example.com/x"),
        ("GET /v1?api_key=abc123&x=1", "GET /v1?api_key=***&x=1"),
        ("{'password': 'geheim', 'x': 1}", "{'password': '***', 'x': 1}"),
        ("red \x1b[31malert\x07", "red \ufffd[31malert\ufffd"),
    ],
)
def test_what_looks_like_a_number_or_a_secret_is_masked(
    capsys: pytest.CaptureFixture[str], text: str, written: str
) -> None:
    set_up().warning("vendor failed", error=text, more=[{"deep": text}])
    (entry,) = entries(capsys)
    assert entry["error"] == written
    assert entry["more"] == [{"deep": entry["error"]}]


def test_secrets_are_masked_also_where_personal_data_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    set_up(pii=True).warning("refused", error=f"{CALLER} by Bearer abcdefgh")
    assert entries(capsys)[0]["error"] == f"{CALLER} by Bearer ***"


def test_names_of_calls_are_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    set_up().info("call ended", call_id="12345678901234", leg_id="1700000000.123", seconds=12345678.5)
    (entry,) = entries(capsys)
    assert (entry["call_id"], entry["leg_id"], entry["seconds"]) == ("12345678901234", "1700000000.123", 12345678.5)


def fail(secret_word: str) -> None:
    local_copy = secret_word * 2
    raise ValueError(f"cannot dial {CALLER}, not even {len(local_copy)} times")


@pytest.mark.parametrize("format", ["json", "console"])
@pytest.mark.parametrize("pii", [False, True])
def test_tracebacks_have_no_local_variables(capsys: pytest.CaptureFixture[str], format: str, pii: bool) -> None:
    log = set_up(format=format, pii=pii)
    try:
        fail("quokka")
    except ValueError:
        log.exception("call failed")
    written = capsys.readouterr().err
    assert "ValueError" in written
    assert "test_logs.py" in written
    assert "quokkaquokka" not in written
    assert "local_copy'" not in written
    assert (CALLER in written) == pii


# --- libraries -----------------------------------------------------------------------------------------------------
def test_libraries_log_in_the_same_form(capsys: pytest.CaptureFixture[str]) -> None:
    set_up()
    logging.getLogger("some.library").warning("retrying %s with token=%s", CALLER, "abc")
    logging.getLogger("some.library").info("not of interest")
    (entry,) = entries(capsys)
    assert entry["event"] == "retrying *** with token=***"
    assert (entry["logger"], entry["level"]) == ("some.library", "warning")


def test_tracebacks_of_libraries_have_no_local_variables(capsys: pytest.CaptureFixture[str]) -> None:
    set_up()
    try:
        fail("quokka")
    except ValueError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
    written = capsys.readouterr().err
    assert "quokkaquokka" not in written
    assert CALLER not in written
    assert json.loads(written)["exception"][0]["exc_type"] == "ValueError"


# --- form ----------------------------------------------------------------------------------------------------------
def test_less_severe_messages_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    log = set_up(level="warning")
    log.info("quiet")
    log.warning("loud")
    assert [entry["event"] for entry in entries(capsys)] == ["loud"]


def test_every_entry_is_one_line_whatever_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    set_up().info("odd", text="a\nb\u2028c \ud83d", thing=object(), size="x" * 100_000)
    (entry,) = entries(capsys)
    assert len(entry["size"]) == logs.MAX_TEXT


def test_setting_up_again_replaces_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    set_up(format="console")
    set_up()
    logging.getLogger("x").warning("once")
    assert [entry["event"] for entry in entries(capsys)] == ["once"]
