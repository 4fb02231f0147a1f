"""What the gateway knows of each language: its own sentences, and the words it understands.

The words themselves are in `words/<language>.yaml`; `words/<language>-<REGION>.yaml` holds the sentences that differ in
a region. `catalogue` says the sentences; `menu` and `values` understand the rest.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import Annotated, Any

import yaml
from pydantic import BeforeValidator, Field

from config.base import Section
from gateway.text.language import LANGUAGES, base, bcp47

FALLBACK_LANGUAGE = "en"
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # the C one reads a language in a few milliseconds


def _variants(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Variants = Annotated[tuple[str, ...], BeforeValidator(_variants), Field(min_length=1)]


class Sentences(Section):
    """The gateway's own sentences. Several variants are said in turn."""

    apology: Variants
    """The bot failed; the caller is listened to again."""
    not_understood: Variants
    """The caller spoke, but nothing was understood."""
    filler: Variants
    """Said while the bot is slow."""
    goodbye: Variants
    """Said before the gateway hangs up in good order."""
    fallback_hangup: Variants
    """The bot cannot go on, and the call ends after this sentence."""
    fallback_transfer: Variants
    """The bot cannot go on, and the caller is put through after this sentence."""
    no_input: Variants
    """The caller says nothing."""
    too_long: Variants
    """The call reaches its longest duration and ends after this sentence."""
    recording: Variants
    """Said before the first sample of a recording is kept."""
    transfer: Variants
    """Said before the caller is put through."""
    transfer_failed: Variants
    """The target did not take the call; the bot goes on."""
    agent_joined: Variants
    """A person takes over from the bot: `{name}`."""
    link: Variants
    """Stands for a web address in the middle of a sentence."""
    link_sent: Variants
    """A link went to the caller by text message."""
    confirm: Variants
    """Reads back what was understood: `{value}`."""
    menu_option: Variants
    """One option of a menu: `{label}`, `{key}`."""
    menu_option_long: Variants
    """One option whose label is a sentence of its own: `{label}`, `{key}`."""
    menu_option_voice: Variants
    """One option that has no key: `{label}`."""
    menu_option_voice_long: Variants
    """One option that has no key and a long label: `{label}`."""
    menu_yes_no: Variants
    """Both options of a yes-or-no question: `{yes}`, `{yes_key}`, `{no}`, `{no_key}`."""
    menu_more: Variants
    """After a group of a long menu's options, when others follow: `{more}`, the word that asks for them."""
    menu_again: Variants
    """After the last group of a long menu's options: `{again}`, the word that asks for the first ones."""
    invalid_choice: Variants
    """The answer is none of a menu's options."""
    invalid_digits: Variants
    """The answer has no digits in it; likewise the sentences that follow for the other kinds of question."""
    invalid_number: Variants
    invalid_date: Variants
    invalid_email: Variants
    invalid_phone: Variants
    invalid_yesno: Variants


class NumberWords(Section):
    """The words numbers are made of; how they are put together is in `numerals`."""

    small: tuple[str, ...]
    """From zero on, as far as they are words of their own."""
    tens: tuple[str, ...] = Field(min_length=8, max_length=8)
    """Twenty to ninety."""
    hundreds: tuple[str, ...]
    """Hundred; or one hundred to nine hundred, where each is a word of its own."""
    thousand: tuple[str, ...]
    million: tuple[str, ...]
    billion: tuple[str, ...]
    """10^9, whatever the language calls it."""
    minus: tuple[str, ...]
    point: tuple[str, ...]
    """The decimal sign, spoken; the first one is how we say it."""
    half: tuple[str, ...]
    """What adds a half to the number before it."""
    extra: dict[str, int]
    """Further words for one digit, in strings of digits."""
    repeat: dict[str, int]
    """Words that repeat the digit after them."""
    connectors: tuple[str, ...]
    """And, inside a number."""
    pronoun_before: tuple[str, ...]
    """Words after which one is no number: that (one)."""
    articles: tuple[str, ...]
    """Words for one that are more often an article."""


