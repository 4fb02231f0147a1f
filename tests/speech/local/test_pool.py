"""Worker processes: started, watched, replaced, and ended without leaving one behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.errors import VendorError, VendorUnavailable
from gateway.speech.local.pool import MAX_ATTEMPTS, PoolLimits, WorkerPool
from gateway.speech.local.process import NICENESS, PROJECT
from gateway.speech.local.recognizer import WORKER as LISTEN_WORKER
from gateway.speech.local.synthesizer import WORKER as SPEAK_WORKER
from gateway.speech.local.wire import HEADER, Kind, Message, to_wire

WORKER = "tests.speech.local.odd_worker"
pytestmark = pytest.mark.workers


class Order:
    """A job: tells the worker something, and waits for its answer."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.openings = 0

    def opening(self) -> Iterable[tuple[Kind, bytes]]:
        self.openings += 1
        return [(Kind.OPEN, self.text.encode())]

    def receive(self, message: Message) -> None:
        self.answer.set_result(message.json())

    def fail(self, error: VendorError) -> None:
        self.answer.set_exception(error)


@asynccontextmanager
async def pool(*arguments: str, size: int = 1, **limits: Any) -> AsyncIterator[WorkerPool]:
    workers = WorkerPool(WORKER, PoolLimits(size=size, **limits), arguments=arguments)
    try:
        yield workers
    finally:
        await workers.close()


async def ask(workers: WorkerPool, text: str) -> dict[str, Any]:
    order = Order(text)
    workers.submit(order)
    async with asyncio.timeout(30):
        return await order.answer


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.asyncio
async def test_a_job_is_done_and_forgotten() -> None:
    async with pool() as workers:
        assert (await ask(workers, "echo hello"))["text"] == "hello"
        assert workers.jobs == 0


@pytest.mark.asyncio
async def test_workers_let_the_process_that_carries_calls_go_first() -> None:
    async with pool() as workers:
        pid = (await ask(workers, "echo x"))["pid"]
        ours = os.getpriority(os.PRIO_PROCESS, 0)
        assert os.getpriority(os.PRIO_PROCESS, pid) == min(ours + NICENESS, 19)


@pytest.mark.asyncio
async def test_work_is_spread_over_the_workers() -> None:
    async with pool(size=2) as workers:
        await workers.wait_ready()
        while len(workers.pids) < 2:
            await ask(workers, "echo wait")
        hanging = Order("hang")
        workers.submit(hanging)
        busy = {(await ask(workers, "echo x"))["pid"] for _ in range(4)}
        assert len(busy) == 1  # the other one has something to do


@pytest.mark.asyncio
async def test_a_job_survives_the_death_of_its_worker(tmp_path: Path) -> None:
    async with pool() as workers:
        before = (await ask(workers, "echo x"))["pid"]
        with capture_logs() as logs:
            after = await ask(workers, f"crash-once {tmp_path / 'crashed'}")
        assert after["pid"] != before
        assert not is_alive(before)
        assert "a speech worker ended" in [entry["event"] for entry in logs]


@pytest.mark.asyncio
async def test_a_worker_killed_from_outside_is_replaced_and_its_neighbours_jobs_are_done() -> None:
    async with pool() as workers:
        victim = (await ask(workers, "echo x"))["pid"]
        orders = [Order(f"echo {n}") for n in range(20)]
        os.kill(victim, signal.SIGSTOP)  # so that it has read none of them
        for order in orders:
            workers.submit(order)
        os.kill(victim, signal.SIGKILL)
        async with asyncio.timeout(30):
            answers = [await order.answer for order in orders]
        assert [answer["text"] for answer in answers] == [str(n) for n in range(20)]


@pytest.mark.asyncio
async def test_a_job_that_kills_every_worker_is_given_up_and_the_pool_lives_on() -> None:
    async with pool() as workers:
        order = Order("crash")
        workers.submit(order)
        with pytest.raises(VendorUnavailable, match="more than once"):
            await asyncio.wait_for(order.answer, 30)
        assert order.openings == MAX_ATTEMPTS
        assert (await ask(workers, "echo still here"))["text"] == "still here"


