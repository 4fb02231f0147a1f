"""The first look at a running gateway: who is on the line, what the latest calls came to, and one call in detail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway.http.call_page import call_link, call_page, clock_time, milliseconds, outcome, seconds
from gateway.http.control import Control, UnknownName
from gateway.http.guard import Guard
from gateway.http.login_page import TALK_PATH, login_route
from gateway.http.pages import Column, Markup, escaped, page, pill, table, tiles
from gateway.http.replies import error
from gateway.http.talk_page import SCRIPTS, has_browser_line, talk_page

REFRESH = 5  # s
LATEST = 20

CALLS = (
    Column("Call"),
    Column("Caller", "nowrap"),
    Column("Number", "nowrap"),
    Column("Line"),
    Column("State"),
    Column("Turns", "number"),
    Column("Time", "number"),
)
RECORDS = (
    Column("Started (UTC)", "nowrap"),
    Column("Caller", "nowrap"),
    Column("Number", "nowrap"),
    Column("Outcome"),
    Column("Turns", "number"),
    Column("Length", "number"),
    Column("Median answer", "number"),
)
ACCOUNTS = (
    Column("Account", "nowrap"),
    Column("Line"),
    Column("State"),
    Column("Since (UTC)", "nowrap"),
    Column("Why, and what to do"),
    Column("Tried again in", "number"),
)
MOODS = {"registered": "good", "refused": "bad"}
LINES = (Column("Line"), Column("Protocol"), Column("Path"), Column("Callers prove themselves by"))


def routes(control: Control, guard: Guard, *, is_https: bool, prefix: str) -> list[BaseRoute]:
    """The console's pages."""

    async def front(request: Request) -> Response:
        records = await control.records(limit=LATEST, number=None, before=None)
        refresh = 0 if request.query_params.get("refresh") == "off" else REFRESH
        return front_page(control, records, refresh=refresh, has_login=guard.login is not None)

    async def call(request: Request) -> Response:
        call_id = request.path_params["call_id"]
        try:
            found = control.call(call_id)
        except UnknownName:
            try:
                found = await control.record(call_id)
            except UnknownName:
                body = '<main><h1>No such call</h1><p><a href="../">All calls</a></p></main>'
                return page("Talkpath: no such call", body, status=404)
        return call_page(found)

    async def talk(_: Request) -> Response:
        return talk_page(control)

    async def talk_script(request: Request) -> Response:
        script = SCRIPTS.get(request.path_params["name"])
        return error(404, "there is nothing here") if script is None else Response(script, media_type="text/javascript")

    login = login_route(guard, is_https=is_https, prefix=prefix)
    pages = [("/", front), (TALK_PATH, talk), (f"{TALK_PATH}/{{name}}", talk_script), ("/calls/{call_id}", call)]
    return [login, *(Route(path, shown) for path, shown in pages)]


def front_page(
    control: Control, records: Sequence[Mapping[str, Any]], *, refresh: int = 0, has_login: bool = False
) -> Response:
    """The console's first page."""
    status = control.status()
    running = [call for call in control.calls() if call["state"] != "over"]
    state = pill("ready for calls", "good") if control.is_ready else pill("takes no calls", "bad")
    talk = '<a class="button" href="./talk">Talk to a bot</a>' if has_browser_line(control) else ""
    lines = control.lines()
    facts = [
        ("On the line", len(running)),
        ("At most", status["max_calls"]),
        ("Lines", len(lines)),
        ("Version", status["version"]),
    ]
    body = (
        f"<header><h1>Talkpath</h1>{state.text}{talk}</header><main>{tiles(facts)}"
        f"<h2>On the line</h2>{_running_table(running)}"
        f"<h2>Latest calls</h2>{_latest_table(records)}"
        f"<h2>Lines</h2>{_lines_table(lines)}{_accounts(lines)}</main>{_footer(refresh, has_login)}"
    )
    return page("Talkpath", body, refresh=refresh)


def _running_table(calls: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        (
            call_link(call),
            call.get("caller") or "withheld",
            call["number"],
            call.get("line", ""),
            call["state"],
            call["turns"],
            seconds(call["seconds"]),
        )
        for call in calls
    ]
    return table("Calls that are up", CALLS, rows, empty="Nobody is on the line.")


def _latest_table(records: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        (
            call_link(record, clock_time(record["started_at"])),
            record.get("caller") or "withheld",
            record["number"],
            outcome(record),
            record["turns"],
            seconds(record["seconds"]),
            milliseconds(record.get("answer_p50")),
        )
        for record in records
    ]
    caption = "The newest first. Answer: from the caller's last sound to the first of the bot's answer"
    return table(caption, RECORDS, rows, empty="No call has ended yet.")


def _lines_table(lines: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        (line["name"], line["transport"], Markup(f"<code>{escaped(line.get('path') or '')}</code>"), line.get("auth"))
        for line in lines
    ]
    shown = [(name, transport, path, auth or "nothing") for name, transport, path, auth in rows]
    return table("Where calls come in", LINES, shown, empty="No line is configured.")


def _accounts(lines: Sequence[Mapping[str, Any]]) -> str:
    """How lines are registered; nothing where none has an account."""
    rows = [
        (
            account["account"],
            line["name"],
            pill(account["state"], MOODS.get(account["state"], "")),
            clock_time(account["since"]) if account["since"] else "",
            _trouble(account),
            seconds(account["next_attempt_in"]) if account["next_attempt_in"] is not None else "",
        )
        for line in lines
        for account in line.get("registrations", ())
    ]
    if not rows:
        return ""
    return f"<h2>Accounts</h2>{table('Where lines are registered', ACCOUNTS, rows, empty='')}"


def _trouble(account: Mapping[str, Any]) -> str:
    """``401 Unauthorized: the PBX does not take ...``; empty where all is well."""
    said = " ".join(str(part) for part in (account["status"], account["reason"]) if part)
    return ": ".join(part for part in (said, account["advice"]) if part)


def _footer(refresh: int, has_login: bool) -> str:
    toggle = (
        f'<span>Shown afresh every {refresh} seconds. <a href="./?refresh=off">Stop that</a></span>'
        if refresh
        else '<span>Shown as it was. <a href="./">Show it afresh every few seconds</a></span>'
    )
    leave = '<form method="post" action="./"><button name="logout" value="1">Log out</button></form>'
    links = '<span>For programs: <a href="./api">/api</a>, <a href="./metrics">/metrics</a></span>'
    return f"<footer>{toggle}{links}{leave if has_login else ''}</footer>"
