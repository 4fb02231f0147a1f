"""`talkpath talklift ...`: the three requests to a real account, for the person who owns it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from gateway.backends.talklift.account import Account

T = TypeVar("T")
app = typer.Typer(name="talklift", help="Write to a real account of TalkLift.", no_args_is_help=True)

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", metavar="FILE", help="Configuration: a YAML file, or a folder of them.")
]
BotOption = Annotated[
    str | None, typer.Option("--bot", help="Its name in the configuration. Default: the only one with an `account`.")
]
DEFAULT_CONFIG = Path("talkpath.yaml")


def add(cli: typer.Typer) -> None:
    """Add the commands to `talkpath`."""
    cli.add_typer(app)


@app.command()
def token(bot: BotOption = None, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Log in, and say whether that worked; the token itself is not printed."""
    found = _asked(config, bot, lambda account: account.token())
    print(f"logged in; the token has {len(found)} characters")


@app.command()
def send(
    session: Annotated[int, typer.Argument(help="The session's id.")],
    text: Annotated[str, typer.Argument(help="What to write.")],
    button: Annotated[
        list[str] | None, typer.Option(metavar="TITLE=PAYLOAD", help="A button; with a URL, it opens that page.")
    ] = None,
    bot: BotOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Write a message to a session."""
    buttons = [_button(item) for item in button or ()]
    _asked(config, bot, lambda account: account.send_message(session, text, buttons=buttons))
    print("sent")


@app.command()
def update(
    state: Annotated[str, typer.Argument(help="The slot's state as JSON, as the webhook named it.")],
    data: Annotated[str, typer.Argument(help="The answer.")],
    bot: BotOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Complete a slot of a session with an answer."""
    from gateway.errors import ConfigError

    try:
        given = json.loads(state)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise ConfigError("the slot's state is no JSON object")
    done = {**given, "data": data, "is_done": True, "waiting_response": False}
    print(json.dumps(_asked(config, bot, lambda account: account.update(done)), ensure_ascii=False))


def _button(item: str) -> dict[str, str]:
    title, _, payload = item.partition("=")
    if payload.startswith(("http://", "https://")):
        return {"type": "web_url", "title": title, "url": payload}
    return {"type": "postback", "title": title, "payload": payload or title}


def _asked(config: Path, bot: str | None, work: Callable[[Account], Awaitable[T]]) -> T:
    """Ask the account of a configured bot. Raises GatewayError."""
    from config.loading import load
    from gateway.backends.talklift.account import Account
    from gateway.errors import ConfigError
    from gateway.kit.http import HttpClient
    from gateway.plugins import installed

    bots: Any = load(config, installed().sections()).bots
    ours = {
        name: section.account for name, section in bots.items() if section.backend == "talklift" and section.account
    }
    there = ", ".join(ours) or "none"
    if bot is not None and bot not in ours:
        raise ConfigError(f"no bot {bot!r} has an account of TalkLift; there is {there}", field="bots")
    if bot is None and len(ours) != 1:
        raise ConfigError(f"name the bot with --bot: there is {there}", field="bots")
    name = bot or next(iter(ours))

    async def ask() -> T:
        async with HttpClient() as http:
            return await work(Account(name, ours[name], http))

    return asyncio.run(ask())
