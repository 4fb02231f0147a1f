"""The operator's own services, told by POST: of a link (a text message service, say), of what a bot dispatches.

JSON, with `Idempotency-Key`, and signed where the hook has a secret: `X-Talkpath-Signature` is ``sha256=`` and the
HMAC-SHA256 of ``TIMESTAMP.BODY`` in hexadecimal, `X-Talkpath-Timestamp` the moment in seconds since 1970.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from config.jobs import HookSection
from gateway.actions import Record
from gateway.clock import Clock
from gateway.errors import VendorReplyInvalid
from gateway.interfaces import AfterCallJob
from gateway.jobs.addresses import is_http
from gateway.jobs.job import JobRefused
from gateway.jobs.transcript import transcript
from gateway.jobs.webhook import KEY_HEADER, basic_auth
from gateway.kit.http import HttpAnswer, HttpClient, Timeouts, check_status
from gateway.kit.jsonbody import JsonRefused, parse_json
from gateway.kit.signature import hmac_hex

SIGNATURE, TIMESTAMP = "x-talkpath-signature", "x-talkpath-timestamp"
NAMES = ("hook", "name", "addon", "addon_type", "type")
"""Under which of these a dispatch names its hook, the first that is there."""
CALL_FACTS = ("call_id", "number", "caller", "called", "line", "bot", "started_at")


class Hooks:
    """Sends to hooks.

    Args:
        sections: Read anew for each request.
    """

    def __init__(self, http: HttpClient, sections: Callable[[], Mapping[str, HookSection]], clock: Clock) -> None:
        self._http = http
        self._sections = sections
        self._clock = clock

    async def ask(self, name: str, key: str, body: Mapping[str, Any]) -> Any:
        """Tell a hook, and take what it answers, as JSON. Raises JobRefused or VendorError."""
        answer = await self.send(name, key, body)
        try:
            return parse_json(answer.body)
        except JsonRefused as refused:
            raise VendorReplyInvalid(refused.reason, vendor=f"hook {name}") from refused

    async def send(self, name: str, key: str, body: Mapping[str, Any]) -> HttpAnswer:
        """Tell a hook.

        Raises:
            JobRefused: There is no such hook. VendorError: It did not take it.
        """
        hook = self._sections().get(name)
        if hook is None:
            raise JobRefused("nothing under `hooks` has the name that is given")
        content = json.dumps(body, separators=(",", ":")).encode("ascii")
        answer = await self._http.request(
            f"hook {name}",
            "POST",
            hook.url,
            operation=str(body.get("event", "")),
            content=content,
            headers={**self._headers(hook, content), KEY_HEADER: key},
            timeout=Timeouts(total=hook.timeout),
        )
        check_status(answer, vendor=f"hook {name}", operation=str(body.get("event", "")))
        return answer

    def _headers(self, hook: HookSection, content: bytes) -> dict[str, str]:
        headers = {name.lower(): value.get_secret_value() for name, value in hook.headers.items()}
        headers["content-type"] = "application/json"
        if hook.basic_auth is not None:
            password = hook.basic_auth.password.get_secret_value()
            headers["authorization"] = basic_auth(hook.basic_auth.username, password)
        if hook.secret is not None:
            at = str(int(self._clock.wall().timestamp()))
            signed = hmac_hex(hook.secret.get_secret_value(), at.encode() + b"." + content)
            headers |= {TIMESTAMP: at, SIGNATURE: f"sha256={signed}"}
        return headers


class AddonPerformer:
    """Dispatches to a named hook. Data: the hook's name (`NAMES`), ``transcript: true``; anything else is passed on."""

    def __init__(self, hooks: Hooks) -> None:
        self._hooks = hooks

    async def perform(self, job: AfterCallJob) -> Sequence[Record]:
        name = next((str(job.data[key]) for key in NAMES if isinstance(job.data.get(key), str)), "")
        said = {"transcript": transcript(job.call)} if job.data.get("transcript") is True else {}
        data, call = dict(job.data), dict(job.call)
        body = {"event": "addon", "key": job.key, "addon": name, "data": data, "call": call, **said}
        await self._hooks.send(name, job.key, body)
        return ()


class LinkPerformer:
    """Sends a link to the caller by the number's hook. Data: ``url``, ``text``, ``hook``."""

    def __init__(self, hooks: Hooks) -> None:
        self._hooks = hooks

    async def perform(self, job: AfterCallJob) -> Sequence[Record]:
        url = job.data.get("url")
        if not isinstance(url, str) or not is_http(url):
            raise JobRefused("link: is no http or https address")
        call = {name: job.call.get(name, "") for name in CALL_FACTS}
        text = job.data.get("text") or ""
        body = {"event": "link", "key": job.key, "url": url, "text": text, "to": call["caller"], "call": call}
        await self._hooks.send(str(job.data.get("hook", "")), job.key, body)
        return ()
