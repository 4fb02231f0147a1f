"""Settings of a number that contradict or nullify each other: warnings of `talkpath check`, one rule per function."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from config.call import NumberSettings
from config.nearest import hint
from config.origins import is_secret_name

Keys = tuple[str | int, ...]
Warnings = Iterator[tuple[Keys, str]]


@dataclass(frozen=True)
class Abilities:
    """What the rules may know of plug-ins; `app` fills it from their capabilities.

    Attributes:
        without_partials: Recognizers, by vendor, that deliver only final transcripts.
        needs_hints: Recognizers, by vendor, that hear nothing but hints, menus, digits and the like.
        words: Names of the gateway's own sentences; empty: not known here.
    """

    without_partials: Collection[str] = ()
    needs_hints: Collection[str] = ("local",)
    words: Collection[str] = ()


@dataclass(frozen=True)
class Subject:
    """A number under examination: its settings, and which vendor its recognizer really is."""

    number: NumberSettings
    recognizer: str
    abilities: Abilities

    def recognizer_is_of(self, vendors: Collection[str]) -> bool:
        """Whether the number's recognizer is among these, by the name of its entry or that of its adapter."""
        return self.number.recognizer.vendor in vendors or self.recognizer in vendors


def _end_silence(subject: Subject) -> Warnings:
    timeout, longest = subject.number.no_input.timeout, subject.number.max_length
    for kind, silence in subject.number.end_silence:
        if silence >= timeout:
            sentence = (
                f"is not shorter than `no_input.timeout` ({timeout:g} s): a turn would end after the caller is asked"
            )
            yield ("end_silence", kind), sentence + " again"
        if silence >= longest:
            yield ("end_silence", kind), f"is not shorter than `max_length` ({longest:g} s), which always ends the turn"


def _closed_recognizer(subject: Subject) -> Warnings:
    if subject.recognizer_is_of(subject.abilities.needs_hints) and not subject.number.recognizer.hints:
        yield (
            ("recognizer", "hints"),
            f"has nothing, and the recognizer {subject.number.recognizer.vendor!r} takes no dictation: of an open "
            "question it hears only menus, digits, yes and no",
        )


def _fallback(subject: Subject) -> Warnings:
    fallback = subject.number.fallback
    if fallback.say is None and fallback.transfer is None:
        yield (
            ("fallback",),
            "is not set: when the bot fails, the caller hears the gateway's own sentence and is hung up on",
        )


def _interruptions(subject: Subject) -> Warnings:
    barge_in = subject.number.barge_in
    written = barge_in.model_fields_set
    if not barge_in.by:
        for key in sorted(written - {"by"}):
            yield ("barge_in", key), "has no effect: `barge_in.by` lets nothing interrupt"
    elif "speech" not in barge_in.by:
        for key in ("min_speech", "min_words", "confirm_within"):
            if key in written:
                yield ("barge_in", key), "has no effect: `barge_in.by` does not name speech"


def _words_while_speaking(subject: Subject) -> Warnings:
    barge_in, heard = subject.number.barge_in, subject.number.hear_during_prompt
    if "speech" not in barge_in.by:
        return
    for key in ("min_words", "confirm_within"):
        if not getattr(barge_in, key):
            continue
        if heard is not None and "speech" not in heard:
            yield ("barge_in", key), "waits for words, and `hear_during_prompt` recognizes none while the bot speaks"
        elif key == "min_words" and subject.recognizer_is_of(subject.abilities.without_partials):
            vendor = subject.number.recognizer.vendor
            yield (
                ("barge_in", key),
                f"waits for words, which the recognizer {vendor!r} tells only at the end",
            )


def _hearing(subject: Subject) -> Warnings:
    heard = subject.number.hear_during_prompt
    if heard is None:
        return
    for kind in subject.number.barge_in.by:
        if kind not in heard:
            what = "what the caller says then is lost" if kind == "speech" else "no key is heard then"
            yield ("hear_during_prompt",), f"leaves out {kind}, which `barge_in.by` lets interrupt: {what}"


def _waiting(subject: Subject) -> Warnings:
    number = subject.number
    if number.filler_after >= number.answer_timeout:
        yield ("filler_after",), f"has no effect: `answer_timeout` ({number.answer_timeout:g} s) ends the wait before"
    if number.batch_gap >= number.answer_timeout:
        yield ("batch_gap",), f"is not shorter than `answer_timeout` ({number.answer_timeout:g} s)"
    if number.answer_timeout >= number.max_call:
        yield ("answer_timeout",), f"has no effect: `max_call` ({number.max_call:g} s) ends the call before"


def _silence(subject: Subject) -> Warnings:
    no_input = subject.number.no_input
    if len(no_input.prompts) > no_input.retries:
        unsaid = len(no_input.prompts) - no_input.retries
        sentence = f"has {unsaid} more than `no_input.retries` ({no_input.retries}): the last ones are never said"
        yield ("no_input", "prompts"), sentence
    if no_input.goodbye is not None and no_input.then != "hangup":
        yield ("no_input", "goodbye"), f"is said only where a bot asks to hang up: `no_input.then` is {no_input.then}"
    if "idle_limit" in subject.number.model_fields_set and no_input.then != "idle":
        yield ("idle_limit",), f"counts only where a bot asks to wait: `no_input.then` is {no_input.then}"


def _keys(subject: Subject) -> Warnings:
    digits = subject.number.digits
    if digits.term_char == digits.clear_char != "off":
        yield ("digits", "clear_char"), f"is the same key as `digits.term_char` ({digits.term_char}), which comes first"


def _follow(subject: Subject) -> Warnings:
    follow = subject.number.follow
    for key in ("vendors", "voices"):
        if follow.speech != "all" and getattr(follow, key):
            yield ("follow", key), f"has no effect: `follow.speech` is {follow.speech}"


def _recording(subject: Subject) -> Warnings:
    if subject.number.recording.mode == "on" and not subject.number.recording.announce:
        yield (
            ("recording", "announce"),
            "is not set, and calls are recorded: in many countries callers must be told, and agree",
        )


def _voices(subject: Subject) -> Warnings:
    main = subject.number.synthesizer
    for index, voice in enumerate(main.fallback):
        if (
            voice.vendor == main.vendor
            and voice.voice in (None, main.voice)
            and voice.language in (None, main.language)
        ):
            sentence = f"has the vendor and voice that it stands in for ({main.vendor!r}), and fails with it"
            yield ("synthesizer", "fallback", index), sentence


def _words(subject: Subject) -> Warnings:
    known = subject.abilities.words
    for name in subject.number.words:
        if known and name not in known:
            yield ("words", name), f"is none of the gateway's own sentences{hint(name, known)}"


def _secret_options(subject: Subject) -> Warnings:
    for side in ("recognizer", "synthesizer"):
        for name in getattr(subject.number, side).options:
            if is_secret_name(name):
                sentence = "looks like a secret, and options are kept in journals; secrets belong under `speech`"
                yield (side, "options", name), sentence


RULES: tuple[Callable[[Subject], Warnings], ...] = (
    _end_silence,
    _closed_recognizer,
    _fallback,
    _interruptions,
    _words_while_speaking,
    _hearing,
    _waiting,
    _silence,
    _keys,
    _follow,
    _recording,
    _voices,
    _words,
    _secret_options,
)