@pytest.mark.asyncio
async def test_a_worker_that_hangs_is_replaced() -> None:
    async with pool(hang_after=1.5) as workers:
        pid = (await ask(workers, "echo x"))["pid"]
        order = Order("hang")
        workers.submit(order)
        with pytest.raises(VendorUnavailable, match="more than once"):
            await asyncio.wait_for(order.answer, 30)
        assert not is_alive(pid)


@pytest.mark.asyncio
async def test_an_idle_worker_is_asked_whether_it_lives_and_stays() -> None:
    async with pool(hang_after=0.05) as workers:
        pid = (await ask(workers, "echo x"))["pid"]
        waited = asyncio.Event()
        asyncio.get_running_loop().call_later(0.3, waited.set)
        await asyncio.wait_for(waited.wait(), 10)
        assert (await ask(workers, "echo x"))["pid"] == pid


@pytest.mark.asyncio
async def test_a_worker_that_talks_nonsense_is_replaced() -> None:
    async with pool() as workers:
        order = Order("babble")
        workers.submit(order)
        with capture_logs() as logs, pytest.raises(VendorUnavailable):
            await asyncio.wait_for(order.answer, 30)
        assert "a speech worker cannot be understood" in [entry["event"] for entry in logs]
        assert (await ask(workers, "echo x"))["text"] == "x"


@pytest.mark.asyncio
async def test_too_much_work_is_refused_at_once() -> None:
    async with pool(max_jobs=2) as workers:
        numbers = [workers.submit(Order("hang")) for _ in range(2)]
        with pytest.raises(VendorUnavailable, match="too much"):
            workers.submit(Order("echo x"))
        workers.release(numbers[0])
        workers.submit(Order("hang"))


@pytest.mark.asyncio
async def test_workers_that_cannot_start_are_tried_again_later_and_said_to_be_missing() -> None:
    async with pool("--dies", start_timeout=0.5) as workers:
        with pytest.raises(VendorUnavailable, match="could be started"):
            await workers.wait_ready()


@pytest.mark.asyncio
async def test_closing_ends_the_processes_and_fails_what_they_did() -> None:
    async with pool(size=2) as workers:
        await workers.wait_ready()
        pids = workers.pids
        order = Order("hang")
        workers.submit(order)
    assert not any(is_alive(pid) for pid in pids)
    with pytest.raises(VendorUnavailable, match="closing"):
        await order.answer


@pytest.mark.asyncio
async def test_what_a_worker_prints_is_logged_and_never_taken_for_a_message() -> None:
    async with pool() as workers:
        with capture_logs() as logs:
            assert await ask(workers, "complain something is odd") == {}
            await ask(workers, "crash-once /")  # "/" exists: answered; by then the log was read
        await workers.close()
    lines = [entry["line"] for entry in logs if "line" in entry]
    assert "something is odd" in lines


@pytest.mark.asyncio
async def test_a_worker_sees_no_secret_and_loads_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELEVENLABS_API_KEY", "secret")
    async with pool() as workers:
        seen = await ask(workers, "environment")
    assert "ELEVENLABS_API_KEY" not in seen["names"]
    ours = {"gateway.interfaces", "gateway.speech_interfaces"}
    assert not {"pydantic", "structlog", "starlette", *ours} & set(seen["modules"])


@pytest.mark.parametrize("module", [SPEAK_WORKER, LISTEN_WORKER])
def test_a_worker_ends_with_the_gateway(module: str) -> None:
    """However the gateway ends, the worker then reads the end of its input."""
    worker = subprocess.Popen(
        [sys.executable, "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={"PYTHONPATH": str(PROJECT)}
    )
    with worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        assert worker.stdout.read(HEADER.size) == to_wire(Kind.HELLO)
        worker.stdin.close()
        assert worker.wait(30) == 0
