"""The jobs' store keeps its contract in every database, and the fake in memory keeps it too."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gateway.errors import ConfigError
from gateway.jobs.job import Job, JobStore, JobsUnavailable
from gateway.jobs.storage import SqlJobStore, sqlite_url
from tests.fakes.jobs import NOON, MemoryJobStore
from tests.fakes.postgres import postgres
from tests.fakes.trouble import folder_in_a_file

ME, OTHER = "host/1/me", "host/2/other"
LEASE = datetime.timedelta(seconds=30)
DATABASES = ("memory", "sqlite", "postgresql")


def later(seconds: float) -> datetime.datetime:
    return NOON + datetime.timedelta(seconds=seconds)


def job(key: str = "a", **changes: Any) -> Job:
    given: dict[str, Any] = {
        "call_id": "call-1",
        "bot": "reception",
        "kind": "webhook",
        "data": {"url": "https://x.example", "body": "Zoë \ud83d \x00 🙂"},
        "context": {"call_id": "call-1", "bot": "reception"},
        "created_at": NOON,
        "owner": ME,
        "lease_until": NOON + LEASE,
    }
    return Job(key=key, **{**given, **changes})


@pytest.fixture(scope="module")
def server() -> Iterator[Callable[[], str]]:
    """Starts the PostgreSQL server when the first test asks for it."""
    with contextlib.ExitStack() as stack:
        started: list[str] = []

        def url() -> str:
            if not started:
                started.append(stack.enter_context(postgres()))
            return started[0]

        yield url


@pytest_asyncio.fixture(params=DATABASES)
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, server: Callable[[], str]
) -> AsyncIterator[MemoryJobStore | SqlJobStore]:
    if request.param == "memory":
        yield MemoryJobStore()
        return
    found = SqlJobStore(sqlite_url(tmp_path) if request.param == "sqlite" else await asyncio.to_thread(server))
    assert await found.open()
    await found.expire(later(1e9), later(1e9))  # the server keeps what the test before has left
    for left in await found.list(limit=1000):
        await found.drop(left.key, NOON)
    await found.expire(later(1e9), later(1e9))
    yield found
    await found.close()


async def due(store: JobStore, *keys: str, **changes: Any) -> None:
    """Jobs of a call that is over."""
    await store.add([job(key, **changes) for key in keys])
    assert await store.release(changes.get("call_id", "call-1"), NOON) == len(keys)


async def claimed(store: JobStore, at: float = 0.0, owner: str = ME, **free: int) -> list[str]:
    jobs = await store.claim(free or {"webhook": 10}, later(at), owner, later(at) + LEASE)
    return [job.key for job in jobs]


@pytest.mark.asyncio
async def test_a_job_comes_back_as_it_was(store: JobStore) -> None:
    await due(store, "a")
    (found,) = await store.claim({"webhook": 1}, NOON, ME, later(30))
    assert (found.data, found.context) == (job().data, job().context)
    assert (found.state, found.attempts, found.due_at, found.first_due_at) == ("due", 1, NOON, NOON)
    assert (found.owner, found.lease_until) == (ME, later(30))


@pytest.mark.asyncio
async def test_a_job_waits_until_its_call_is_over_and_its_delay(store: JobStore) -> None:
    await store.add([job("a"), job("b", delay=60.0), job("c", call_id="call-2")])
    assert await claimed(store, 1e6) == []
    assert await store.release("call-1", later(10)) == 2
    assert await claimed(store, 9) == []
    assert await store.next_due(["webhook"]) == later(10)
    assert await claimed(store, 10) == ["a"]
    assert await store.next_due(["webhook"]) == later(70)
    assert await claimed(store, 69) == []
    assert await claimed(store, 70) == ["b"]
    assert await store.next_due(["webhook"]) is None


@pytest.mark.asyncio
async def test_what_is_added_twice_is_there_once_and_as_it_was(store: JobStore) -> None:
    await due(store, "a")
    assert await claimed(store) == ["a"]
    await store.finish("a", "done", NOON)
    await store.add([job("a"), job("b")])
    assert await store.release("call-1", NOON) == 1
    assert await claimed(store) == ["b"]


@pytest.mark.asyncio
async def test_what_one_has_claimed_nobody_else_gets(store: JobStore) -> None:
    await due(store, *"abcdefgh")
    takers = [claimed(store, owner=f"host/{n}/x", webhook=3) for n in range(4)]
    taken = [key for keys in await asyncio.gather(*takers) for key in keys]
    assert sorted(taken) == list("abcdefgh")


@pytest.mark.asyncio
async def test_only_as_many_of_a_kind_as_there_is_room_for_the_oldest_first(store: JobStore) -> None:
    for second, key in enumerate("cab"):
        await store.add([job(key, call_id=f"call-{key}", delay=float(second))])
        await store.release(f"call-{key}", NOON)
    await due(store, "mail", kind="email", call_id="call-m")
    assert await claimed(store, 5, webhook=2, email=0) == ["c", "a"]
    assert await claimed(store, 5, webhook=0, email=5, addon=5) == ["mail"]


@pytest.mark.asyncio
async def test_what_failed_is_due_later(store: JobStore) -> None:
    await due(store, "a")
    await claimed(store)
    await store.again("a", ME, later(5), "no answer")
    assert await claimed(store, 4) == []
    (again,) = await store.claim({"webhook": 1}, later(5), OTHER, later(35))
    assert (again.attempts, again.error, again.first_due_at) == (2, "no answer", NOON)


@pytest.mark.asyncio
async def test_who_lost_a_job_does_not_put_it_off(store: JobStore) -> None:
    await due(store, "a")
    await claimed(store)
    await store.take_over(later(31), lambda owner: False)
    assert await claimed(store, 31, OTHER) == ["a"]
    await store.again("a", ME, later(500), "late")
    assert await claimed(store, 40) == []
    await store.take_over(later(100), lambda owner: False)
    assert await claimed(store, 100) == ["a"]


@pytest.mark.asyncio
async def test_what_ended_is_not_claimed_and_counts_no_more(store: JobStore) -> None:
    await due(store, *"abc")
    assert await store.count() == {"webhook": 3}
    await claimed(store)
    await store.finish("a", "done", NOON)
    await store.finish("b", "given_up", NOON, "refused")
    assert await claimed(store, 1e6) == []
    assert await store.count() == {"webhook": 1}


@pytest.mark.asyncio
async def test_an_owner_who_renews_keeps_what_he_has(store: JobStore) -> None:
    await due(store, "a")
    await claimed(store)
    await store.renew(ME, later(60))
    assert await store.take_over(later(59), lambda owner: False) == 0
    assert await store.take_over(later(61), lambda owner: False) == 1
    assert await claimed(store, 61, OTHER) == ["a"]


@pytest.mark.asyncio
async def test_of_an_owner_who_is_gone_everything_is_free_at_once_and_his_calls_are_over(store: JobStore) -> None:
    await due(store, "a")
    await claimed(store)
    await store.add([job("held", delay=7.0), job("others", owner=OTHER, call_id="call-2")])
    assert await store.take_over(later(1), lambda owner: owner == ME) == 1
    assert await claimed(store, 1) == ["a"]
    assert await claimed(store, 8) == ["held"]
    assert await store.release("call-2", later(9)) == 1
    assert await claimed(store, 9) == ["others"]


@pytest.mark.asyncio
async def test_what_ended_long_ago_is_removed(store: JobStore) -> None:
    await due(store, *"abcd")
    await claimed(store)
    for seconds, (key, state) in enumerate({"a": "done", "b": "done", "c": "given_up"}.items()):
        await store.finish(key, state, later(seconds))  # type: ignore[arg-type]  # one of a table of tests
    assert await store.expire(None, None) == 0
    assert await store.expire(later(1), None) == 1
    assert await store.expire(later(100), later(2)) == 1
    assert await store.expire(later(100), later(100)) == 1
    assert await store.count() == {"webhook": 1}


# --- the operator's, of real databases -----------------------------------------------------------------------------
@pytest_asyncio.fixture(params=("sqlite", "postgresql"))
async def database(
    request: pytest.FixtureRequest, tmp_path: Path, server: Callable[[], str]
) -> AsyncIterator[SqlJobStore]:
    found = SqlJobStore(sqlite_url(tmp_path) if request.param == "sqlite" else await asyncio.to_thread(server))
    assert await found.open()
    for left in await found.list(limit=1000):
        await found.drop(left.key, NOON)
    await found.expire(later(1e9), later(1e9))
    yield found
    await found.close()


@pytest.mark.asyncio
async def test_jobs_are_listed_newest_first_by_state_call_and_key(database: SqlJobStore) -> None:
    await database.add([job(key, created_at=later(n), call_id=f"call-{n % 2}") for n, key in enumerate("abc")])
    await database.release("call-1", NOON)

    async def keys(**asked: Any) -> str:
        return "".join(found.key for found in await database.list(limit=10, **asked))

    assert await keys() == "cba"
    assert await keys(states=["due"]) == "b"
    assert await keys(call_id="call-0") == "ca"
    assert await keys(key="a") == "a"


@pytest.mark.asyncio
async def test_what_was_done_or_dropped_says_nothing_any_more_what_was_given_up_still_does(
    database: SqlJobStore,
) -> None:
    await due(database, *"abc")
    await claimed(database)
    await database.finish("a", "done", NOON)
    await database.finish("b", "given_up", NOON, "refused")
    assert await database.drop("c", NOON)
    data = {found.key: (found.state, bool(found.data), bool(found.context)) for found in await database.list(limit=9)}
    assert data == {"a": ("done", False, False), "b": ("given_up", True, True), "c": ("dropped", False, False)}


@pytest.mark.asyncio
async def test_what_was_given_up_or_waits_can_be_tried_at_once(database: SqlJobStore) -> None:
    await due(database, *"abc")
    await claimed(database)
    await database.finish("a", "given_up", NOON, "refused")
    await database.again("b", ME, later(3600), "away")
    assert [await database.retry(key, later(10)) for key in ("a", "b", "c", "nobody")] == [True, True, False, False]
    again = await database.claim({"webhook": 9}, later(10), ME, later(40))
    assert {(found.key, found.attempts, found.first_due_at) for found in again} == {
        ("a", 1, later(10)),
        ("b", 1, later(10)),
    }


@pytest.mark.asyncio
async def test_what_is_dropped_while_it_is_being_done_stays_dropped(database: SqlJobStore) -> None:
    await due(database, "a")
    await claimed(database)
    assert await database.drop("a", NOON)
    await database.again("a", ME, later(1), "away")
    await database.finish("a", "done", NOON)
    assert [found.state for found in await database.list(limit=9)] == ["dropped"]
    assert not await database.drop("a", NOON)
    assert await claimed(database, 1e6) == []


@pytest.mark.asyncio
async def test_what_an_operator_is_shown_says_nothing_of_what_a_job_says(database: SqlJobStore) -> None:
    await database.add([job("a", context={"caller": "+33612345678"})])
    (found,) = await database.list(limit=1)
    assert "x.example" not in str(found.to_json())
    assert "+336" not in str(found.to_json())


# --- databases that refuse -----------------------------------------------------------------------------------------
@pytest.mark.asyncio
async def test_a_database_that_is_away_says_so_whatever_is_asked(tmp_path: Path) -> None:
    store = SqlJobStore(sqlite_url(folder_in_a_file(tmp_path)))
    assert not await store.open()
    for asked in (
        store.add([job()]),
        store.release("call-1", NOON),
        store.claim({"webhook": 1}, NOON, ME, NOON),
        store.finish("a", "done", NOON),
        store.next_due(["webhook"]),
        store.take_over(NOON, lambda owner: True),
        store.count(),
        store.expire(NOON, NOON),
        store.list(limit=1),
    ):
        with pytest.raises(JobsUnavailable):
            await asked
    await store.close()


@pytest.mark.asyncio
async def test_the_files_are_private(tmp_path: Path) -> None:
    store = SqlJobStore(sqlite_url(tmp_path / "records"))
    await store.open()
    await store.add([job()])
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "records").iterdir()} == {0o600}
    await store.close()


def test_an_address_that_cannot_be_one_is_refused() -> None:
    with pytest.raises(ConfigError):
        SqlJobStore("nonsense")
