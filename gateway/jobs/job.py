"""A job: one `PostCall` or link on its way to being done, and the seams between who stores, who does, who is told."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

from gateway.actions import Record
from gateway.errors import GatewayError
from gateway.interfaces import AfterCallJob

Kind = Literal["email", "addon", "webhook", "backend", "link"]
KINDS: tuple[Kind, ...] = ("email", "addon", "webhook", "backend", "link")
State = Literal[
    "held",  # its call is up
    "due",  # waits for its moment, or is being done
    "done",
    "given_up",  # failed for good; the operator may have it tried again
    "dropped",  # by the operator
]
STATES: tuple[State, ...] = ("held", "due", "done", "given_up", "dropped")
ENDED: tuple[State, ...] = ("done", "given_up", "dropped")

MAX_DATA_BYTES = 256 * 1024
MAX_DELAY = 30 * 86400.0  # s
MAX_ERROR = 500  # characters


class JobsUnavailable(GatewayError):
    """The jobs' store cannot be reached now."""


class JobRefused(GatewayError):
    """What a bot asks for can be no job; the sentence says why, without personal data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One thing to do.

    Attributes:
        key: Idempotency key, the same at every attempt.
        data: What to do; emptied once it is done or dropped.
        context: What is known of the call at the time: the beginning of its record, and ``bot``.
        delay: Seconds between the end of the call and the first attempt.
        due_at: When it is to be tried; None while its call is up.
        first_due_at: When it was due for the first time, or an operator asked for it again; giving up counts from here.
        attempts: How often it was begun.
        owner: Who works on it, or holds the call it waits for; until ``lease_until``, unless he renews it.
    """

    key: str
    call_id: str
    bot: str
    kind: Kind
    data: Mapping[str, Any]
    context: Mapping[str, Any] = field(default_factory=dict)
    state: State = "held"
    created_at: datetime.datetime
    delay: float = 0.0
    due_at: datetime.datetime | None = None
    first_due_at: datetime.datetime | None = None
    ended_at: datetime.datetime | None = None
    attempts: int = 0
    error: str = ""
    owner: str | None = None
    lease_until: datetime.datetime | None = None

    def released(self, at: datetime.datetime) -> Job:
        """The job of a call that is over."""
        due_at = at + datetime.timedelta(seconds=self.delay)
        return replace(self, state="due", due_at=due_at, first_due_at=due_at, owner=None, lease_until=None)

    def to_json(self) -> dict[str, Any]:
        """What an operator is shown: nothing of what it says, nor to whom."""
        moments = {name: getattr(self, name) for name in ("created_at", "due_at", "ended_at")}
        return {
            "key": self.key,
            "call_id": self.call_id,
            "bot": self.bot,
            "kind": self.kind,
            "state": self.state,
            "attempts": self.attempts,
            **{name: None if moment is None else moment.isoformat() for name, moment in moments.items()},
            "error": self.error,
        }


def checked(kind: Kind, data: Mapping[str, Any]) -> tuple[dict[str, Any], float]:
    """What a bot asks for, without its ``delay``, and the delay in seconds.

    Raises:
        JobRefused: JSON cannot say it, it is too large, or the delay is none.
    """
    rest = {name: value for name, value in data.items() if name != "delay"}
    delay = data.get("delay", 0)
    if isinstance(delay, bool) or not isinstance(delay, int | float) or not 0 <= delay <= MAX_DELAY:
        raise JobRefused(f"{kind}: delay is a number of seconds up to {MAX_DELAY:g}")
    try:
        size = len(json.dumps(rest, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise JobRefused(f"{kind}: JSON cannot say its data") from error
    if size > MAX_DATA_BYTES:
        raise JobRefused(f"{kind}: its data exceeds {MAX_DATA_BYTES} bytes")
    return rest, float(delay)


# --- seams ---------------------------------------------------------------------------------------------------------
class JobStore(Protocol):
    """Where jobs are, whatever happens to the process. Everything raises `JobsUnavailable`."""

    async def add(self, jobs: Sequence[Job]) -> None:
        """Store new jobs; one that is there already stays as it is."""
        ...

    async def release(self, call_id: str, at: datetime.datetime) -> int:
        """The call is over: what waited for that becomes due. Returns how many."""
        ...

    async def claim(
        self, free: Mapping[str, int], now: datetime.datetime, owner: str, until: datetime.datetime
    ) -> Sequence[Job]:
        """Take what is due, the oldest first, at most so many of each kind; nobody else gets it until then."""
        ...

    async def finish(self, key: str, state: State, at: datetime.datetime, error: str = "") -> None:
        """It has ended; of what was done nothing is kept but that it was."""
        ...

    async def again(self, key: str, owner: str, due_at: datetime.datetime, error: str) -> None:
        """It failed, and will be tried then."""
        ...

    async def renew(self, owner: str, until: datetime.datetime) -> None: ...
    async def take_over(self, now: datetime.datetime, is_gone: Callable[[str], bool]) -> int:
        """Free what belongs to owners who are gone, or have not renewed in time: their calls are over.

        Returns:
            How many owners these were.
        """
        ...

    async def next_due(self, kinds: Collection[str]) -> datetime.datetime | None:
        """When the first job of these kinds can be claimed."""
        ...

    async def count(self) -> Mapping[str, int]:
        """How many there are of each kind that are neither done nor dropped nor given up."""
        ...

    async def expire(self, done_before: datetime.datetime | None, given_up_before: datetime.datetime | None) -> int: ...


class Books(Protocol):
    """The call records, as jobs see them."""

    async def record_of(self, call_id: str) -> Mapping[str, Any] | None: ...
    async def add_notes(self, call_id: str, notes: Sequence[Mapping[str, Any]], context: Mapping[str, Any]) -> bool:
        """Add to a call's record; notes of the same ``job`` are replaced. False: the database is away.

        Args:
            context: Of the job; becomes the record where a crash has left none.
        """
        ...


class Performer(Protocol):
    """Does jobs of one kind."""

    async def perform(self, job: AfterCallJob) -> Sequence[Record]:
        """Do it once. What is returned joins the call's record.

        Raises:
            VendorError: A retryable one means again later. Any other GatewayError: it is given up.
        """
        ...


class Counters(Protocol):
    """What is counted; `gateway.http.metrics.Metrics` does."""

    def job_stored(self, kind: str) -> None: ...
    def job_ended(self, kind: str, result: str) -> None:
        """``result``: done, failed (to be tried again), given_up, lost, refused."""
        ...

    def jobs_waiting(self, counts: Mapping[str, int]) -> None: ...
