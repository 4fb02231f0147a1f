"""The first look at a running gateway: one page, made on the server, without scripts."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from gateway.http.control import Control

STYLE = """
:root{color-scheme:light dark;--ink:#1d2733;--quiet:#62707f;--line:#dfe5ea;--paper:#fbfcfd;--accent:#0b7a75}
@media(prefers-color-scheme:dark){:root{--ink:#e6ebf0;--quiet:#93a1af;--line:#2b3743;--paper:#131a21;--accent:#4fc3bc}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);margin:0 auto;
  padding:2rem 1.25rem;max-width:64rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.05rem;margin:2.2rem 0 .6rem}p{margin:.2rem 0;color:var(--quiet)}
table{width:100%;border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.45rem .8rem .45rem 0;border-bottom:1px solid var(--line);vertical-align:top}
th{font-weight:600;color:var(--quiet);font-size:.85rem}code{font-size:.92em}strong{color:var(--accent)}
"""


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]], empty: str) -> str:
    body = "".join("<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    if not body:
        return f"<p>{html.escape(empty)}</p>"
    return "<table><tr>" + "".join(f"<th>{html.escape(name)}</th>" for name in head) + f"</tr>{body}</table>"


def render(control: Control, records: Sequence[dict[str, Any]]) -> str:
    """The page as HTML."""
    status = control.status()
    ready = "ready for calls" if control.is_ready else "not accepting calls"
    lines = _table(
        ("Line", "Protocol", "Address"),
        [(line["name"], line["transport"], line.get("path") or "") for line in control.lines()],
        "No line is configured.",
    )
    calls = _table(
        ("Call", "Number", "State", "Turns", "Seconds"),
        [(c["call_id"], c["number"], c["state"], c["turns"], f"{c['seconds']:.0f}") for c in control.calls()],
        "Nobody is on the line.",
    )
    latest = _table(
        ("Started", "Number", "Outcome", "Turns", "Seconds", "Median answer"),
        [_ended(record) for record in records],
        "No call has ended yet.",
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Talkpath</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><meta http-equiv="refresh" content="5">'
        f"<style>{STYLE}</style></head><body><h1>Talkpath</h1><p>Version {html.escape(str(status['version']))}, "
        f"<strong>{ready}</strong>, {status['calls']} of {status['max_calls']} calls.</p>"
        f"<h2>On the line</h2>{calls}<h2>Latest calls</h2>{latest}<h2>Lines</h2>{lines}"
        "<p>More by the API: <code>/api</code>, <code>/metrics</code>.</p></body></html>"
    )


def _ended(record: dict[str, Any]) -> tuple[Any, ...]:
    seconds, answer = f"{record['seconds']:.0f}", _latency(record.get("answer_p50"))
    return record["started_at"], record["number"], record["result"], record["turns"], seconds, answer


def _latency(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1000:.0f} ms"


def routes(control: Control) -> list[BaseRoute]:
    async def page(_: Request) -> Response:
        records = await control.records(limit=20, number=None, before=None)
        return HTMLResponse(render(control, records))

    return [Route("/", page)]
