"""The `talkpath` command. Each subcommand is thin: it reads its arguments, calls the room that does it, and exits.

Exit codes: 0 all is well; 1 it is not (an expectation failed, the configuration is wrong); 2 wrong use of the command.
"""

from __future__ import annotations

import asyncio
import json
import sys
from functools import cache
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from config.errors import ConfigError, GatewayError
from gateway.jobs.commands import app as jobs
from gateway.prompts.commands import app as prompts
from gateway.trying.bench_commands import app as bench
from gateway.trying.commands import app as trying

app = typer.Typer(
    name="talkpath",
    help="Talkpath: a telephony voice-bot gateway. Calls come in from a PBX or carrier, are heard and spoken to, and "
    "are put through to a chat bot of any vendor.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(jobs, name="jobs")
app.add_typer(prompts, name="prompts")
app.add_typer(trying)
app.add_typer(bench, name="bench")

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", metavar="FILE", help="Configuration: a YAML file, or a folder of them.")
]
TokenOption = Annotated[
    str | None, typer.Option("--token", envvar="TALKPATH_API_TOKEN", help="The gateway's API token, where it has one.")
]
DEFAULT_CONFIG = Path("talkpath.yaml")


def run() -> None:
    """Run the command; what is expected to go wrong becomes one sentence and exit code 1."""
    try:
        command_line()()
    except GatewayError as error:
        fail(error)
    except KeyboardInterrupt:
        sys.exit(130)


@cache
def command_line() -> typer.Typer:
    """The whole command, with what plug-ins add to it. Raises ConfigError for one that cannot be imported."""
    from gateway.plugins import commands

    for add in commands().values():
        add(app)
    return app


def fail(error: GatewayError, code: int = 1) -> NoReturn:
    """Print what is wrong, every problem on a line of its own, and exit."""
    for problem in getattr(error, "problems", None) or [error]:
        print(f"talkpath: {problem}", file=sys.stderr)
    sys.exit(code)


def _load(path: Path) -> Any:
    from config.loading import load
    from gateway.plugins import installed

    return load(path, installed().sections())


# --- the gateway ---------------------------------------------------------------------------------------------------
@app.command()
def serve(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Run the gateway.

    One port serves media sockets, vendor webhooks, the API, metrics, health and the console. SIGTERM drains: running
    calls finish, new ones are refused. SIGHUP reads the configuration again.
    """
    from gateway import logs
    from gateway.app import App
    from gateway.collecting import collect_seldom

    settings = _load(config)
    logs.set_up(settings.logging)
    collect_seldom()
    _run_async(App(config, settings).run())


def _run_async(work: Any) -> None:
    """Run a coroutine on uvloop; an error of ours that left a task group is unwrapped."""
    import uvloop

    try:
        uvloop.run(work)
    except BaseExceptionGroup as group:
        found = _first_of_ours(group)
        if found is None:
            raise
        fail(found)


def _first_of_ours(group: BaseExceptionGroup[BaseException]) -> GatewayError | None:
    for error in group.exceptions:
        if isinstance(error, GatewayError):
            return error
        if isinstance(error, BaseExceptionGroup) and (found := _first_of_ours(error)) is not None:
            return found
    return None


@app.command()
def check(
    config: ConfigOption = DEFAULT_CONFIG,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as errors.")] = False,
) -> None:
    """Validate a configuration without opening a socket.

    Prints each problem with its file, line and key: first what makes it unusable, then contradictions and what leaves
    callers or operators worse off than they expect.
    """
    from gateway.checking import examine

    findings = asyncio.run(examine(_load(config)))
    for finding in findings:
        print(finding)
    errors = [finding for finding in findings if finding.severity == "error" or strict]
    if not findings:
        print("The configuration is sound.")
    raise typer.Exit(1 if errors else 0)


@app.command()
def explain(
    number: Annotated[str, typer.Argument(help="A called number, in whatever form your PBX writes it.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Print every effective setting of a called number, and where it comes from."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from config.origins import explain as rows_of

    settings = _load(config)
    found = settings.number_for(number)
    if found is None:
        raise ConfigError(f"no entry under numbers matches {number}; such a call is refused")
    table = Table("Setting", "Value", "Origin", title=f"{number} is ruled by the entry {found.number}")
    for row in rows_of(settings, number):
        table.add_row(row.key, escape(row.value), escape(str(row.origin)))
    Console(width=None if sys.stdout.isatty() else 160).print(table)


@app.command()
def schema() -> None:
    """Print the JSON Schema of the configuration, for editors."""
    from config.schema import schema as schema_of
    from gateway.plugins import installed

    print(json.dumps(schema_of(installed().sections()), indent=2))


@app.command()
def words(
    language: Annotated[str, typer.Argument(help="Language tag, such as fr or en-US.")] = "en",
) -> None:
    """List the gateway's own sentences, which `words` of a number may replace."""
    from gateway.text.catalogue import Catalogue

    catalogue = Catalogue.for_language(language)
    for name in Catalogue.names():
        print(f"{name}: {catalogue.say(name)}")


# --- calls ---------------------------------------------------------------------------------------------------------
@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def call(
    context: typer.Context,
    number: Annotated[str, typer.Argument(help="The number to call.")],
    to: Annotated[
        str | None,
        typer.Option(
            help="URL of a line's media socket, its SIP address (sip:HOST:5061;transport=tls), or URL of the gateway. "
            "Default: the first line on this machine."
        ),
    ] = None,
    api: Annotated[str | None, typer.Option(help="URL of the gateway, where it does not follow from --to.")] = None,
    caller: Annotated[str, typer.Option("--from", help="The calling number.")] = "",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document: steps, record, what was heard.")
    ] = False,
    record: Annotated[Path | None, typer.Option(metavar="WAV", help="Write the call: caller left, bot right.")] = None,
    user: Annotated[str | None, typer.Option(help="User name of the line's basic or digest auth.")] = None,
    password: Annotated[str | None, typer.Option(envvar="TALKPATH_LINE_PASSWORD", help="Its password.")] = None,
    bearer: Annotated[str | None, typer.Option(help="Token of the line's bearer auth.")] = None,
    signature: Annotated[
        str | None, typer.Option("--auth-token", envvar="TWILIO_AUTH_TOKEN", help="Auth token that signs (twilio).")
    ] = None,
    signed_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="What is signed (twilio), where the line is known by another URL: wss://PUBLIC/PATH."
        ),
    ] = None,
    cafile: Annotated[
        Path | None, typer.Option(metavar="PEM", help="Authorities to believe on a line by SIP over TLS.")
    ] = None,
    insecure: Annotated[bool, typer.Option(help="Believe any certificate there.")] = False,
    srtp: Annotated[bool, typer.Option("--srtp", help="Encrypt the audio (SIP, keys in the SDP).")] = False,
    token: TokenOption = None,
) -> None:
    """Place a call and go through STEPS, in their order:

    --say FILE (play a recording into the call), --digits 12# (press keys), --silence S (say nothing), --expect REGEX
    --within S (the bot says it in time), --expect-hangup (the gateway ends the call), --steps FILE.yaml.

    What the bot said is read from the gateway's live record and compared with what reached the ear. Prints turns with
    their latencies. Exit code 0 only if everything was as expected; 1 if it was not, or the call could not be placed;
    2 for steps that cannot be understood.

    Example: talkpath call +33123456789 --expect welcome --say hours.wav --expect "open from" --within 8
    """
    from gateway.caller.peer import CallerAuth, CallerTrust
    from gateway.caller.printing import tell_to, tell_turns
    from gateway.caller.script import place_call
    from gateway.caller.steps import StepError, from_flags

    try:
        steps = from_flags(context.args)
    except StepError as error:
        fail(error, code=2)
    auth = CallerAuth(
        username=user, password=password or "", bearer=bearer, twilio_token=signature, signed_url=signed_url
    )
    placing = place_call(
        *(number, steps),
        to=to,
        api=api,
        token=token,
        caller=caller,
        auth=auth,
        record=record,
        trust=CallerTrust(cafile=cafile, insecure=insecure),
        encrypts=srtp,
        tell=tell_to(sys.stderr if as_json else sys.stdout),
    )
    report = asyncio.run(placing)
    if as_json:
        print(json.dumps(report.to_json(), ensure_ascii=False, indent=2))
    else:
        tell_turns(report, sys.stdout)
    raise typer.Exit(0 if report.ok else 1)


