"""`talkpath voices`, `say` and `hear`: a speech vendor tried from the shell, with no call and no number.

What can be measured is printed; what goes wrong is one sentence, and exit code 1.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:  # else every command would wait for numpy to be imported
    from audio.format import AudioFormat
    from config.settings import Settings
    from gateway.plugins import Plugins
    from gateway.trying.hearing import Hearing, Noticed
    from gateway.trying.saying import Said
    from gateway.trying.vendor import Tried

app = typer.Typer(no_args_is_help=True)

DEFAULT_CONFIG = Path("talkpath.yaml")
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help="Configuration with the vendor's entry under `speech`. Default: talkpath.yaml, where there is one; the "
        "vendor `local` needs none.",
        show_default=False,
    ),
]
VendorOption = Annotated[
    str, typer.Option("--vendor", metavar="NAME", help="Name of an entry under `speech`, or `local`.")
]
LanguageOption = Annotated[
    str | None,
    typer.Option(metavar="TAG", help="Language tag, such as fr-FR. Default: that of `defaults` in the configuration."),
]
ModelOption = Annotated[str | None, typer.Option(help="The vendor's name of a model. Default: its adapter's.")]
OptionOption = Annotated[
    list[str] | None,
    typer.Option("--option", metavar="KEY=VALUE", help="One of the vendor's own options; again for each further one."),
]
FormatOption = Annotated[
    str,
    typer.Option(
        "--format", metavar="CODEC", help="What the line carries: pcmu (G.711 mu-law), pcma (A-law), l16, l16/16000."
    ),
]
WithinOption = Annotated[float, typer.Option(metavar="SECONDS", min=0.1, max=60, help="How long the vendor may take.")]
T = TypeVar("T")


class Endpointing(StrEnum):
    """Who decides that the caller has finished."""

    GATEWAY = "gateway"
    VENDOR = "vendor"


class Kinds(StrEnum):
    """What a question may expect."""

    FREE = "free"
    DIGITS = "digits"
    NUMBER = "number"
    DATE = "date"
    EMAIL = "email"
    PHONE = "phone"
    YESNO = "yesno"


# --- voices ----------------------------------------------------------------------------------------------------------
@app.command()
def voices(
    vendor: Annotated[str, typer.Argument(metavar="VENDOR", help="Name of an entry under `speech`, or `local`.")],
    config: ConfigOption = None,
    language: Annotated[
        str | None, typer.Option(metavar="TAG", help="Only voices for this language: fr, or fr-CA.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,
) -> None:
    """List the voices a speech vendor offers: what `synthesizer.voice` may say.

    Example: talkpath voices local --language fr
    """
    from gateway.trying.listing import voices_of

    found = _with_vendor(config, vendor, lambda tried, _settings: voices_of(tried, language))
    if as_json:
        rows = [{"name": voice.name, "languages": voice.languages, "about": voice.about} for voice in found]
        print(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    width = min(48, max(len(voice.name) for voice in found))
    for voice in found:
        spoken = " ".join(voice.languages) or "any language"
        print(f"{voice.name:<{width}}  {spoken}" + (f"  {voice.about}" if voice.about else ""))


# --- say -------------------------------------------------------------------------------------------------------------
@app.command()
def say(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What is said.")],
    config: ConfigOption = None,
    vendor: VendorOption = "local",
    voice: Annotated[str | None, typer.Option(help="As `talkpath voices` lists it. Default: the language's.")] = None,
    language: LanguageOption = None,
    model: ModelOption = None,
    rate: Annotated[float | None, typer.Option(min=0.25, max=4, help="Pace: 1.2 is a fifth faster.")] = None,
    pitch: Annotated[float | None, typer.Option(min=-20, max=20, help="Semitones above the voice's own.")] = None,
    volume: Annotated[float | None, typer.Option(min=-30, max=16, help="Decibels above the voice's own.")] = None,
    option: OptionOption = None,
    as_ssml: Annotated[bool, typer.Option("--ssml", help="TEXT is SSML; <speak> may be left out.")] = False,
    out: Annotated[
        str | None, typer.Option(metavar="FILE.wav", help="Where the audio goes; - is standard output.")
    ] = None,
    line: FormatOption = "pcmu",
    within: WithinOption = 10.0,
) -> None:
    """Have a text spoken as a call would have it spoken, and measure it.

    Says how long the first audio took, how long and how loud the speech is, and in which format the vendor made it.
    The WAV file has what the caller would hear. Without --out it is played, where this machine has `aplay`.

    Example: talkpath say "Good morning." --vendor local --language en-GB --out morning.wav
    """
    from gateway.tuning import Prosody

    target, options = _format(line), _options(option)
    prosody = Prosody(rate=rate, pitch=pitch, volume=volume)

    async def speak(tried: Tried, settings: Settings) -> Said:
        from gateway.speech_interfaces import Utterance
        from gateway.trying.saying import say as have_said

        _warn(tried.doubts("SpeakOptions", options))
        spoken, plain, is_markup = _spoken(text, _language(language, settings), as_ssml=as_ssml)
        utterance = Utterance(
            text=spoken,
            plain=plain,
            ssml=is_markup,
            vendor=vendor,
            language=_language(language, settings),
            voice=voice,
            model=model,
            prosody=prosody,
            options=options,
        )
        return await have_said(tried, utterance, target, within=within)

    said = _with_vendor(config, vendor, speak)
    tell = sys.stderr if out == "-" else sys.stdout
    made, taken = said.made, said.audio.format
    how = f"{made.encoding}/{made.rate}" + (f", sent as {taken.encoding}/{taken.rate}" if made != taken else "")
    print(f"first audio after {said.first:.3f} s, all of it after {said.whole:.3f} s", file=tell)
    print(f"{said.audio.duration:.2f} s of {how}; level {said.level:.1f} dBFS, peak {said.peak:.1f} dBFS", file=tell)
    _deliver(said, out, tell)


def _deliver(said: Said, out: str | None, tell: Any) -> None:
    """Write the audio, or play it. Raises MediaError where it cannot be written."""
    from audio.wav import header, write_wav
    from gateway.trying.playing import play

    pcm, rate = said.audio.pcm(), said.audio.format.rate
    if out == "-":
        sys.stdout.buffer.write(header(len(pcm), rate, 1) + pcm)
        sys.stdout.buffer.flush()
    elif out is not None:
        write_wav(out, pcm, rate)
        print(f"written to {out}", file=tell)
    elif (why := play(header(len(pcm), rate, 1) + pcm, said.audio.duration)) is not None:
        print(f"not played: {why}; --out FILE.wav keeps it", file=tell)


def _spoken(text: str, language: str, *, as_ssml: bool) -> tuple[str, str, bool]:
    """Text, plain text and whether the first is markup, with warnings told."""
    if not as_ssml:
        return text, text, False
    from gateway.text.speakable import speakable

    whole = text if "<speak" in text else f"<speak>{text}</speak>"
    made = speakable(whole, "ssml", language)
    _warn(made.warnings)
    return made.text, made.plain, made.ssml


# --- hear ------------------------------------------------------------------------------------------------------------
@app.command()
def hear(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A recording: WAV, mp3, Ogg, FLAC, Opus and others.")],
    config: ConfigOption = None,
    vendor: VendorOption = "local",
    language: LanguageOption = None,
    hints: Annotated[str | None, typer.Option(metavar="A,B", help="Words or phrases the caller may say.")] = None,
    kind: Annotated[Kinds, typer.Option(help="What the question expects.")] = Kinds.FREE,
    model: ModelOption = None,
    option: OptionOption = None,
    endpointing: Annotated[
        Endpointing,
        typer.Option(help="Who says that the caller has finished; `vendor`: silence follows until it does."),
    ] = Endpointing.GATEWAY,
    paced: Annotated[
        bool, typer.Option("--paced/--fast", help="As fast as callers talk, or eight times faster.")
    ] = True,
    line: FormatOption = "pcmu",
    within: WithinOption = 10.0,
) -> None:
    """Play a recording to a recognizer as a call would, and print what it understands, when it does.

    Times are seconds since the first audio. At the end: the whole text, how long after the end of the audio its last
    final came, and how long until nothing more could come, which is what a caller waits for. Exit code 1 where nothing
    was understood.

    Example: talkpath hear answer.wav --vendor local --language en --hints "opening hours,an operator"
    """
    from audio.files import read
    from gateway.trying.hearing import FAST
    from gateway.trying.hearing import hear as have_heard

    target, options = _format(line), _options(option)
    audio = read(file, target)

    async def listen(tried: Tried, settings: Settings) -> Hearing:
        from gateway.speech_interfaces import ListenSettings
        from gateway.tuning import Tuning

        _warn(tried.doubts("ListenOptions", options))
        asked = ListenSettings(
            vendor=vendor,
            language=_language(language, settings),
            kind=kind.value,
            hints=tuple(each.strip() for each in (hints or "").split(",") if each.strip()),
            model=model,
            max_length=max(30.0, target.seconds(len(audio))),
            tuning=Tuning(interim=True, endpointing=endpointing.value),
            options=options,
        )
        _warn(_unable(tried, asked))
        speed = 1.0 if paced else FAST
        return await have_heard(tried, asked, audio, target, within=within, speed=speed, on_noticed=_tell_noticed)

    hearing = _with_vendor(config, vendor, listen)
    print(f"heard: {hearing.text}" if hearing.text else "nothing was understood")
    if hearing.final_after is not None and hearing.complete_after is not None:
        how = "complete" if hearing.turn_ended is None else "end of the turn"
        print(
            f"from the end of the audio: last final {hearing.final_after:+.3f} s, {how} {hearing.complete_after:+.3f} s"
        )
    raise typer.Exit(0 if hearing.text else 1)


def _tell_noticed(noticed: Noticed) -> None:
    from gateway.events import Transcript
    from gateway.trying.hearing import AudioEnded

    what = noticed.what
    if isinstance(what, AudioEnded):
        print(f"{noticed.at:7.2f} s  end of the audio")
        return
    if not isinstance(what, Transcript):
        print(f"{noticed.at:7.2f} s  speech {'starts' if what.started else 'stops'} at {what.at:.2f} s")
        return
    sure = "" if what.confidence is None else f"  (confidence {what.confidence:.2f})"
    print(f"{noticed.at:7.2f} s  {'final  ' if what.final else 'partial'}  {what.text}{sure}")
    for other in what.alternatives:
        print(f"            or       {other}")
    if what.ends_turn:
        print(f"{noticed.at:7.2f} s  end of the turn, the vendor says")


def _unable(tried: Tried, asked: Any) -> list[str]:
    """What the recognizer makes nothing of, as `talkpath check` has it."""
    can = tried.recognizer.capabilities
    doubts = []
    if asked.hints and not (can.takes_hints or can.needs_hints):
        doubts.append(f"{tried.name} takes no hints")
    if asked.tuning.endpointing == "vendor" and can.own_endpointing == "none":
        doubts.append(f"{tried.name} does not tell when a turn is over")
    return doubts


# --- common ----------------------------------------------------------------------------------------------------------
def _with_vendor(config: Path | None, name: str, ask: Callable[[Tried, Settings], Awaitable[T]]) -> T:
    """Raises GatewayError: the configuration, or the vendor, has something against it."""
    from gateway.plugins import installed
    from gateway.trying.vendor import started, warnings_told

    plugins = installed()
    settings = configured(config, plugins)

    async def run() -> T:
        async with started(settings, name, plugins) as tried:
            return await ask(tried, settings)

    with warnings_told():
        return asyncio.run(run())


def configured(config: Path | None, plugins: Plugins) -> Settings:
    """The configuration; where there is none, that of a gateway with nothing but local speech."""
    from config.loading import load
    from config.settings import Settings

    if config is None and not DEFAULT_CONFIG.exists():
        return Settings(speech={name: plugins.speech[name].Section() for name in ("local",) if name in plugins.speech})
    return load(config or DEFAULT_CONFIG, plugins.sections())


def _language(given: str | None, settings: Settings) -> str:
    return given or settings.defaults.language


def _format(name: str) -> AudioFormat:
    from audio.format import AudioFormat, Encoding

    encoding, slash, rate = name.lower().partition("/")
    usable = encoding in set(Encoding) and (not slash or rate in ("8000", "16000", "24000", "48000"))
    if not usable or (encoding != Encoding.L16 and rate not in ("", "8000")):
        raise typer.BadParameter(f"{name} is none of pcmu, pcma, l16, l16/16000", param_hint="--format")
    return AudioFormat(Encoding(encoding), int(rate or 8000))


def _options(given: Sequence[str] | None) -> dict[str, Any]:
    """Options as YAML would read them: true is a boolean, 1.5 a number, [a, b] a list."""
    import yaml

    options: dict[str, Any] = {}
    for each in given or ():
        key, separator, value = each.partition("=")
        if not separator or not key.strip():
            raise typer.BadParameter(f"{each!r} is not of the form KEY=VALUE", param_hint="--option")
        try:
            options[key.strip()] = yaml.safe_load(value)
        except yaml.YAMLError:
            options[key.strip()] = value
    return options


def _warn(doubts: Sequence[str]) -> None:
    for doubt in doubts:
        print(f"talkpath: warning: {doubt}", file=sys.stderr)
