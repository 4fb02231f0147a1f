"""The static prompts of a number, made by the conversation's own code into what a call asks a voice for."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from config.call import NumberSettings
from gateway.actions import Say, SetSpeech
from gateway.call.commands import StartPrompt
from gateway.call.facts import CallSetup, Facts
from gateway.call.question import Question
from gateway.call.speaking import Speaking
from gateway.call.voices import SpeechInForce
from gateway.events import CallInfo
from gateway.speech.own_words import Words, catalogue_of, texts_of
from gateway.speech_interfaces import Utterance
from gateway.text.catalogue import Catalogue

ONLY_PARTS = ("link",)
"""Sentences of the catalogue that only stand inside others."""


@dataclass(frozen=True, slots=True)
class StaticPrompt:
    """Something a number says in the same words every time.

    Attributes:
        name: Of the catalogue's sentence (the second variant ends in ``.2``), of the setting, or ``also.N``.
        number: Key of the number.
        utterance: What a call asks the number's voice for.
    """

    name: str
    number: str
    utterance: Utterance

    @property
    def text(self) -> str:
        """What is said."""
        return self.utterance.plain or self.utterance.text


def static_prompts(
    number: NumberSettings, words: Words, also: Iterable[str] = (), language: str | None = None
) -> Iterator[StaticPrompt]:
    """Every static prompt of a number, those that come out silent left out.

    Args:
        words: The operator's wording, by language.
        also: Further sentences that its bot says often, such as the greeting.
        language: A BCP 47 tag that its bot has switched to; where the number does not follow it, that changes nothing.
    """
    facts = Facts(
        setup=CallSetup(
            number=number,
            info=CallInfo(call_id="", number=number.number, language=number.language),
            words=words,
            today=datetime.date.min,
        )
    )
    speech = SpeechInForce(facts)
    if language is not None:
        speech.set(SetSpeech(language=language))
    facts.out.clear()
    speaking = Speaking(facts, speech, Question(facts, speech))
    catalogue = catalogue_of(number, speech.spoken_language, words)
    for name, text in [*_sentences(catalogue), *texts_of(number)]:
        speaking.own_text(text)
        yield from _said(facts, name)
    for place, text in enumerate(also, 1):
        speaking.say(Say(text=text), 0)
        yield from _said(facts, f"also.{place}")


def _sentences(catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    """The catalogue's sentences that are the same in every call."""
    for name in Catalogue.names():
        for place, text in enumerate(catalogue.variants(name), 1):
            if name not in ONLY_PARTS and "{" not in text:
                yield (name if place == 1 else f"{name}.{place}"), text


def _said(facts: Facts, name: str) -> Iterator[StaticPrompt]:
    """What the conversation has just asked for; then it is forgotten."""
    commands = list(facts.out)
    facts.out.clear()
    for command in commands:
        if isinstance(command, StartPrompt) and isinstance(command.content, Utterance):
            yield StaticPrompt(name, facts.number.number, command.content)
