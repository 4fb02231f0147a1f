"""The console: sound HTML without scripts, nothing unescaped, a login for browsers."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.actions import Record
from gateway.events import PromptStarted
from gateway.http.call_page import clock_time, milliseconds, seconds
from gateway.http.guard import Guard
from gateway.http.login import Login
from gateway.http.port import build
from tests.fakes.control import FakeControl
from tests.fakes.journalling import KeptPlaybook

TOKEN = "s3cret-token"
NASTY = '<script>alert("x")</script>&\' \ud83d'
VOID = {"meta", "link", "input", "rect", "br"}


class Page(HTMLParser):
    """Reads a page as strictly as a validator: every element closed where it was opened."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        for tag in {*self.open, "all"}:
            self.texts[tag] = self.texts.get(tag, "") + data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def control(tmp_path: Path) -> FakeControl:
    """One call that is up and one that is over, in which everybody says nasty things."""
    play = KeptPlaybook(tmp_path)
    play.greet(f"Welcome {NASTY}")
    play.speak(f"hello {NASTY}", at=3.0)
    play.reply("Yes?", Record(kind="note", data={NASTY: NASTY}), at=play.now + 0.5)
    play(PromptStarted(prompt_id=next(iter(play.outstanding)), ready=0.1), at=play.now + 0.2)
    play.play_out()
    record = {**play.record.to_json(), "line": NASTY, "number": NASTY, "display_name": NASTY, "caller": NASTY}
    found = FakeControl()
    found.running["call-1"] = {**record, "state": "listening"}
    found.running["just over"] = {**record, "call_id": "just over", "state": "over"}
    found.stored["a/b"] = {**record, "call_id": "a/b", "result": "bot_failed", "by": "gateway", "reason": NASTY}
    return found


@asynccontextmanager
async def browser(
    control: FakeControl, *, token: str | None = None, base: str = "http://127.0.0.1:8080", **settings: Any
) -> AsyncIterator[httpx.AsyncClient]:
    login = Login(token) if token else None
    app = build(control, [], guard=Guard(token=token, login=login), **settings)
    headers = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    transport = httpx.ASGITransport(app, client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url=base, headers=headers) as opened:
        yield opened


async def pages(control: FakeControl) -> list[httpx.Response]:
    async with browser(control) as asking:
        return [await asking.get(path) for path in ("/", "/calls/call-1", "/calls/just%20over", "/calls/nobody")]


# --- what is on the pages ------------------------------------------------------------------------------------------
@pytest.mark.asyncio
async def test_the_first_page_shows_who_is_on_the_line_and_the_latest_calls(control: FakeControl) -> None:
    async with browser(control) as asking:
        page = Page((await asking.get("/")).text)
    assert page.texts["h2"] == "On the lineLatest callsLines"
    assert "ready for calls" in page.texts["header"]
    assert "asterisk" in page.texts["table"]
    assert "bot failed" in page.texts["table"]
    links = [link["href"] for link in page.all("a")]
    assert "./calls/call-1" in links
    assert "./calls/a%2Fb" in links
    assert not any("over" in str(link) for link in links)


@pytest.mark.asyncio
async def test_an_empty_gateway_says_so(tmp_path: Path) -> None:
    control = FakeControl()
    control.is_ready = False
    async with browser(control) as asking:
        text = (await asking.get("/")).text
    assert "Nobody is on the line." in text
    assert "No call has ended yet." in text
    assert "takes no calls" in text


@pytest.mark.asyncio
async def test_the_page_of_a_call_shows_what_was_said_and_where_the_time_went(control: FakeControl) -> None:
    async with browser(control) as asking:
        page = Page((await asking.get("/calls/call-1")).text)
    assert "hello" in page.texts["table"]
    assert "Welcome" in page.texts["table"]
    assert "800 ms" in page.texts["table"]  # endpointing
    turns = control.running["call-1"]["exchange"]
    drawn = [bar for bar in page.all("rect") if bar.get("height") == "10"]
    assert len(drawn) == sum(len(turn["stages"]) for turn in turns)
    widest = max(float(bar["x"] or 0) + float(bar["width"] or 0) for bar in drawn)
    assert widest == pytest.approx(1000, abs=0.5)


@pytest.mark.asyncio
async def test_a_call_that_is_over_is_read_from_its_record_and_an_unknown_one_is_not_found(
    control: FakeControl,
) -> None:
    control.stored["gone"] = {**control.stored["a/b"], "call_id": "gone"}
    async with browser(control) as asking:
        assert "bot failed" in (await asking.get("/calls/gone")).text
        missing = await asking.get("/calls/nobody")
    assert missing.status_code == 404
    assert "text/html" in missing.headers["content-type"]


@pytest.mark.asyncio
async def test_the_page_is_shown_afresh_until_that_is_stopped(control: FakeControl) -> None:
    async with browser(control) as asking:
        fresh = Page((await asking.get("/")).text)
        still = Page((await asking.get("/?refresh=off")).text)
    assert any(meta.get("http-equiv") == "refresh" for meta in fresh.all("meta"))
    assert not any(meta.get("http-equiv") == "refresh" for meta in still.all("meta"))
    assert "./?refresh=off" in [link["href"] for link in fresh.all("a")]


