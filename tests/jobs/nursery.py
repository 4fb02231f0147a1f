"""Lives of a small gateway without calls: jobs come, are stored and done, until somebody kills the process.

Run by `test_crashes.py`: ``python -m tests.jobs.nursery FOLDER HTTP_URL SMTP_PORT``. For each line on standard input a
process is forked, which costs milliseconds because everything is imported already; its pid is printed, and ``gone``
when it has ended. ``last`` lives until everything is done; any other life takes new jobs until it is killed.
"""

from __future__ import annotations

import asyncio
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog

from config.jobs import HookSection, JobsSection, MailSection
from config.server import RecordsSection
from config.settings import Settings
from gateway.actions import Record
from gateway.call.commands import KeepRecord
from gateway.clock import LoopClock
from gateway.events import TimeElapsed
from gateway.interfaces import AfterCallJob
from gateway.jobs.work import JobWork, Surroundings
from gateway.kit.http import HttpClient
from gateway.records.storage import CallStore, sqlite_url
from tests.fakes.jobs import Tally

CALLS_AT_ONCE = 2
JOURNAL = "journal.txt"


class Books:
    """The call records of this process: a real database, as jobs see it."""

    def __init__(self, store: CallStore) -> None:
        self._store = store

    async def record_of(self, call_id: str) -> Mapping[str, Any] | None:
        return await self._store.get(call_id)

    async def add_notes(self, call_id: str, notes: Sequence[Mapping[str, Any]], context: Mapping[str, Any]) -> bool:
        return await self._store.add_notes(call_id, notes, context)


class Platform:
    """A bot's platform that has something to tell after each call."""

    async def after_call(self, job: AfterCallJob) -> Sequence[Record]:
        return [Record(kind="note", data={"id": job.data["id"]})]


def context_of(call_id: str) -> dict[str, Any]:
    started = LoopClock().wall().isoformat()
    facts = {"line": "pbx", "number": "600", "result": "leg_failed", "by": "gateway", "seconds": 0.0, "turns": 0}
    return {"call_id": call_id, "started_at": started, "bot": "reception", "caller": "", "notes": [], **facts}


class Life:
    """One process, from its start to its death."""

    def __init__(self, name: str, folder: Path, url: str, smtp_port: int) -> None:
        self.name = name
        self.folder = folder
        self.settings = Settings(
            hooks={"crm": HookSection(url=f"{url}/hook")},
            jobs=JobsSection.model_validate(
                {"at_once": 3, "webhooks": {"allow": [url]}, "retry": {"first": 0.1, "longest": 1}}
            ),
            mail=MailSection(host="127.0.0.1", port=smtp_port, security="none", sender="bot@example.com"),
        )
        self.url = url

    async def live(self) -> None:
        calls = CallStore(sqlite_url(self.folder))
        await calls.open()
        work = JobWork(RecordsSection(directory=self.folder), LoopClock(), Tally())
        await work.open()
        platform: Any = Platform()
        async with HttpClient() as http:
            around = Surroundings(
                http=http,
                books=Books(calls),
                settings=lambda: self.settings,
                backends=lambda: {"reception": platform},
                told=lambda job, is_done: None,
            )
            work.employ(around)
            running = asyncio.create_task(work.run())
            if self.name == "last":
                await self._until_done(work)
            else:
                await asyncio.gather(*(self._calls(work, calls, line) for line in range(CALLS_AT_ONCE)))
            running.cancel()
            await asyncio.wait([running])
        await work.close()
        await calls.close()

    async def _until_done(self, work: JobWork) -> None:
        while await work.store.count():  # noqa: ASYNC110  # a database rings no bell
            await asyncio.sleep(0.05)

    async def _calls(self, work: JobWork, calls: CallStore, line: int) -> None:
        """One call after the other, each of which leaves a job of every kind."""
        number = 0
        while True:
            number += 1
            call_id = f"{self.name}.{line}.{number}"
            context = context_of(call_id)
            call = work.desk.open_call(context, lambda kind, data: None)
            wishes = {
                "webhook": {"url": f"{self.url}/webhook", "body": {"id": f"{call_id}-webhook"}},
                "addon": {"hook": "crm", "id": f"{call_id}-addon"},
                "email": {"to": "ops@example.com", "subject": f"{call_id}-email", "body": "x"},
                "backend": {"id": f"{call_id}-backend"},
            }
            for kind, data in wishes.items():
                call.observe(0.0, TimeElapsed(), [KeepRecord(kind=f"post_call_{kind}", data=data)])
                await asyncio.sleep(0.01)
            await call.stored()
            self._acknowledge([f"{call_id}-{kind}" for kind in wishes])
            await calls.keep(context)
            call.over()

    def _acknowledge(self, names: Sequence[str]) -> None:
        """Write down what is stored; the kernel has it once this returns, whatever becomes of the process."""
        descriptor = os.open(self.folder / JOURNAL, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, "".join(f"{name}\n" for name in names).encode())
        os.close(descriptor)


def main(arguments: Sequence[str]) -> None:
    folder, url, port = Path(arguments[0]), arguments[1], int(arguments[2])
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _be_born(Life(line.strip(), folder, url, port))
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print("gone", os.waitstatus_to_exitcode(status), flush=True)


def _be_born(life: Life) -> None:
    code = 1
    try:
        asyncio.run(life.live())
        code = 0
    except BaseException:  # nobody above: `os._exit` follows
        traceback.print_exc()
    finally:
        os._exit(code)  # a fork leaves nothing of its parent's undone


if __name__ == "__main__":
    main(sys.argv[1:])
