"""Webhooks that a bot asks for: a POST to an address that the operator has allowed, with an idempotency key.

The key travels in `Idempotency-Key` (IETF draft-ietf-httpapi-idempotency-key-header-07), the same at every attempt.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from config.jobs import WebhookCredentialsSection, WebhooksSection
from gateway.actions import Record
from gateway.interfaces import AfterCallJob
from gateway.jobs.addresses import begins_with, is_http, same_origin
from gateway.jobs.job import JobRefused
from gateway.kit.http import HttpClient, Timeouts, check_status

VENDOR = "webhook"
KEY_HEADER = "idempotency-key"
OWN_HEADERS = frozenset({KEY_HEADER, "host", "content-length", "transfer-encoding", "connection", "upgrade"})
"""Headers no bot may set."""


class WebhookPerformer:
    """Data: ``url``, ``body`` (a text as it is, else JSON), ``headers``, ``basic_auth`` (a name), ``method``.

    Args:
        rules: Read anew for each job.
        written_for: Addresses the operator has written under a bot, which therefore need no leave.
    """

    def __init__(
        self, http: HttpClient, rules: Callable[[], WebhooksSection], written_for: Callable[[str], Sequence[str]]
    ) -> None:
        self._http = http
        self._rules = rules
        self._written_for = written_for

    async def perform(self, job: AfterCallJob) -> Sequence[Record]:
        rules, url = self._rules(), self._url(job)
        content, headers = _request(job.data)
        if job.data.get("basic_auth") is not None:
            headers["authorization"] = _basic(_credentials(rules, job.data["basic_auth"], url))
        answer = await self._http.request(
            VENDOR,
            _method(job.data),
            url,
            operation="after the call",
            content=content,
            headers={**headers, KEY_HEADER: job.key},
            timeout=Timeouts(total=rules.timeout),
        )
        check_status(answer, vendor=VENDOR, operation="after the call")
        return ()

    def _url(self, job: AfterCallJob) -> str:
        url = job.data.get("url")
        if not isinstance(url, str) or not is_http(url):
            raise JobRefused("webhook: its url is no http or https address")
        is_allowed = any(begins_with(url, allowed) for allowed in self._rules().allow)
        if not is_allowed and not same_origin(url, self._written_for(str(job.call.get("bot", "")))):
            raise JobRefused("webhook: `jobs.webhooks.allow` has no beginning of its url")
        return url


def _method(data: Mapping[str, Any]) -> str:
    method = str(data.get("method", "POST")).upper()
    if method not in ("POST", "PUT", "PATCH"):
        raise JobRefused("webhook: its method is not POST, PUT or PATCH")
    return method


def _request(data: Mapping[str, Any]) -> tuple[bytes, dict[str, str]]:
    """Body and headers."""
    given = data.get("headers") or {}
    if not isinstance(given, Mapping) or not all(isinstance(value, str) for value in given.values()):
        raise JobRefused("webhook: its headers are no names and texts")
    headers = {str(name).lower(): value for name, value in given.items()}
    if not headers.keys().isdisjoint(OWN_HEADERS):
        raise JobRefused("webhook: sets headers that are not its own")
    body = data.get("body")
    if isinstance(body, str):
        headers.setdefault("content-type", "text/plain; charset=utf-8")
        return body.encode(errors="replace"), headers
    headers.setdefault("content-type", "application/json")
    return json.dumps({} if body is None else body, separators=(",", ":")).encode("ascii"), headers


def _credentials(rules: WebhooksSection, name: object, url: str) -> WebhookCredentialsSection:
    found = rules.credentials.get(name) if isinstance(name, str) else None
    if found is None:
        raise JobRefused("webhook: `jobs.webhooks.credentials` has none of the name it gives")
    if not any(begins_with(url, beginning) for beginning in found.urls):
        raise JobRefused("webhook: its credentials may not be sent to its url")
    return found


def _basic(credentials: WebhookCredentialsSection) -> str:
    return basic_auth(credentials.username, credentials.password.get_secret_value())


def basic_auth(username: str, password: str) -> str:
    """Value of an Authorization header (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode("ascii")