# --- sound, safe, readable -----------------------------------------------------------------------------------------
@pytest.mark.asyncio
async def test_nothing_that_anybody_said_is_markup(control: FakeControl) -> None:
    for answer in await pages(control):
        assert "<script" not in answer.text
        page = Page(answer.text)
        assert {"script", "img", "iframe", "object"}.isdisjoint(tag for tag, _ in page.elements)
        assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)


@pytest.mark.asyncio
async def test_pages_load_nothing_and_the_policy_says_so(control: FakeControl) -> None:
    for answer in await pages(control):
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        style = Page(answer.text).texts["style"]
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        assert f"style-src 'sha256-{digest}'" in policy
        assert "@import" not in style
        assert "url(" not in style
        assert "http://" not in answer.text.replace("http://www.w3.org/2000/svg", "")
        assert "https://" not in answer.text


@pytest.mark.asyncio
async def test_pages_can_be_read_by_ear_and_keyboard(control: FakeControl) -> None:
    for answer in await pages(control):
        page = Page(answer.text)
        assert page.all("html")[0]["lang"] == "en"
        assert page.texts["title"].startswith("Talkpath")
        assert len(page.all("h1")) == 1
        assert len(page.all("main")) == 1
        assert all(cell.get("scope") in ("col", "row") for cell in page.all("th"))
        assert len(page.all("caption")) == len(page.all("table"))
        assert all(drawing.get("aria-hidden") == "true" for drawing in page.all("svg"))


@pytest.mark.asyncio
async def test_links_hold_behind_a_prefix(control: FakeControl) -> None:
    async with browser(control, prefix="/talkpath") as asking:
        front = await asking.get("/talkpath/")
        for link in Page(front.text).all("a"):
            target = front.request.url.join(str(link["href"]))
            assert target.path.startswith("/talkpath/")
            assert (await asking.get(target)).status_code in (200, 404)


def test_figures_for_people() -> None:
    assert clock_time("2026-11-21T09:30:05.123+00:00") == "2026-11-21 09:30:05"
    assert (seconds(9.6), seconds(59.6), seconds(3601)) == ("10 s", "1:00 min", "60:01 min")
    assert (milliseconds(None), milliseconds(1.2344)) == ("", "1234 ms")


# --- logging in ----------------------------------------------------------------------------------------------------
@pytest.mark.asyncio
async def test_a_browser_is_asked_for_the_token_and_then_let_in(control: FakeControl) -> None:
    async with browser(control, token=TOKEN) as asking:
        form = await asking.get("/")
        assert form.status_code == 401
        page = Page(form.text)
        assert page.all("label")[0]["for"] == page.all("input")[0]["id"] == "token"
        assert page.all("form")[0]["action"] == "./"
        assert control.asked == []
        logged_in = await asking.post("/", data={"token": TOKEN})
        assert (logged_in.status_code, logged_in.headers["location"]) == (303, "./")
        assert TOKEN not in logged_in.headers["set-cookie"]
        assert "On the line" in (await asking.get("/")).text
        assert (await asking.get("/metrics")).status_code == 200
        assert (await asking.post("/api/drain")).status_code == 401
        await asking.post("/", data={"logout": "1"})
        assert (await asking.get("/")).status_code == 401


@pytest.mark.asyncio
@pytest.mark.parametrize("form", [{"token": "wrong"}, {"token": ""}, {}, {"token": NASTY[:20]}])
async def test_a_wrong_token_is_told_so(control: FakeControl, form: dict[str, str]) -> None:
    async with browser(control, token=TOKEN) as asking:
        refused = await asking.post("/", data=form)
        assert refused.status_code == 401
        assert "That is not the token." in refused.text
        assert "set-cookie" not in refused.headers
        assert (await asking.get("/")).status_code == 401


@pytest.mark.asyncio
async def test_the_login_takes_short_forms_only(control: FakeControl) -> None:
    async with browser(control, token=TOKEN) as asking:
        assert (await asking.post("/", content=b"token=" + b"x" * 10_000)).status_code == 413
        assert (await asking.post("/", content=b"\xff\xfe\x00")).status_code == 401


@pytest.mark.asyncio
async def test_over_https_the_login_is_sent_over_https_only(control: FakeControl) -> None:
    async with browser(control, token=TOKEN, public_url="https://voice.example.com", prefix="/in") as asking:
        cookie = (await asking.post("/in/", data={"token": TOKEN})).headers["set-cookie"]
    assert {"Secure", "Path=/in/"} <= set(cookie.split("; "))


@pytest.mark.asyncio
async def test_without_a_token_there_is_nothing_to_log_in_to(control: FakeControl) -> None:
    async with browser(control) as asking:
        assert (await asking.post("/", data={"token": "x"})).status_code == 405
        assert "Log out" not in (await asking.get("/")).text


@pytest.mark.asyncio
async def test_programs_are_refused_in_json(control: FakeControl) -> None:
    async with browser(control, token=TOKEN) as asking:
        refused = await asking.get("/", headers={"accept": "*/*"})
        assert (refused.status_code, list(refused.json())) == (401, ["error"])
        assert (await asking.get("/api")).headers["content-type"] == "application/json"
