"""Webhooks towards the backend, as TalkLift sends them: JSON by POST, with basic auth where it is configured."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from gateway.backends.talklift.settings import WebhookSection
from gateway.kit.http import HttpClient, RetryPolicy, Sleep, Timeouts, check_status, with_retries

SLOT_RETRIES = RetryPolicy(delays=(1.0,))
MODULE_RETRIES = RetryPolicy(delays=(2.0, 10.0, 60.0), max_retry_after=60.0)


class Delivery:
    """Sends events of one project.

    Args:
        name: The bot's, for errors.
    """

    def __init__(self, name: str, settings: WebhookSection, http: HttpClient, sleep: Sleep) -> None:
        self._name = name
        self._settings = settings
        self._http = http
        self._sleep = sleep
        self._headers = basic_auth(settings)

    async def send(self, body: Mapping[str, Any], key: str, policy: RetryPolicy) -> None:
        """Any 2xx means that it was received; what stands in the answer is not read.

        Raises:
            VendorError: It could not be delivered.
        """

        async def attempt() -> None:
            await self.once(body, key)

        await with_retries(attempt, policy, self._sleep)

    async def once(self, body: Mapping[str, Any], key: str) -> None:
        """One attempt."""
        operation = "webhook"
        answer = await self._http.request(
            self._name,
            "POST",
            self._settings.url,
            operation=operation,
            json=body,
            headers={**self._headers, "Idempotency-Key": key},
            timeout=Timeouts(connect=min(3.0, self._settings.timeout), total=self._settings.timeout),
        )
        check_status(answer, vendor=self._name, operation=operation)


def basic_auth(settings: WebhookSection) -> dict[str, str]:
    """The header of HTTP basic auth (RFC 7617), where the project has it."""
    if settings.username is None or settings.password is None:
        return {}
    pair = f"{settings.username}:{settings.password.get_secret_value()}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode("ascii")}
