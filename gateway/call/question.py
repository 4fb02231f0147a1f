"""What the next input is expected to be, and how long we wait for it: Listen beats SetSpeech beats the number."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from config.call import Exhausted, Interruption, Kind
from gateway.actions import Listen, Menu, MenuOption
from gateway.call.facts import Facts
from gateway.call.voices import SpeechInForce
from gateway.speech_interfaces import ListenSettings
from gateway.text import menu as menus
from gateway.text import values


@dataclass(frozen=True, slots=True)
class ReadOn:
    """In place of an answer, the caller wants to hear a group of the menu's options, counted from 0."""

    group: int


@dataclass(slots=True)
class Question:
    """The open question. `Listen` and `Menu` hold until the next input is sent; then it is the number's own again."""

    facts: Facts
    speech: SpeechInForce
    listen: Listen = field(default_factory=Listen)
    menu: Menu | None = None
    keys: dict[str, str] = field(default_factory=dict)
    """Keys of the menu as read out, to option ids."""
    group: int | None = None
    """Of a menu that is read out in groups: the last one that was; None: none yet."""
    _answered: tuple[Listen, Menu | None, dict[str, str], int | None] | None = None

    def reset(self) -> None:
        """It is answered."""
        self._answered = (self.listen, self.menu, self.keys, self.group)
        self.listen, self.menu, self.keys, self.group = Listen(), None, {}, None

    def reopen(self) -> None:
        """The answer was lost, and the caller is asked for it again, unless another question is open already."""
        if self._answered is not None and self.menu is None and self.listen == Listen():
            self.listen, self.menu, self.keys, self.group = self._answered

    @property
    def kind(self) -> Kind:
        return self.listen.kind

    @property
    def sensitive(self) -> bool:
        return self.listen.sensitive

    @property
    def takes_message(self) -> bool:
        """What the caller says is handed to the bot as sound."""
        return self.listen.is_message and self.facts.setup.shares_messages and not self.sensitive

    @property
    def start_timeout(self) -> float:
        return self.listen.start_timeout or self.speech.recognizer.start_timeout or self.facts.number.no_input.timeout

    @property
    def end_silence(self) -> float:
        own: float = getattr(self.facts.number.end_silence, self.kind)
        return self.listen.end_silence or self.speech.recognizer.end_silence or own

    @property
    def max_length(self) -> float:
        return self.listen.max_length or self.speech.recognizer.max_length or self.facts.number.max_length

    @property
    def retries(self) -> int:
        asked = self.listen.no_input_retries
        return self.facts.number.no_input.retries if asked is None else asked

    @property
    def prompts(self) -> tuple[str, ...]:
        asked = self.listen.no_input_prompts
        return self.facts.number.no_input.prompts if asked is None else asked

    @property
    def then(self) -> Exhausted:
        return self.listen.on_exhausted or self.facts.number.no_input.then

    @property
    def interrupted_by(self) -> Collection[Interruption]:
        """What may interrupt, once the question's own word is heard."""
        by = self.facts.number.barge_in.by
        for said in (self.listen.barge_in, self.speech.recognizer.barge_in):
            if said is not None:
                return (by or ("speech", "digits")) if said else ()
        return by

    @property
    def heard_during_prompt(self) -> Collection[Interruption]:
        asked = self.facts.number.hear_during_prompt
        return {*self.interrupted_by, "digits"} if asked is None else asked

    @property
    def max_digits(self) -> int:
        return self.facts.number.digits.max_digits if self.menu is None else self.menu.max_digits

    @property
    def answers(self) -> Collection[str]:
        """Entries of keys that are complete as they are."""
        is_in_groups = self.menu is not None and len(menus.groups(self.menu.options)) > 1
        return {*self.keys, menus.MORE_KEY} if is_in_groups else self.keys

    def chosen(
        self, language: str, *, spoken: str | None = None, digits: str | None = None
    ) -> MenuOption | ReadOn | None:
        """What the caller means by the menu that is open, if there is one; None: nothing that it offers."""
        if self.menu is None:
            return None
        options = self.menu.options
        wish = menus.group_asked_for(options, self.group, spoken, digits, language)
        if wish is not None:
            return ReadOn(wish)
        option_id = menus.match(options, self.keys, spoken, digits, language, group=self.group)
        return next((option for option in options if option.id == option_id), None)

    def settings(self) -> ListenSettings:
        """What a recognition stream for this question is opened with."""
        own, wish = self.facts.number.recognizer, self.speech.recognizer
        vendor = self.speech.recognizer_vendor
        language = self.speech.heard_language
        if self.menu is not None:
            phrases = tuple(menus.phrases(self.menu.options, language))
        else:
            phrases = tuple(values.phrases_for(self.kind, language))
        return ListenSettings(
            vendor=vendor,
            language=language,
            kind=self.kind,
            phrases=phrases,
            hints=self.listen.hints or wish.hints or own.hints,
            model=wish.model or (own.model if vendor == own.vendor else None),
            end_silence=self.end_silence,
            max_length=self.max_length,
            sensitive=self.sensitive,
            tuning=self.speech.tuning,
            options={**(own.options if vendor == own.vendor else {}), **wish.options},
        )
