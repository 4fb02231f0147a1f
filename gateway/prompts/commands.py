"""`talkpath prompts`: what callers are told in the same words every time, spoken in advance, looked at, replaced."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from config.errors import ConfigError, GatewayError

if TYPE_CHECKING:  # else every command would wait for numpy to be imported
    from gateway.prompts.desk import Entry, PromptDesk

app = typer.Typer(
    help="Speak prompts in advance, listen to them, replace them by recordings. A prompt that is kept needs no vendor.",
    no_args_is_help=True,
)

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", metavar="FILE", help="Configuration: a YAML file, or a folder of them.")
]
NumbersArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="NUMBER", help="Called numbers, or keys under `numbers`. Default: all.", show_default=False),
]
NumberOption = Annotated[
    list[str] | None, typer.Option("--number", metavar="NUMBER", help="Look only at prompts of this called number.")
]
AlsoOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Further sentences the bot says often, such as its greeting: a text file, one prompt on each line.",
    ),
]
LanguageOption = Annotated[
    str | None, typer.Option(metavar="TAG", help="Only prompts in this language: fr for any French, fr-CA for one.")
]
LanguagesOption = Annotated[
    list[str] | None,
    typer.Option("--language", metavar="TAG", help="Also in this language, which the bot may switch to; repeatable."),
]
DEFAULT_CONFIG = Path("talkpath.yaml")
T = TypeVar("T")


@app.command()
def render(
    numbers: NumbersArgument = None,
    config: ConfigOption = DEFAULT_CONFIG,
    also: AlsoOption = None,
    languages: LanguagesOption = None,
    at_once: Annotated[
        int, typer.Option("--at-once", min=1, max=64, help="Sentences asked of vendors at the same time.")
    ] = 4,
    again: Annotated[bool, typer.Option("--again", help="Also those that were rendered before.")] = False,
) -> None:
    """Have the static prompts of called numbers spoken now, by each number's own vendor and voice, and keep them.

    That is the gateway's own sentences in the number's language, and what its settings say: `words`,
    `no_input.prompts` and `goodbye`, `fallback.say`, `recording.announce`. They are brought to -20 dBFS and kept in the
    folder `prompts.directory`, where calls find them, also when the vendor is down. Exit code 1 when some could not be
    spoken; the others are kept, and the next run asks only for what is missing.

    Example: talkpath prompts render -c talkpath.yaml +33123456789 --also greetings.txt
    """
    from gateway.prompts.finding import short

    told: list[str] = []

    async def work(desk: PromptDesk) -> list[Entry]:
        def tell(entry: Entry, error: str | None) -> None:
            told.append(entry.key)
            done = f"[{len(told)}/{len(desk.entries)}] {entry.title}"
            print(f"{done}: {error}" if error else done, file=sys.stderr if error else sys.stdout, flush=True)

        return await desk.render(at_once=at_once, again=again, on_done=tell)

    failed = _at_desk(config, work, numbers, also, languages, starts_vendors=True)
    print(f"{len(told) - len(failed)} of {len(told)} prompts are ready.")
    for entry in failed:
        print(f"talkpath: not spoken: {entry.title}: {short(entry.prompt.text)}", file=sys.stderr)
    raise typer.Exit(1 if failed else 0)


@app.command("list")
def show(
    numbers: NumbersArgument = None,
    config: ConfigOption = DEFAULT_CONFIG,
    also: AlsoOption = None,
    languages: LanguagesOption = None,
    missing: Annotated[bool, typer.Option("--missing", help="Only those a call would ask a vendor for.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,
) -> None:
    """List the static prompts of called numbers, and where a call would have each from.

    `cached`: it was spoken and is kept. `override`: a recording replaces it. `missing`: its vendor would be asked.
    Levels are RMS over what is spoken, in dBFS. This asks nothing of any vendor.
    """

    from gateway.prompts.listing import print_table, row_of, row_of_recording

    async def work(desk: PromptDesk) -> list[dict[str, Any]]:
        rows = [await row_of(desk, entry) for entry in desk.entries]
        listed = {override.file for entry in desk.entries if (override := desk.overrides.find(entry.utterance))}
        return rows + [row_of_recording(override) for override in desk.overrides if override.file not in listed]

    rows = _at_desk(config, work, numbers, also, languages)
    if missing:
        rows = [row for row in rows if row["state"] == "missing"]
    if as_json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        print_table(rows)


@app.command()
def play(
    what: Annotated[
        str, typer.Argument(metavar="NAME|KEY", help="As `talkpath prompts list` prints them, or the whole text.")
    ],
    config: ConfigOption = DEFAULT_CONFIG,
    number: NumberOption = None,
    language: LanguageOption = None,
    also: AlsoOption = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="WAV", help="Write it to this file; - is standard output."),
    ] = None,
) -> None:
    """Play a prompt as callers hear it, on this machine's loudspeaker (by aplay), or write it as a WAV file.

    Example: talkpath prompts play apology --language fr -o apology.wav
    """
    from audio.wav import header, write_wav
    from gateway.prompts.finding import found_by, only_one

    async def work(desk: PromptDesk) -> Any:
        entry = only_one(found_by(desk, what, language), what)
        sound = await desk.sound(entry)
        if sound is None:
            raise GatewayError(f"{entry.title} has not been spoken yet; `talkpath prompts render` does it")
        return sound

    sound = _at_desk(config, work, number, also)
    wav = header(len(sound.pcm), sound.rate, 1) + sound.pcm
    if output is None:
        from gateway.trying.playing import play as play_aloud

        if (reason := play_aloud(wav, sound.seconds)) is not None:
            raise GatewayError(f"{reason}; write the prompt to a file with --output")
    elif str(output) == "-":
        sys.stdout.buffer.write(wav)
        sys.stdout.buffer.flush()
    else:
        write_wav(output, sound.pcm, sound.rate)
        print(f"{output}: {sound.seconds:.1f} s, {sound.level:.1f} dBFS")


@app.command()
def override(
    what: Annotated[
        str,
        typer.Argument(
            metavar="TEXT|NAME",
            help="The sentence as the bot or the gateway writes it, or its name or key.",
        ),
    ],
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="The recording: WAV, mp3, Ogg, FLAC, AAC ... of any rate and loudness."),
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    number: NumberOption = None,
    language: LanguageOption = None,
    voice: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only where this voice would speak. Default: any voice.")
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Have the sentence spoken again.")] = False,
) -> None:
    """Have a recording replace a sentence, whoever would speak it: it goes before the cache and before every vendor.

    It is brought to -20 dBFS and copied into the folder `prompts.overrides`. A running gateway plays it from its next
    reload on (SIGHUP, or POST /api/reload).

    Example: talkpath prompts override fallback_hangup studio/sorry.mp3 --language fr
    """
    from gateway.prompts.finding import sentence_of, short

    if (file is None) is not remove:
        raise typer.BadParameter("name a recording, or say --remove", param_hint="FILE")

    async def work(desk: PromptDesk) -> str:
        text, tag = sentence_of(desk, what, language)
        if file is not None:
            made = desk.overrides.put(text, file, tag, voice)
            return f"{file} replaces: {short(text)} ({made.language or 'any language'}, {voice or 'any voice'})"
        if not desk.overrides.remove(text, tag, voice):
            raise GatewayError(f"no recording replaces exactly this: {short(text)} ({tag or 'any language'})")
        return f"spoken again: {short(text)}"

    print(_at_desk(config, work, number, needs_overrides=True))


# --- at the desk ---------------------------------------------------------------------------------------------------
def _at_desk(
    config: Path,
    work: Callable[[PromptDesk], Awaitable[T]],
    numbers: Sequence[str] | None = None,
    also: Path | None = None,
    languages: Sequence[str] | None = None,
    *,
    starts_vendors: bool = False,
    needs_overrides: bool = False,
) -> T:
    """Raises GatewayError: the configuration is wrong, or a folder or vendor it names cannot be had."""
    from config.loading import load
    from gateway.plugins import installed
    from gateway.prompts.desk import open_desk

    plugins = installed()
    settings = load(config, plugins.sections())
    if needs_overrides and settings.prompts.overrides is None:
        raise ConfigError("names no folder for recordings", file=config, field="prompts.overrides")
    sentences = _lines_of(also)

    async def run() -> T:
        chosen = (numbers or (), sentences, languages or ())
        async with open_desk(config, settings, plugins, *chosen, starts_vendors=starts_vendors) as opened:
            return await work(opened)

    with _warnings_on_stderr():
        return asyncio.run(run())


def _lines_of(file: Path | None) -> list[str]:
    if file is None:
        return []
    try:
        return [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise GatewayError(f"cannot read {file}: {error}") from error


@contextmanager
def _warnings_on_stderr() -> Iterator[None]:
    """What is logged meanwhile, such as a damaged file, does not get between what is printed."""
    import structlog

    before = structlog.get_config()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger("warning"),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    try:
        yield
    finally:
        structlog.configure(**before)
