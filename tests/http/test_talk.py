"""The page that calls: whole without a network, under a policy without inline scripts, and behind the login."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from gateway.http.guard import INVITE, TALK, Guard
from gateway.http.login import Login
from gateway.http.port import build
from gateway.http.talk_page import SCRIPTS
from tests.fakes.control import FakeControl
from tests.http.test_console import TOKEN, Page

NUMBER = {"number": "+33123456789"}


class Office(FakeControl):
    """A gateway with a line for browsers, and numbers of every kind."""

    def lines(self) -> Sequence[dict[str, Any]]:
        return [{"name": "web", "transport": "browser", "path": "/media/browser", "auth": "one-time token"}]

    def numbers(self) -> Sequence[dict[str, Any]]:
        names = ["+33123456789", '<b>"', "+3312*", "*98", "*"]
        return [{"number": name, "bot": "<demo>", "language": "fr-FR", "profile": None} for name in names]


@asynccontextmanager
async def console(control: FakeControl, guard: Guard | None = None) -> AsyncIterator[httpx.AsyncClient]:
    app = build(control, [], guard=guard or Guard())
    transport = httpx.ASGITransport(app, client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
        yield client


def locked() -> Guard:
    return Guard(token=TOKEN, login=Login(TOKEN))


@pytest.mark.asyncio
async def test_the_page_is_sound_and_nothing_in_it_is_unescaped() -> None:
    async with console(Office()) as http:
        shown = await http.get("/talk")
    page = Page(shown.text.replace("<!doctype html>", ""))
    choices = [element for element in page.all("input") if element.get("name") == "number"]
    assert [(choice["value"], choice.get("data-prefix")) for choice in choices] == [
        ("+33123456789", None),
        ('<b>"', None),
        ("+3312*", "+3312"),
        ("*98", None),
        ("*", ""),
    ]
    assert "checked" in choices[0]
    assert "<demo>" in page.texts["small"]
    labelled = {element.get("for") for element in page.all("label")}
    assert {"number", "caller"} <= labelled
    keys = [element["data-key"] for element in page.all("button") if "data-key" in element]
    assert keys == list("123456789*0#")


@pytest.mark.asyncio
async def test_scripts_are_files_of_ours_and_the_policy_allows_no_others() -> None:
    async with console(Office()) as http:
        shown = await http.get("/talk")
        page = Page(shown.text.replace("<!doctype html>", ""))
        [script] = page.all("script")
        policy = shown.headers["content-security-policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert all(not name.startswith("on") and name != "style" for _, found in page.elements for name in found)
        wanted = {str(script["src"])}
        for name in SCRIPTS:
            told = await http.get(f"/talk/{name}")
            assert told.headers["content-type"].startswith("text/javascript")
            wanted |= {f"./talk/{other}" for other in re.findall(r'from "\./([a-z]+\.js)"', told.text)}
            assert not re.search(r"https?://(?!www\.w3\.org)", told.text)
        assert wanted == {f"./talk/{name}" for name in SCRIPTS}
        assert (await http.get("/talk/none.js")).status_code == 404


@pytest.mark.asyncio
async def test_what_is_missing_is_said() -> None:
    class Bare(Office):
        def numbers(self) -> Sequence[dict[str, Any]]:
            return []

    async with console(FakeControl()) as http:
        assert "No line takes calls from browsers" in (await http.get("/talk")).text
        assert "./talk" not in (await http.get("/")).text
    async with console(Bare()) as http:
        assert "no entry under" in (await http.get("/talk")).text
        assert 'href="./talk"' in (await http.get("/")).text


@pytest.mark.asyncio
async def test_a_login_leads_back_to_the_page() -> None:
    async with console(Office(), locked()) as http:
        asked = await http.get("/talk", headers={"accept": "text/html"})
        assert asked.status_code == 401
        assert (await http.get("/talk/page.js")).status_code == 401
        wrong = await http.post("/", data={"token": "wrong", "onward": "talk"})
        assert 'value="talk"' in wrong.text
        done = await http.post("/", data={"token": TOKEN, "onward": "talk"})
        assert (done.status_code, done.headers["location"]) == (303, "./talk")
        assert (await http.get("/talk")).status_code == 200


# --- invitations ---------------------------------------------------------------------------------------------------
@pytest.mark.asyncio
async def test_an_invitation_says_where_and_for_how_long() -> None:
    control = Office()
    async with console(control) as http:
        told = await http.post(INVITE, json={**NUMBER, "from": "+441632960999"})
        assert told.status_code == 201
        invitation = told.json()
        assert httpx.URL(f"https://x/prefix{INVITE}").join(invitation["url"]).path == "/prefix/media/browser"
        assert (invitation["token"], invitation["expires_in"]) == ("for-one-call", 60)
        assert control.asked == [("invite", "+33123456789", "+441632960999")]
        assert (await http.post(INVITE, json={"number": "+49"})).status_code == 404
        assert (await http.post(INVITE, json={})).status_code == 400
        assert (await http.get("/api/numbers")).json()[0]["bot"] == "<demo>"


@pytest.mark.asyncio
async def test_a_login_may_call_from_our_own_pages_and_change_nothing_else() -> None:
    async with console(Office(), locked()) as http:
        own, others = {"origin": "http://127.0.0.1:8080"}, {"origin": "https://evil.example"}
        assert (await http.post(INVITE, json=NUMBER, headers=own)).status_code == 401
        await http.post("/", data={"token": TOKEN})
        assert (await http.post(INVITE, json=NUMBER, headers=own)).status_code == 201
        assert (await http.post(INVITE, json=NUMBER, headers=others)).status_code == 401
        assert (await http.post(INVITE, json=NUMBER)).status_code == 401
        assert (await http.post("/api/drain", headers=own)).status_code == 401
        assert (await http.post(f"{INVITE}/", json=NUMBER, headers=own)).status_code == 401


def test_without_a_token_only_our_own_pages_of_this_machine_call() -> None:
    guard = Guard()
    assert guard.refusal("127.0.0.1", {"host": "localhost", "origin": "http://localhost"}, TALK) is None
    assert guard.refusal("127.0.0.1", {"host": "localhost", "origin": "http://evil.example"}, TALK) is not None
    assert guard.refusal("203.0.113.9", {}, TALK) is not None
