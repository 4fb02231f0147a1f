"""Logging in to the console: a form that takes the API token, and the cookie it is exchanged for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway.http.guard import CHALLENGE, Guard
from gateway.http.login import logout
from gateway.http.pages import page
from gateway.http.replies import BodyRefused, body_of, error

MAX_FORM = 4096  # bytes
TALK_PATH = "/talk"


def wants_page(scope: Mapping[str, Any], headers: Mapping[str, str]) -> bool:
    """Whether a person with a browser asks for one of our pages."""
    path = str(scope["path"])
    is_page = path in ("/", TALK_PATH) or path.startswith("/calls/")
    return is_page and scope["method"] in ("GET", "HEAD") and "text/html" in headers.get("accept", "")


def login_page(path: str, *, was_wrong: bool = False) -> Response:
    """The form, as the refusal it is."""
    action = "../" if path.startswith("/calls/") else "./"
    wrong = '<p class="pill bad" role="alert">That is not the token.</p>' if was_wrong else ""
    onward = '<input type="hidden" name="onward" value="talk">' if path == TALK_PATH else ""
    body = (
        f'<main><h1>Talkpath</h1><form class="login" method="post" action="{action}">{wrong}'
        '<label for="token">API token</label>'
        '<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>'
        f'{onward}<button type="submit">Log in</button></form>'
        '<p class="quiet">The token is <code>server.api_token</code> in the configuration.</p></main>'
    )
    answer = page("Talkpath: log in", body, status=401)
    answer.headers.update(CHALLENGE)
    return answer


def login_route(guard: Guard, *, is_https: bool, prefix: str) -> BaseRoute:
    """Takes the form, and the wish to log out."""
    path = f"{prefix}/"

    async def submit(request: Request) -> Response:
        if guard.login is None:
            return error(405, "not this way", {"allow": "GET, HEAD"})
        try:
            form = parse_qs((await body_of(request, MAX_FORM)).decode(errors="replace"))
        except BodyRefused as refused:
            return error(refused.status, str(refused))
        secure = is_https or request.url.scheme == "https"
        if "logout" in form:
            return _sent_home(logout(secure=secure, path=path))
        wants_to_talk = form.get("onward") == ["talk"]
        if guard.is_token(form.get("token", [""])[0]):
            return _sent_home(guard.login.cookie(secure=secure, path=path), "./talk" if wants_to_talk else "./")
        return login_page(TALK_PATH if wants_to_talk else "/", was_wrong=True)

    return Route("/", submit, methods=["POST"])


def _sent_home(cookie: str, location: str = "./") -> Response:
    return Response(status_code=303, headers={"location": location, "set-cookie": cookie, "cache-control": "no-store"})
