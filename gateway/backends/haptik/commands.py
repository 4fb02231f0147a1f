"""`talkpath haptik ...`: what the owner of a Haptik bot does beside calls, foremost bringing its FAQ up to date."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from gateway.backends.haptik.client import HaptikApi
    from gateway.backends.haptik.faq import State, Step
    from gateway.backends.haptik.settings import HaptikBotSection

T = TypeVar("T")
app = typer.Typer(name="haptik", help="Do what the owner of a Haptik bot does beside calls.", no_args_is_help=True)
faq_app = typer.Typer(name="faq", help="The bot's FAQ steps, as a CSV file.", no_args_is_help=True)
app.add_typer(faq_app)

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", metavar="FILE", help="Configuration: a YAML file, or a folder of them.")
]
BotOption = Annotated[
    str | None, typer.Option("--bot", help="Its name in the configuration. Default: the only bot of Haptik.")
]
FileArgument = Annotated[Path, typer.Argument(help="CSV with one FAQ step per row, in UTF-8.")]
DEFAULT_CONFIG = Path("talkpath.yaml")


def add(cli: typer.Typer) -> None:
    """Add the commands to `talkpath`."""
    cli.add_typer(app)


@faq_app.command()
def push(
    file: FileArgument,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until Haptik has taken it in, and say how that went.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    domain: Annotated[str | None, typer.Option(help="Name of the domain. Default: `faq.domain` of the bot.")] = None,
    bot: BotOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Upload a FAQ file. It REPLACES the domain's FAQ: steps that are not in the file become inactive.

    The file is checked first, and is not sent when anything is wrong with it.
    """
    name, section = _chosen(config, bot)
    content, steps = _checked(file, section)
    target = domain or section.faq.domain
    if target is None:
        raise _wrong("name the domain with --domain, or as faq.domain of the bot")
    _confirm(f"{len(steps)} steps replace the whole FAQ of the domain {target!r}. Go on?", yes=yes)

    async def work(api: HaptikApi) -> int:
        task = await api.upload_faq(target, file.name, content)
        print(f"Haptik has taken the file; its task is {task}", flush=True)
        return await _followed(api, task) if wait else 0

    raise typer.Exit(_asked(name, section, work))


@faq_app.command()
def check(file: FileArgument, bot: BotOption = None, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Check a FAQ file without sending it."""
    _, section = _chosen(config, bot)
    _, steps = _checked(file, section)
    questions = sum(len(step.questions) for step in steps)
    print(f"{len(steps)} steps with {questions} questions; nothing is wrong with the file.")


@faq_app.command()
def status(
    task: Annotated[str, typer.Argument(help="The task's id, as `push` printed it.")],
    wait: Annotated[bool, typer.Option("--wait", help="Wait for its end.")] = False,
    bot: BotOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Ask how far an upload has come."""
    from gateway.backends.haptik.faq import state_of

    name, section = _chosen(config, bot)

    async def work(api: HaptikApi) -> int:
        if wait:
            return await _followed(api, task)
        state, words = state_of(await api.faq_status(task))
        print(f"{state}: {words}")
        return 1 if state == "failed" else 0

    raise typer.Exit(_asked(name, section, work))


@app.command()
def history(
    conversation_no: Annotated[int, typer.Argument(min=1, help="Number of the conversation.")],
    user_name: Annotated[str, typer.Option("--user-name", help="Haptik's name of the user.")] = "",
    pxut: Annotated[str, typer.Option("--pxut", help="TRACT token, instead of the user's name.")] = "",
    limit: Annotated[int | None, typer.Option(min=1, help="How many messages at most.")] = None,
    bot: BotOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Print a transcript, one message per line, as JSON."""
    from gateway.backends.haptik.history import parse_history
    from gateway.backends.haptik.protocol import history_query

    name, section = _chosen(config, bot)
    query = history_query(
        conversation_no=conversation_no,
        business_id=section.business_id,
        user_name=user_name,
        pxut=pxut,
        limit=limit,
    )

    async def work(api: HaptikApi) -> bytes:
        return await api.history(query)

    for line in parse_history(_asked(name, section, work)):
        print(json.dumps(line.to_json(), ensure_ascii=False))


# --- steps ---------------------------------------------------------------------------------------------------------
def _wrong(reason: str, field: str | None = None) -> Exception:
    from gateway.errors import ConfigError

    return ConfigError(reason, field=field)


def _chosen(config: Path, name: str | None) -> tuple[str, HaptikBotSection]:
    """The named bot, or the only one of Haptik. Raises ConfigError."""
    from config.loading import load
    from gateway.plugins import installed

    bots: Any = load(config, installed().sections()).bots
    ours = {each: section for each, section in bots.items() if section.backend == "haptik"}
    there = ", ".join(ours) or "none"
    if name is not None and name not in ours:
        raise _wrong(f"no bot of Haptik is called {name!r}; there is {there}", "bots")
    if name is None and len(ours) != 1:
        raise _wrong(f"name the bot with --bot: there is {there}", "bots")
    chosen = name or next(iter(ours))
    return chosen, ours[chosen]


def _checked(file: Path, section: HaptikBotSection) -> tuple[bytes, list[Step]]:
    """The file as it will be sent, and its steps. Exits when anything is wrong with it."""
    from gateway.backends.haptik.faq import MAX_FILE_BYTES, PROBLEMS_SHOWN, read_steps

    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise _wrong(f"{file} cannot be read: {error.strerror}") from error
    if len(content) > MAX_FILE_BYTES:
        raise _wrong(f"{file} is longer than {MAX_FILE_BYTES >> 20} MB")
    steps, problems = read_steps(content, section.faq.header)
    for problem in problems[:PROBLEMS_SHOWN]:
        print(f"{file}: {problem}", file=sys.stderr)
    if len(problems) > PROBLEMS_SHOWN:
        print(f"and {len(problems) - PROBLEMS_SHOWN} more", file=sys.stderr)
    if problems:
        raise typer.Exit(1)
    return content, steps


def _confirm(question: str, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise _wrong(f"{question} Say --yes, where nobody can be asked")
    typer.confirm(question, abort=True)


def _asked(name: str, section: HaptikBotSection, work: Callable[[HaptikApi], Awaitable[T]]) -> T:
    """Ask the account of a bot. Raises GatewayError."""
    from gateway.backends.haptik.account import budget_of
    from gateway.backends.haptik.client import HaptikApi
    from gateway.kit.http import HttpClient

    async def ask() -> T:
        now = asyncio.get_running_loop().time
        async with HttpClient() as http:
            budget = budget_of(http, section.client_id, section.per_minute, asyncio.sleep, now)
            return await work(HaptikApi(name, section, http, budget))

    return asyncio.run(ask())


async def _followed(api: HaptikApi, task: str) -> int:
    """Show how an upload goes on until it ends; the exit code. How much of it is done Haptik does not say."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from gateway.backends.haptik.upload import follow

    last: tuple[State, str] = ("failed", "")
    columns = (SpinnerColumn(), BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("waiting", total=None)
        async for last in follow(api.faq_status, task, now=asyncio.get_running_loop().time):
            progress.update(bar, description=last[1])
    print(f"{last[0]}: {last[1]}")
    return 0 if last[0] == "done" else 1