@app.command()
def chat(
    number: Annotated[str, typer.Argument(help="The number to call.")],
    to: Annotated[str | None, typer.Option(help="URL of the gateway. Default: the one on this machine.")] = None,
    caller: Annotated[str, typer.Option("--from", help="The calling number.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print every message as one line of JSON.")] = False,
    token: TokenOption = None,
) -> None:
    """Hold the same call as text, for bot authors: no audio, same decisions.

    Lines from standard input are what the caller says; "/digits 12#" presses keys, "/hangup" ends the call.
    """
    from gateway.caller.chat import chat as hold

    holding = hold(number, to=to, token=token, caller=caller, as_json=as_json, out=sys.stdout)
    raise typer.Exit(asyncio.run(holding))


@app.command()
def replay(
    journal: Annotated[Path, typer.Argument(help="A call's journal, FILE.jsonl.")],
) -> None:
    """Conduct a recorded call again and compare every decision with what was decided then."""
    from gateway.records.journal import read
    from gateway.records.journal import replay as replay_steps

    setup, steps = read(journal)
    differences = replay_steps(setup, steps)
    for difference in differences:
        print(f"line {difference.line} at {difference.step.now:.3f} s: {type(difference.step.event).__name__}")
        print(f"  then: {list(difference.step.commands)}")
        print(f"  now:  {list(difference.decided)}")
    print(f"{len(steps)} steps, {len(differences)} differences")
    raise typer.Exit(1 if differences else 0)


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="Stop after the demonstration call.")] = False,
    bot: Annotated[str, typer.Option(help="Which vendor's bot answers.")] = "talkr",
    call: Annotated[str, typer.Option(help="Which of its recorded calls; a wrong name lists them.")] = "call",
    port: Annotated[int, typer.Option(help="Port of the gateway.")] = 8080,
) -> None:
    """Show a whole call on this machine: a lab bot, the gateway, and a recorded caller, as separate processes.

    Prints the conversation as it happens, with latencies, then stays up for calls of your own. Needs no account and no
    network. Exit code 1 when audio, text, order or waterfall is wrong.
    """
    from gateway.demo import run_demo

    raise typer.Exit(asyncio.run(run_demo(bot=bot, call=call, once=once, port=port)))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})
def lab(
    context: typer.Context,
    vendor: Annotated[str, typer.Argument(help="talkr")],
) -> None:
    """Run a chat vendor's other side on this machine: an honest server with a small bot, and faults on demand.

    `talkpath lab VENDOR --help` lists its options.
    """
    from gateway.lab.directory import main_of

    raise typer.Exit(main_of(vendor)(context.args))
