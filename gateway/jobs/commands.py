"""`talkpath jobs`: what waits after calls, seen and handled by the operator, on the database itself."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from config.errors import GatewayError
from gateway.clock import LoopClock

if TYPE_CHECKING:  # else every command would wait for SQLAlchemy to be imported
    from gateway.jobs.job import Job
    from gateway.jobs.storage import SqlJobStore

app = typer.Typer(help="See what is to be done after calls, have it tried again, or drop it.", no_args_is_help=True)

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", metavar="FILE", help="Configuration: a YAML file, or a folder of them.")
]
KeysArgument = Annotated[list[str] | None, typer.Argument(metavar="KEY", help="As `talkpath jobs list` prints them.")]
DEFAULT_CONFIG = Path("talkpath.yaml")
MAX_AT_ONCE = 10_000
T = TypeVar("T")


@app.command("list")
def show(
    config: ConfigOption = DEFAULT_CONFIG,
    state: Annotated[
        list[str] | None, typer.Option(help="Only these: held, due, done, given_up, dropped. Default: those not done.")
    ] = None,
    call: Annotated[str | None, typer.Option(help="Only those of this call.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=MAX_AT_ONCE, help="At most so many, the newest first.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,
) -> None:
    """List jobs, the newest first: nothing of what they say, nor to whom."""
    from gateway.jobs.job import STATES

    states = tuple(state or ("held", "due", "given_up"))
    if unknown := set(states) - set(STATES):
        raise typer.BadParameter(f"{sorted(unknown)[0]} is none of {', '.join(STATES)}", param_hint="--state")
    found = _with_store(config, lambda store: store.list(limit=limit, states=states, call_id=call))
    if as_json:
        print(json.dumps([job.to_json() for job in found], indent=2))
    else:
        _print(found)


@app.command()
def retry(
    keys: KeysArgument = None,
    config: ConfigOption = DEFAULT_CONFIG,
    given_up: Annotated[bool, typer.Option("--given-up", help="All that were given up.")] = False,
) -> None:
    """Have jobs tried at once that were given up, or wait for their next attempt."""

    async def ask(store: SqlJobStore) -> list[str]:
        given = await store.list(limit=MAX_AT_ONCE, states=("given_up",)) if given_up else []
        wanted = [*(keys or ()), *(job.key for job in given)]
        return [key for key in wanted if not await store.retry(key, LoopClock().wall())]

    if not keys and not given_up:
        raise typer.BadParameter("name a job, or say --given-up", param_hint="KEY")
    _report(_with_store(config, ask), "waits or was given up")


@app.command()
def drop(keys: KeysArgument = None, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Have jobs never done, or not tried again, and forget what they say."""

    async def ask(store: SqlJobStore) -> list[str]:
        return [key for key in keys or () if not await store.drop(key, LoopClock().wall())]

    if not keys:
        raise typer.BadParameter("name a job", param_hint="KEY")
    _report(_with_store(config, ask), "waits")


def _with_store(config: Path, ask: Callable[[SqlJobStore], Awaitable[T]]) -> T:
    """Raises GatewayError: the configuration is wrong, or the database cannot be reached."""
    from config.loading import load
    from gateway.jobs.work import store_of
    from gateway.plugins import installed

    settings = load(config, installed().sections())

    async def run() -> T:
        store = store_of(settings.records)
        try:
            if not await store.open():
                raise GatewayError("the jobs' database cannot be opened")
            return await ask(store)
        finally:
            await store.close()

    return asyncio.run(run())


def _report(missing: Sequence[str], what: str) -> None:
    for key in missing:
        print(f"talkpath: no job {key} {what}", file=sys.stderr)
    raise typer.Exit(1 if missing else 0)


def _print(found: Sequence[Job]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("Key", "Kind", "Bot", "State", "Tried", "Due (UTC)", "Last error")
    for job in found:
        due = "" if job.due_at is None else job.due_at.strftime("%Y-%m-%d %H:%M:%S")
        table.add_row(job.key, job.kind, escape(job.bot), job.state, str(job.attempts), due, escape(job.error))
    Console(width=None if sys.stdout.isatty() else 160).print(table if found else "No job.")
