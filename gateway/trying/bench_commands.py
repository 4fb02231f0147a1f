"""`talkpath bench`: measurements of what is configured, on this machine and over its network."""

from __future__ import annotations

import asyncio
import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.trying.commands import ConfigOption, Endpointing, configured

if TYPE_CHECKING:
    from config.settings import Settings
    from gateway.plugins import Plugins
    from gateway.trying.bench import Condition, EarScore, Plan, VoiceScore
    from gateway.trying.material import Recording

app = typer.Typer(help="Measure what is configured: speech vendors on recorded people.", no_args_is_help=True)

FETCHED = Path(".cache") / "recordings"
LONGEST_PHRASE = 8


class Noises(StrEnum):
    """What is under the speech."""

    PINK = "pink"
    BABBLE = "babble"


@app.callback()
def _group() -> None:
    """So that `speech` keeps its name while it is the only one."""


@app.command()
def speech(
    config: ConfigOption = None,
    vendor: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="An entry under `speech`; again for each further one. Default: all."),
    ] = None,
    language: Annotated[str, typer.Option(metavar="TAG", help="What is spoken, such as fr-CA.")] = "en-US",
    recordings: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="WAV files and transcripts.txt, lines of `NAME: what is said`. Default: what "
            "`python -m tools.fetch_recordings` fetched in the language.",
        ),
    ] = None,
    number: Annotated[int, typer.Option("--utterances", min=1, max=1000, help="How many of them.")] = 20,
    snr: Annotated[str, typer.Option(metavar="DB,DB", help="Speech over noise; clean is always tried.")] = "20,10,5",
    noise: Annotated[Noises, typer.Option(help="What the noise is.")] = Noises.PINK,
    endpointing: Annotated[
        Endpointing, typer.Option(help="Who ends turns, where the vendor can.")
    ] = Endpointing.GATEWAY,
    at_once: Annotated[int, typer.Option(min=1, max=50, help="Callers at a time.")] = 4,
    paced: Annotated[
        bool, typer.Option("--paced/--fast", help="As fast as callers talk, or eight times faster.")
    ] = True,
    output: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write all figures there.")] = None,
) -> None:
    """Measure how well and how soon speech vendors hear and speak.

    Tells, clean and with noise: the word error rate, the time from the end of the speech until its text is complete
    (the caller's silence of 0.8 s included), and whether words are heard where nobody speaks; of voices, the time to
    their first audio. Recognizers that take no dictation get menus of four. Paid vendors charge for it.

    Example: talkpath bench speech --vendor local --language en-US --json figures.json
    """
    from gateway.plugins import installed
    from gateway.trying.bench import Plan, false_barge_ins
    from gateway.trying.hearing import FAST
    from gateway.trying.material import recordings_in
    from gateway.trying.vendor import warnings_told

    plugins = installed()
    settings = configured(config, plugins)
    folder = recordings or _fetched(language)
    found = recordings_in(folder, number=number, longest=LONGEST_PHRASE)
    plan = Plan(
        language=language,
        recordings=found,
        conditions=_conditions(snr, noise, found),
        endpointing=endpointing.value,
        at_once=at_once,
        speed=1.0 if paced else FAST,
    )
    with warnings_told():
        ears, voices = asyncio.run(_all(settings, plugins, vendor or list(settings.speech), plan))
    ours = {each.name: false_barge_ins(each, found) for each in plan.conditions if each.snr is not None}
    _print(ears, voices, ours, len(found), folder)
    if output is not None:
        _write(output, ears, voices, ours)
    has_failed = any(ear.failures for ear in ears) or any(voice.failures for voice in voices)
    raise typer.Exit(1 if has_failed else 0)


async def _all(
    settings: Settings, plugins: Plugins, names: list[str], plan: Plan
) -> tuple[list[EarScore], list[VoiceScore]]:
    from gateway.trying.bench import bench_ear, bench_voice
    from gateway.trying.vendor import started

    ears: list[EarScore] = []
    voices: list[VoiceScore] = []
    for name in names:
        async with started(settings, name, plugins) as tried:
            if tried.made.recognizer is not None:
                ears += await bench_ear(tried, plan)
            if tried.made.synthesizer is not None:
                voices.append(await bench_voice(tried, plan))
    return ears, voices


def _fetched(language: str) -> Path:
    """Where the recordings of a language are: below this folder, else in the project's own."""
    base = language.partition("-")[0].lower()
    places = [FETCHED / base, Path(__file__).resolve().parents[2] / FETCHED / base]
    return next((place for place in places if place.is_dir()), places[0])


def _conditions(snr: str, noise: Noises, recordings: list[Recording]) -> list[Condition]:
    from gateway.trying.bench import BEFORE, END_SILENCE, STRETCH, STRETCHES, Condition
    from gateway.trying.material import RATE, babble, pink

    try:
        ratios = [float(each) for each in snr.split(",") if each.strip()]
    except ValueError:
        raise typer.BadParameter(f"{snr} is no list of decibels", param_hint="--snr") from None
    longest = max(len(recording.pcm) for recording in recordings) / 2 / RATE + BEFORE + END_SILENCE
    seconds = max(longest, STRETCHES * STRETCH) + 0.1
    under = babble(seconds, recordings) if noise is Noises.BABBLE else pink(seconds)
    return [Condition(), *(Condition(snr=ratio, noise=under) for ratio in ratios)]


# --- what is printed -------------------------------------------------------------------------------------------------
def _print(
    ears: list[EarScore], voices: list[VoiceScore], ours: dict[str, float | None], number: int, folder: Path
) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 160)
    table = Table("Vendor", "Noise", "WER", "Exact", "End to text p50", "p95", "Words in noise", "Failed")
    for ear in (score.to_json() for score in ears):
        name = f"{ear['vendor']} (menus)" if ear["menu"] else ear["vendor"]
        delays = (_figure(ear[f"end_to_text_{each}"], "{:.2f} s") for each in ("p50", "p95"))
        noise = _figure(ear["words_in_noise"], "{:.0%}")
        shares = (_figure(ear[each], "{:.2f}") for each in ("word_error_rate", "exact"))
        table.add_row(name, ear["condition"], *shares, *delays, noise, _failed(ear["failures"]))
    if ears:
        console.print(f"{number} recordings of {folder}")
        console.print(table)
    for condition, rate in ours.items():
        console.print(f"barge-in by voice, {condition}: {rate or 0.0:.1f} false interruptions a minute")
    table = Table("Vendor", "First audio p50", "p95", "First request", "Level", "Failed")
    for voice in (score.to_json() for score in voices):
        times = ("first_audio_p50", "first_audio_p95", "first_audio_of_first_request")
        cells = [_figure(voice[each], "{:.3f} s") for each in times]
        table.add_row(voice["vendor"], *cells, _figure(voice["level_dbfs"], "{:.1f} dBFS"), _failed(voice["failures"]))
    if voices:
        console.print(table)


def _figure(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)


def _failed(reasons: list[str]) -> str:
    return f"{len(reasons)}: {reasons[0]}" if reasons else ""


def _write(output: Path, ears: list[EarScore], voices: list[VoiceScore], ours: dict[str, Any]) -> None:
    from gateway.errors import GatewayError

    figures = {
        "recognizers": [score.to_json() for score in ears],
        "synthesizers": [score.to_json() for score in voices],
        "false_barge_ins_per_minute": ours,
    }
    try:
        output.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise GatewayError(f"cannot write {output}: {error.strerror}") from error
