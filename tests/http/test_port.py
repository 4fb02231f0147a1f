"""The shared port as a whole: every route is guarded or checks its sender itself; nothing sent to it breaks it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute

from gateway.errors import ConfigError
from gateway.http.guard import Guard
from gateway.http.login import Login
from gateway.http.port import OPEN_PATHS, build
from gateway.routes import HttpReply, HttpRequest, SocketRoute, Webhook
from tests.fakes.control import FakeControl
from tests.fakes.virtual_loop import virtual_time

OUTSIDE = ("203.0.113.9", 4711)
HERE = ("127.0.0.1", 4711)
TOKEN = "s3cret-token"
BEARER = {"authorization": f"Bearer {TOKEN}"}
SECRET_TEXT = "who comes here is inside"


async def echo(request: HttpRequest) -> HttpReply:
    """A webhook that tells what reached it."""
    told = {
        "method": request.method,
        "path": request.path,
        "url": request.url,
        "query": dict(request.query),
        "params": dict(request.path_params),
        "size": len(request.body),
        "peer": request.peer,
        "twice": request.headers.get("x-twice"),
    }
    return HttpReply(status=201, body=json.dumps(told).encode(), headers={"x-own": "yes"})


async def read_json(request: HttpRequest) -> HttpReply:
    """A webhook that reads its body as carelessly as any."""
    return HttpReply(body=json.dumps(len(json.loads(request.body))).encode())


async def break_down(request: HttpRequest) -> HttpReply:
    raise ZeroDivisionError("a bug")


async def accept(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept", "headers": []})
    await send({"type": "websocket.send", "text": SECRET_TEXT})
    await send({"type": "websocket.close", "code": 1000})


PLUGGED = (
    Webhook(path="/hooks/echo/{name}", methods=("GET", "POST"), handle=echo, max_bytes=1000),
    Webhook(path="/hooks/json", methods=("POST",), handle=read_json, max_bytes=100_000),
    Webhook(path="/hooks/broken", methods=("POST",), handle=break_down),
    SocketRoute(path="/media/pbx", app=accept),
)
OWN_SOCKETS = (SocketRoute(path="/text", app=accept),)


def port(control: FakeControl | None = None, *, token: str | None = TOKEN, **settings: Any) -> Starlette:
    guard = Guard(token=token, login=Login(token) if token else None)
    return build(control or FakeControl(), PLUGGED, guard=guard, guarded_sockets=OWN_SOCKETS, **settings)


@asynccontextmanager
async def client(
    app: Starlette, peer: tuple[str, int] = OUTSIDE, base: str = "http://127.0.0.1:8080"
) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, client=peer, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=base) as opened:
        yield opened


async def upgrade(app: Any, path: str, *, headers: dict[str, str] | None = None, peer: Any = OUTSIDE) -> list[Any]:
    """Try to open a WebSocket; what the port answers: a status, or what was said."""
    scope = {
        "type": "websocket",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "ws",
        "client": peer,
        "server": ("127.0.0.1", 8080),
        "subprotocols": [],
        "headers": [(name.encode(), value.encode()) for name, value in (headers or {}).items()],
        "extensions": {"websocket.http.response": {}},
        "asgi": {"version": "3.0"},
    }
    sent: list[Any] = []

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message.get("status") or message.get("text") or message["type"])

    await app(scope, receive, send)
    return sent


# --- every route ---------------------------------------------------------------------------------------------------
def filled(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "+33123456789", path)


def checks_itself(route: Route | WebSocketRoute) -> bool:
    return route.path in OPEN_PATHS or route.path in {item.path for item in PLUGGED}


def walk() -> list[tuple[str, str]]:
    """Every method and path of the port that needs the token; WS for sockets."""
    found = []
    for route in port().routes:
        assert isinstance(route, Route | WebSocketRoute), route
        if not checks_itself(route):
            methods = sorted(route.methods or ()) if isinstance(route, Route) else ["WS"]
            found.extend((method, filled(route.path)) for method in methods)
    return found


def test_the_walk_meets_every_kind_of_route() -> None:
    paths = {path for _, path in walk()}
    assert {"/", "/api", "/metrics", "/text", "/api/reload", "/api/calls/+33123456789/hangup"} <= paths
    assert len(walk()) > 20


STRANGERS: tuple[dict[str, str], ...] = (
    {},
    {"authorization": "Bearer wrong"},
    {"x-forwarded-for": "127.0.0.1"},
    {"cookie": "talkpath=9999999999.0"},
    {"accept": "text/html"},
)


@pytest.mark.asyncio
@pytest.mark.parametrize(("method", "path"), walk())
@pytest.mark.parametrize("token", [TOKEN, None])
async def test_a_route_refuses_strangers(method: str, path: str, token: str | None) -> None:
    control = FakeControl()
    app = port(control, token=token)
    status = 401 if token else 403
    for headers in (
        {},
        {"authorization": "Bearer wrong"},
        {"x-forwarded-for": "127.0.0.1"},
        {"cookie": "talkpath=1.2"},
    ):
        if method == "WS":
            assert (await upgrade(app, path, headers=headers))[0] == status
            continue
        async with client(app) as asking:
            answer = await asking.request(method, path, headers=headers)
            assert answer.status_code == status, answer.text
    assert control.asked == []


@pytest.mark.asyncio
@pytest.mark.parametrize(("method", "path"), walk())
async def test_a_route_answers_who_has_the_token(method: str, path: str) -> None:
    app = port()
    if method == "WS":
        assert SECRET_TEXT in await upgrade(app, path, headers=BEARER)
        return
    async with client(app) as asking:
        answer = await asking.request(method, path, headers=BEARER)
        is_login = (method, path) == ("POST", "/")
        assert answer.status_code in ((401,) if is_login else (200, 202, 400, 404)), answer.text


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "path", ["/nothing", "/api/nothing", "/media/pbx", "/hooks", "/API", "//api", "/api/../api", "/%61pi"]
)
async def test_paths_that_are_not_there_are_guarded_too(path: str) -> None:
    async with client(port()) as asking:
        assert (await asking.get(path)).status_code == 401
        assert (await asking.get(path, headers=BEARER)).status_code in (404, 200)
    assert (await upgrade(port(), path.replace("/media/pbx", "/none")))[0] == 401


@pytest.mark.asyncio
async def test_health_webhooks_and_media_sockets_check_for_themselves() -> None:
    async with client(port()) as asking:
        assert (await asking.get("/health/live")).json() == {"live": True}
        assert (await asking.get("/health/ready")).json() == {"ready": True}
        assert (await asking.get("/hooks/echo/x")).status_code == 201
    assert SECRET_TEXT in await upgrade(port(), "/media/pbx")


@pytest.mark.asyncio
async def test_a_gateway_that_drains_is_alive_and_not_ready() -> None:
    control = FakeControl()
    control.is_ready = False
    async with client(port(control)) as asking:
        assert (await asking.get("/health/live")).status_code == 200
        assert (await asking.get("/health/ready")).status_code == 503


@pytest.mark.asyncio
@pytest.mark.parametrize("path", ["/media/pbx", "/text"])
async def test_no_socket_is_opened_while_no_calls_are_taken(path: str) -> None:
    control = FakeControl()
    control.refusing = "draining"
    assert (await upgrade(port(control), path, headers=BEARER))[0] == 503


@pytest.mark.asyncio
async def test_our_own_answers_are_for_nobody_else() -> None:
    async with client(port()) as asking:
        for path in ("/", "/api", "/metrics", "/api/nothing"):
            headers = (await asking.get(path, headers=BEARER)).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["cache-control"] == "no-store"
        refused = await asking.get("/api")
        assert refused.headers["www-authenticate"].startswith("Bearer")


# --- methods -------------------------------------------------------------------------------------------------------
@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("HEAD", "/api", 200, None),
        ("HEAD", "/", 200, None),
        ("POST", "/api", 405, {"GET", "HEAD"}),
        ("OPTIONS", "/api", 405, {"GET", "HEAD"}),
        ("GET", "/api/reload", 405, {"POST"}),
        ("DELETE", "/api/calls/x", 405, {"GET", "HEAD"}),
        ("BREW", "/api", 405, {"GET", "HEAD"}),
        ("DELETE", "/hooks/echo/x", 405, {"GET", "HEAD", "POST"}),
    ],
)
async def test_methods(method: str, path: str, status: int, allow: set[str] | None) -> None:
    async with client(port()) as asking:
        answer = await asking.request(method, path, headers=BEARER)
    assert answer.status_code == status
    if allow is not None:
        assert {item.strip() for item in answer.headers["allow"].split(",")} == allow
        assert "error" in answer.json()
    if method == "HEAD":
        assert answer.content == b""


# --- webhooks ------------------------------------------------------------------------------------------------------
@pytest.mark.asyncio
async def test_a_webhook_gets_plain_values_and_its_answer_is_sent_as_it_is() -> None:
    async with client(port()) as asking:
        headers = [("x-twice", "a"), ("X-Twice", "b")]
        answer = await asking.post("/hooks/echo/z%C3%BCrich?a=1&b=%20&a=2", content=b"12345", headers=headers)
    assert answer.status_code == 201
    assert answer.headers["x-own"] == "yes"
    assert answer.json() == {
        "method": "POST",
        "path": "/hooks/echo/zürich",
        "url": "http://127.0.0.1:8080/hooks/echo/z%C3%BCrich?a=1&b=%20&a=2",
        "query": {"a": "2", "b": " "},
        "params": {"name": "zürich"},
        "size": 5,
        "peer": OUTSIDE[0],
        "twice": "a, b",
    }


@pytest.mark.asyncio
@pytest.mark.parametrize("prefix", ["", "/talkpath"])
async def test_a_webhook_sees_the_address_its_sender_signed(prefix: str) -> None:
    app = port(public_url="https://voice.example.com/in", prefix=prefix)
    async with client(app, base="http://10.0.0.5:8080") as asking:
        told = (await asking.get(f"{prefix}/hooks/echo/a%2Bb?x=%2B1")).json()
    assert told["url"] == "https://voice.example.com/in/hooks/echo/a%2Bb?x=%2B1"
    assert told["path"] == "/hooks/echo/a+b"


@pytest.mark.asyncio
async def test_a_body_that_is_too_long_is_refused_announced_or_not() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b"x" * 100

    async with client(port()) as asking:
        assert (await asking.post("/hooks/echo/x", content=b"x" * 1001)).status_code == 413
        assert (await asking.post("/hooks/echo/x", content=pieces())).status_code == 413
        assert (await asking.post("/hooks/echo/x", content=b"x" * 1000)).json()["size"] == 1000


DEEP = b"[" * 20_000 + b"]" * 20_000


@pytest.mark.asyncio
async def test_a_body_nested_twenty_thousand_deep_is_a_bad_request() -> None:
    async with client(port()) as asking:
        assert (await asking.post("/hooks/json", content=DEEP)).status_code == 400
        answer = await asking.post("/api/lines/pbx/connect", content=DEEP, headers=BEARER)
        assert (answer.status_code, answer.json()) == (400, {"error": "the body is nested deeper than 64 levels"})
        assert (await asking.post("/hooks/json", content=b"[1]")).json() == 1


@pytest.mark.asyncio
async def test_a_bug_in_a_webhook_is_an_error_in_json_and_no_more() -> None:
    async with client(port()) as asking:
        answer = await asking.post("/hooks/broken")
        assert answer.status_code == 500
        assert answer.json() == {"error": "something is broken here; the log says what"}
        assert (await asking.get("/health/live")).status_code == 200


@virtual_time
async def test_a_sender_who_is_too_slow_is_not_waited_for() -> None:
    async def trickle() -> AsyncIterator[bytes]:
        yield b"["
        await asyncio.Event().wait()

    async with client(port()) as asking:
        answer = await asking.post("/hooks/json", content=trickle())
        assert (answer.status_code, answer.json()["error"]) == (408, "the body did not come in time")
        answer = await asking.post("/api/calls/x/transfer", content=trickle(), headers=BEARER)
        assert answer.status_code == 408


@virtual_time
async def test_a_webhook_that_never_answers_is_given_up() -> None:
    async def never(_: HttpRequest) -> HttpReply:
        await asyncio.Event().wait()
        raise AssertionError

    hook = Webhook(path="/hooks/never", methods=("GET",), handle=never)
    async with client(build(FakeControl(), [hook], guard=Guard())) as asking:
        assert (await asking.get("/hooks/never")).status_code == 504


@pytest.mark.asyncio
async def test_a_sender_who_leaves_in_the_middle_of_a_body_leaves_nothing_behind() -> None:
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/hooks/json",
        "raw_path": b"/hooks/json",
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "client": OUTSIDE,
        "server": ("127.0.0.1", 8080),
        "headers": [],
        "http_version": "1.1",
        "asgi": {"version": "3.0"},
    }
    messages = iter([{"type": "http.request", "body": b"[", "more_body": True}, {"type": "http.disconnect"}])
    sent: list[Any] = []

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        sent.append(message)

    async with asyncio.timeout(5):
        await port()(scope, receive, send)
    assert [message.get("status") for message in sent][:1] == [400]


# --- the prefix and plug-ins' paths --------------------------------------------------------------------------------
@pytest.mark.asyncio
async def test_with_a_prefix_everything_is_behind_it_and_guarded() -> None:
    app = port(prefix="/talkpath")
    async with client(app) as asking:
        assert (await asking.get("/talkpath/api")).status_code == 401
        assert (await asking.get("/talkpath/api", headers=BEARER)).status_code == 200
        assert (await asking.get("/talkpath/health/live")).status_code == 200
        assert (await asking.get("/talkpath")).headers["location"] == "/talkpath/"
        for path in ("/api", "/health/live", "/talkpathapi", "/hooks/echo/x"):
            assert (await asking.get(path, headers=BEARER)).status_code == 404
    assert SECRET_TEXT in await upgrade(app, "/talkpath/media/pbx")
    assert (await upgrade(app, "/media/pbx"))[0] == 404
    assert (await upgrade(app, "/talkpath/text"))[0] == 401


@pytest.mark.parametrize(
    "path", ["/", "", "/api", "/api/x", "/metrics", "/health/live", "/calls/{id}", "/{anything:path}", "/{x}/y", "{x}"]
)
def test_no_plug_in_takes_the_gateways_own_paths(path: str) -> None:
    for item in (Webhook(path=path, methods=("GET",), handle=echo), SocketRoute(path=path, app=accept)):
        with pytest.raises(ConfigError):
            build(FakeControl(), [item], guard=Guard())


# --- this machine --------------------------------------------------------------------------------------------------
@pytest.mark.asyncio
async def test_without_a_token_this_machine_is_answered_and_its_browsers_other_pages_are_not() -> None:
    control = FakeControl()
    async with client(port(control, token=None), HERE) as asking:
        assert (await asking.get("/api")).status_code == 200
        foreign = {"origin": "https://evil.example"}
        assert (await asking.post("/api/drain", headers=foreign)).status_code == 403
        assert (await asking.get("/api", headers={"host": "evil.example:8080"})).status_code == 403
        assert control.asked == []
        assert (await asking.post("/api/drain")).status_code == 202
    assert (await upgrade(port(token=None), "/text", headers=foreign, peer=HERE))[0] == 403
    assert SECRET_TEXT in await upgrade(port(token=None), "/text", peer=HERE)
    assert (await upgrade(port(token=None), "/text", peer=None))[0] == 403