class Lexicon(Section):
    """Everything known of one language. All words are written naturally and folded where they are compared."""

    sentences: Sentences
    yes: tuple[str, ...]
    """Ways of saying yes, the plainest first."""
    no: tuple[str, ...]
    yes_heard: tuple[str, ...]
    """The few of them that a recognizer with a closed grammar listens for: fewer are heard better, longer ones too."""
    no_heard: tuple[str, ...]
    numbers: NumberWords
    ordinals: tuple[tuple[str, ...], ...] = Field(min_length=10)
    """First, second ...: the forms of each."""
    ordinal_endings: tuple[str, ...] = ("",)
    """Endings that each form also takes."""
    ordinal_phrases: tuple[str, ...]
    """How an option is called by its place: `{ordinal}`."""
    last: tuple[str, ...]
    more: tuple[str, ...] = Field(min_length=1)
    """Ways of asking for the next options of a long menu; the first one is what we suggest."""
    again: tuple[str, ...] = Field(min_length=1)
    """Ways of asking for the first options again; likewise."""
    months: tuple[tuple[str, ...], ...] = Field(min_length=12, max_length=12)
    """January to December: the name first, then what else it is called."""
    weekdays: tuple[tuple[str, ...], ...] = Field(min_length=7, max_length=7)
    """Monday to Sunday."""
    relative_days: dict[str, int]
    """Phrases for a day, counted from today."""
    in_: tuple[str, ...] = Field(alias="in")
    """In (three days)."""
    ago: tuple[str, ...]
    span_days: dict[str, int]
    """Words for a span of time, in days."""
    morning_after: tuple[str, ...]
    """Words after which the word for tomorrow means the morning."""
    date_fillers: tuple[str, ...]
    """Words around a date that say nothing about it."""
    symbols: dict[str, str]
    """Spoken signs of an address: at, dot ..."""
    letters: dict[str, str]
    """Names of letters that are no other word."""
    spelled_as: tuple[str, ...]
    """In "A as in Alpha"."""
    email_intro: tuple[str, ...]
    """The last word before an address: (my address) is."""
    phone_plus: tuple[str, ...]
    fillers: tuple[str, ...]
    """Words around a choice that say nothing about it."""
    choose: tuple[str, ...]
    """Words before the number of a choice: option (two)."""
    negators: tuple[str, ...]
    conjunctions: tuple[str, ...]
    abbreviations: tuple[str, ...]
    """Written without their last full stop, which ends no sentence."""

    def ordinal_forms(self, place: int) -> tuple[str, ...]:
        """Every form of an ordinal, counted from 1."""
        return tuple(form + ending for form in self.ordinals[place - 1] for ending in self.ordinal_endings)


def read_words(tag: str) -> dict[str, Any] | None:
    """The words of a tag as they stand in its file; every scalar is a string, so that ``no`` stays a word."""
    source = files("gateway.text") / "words" / f"{tag}.yaml"
    if not source.is_file():
        return None
    loaded = yaml.load(source.read_text(encoding="utf-8"), Loader=_LOADER)
    return dict(loaded)


def known_language(tag: str) -> str:
    """The base language whose words are used for a tag: its own, or English."""
    language = base(tag)
    return language if language in LANGUAGES else FALLBACK_LANGUAGE


@lru_cache(maxsize=32)
def lexicon(tag: str) -> Lexicon:
    """The words of a language: the base language's, with the region's own sentences over them."""
    whole = read_words(known_language(tag)) or {}
    regional = read_words(bcp47(tag)) if bcp47(tag) else None
    if regional is not None and base(tag) in LANGUAGES:
        whole["sentences"] = {**whole["sentences"], **regional["sentences"]}
    return Lexicon.model_validate(whole)
