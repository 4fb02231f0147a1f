"""`talkpath chatlayer ...`: what the platform's API can do beside a call, for the person who owns the bot."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from gateway.backends.chatlayer.platform import Platform

app = typer.Typer(
    name="chatlayer", help="Ask Chatlayer about a configured bot; needs its access_token.", no_args_is_help=True
)

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", metavar="FILE", help="Configuration: a YAML file, or a folder of them.")
]
BotOption = Annotated[
    str | None, typer.Option("--bot", help="Its name in the configuration. Default: the only bot of Chatlayer.")
]
SenderArgument = Annotated[str, typer.Argument(help="The conversation's id; the record of a call has it.")]
DEFAULT_CONFIG = Path("talkpath.yaml")


def add(cli: typer.Typer) -> None:
    """Add the commands to `talkpath`."""
    cli.add_typer(app)


@app.command()
def nlp(
    expression: Annotated[str, typer.Argument(help="What a caller might say.")],
    language: Annotated[str, typer.Option(help="Its language, in two letters.")] = "en",
    version: Annotated[
        Literal["LIVE", "DRAFT"] | None, typer.Option(help="Of the bot. Default: its `version` in the configuration.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything that came, as JSON.")] = False,
    bot: BotOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Print what the bot's language understanding makes of an expression: intents and entities with their scores."""
    found = _asked(config, bot, lambda platform: platform.extract(language, expression, version))
    if as_json:
        _print(found)
        return
    for line in described(found):
        print(line)


@app.command()
def messages(
    since: Annotated[str, typer.Option("--from", metavar="YYYY-MM-DD", help="The first day.")],
    bot: BotOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Print all chat messages of the bot since a day, as they come: their shape is not documented."""
    _print(_asked(config, bot, lambda platform: platform.chat_messages(since)))


@app.command()
def history(sender: SenderArgument, bot: BotOption = None, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Print the messages of a conversation, one per line, as JSON."""
    from gateway.backends.chatlayer.history import records_of

    for record in records_of(_asked(config, bot, lambda platform: platform.history(sender))):
        print(json.dumps(record.data, ensure_ascii=False))


@app.command()
def act(
    sender: SenderArgument,
    dialogstate: Annotated[str | None, typer.Option(help="Id of the dialog state to go to.")] = None,
    text: Annotated[list[str] | None, typer.Option(help="What the bot is to say; may be repeated.")] = None,
    namespace: Annotated[str, typer.Option(help="Where session data is written.")] = "call",
    data: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="Session data; may be repeated.")] = None,
    bot: BotOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Act on a running conversation: write session data, let the bot say something, go to a dialog state.

    At least a text or a dialog state is needed; the platform takes data, texts and state in this order.
    """
    from gateway.backends.chatlayer.protocol import session_data, text_message

    values = {name: value for name, _, value in (item.partition("=") for item in data or ())}
    session = session_data(namespace, values)
    said = [text_message(each) for each in text or ()]

    async def work(platform: Platform) -> None:
        await platform.webview(sender, session=session, next_dialogstate=dialogstate, messages=said)

    _asked(config, bot, work)


def described(found: dict[str, Any]) -> list[str]:
    """An extract for a person: the intents with their scores, the thresholds, the entities.

    Their places in the expression are left out: the vendor's own example has them beyond its end.
    """
    lines = [f"intent  {found.get('intent')}  {_score(found)}"]
    for item in _objects(found.get("intents")):
        lines.append(f"        {item.get('intent')}  {_score(item)}")
    for item in _objects(found.get("entities")):
        lines.append(f"entity  {item.get('name')}: {item.get('value')}  {_score(item)}")
    lines.append(f"thresholds: intent {found.get('intentThreshold')}, entity {found.get('entityThreshold')}")
    return lines


def _score(item: dict[str, Any]) -> str:
    value = item.get("score")
    return f"{value:.4f}" if isinstance(value, (int, float)) else ""


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _print(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2))


def _asked(config: Path, bot: str | None, work: Callable[[Platform], Awaitable[Any]]) -> Any:
    """Ask the platform of a configured bot. Raises GatewayError."""
    from config.loading import load
    from gateway.backends.chatlayer.platform import Platform
    from gateway.kit.http import HttpClient
    from gateway.plugins import installed

    settings = load(config, installed().sections())
    name, section = _chosen(settings.bots, bot)

    async def ask() -> Any:
        async with HttpClient() as http:
            return await work(Platform(name, section, http))

    return asyncio.run(ask())


def _chosen(bots: Any, name: str | None) -> tuple[str, Any]:
    """The named bot, or the only one of Chatlayer. Raises ConfigError."""
    from gateway.errors import ConfigError

    ours = {each: section for each, section in bots.items() if section.backend == "chatlayer"}
    if name is not None and name not in ours:
        raise ConfigError(f"no bot of Chatlayer is called {name!r}; there is {', '.join(ours) or 'none'}", field="bots")
    if name is None and len(ours) != 1:
        raise ConfigError(f"name the bot with --bot: there is {', '.join(ours) or 'none'}", field="bots")
    chosen = name or next(iter(ours))
    return chosen, ours[chosen]
