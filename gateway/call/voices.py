"""Which voice speaks and which recognizer listens: the number's settings, and how far the bot's wishes rule.

`SetSpeech` holds until changed; `follow` says how far. What was asked and what is used go to the call record
whenever they change, and a vendor that is not configured is warned of once per call.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gateway.actions import RecognizerChoice, SetSpeech, SynthesizerChoice
from gateway.call.facts import Facts
from gateway.speech_interfaces import Utterance
from gateway.tuning import Prosody, Tuning, over, prosody_of, tuning_of


@dataclass(slots=True)
class SpeechInForce:
    """The speech settings in force, as decided by number and bot."""

    facts: Facts
    language: str = ""
    synthesizer: SynthesizerChoice = field(default_factory=SynthesizerChoice)
    recognizer: RecognizerChoice = field(default_factory=RecognizerChoice)
    warned: set[tuple[str, str]] = field(default_factory=set)
    noted: dict[str, tuple[Any, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.language = self.facts.number.language

    def set(self, wish: SetSpeech) -> None:
        """Follow a bot's wish, as far as the number allows."""
        follow = self.facts.number.follow.speech
        if follow == "none":
            self._record("none", wish)
            return
        if wish.language:
            self.language = wish.language
        if wish.synthesizer is not None:
            self.synthesizer = self._usable_voice(wish.synthesizer, follow == "all")
        if wish.recognizer is not None:
            self.recognizer = self._usable_recognizer(wish.recognizer, follow == "all")
        self._record(follow, wish)

    def utterance(self, text: str, plain: str, *, ssml: bool, language: str | None, voice: str | None) -> Utterance:
        """A request for the synthesizer in force; ``language`` and ``voice`` of one prompt beat it."""
        own, wish = self.facts.number.synthesizer, self.synthesizer
        spoken = language or wish.language or (own.language if self._is_own_language() else None) or self.language
        vendor = wish.vendor or own.vendor
        own_voice = (
            own.voice if vendor == own.vendor and spoken == (own.language or self.facts.number.language) else None
        )
        options = {**(own.options if vendor == own.vendor else {}), **wish.options}
        model = wish.model or (own.model if vendor == own.vendor else None)
        return Utterance(
            text=text,
            plain=plain,
            ssml=ssml,
            vendor=vendor,
            language=spoken,
            voice=self._voice(voice) if voice else wish.voice or own_voice,
            model=model,
            prosody=over(wish.prosody, prosody_of(own)),
            options=options,
        )

    @property
    def tuning(self) -> Tuning:
        """How the caller is listened to."""
        return over(self.recognizer.tuning, tuning_of(self.facts.number.recognizer))

    @property
    def spoken_language(self) -> str:
        """The language prompts are spoken in when they name none."""
        return self.utterance("", "", ssml=False, language=None, voice=None).language

    @property
    def heard_language(self) -> str:
        own = self.facts.number.recognizer.language if self._is_own_language() else None
        return self.recognizer.language or own or self.language

    @property
    def recognizer_vendor(self) -> str:
        return self.recognizer.vendor or self.facts.number.recognizer.vendor

    def _is_own_language(self) -> bool:
        return self.language == self.facts.number.language

    def _voice(self, name: str) -> str:
        return self.facts.number.follow.voices.get(name, name)

    def _usable_voice(self, wish: SynthesizerChoice, everything: bool) -> SynthesizerChoice:
        vendor = self._vendor(wish.vendor)
        if not everything or not self._is_configured("synthesizer", vendor, self.facts.setup.synthesizers):
            return SynthesizerChoice(language=wish.language)
        voice = self._voice(wish.voice) if wish.voice else None
        return SynthesizerChoice(
            vendor=vendor,
            voice=voice,
            language=wish.language,
            model=wish.model,
            prosody=wish.prosody,
            options=wish.options,
        )

    def _usable_recognizer(self, wish: RecognizerChoice, everything: bool) -> RecognizerChoice:
        vendor = self._vendor(wish.vendor)
        if not everything:
            return RecognizerChoice(language=wish.language)
        known = self._is_configured("recognizer", vendor, tuple(self.facts.setup.recognizers))
        return RecognizerChoice(
            vendor=vendor if known else None,
            language=wish.language,
            model=wish.model if known else None,
            hints=wish.hints,
            start_timeout=wish.start_timeout,
            end_silence=wish.end_silence,
            max_length=wish.max_length,
            barge_in=wish.barge_in,
            tuning=wish.tuning,
            options=wish.options if known else {},
        )

    def _vendor(self, name: str | None) -> str | None:
        return self.facts.number.follow.vendors.get(name, name) if name else None

    def _is_configured(self, side: str, vendor: str | None, known: tuple[str, ...]) -> bool:
        if vendor is None or vendor in known:
            return True
        if (side, vendor) not in self.warned:
            self.warned.add((side, vendor))
            self.facts.keep("warning", what=f"{side}_vendor_not_configured", vendor=vendor)
        return False

    def _record(self, follow: str, wish: SetSpeech) -> None:
        """Note what was asked and what is in force; some bots repeat themselves at every turn, the record does not."""
        used: dict[str, Any] = {"language": self.language}
        asked: dict[str, Any] = {"language": wish.language} if wish.language else {}
        if wish.synthesizer is not None:
            asked["synthesizer"] = _filled(wish.synthesizer)
            spoken = self.utterance("", "", ssml=False, language=None, voice=None)
            used["synthesizer"] = {"vendor": spoken.vendor, "voice": spoken.voice, "language": spoken.language}
        if wish.recognizer is not None:
            asked["recognizer"] = _filled(wish.recognizer)
            used["recognizer"] = {"vendor": self.recognizer_vendor, "language": self.heard_language}
        said = {side: (asked.get(side) if side != "language" else None, now) for side, now in used.items()}
        if any(self.noted.get(side) != pair for side, pair in said.items()):
            self.noted |= said
            self.facts.keep("speech_settings", follow=follow, asked=asked, used=used)


def _filled(wish: SynthesizerChoice | RecognizerChoice) -> dict[str, Any]:
    """The fields somebody set, without vendor options (which may hold credentials)."""
    names = ("vendor", "voice", "language", "model", "hints", "start_timeout", "end_silence", "max_length", "barge_in")
    filled = {name: value for name in names if (value := getattr(wish, name, None)) not in (None, ())}
    finer: Prosody | Tuning = wish.prosody if isinstance(wish, SynthesizerChoice) else wish.tuning
    return filled | {name: value for name in finer.__slots__ if (value := getattr(finer, name)) not in (None, ())}
