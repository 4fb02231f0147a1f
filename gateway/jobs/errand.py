"""Errands of the bot's own platform, such as fetching a history: its adapter does them (`AfterCall`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from gateway.actions import Record
from gateway.interfaces import AfterCall, AfterCallJob, Backend
from gateway.jobs.job import JobRefused


class BackendPerformer:
    """Hands a job to the backend of the bot that asked for it.

    Args:
        backends: By the names under `bots`, as of now: a reload changes them.
    """

    def __init__(self, backends: Callable[[], Mapping[str, Backend]]) -> None:
        self._backends = backends

    async def perform(self, job: AfterCallJob) -> Sequence[Record]:
        backend = self._backends().get(str(job.call.get("bot", "")))
        if backend is None:
            raise JobRefused("its bot is not configured any more")
        if not isinstance(backend, AfterCall):
            raise JobRefused("its bot's backend does nothing after calls")
        return await backend.after_call(job)
