"""The pages on the API and on operation name every route, every metric and every limit as they are."""

from __future__ import annotations

import re
from typing import Any

from starlette.routing import Route

from config.call import CallSection
from config.server import ServerSection
from gateway.call.session import MAX_EVENTS
from gateway.http.guard import Guard
from gateway.http.login import Login
from gateway.http.metrics import Metrics
from gateway.http.port import build
from gateway.records.waterfall import STAGES
from gateway.speech.local.settings import LocalSpeechSection
from gateway.transports.text.transport import PATH as CHAT
from tests.pages import ROOT, prose

API, OPERATING = ROOT / "docs" / "api.md", ROOT / "docs" / "operating.md"


class Nothing:
    """The gateway behind the routes; they are only counted here."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"nobody asks for {name}")


def _served() -> set[str]:
    gateway: Any = Nothing()
    app = build(gateway, [], guard=Guard(token="t", login=Login("t")))
    found = set()
    for route in app.routes:
        assert isinstance(route, Route)
        found |= {f"{method} {route.path}" for method in route.methods or () if method != "HEAD"}
    return found


def test_every_route_has_its_part_and_every_part_its_route() -> None:
    described = set(re.findall(r"^### ((?:GET|POST) /\S*)$", prose(API), re.MULTILINE))
    assert described == _served()
    assert f"### {CHAT}" in prose(API)


def test_every_part_of_a_turns_time_is_explained() -> None:
    for stage in STAGES:
        assert f"`{stage}`" in prose(API)


def test_every_metric_is_explained_with_its_labels() -> None:
    rows = re.findall(r"^\| `(talkpath_\w+)` \|([^|]*)\|", prose(OPERATING), re.MULTILINE)
    described = {name: tuple(re.findall(r"`(\w+)`", labels)) for name, labels in rows}
    metrics = [value for value in vars(Metrics()).values() if hasattr(value, "_labelnames")]
    counted = {metric._name + ("_total" if metric._type == "counter" else ""): metric._labelnames for metric in metrics}
    assert described == counted


def test_every_metric_that_is_named_exists() -> None:
    text = OPERATING.read_text(encoding="utf-8") + (ROOT / "docs" / "calls.md").read_text(encoding="utf-8")
    exposed = Metrics().text().decode()
    for name in set(re.findall(r"talkpath_\w+", text)):
        assert f"# HELP {name} " in exposed


def test_defaults_and_limits_are_those_in_force() -> None:
    rows = dict(re.findall(r"^\| `?([\w.]+)`?[^|]* \| ([\d,]+)(?: s)? \|", prose(OPERATING), re.MULTILINE))
    assert float(rows["server.max_calls"]) == ServerSection().max_calls
    assert float(rows["max_call"]) == CallSection().max_call
    assert float(rows["answer_timeout"]) == CallSection().answer_timeout
    assert float(rows["max_length"]) == CallSection().max_length
    assert float(rows["speech.local.max_streams"]) == LocalSpeechSection().max_streams
    assert float(rows["events"].replace(",", "")) == MAX_EVENTS
    assert f"`server.drain_timeout` ({ServerSection().drain_timeout:g} s)" in prose(OPERATING)
