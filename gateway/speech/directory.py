"""What a call speaks and listens through: it names a vendor, this finds it, converts the audio, and has a way out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace

import structlog

from audio.format import AudioFormat
from config.call import FallbackRecognizerSection, FallbackVoiceSection
from gateway.errors import VendorError, VendorUnavailable
from gateway.interfaces import Problem
from gateway.kit.closing import closing
from gateway.speech.cache import CachedSynthesizer
from gateway.speech.convert import Converter, nearest
from gateway.speech.fallback import Patience, Voice, speak_with_fallback
from gateway.speech.listening import Listener, ListeningPatience, listen_in_turn
from gateway.speech.overrides import Overrides
from gateway.speech.prompt import Prompt
from gateway.speech.spoken_prompts import SpokenPrompts
from gateway.speech_interfaces import (
    ListenSettings,
    RecognitionStream,
    Recognizer,
    RecognizerCapabilities,
    SpeechUsed,
    SpokenFrame,
    Synthesizer,
    Utterance,
)
from gateway.text.sentences import sentences

log = structlog.get_logger(__name__)

LOCAL = "local"
OnTrouble = Callable[[VendorError], None]
OnUse = Callable[[SpeechUsed], None]


class SpeechDirectory:
    """The recognizers and synthesizers of a process, by the names they have in the configuration.

    Args:
        synthesizers: Under their names; ``local`` stands behind every other one.
        recognizers: Likewise.
        prompts: The gateway's own sentences, spoken in advance: what is left when nobody can speak.
        patience: How long a synthesizer may take before the next one is asked.
        overrides: Recordings that replace sentences, whoever would say them.
    """

    def __init__(
        self,
        synthesizers: Mapping[str, Synthesizer],
        recognizers: Mapping[str, Recognizer],
        *,
        prompts: SpokenPrompts | None = None,
        patience: Patience | None = None,
        overrides: Overrides | None = None,
    ) -> None:
        self._synthesizers = synthesizers
        self._recognizers = recognizers
        self._patience = patience or Patience()
        self.prompts = prompts or SpokenPrompts()
        self.overrides = overrides or Overrides()

    async def speak(
        self,
        utterance: Utterance,
        target: AudioFormat,
        fallback: Sequence[FallbackVoiceSection] = (),
        on_trouble: OnTrouble | None = None,
        *,
        on_use: OnUse | None = None,
        first_within: float | None = None,
    ) -> AsyncIterator[SpokenFrame]:
        """Speak in the leg's format, by whoever can: the vendor, the fallbacks in order, the local voice, the sentences
        spoken in advance. Frames have whatever length the vendor gives them.

        Args:
            target: What the leg takes.
            on_trouble: Told of every voice that failed.
            on_use: Told of every voice that was asked.
            first_within: Seconds a voice has for its first audio. None: as the directory was made.

        Raises:
            VendorError: nobody could; a tone is what is left.
        """
        converter, relay = Converter(target), _Relay(on_use)
        patience = self._patience if first_within is None else replace(self._patience, first=first_within)
        chars: int | None = None
        recording = await self.overrides.prompt_for(utterance)
        if recording is not None:
            relay.plays(utterance)
            async for spoken in _played(recording, converter):
                yield spoken
            return
        for sentence, start in self._sentences(utterance):
            voices = relay.left_of(self._voices(sentence, target, fallback))
            if not voices:
                raise self.prompts.nobody(utterance.vendor)
            chars = start or None
            async with closing(speak_with_fallback(voices, patience, on_trouble, relay.asks)) as pieces:
                async for spoken in pieces:
                    chars = chars if spoken.chars is None else start + spoken.chars
                    frame = converter.convert(spoken.frame)
                    if frame.data:
                        yield SpokenFrame(frame, chars)
        rest = converter.flush()
        if rest.data:
            yield SpokenFrame(rest, chars)

    def _sentences(self, utterance: Utterance) -> Iterator[tuple[Utterance, int]]:
        """What is asked for at a time, each with its beginning in the plain text.

        A voice that cannot say how far it came speaks sentence by sentence: what was heard is known to the sentence,
        the next one is made while this one plays, and a failure costs no more than the sentence it befalls.
        """
        synthesizer = self._synthesizers.get(utterance.vendor)
        whole = utterance.plain or utterance.text
        if utterance.ssml or synthesizer is None or synthesizer.capabilities.word_times:
            yield utterance, 0
            return
        end = 0
        for sentence in sentences(whole, utterance.language) or [whole]:
            start = whole.index(sentence, end)
            end = start + len(sentence)
            yield replace(utterance, text=sentence, plain=sentence), start

    def holds(self, utterance: Utterance, target: AudioFormat) -> bool:
        """Whether the utterance is in the prompt cache, so that its first audio comes at once."""
        if self.overrides.find(utterance) is not None:
            return True
        first = next(self.requests(utterance, target), None)
        return first is not None and _holds(first)

    def requests(self, utterance: Utterance, target: AudioFormat) -> Iterator[Voice]:
        """What the vendor that is asked first is asked for, one request after the other; none where there is none."""
        for sentence, _ in self._sentences(utterance):
            voice = self._voice(sentence, target)
            if voice is not None:
                yield voice

    def listen(
        self,
        settings: ListenSettings,
        source: AudioFormat,
        on_trouble: OnTrouble | None = None,
        *,
        fallback: Sequence[FallbackRecognizerSection] = (),
        on_use: OnUse | None = None,
        final_within: float | None = None,
    ) -> AbstractAsyncContextManager[RecognitionStream]:
        """A stream that takes frames as the leg sends them.

        Where the vendor is not configured, fails, or is late, the fallbacks listen in their order, and the local
        recognizer last, if the question is one it can hear.

        Args:
            on_trouble: Told of a vendor that failed and that another one stood in for.
            on_use: Told of every vendor that was given audio.
            final_within: Seconds from the end of the turn until a final is late. None: the usual.

        Raises:
            VendorError: on entering, or from `results`, when nobody can listen.
        """

        def heard(vendor: str, seconds: float) -> None:
            if on_use is not None and seconds:
                on_use(SpeechUsed(part="recognizer", vendor=vendor, seconds=round(seconds, 3)))

        patience = ListeningPatience() if final_within is None else ListeningPatience(final=final_within)
        return listen_in_turn(self._listeners(settings, fallback), source, patience, on_trouble, heard)

    def hears(self, vendor: str) -> RecognizerCapabilities:
        """What the recognizer that would listen can do."""
        return self._recognizers[vendor if vendor in self._recognizers else LOCAL].capabilities

    def check(self, vendors_heard: Sequence[str] = (), vendors_spoken: Sequence[str] = ()) -> list[Problem]:
        """Names that numbers use and nobody has configured."""
        unknown = [("recognizer", name) for name in vendors_heard if name not in self._recognizers]
        unknown += [("synthesizer", name) for name in vendors_spoken if name not in self._synthesizers]
        return [
            Problem(severity="error", text=f"there is no {what} “{name}” under speech", field=f"speech.{name}")
            for what, name in dict.fromkeys(unknown)
        ]

    def _voices(
        self, utterance: Utterance, target: AudioFormat, fallback: Sequence[FallbackVoiceSection]
    ) -> list[Voice]:
        asked = [utterance, *(_in_other_words(utterance, voice) for voice in fallback)]
        if all(each.vendor != LOCAL for each in asked):
            asked.append(_in_other_words(utterance, FallbackVoiceSection(vendor=LOCAL)))
        voices = [self._voice(each, target) for each in asked]
        spoken_before = self.prompts.voice_for(utterance)
        return [voice for voice in (*voices, spoken_before) if voice is not None]

    def _listeners(self, settings: ListenSettings, fallback: Sequence[FallbackRecognizerSection]) -> list[Listener]:
        asked = [settings, *(_to_other_ears(settings, recognizer) for recognizer in fallback)]
        if all(each.vendor != LOCAL for each in asked):
            asked.append(_to_other_ears(settings, FallbackRecognizerSection(vendor=LOCAL)))
        found = []
        for each in asked:
            recognizer = self._recognizers.get(each.vendor)
            if recognizer is None:
                log.warning("there is no such recognizer, the next one listens", vendor=each.vendor)
            else:
                found.append(Listener(recognizer, each))
        if not found:
            raise VendorUnavailable("nobody can listen", vendor=settings.vendor, operation="listen")
        return found

    def _voice(self, utterance: Utterance, target: AudioFormat) -> Voice | None:
        synthesizer = self._synthesizers.get(utterance.vendor)
        if synthesizer is None:
            log.warning("there is no such synthesizer, the next one speaks", vendor=utterance.vendor)
            return None
        capabilities = synthesizer.capabilities
        if utterance.ssml and not capabilities.ssml:
            utterance = replace(utterance, text=utterance.plain, ssml=False)
        utterance = replace(utterance, format=nearest(target, capabilities.formats))
        return Voice(
            synthesizer, synthesizer.as_kept(utterance) if isinstance(synthesizer, CachedSynthesizer) else utterance
        )


class _Relay:
    """The voices of an utterance, one behind the other; who has failed is not asked again for its next sentence."""

    def __init__(self, on_use: OnUse | None) -> None:
        self._on_use = on_use
        self._failed = 0
        self._asked = 0

    def left_of(self, voices: list[Voice]) -> list[Voice]:
        """Those to be asked for a sentence; all of them again, where nobody would be left."""
        self._failed += max(0, self._asked - 1)
        self._asked = 0
        return voices[self._failed :] or voices

    def plays(self, utterance: Utterance) -> None:
        """A recording stands for all of it."""
        if self._on_use is not None:
            vendor, characters = utterance.vendor, len(utterance.text)
            self._on_use(SpeechUsed(part="synthesizer", vendor=vendor, characters=characters, cached=True))

    def asks(self, voice: Voice) -> None:
        self._asked += 1
        if self._on_use is not None:
            self._on_use(_use_of(voice))


def _in_other_words(utterance: Utterance, voice: FallbackVoiceSection) -> Utterance:
    """The same text for another voice; the first vendor's own settings mean nothing to it."""
    return replace(
        utterance,
        vendor=voice.vendor,
        voice=voice.voice,
        language=voice.language or utterance.language,
        model=None,
        options=voice.options,
    )


def _to_other_ears(settings: ListenSettings, recognizer: FallbackRecognizerSection) -> ListenSettings:
    """The same question for another recognizer; the first vendor's own settings mean nothing to it."""
    return replace(
        settings,
        vendor=recognizer.vendor,
        language=recognizer.language or settings.language,
        model=recognizer.model,
        options=recognizer.options,
    )


def _use_of(voice: Voice) -> SpeechUsed:
    utterance = voice.utterance
    characters = len(utterance.text)
    return SpeechUsed(part="synthesizer", vendor=utterance.vendor, characters=characters, cached=_holds(voice))


def _holds(voice: Voice) -> bool:
    return isinstance(voice.synthesizer, CachedSynthesizer) and voice.synthesizer.holds(voice.utterance)


async def _played(recording: Prompt, converter: Converter) -> AsyncIterator[SpokenFrame]:
    """A recording in the leg's format. What of it is a word is not known."""
    for spoken in recording:
        frame = converter.convert(spoken.frame)
        if frame.data:
            yield SpokenFrame(frame)
    rest = converter.flush()
    if rest.data:
        yield SpokenFrame(rest)
