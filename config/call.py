"""How a call is conducted: what a number inherits and may override. Durations are seconds.

`NumberSettings` is what remains of `defaults`, profile and number once they are merged; a call keeps the one it
started with, and the journal of the call begins with it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from config.base import Section, one_or_many
from config.hours import HoursSection


def _yaml_word(value: object) -> object:
    """Our YAML keeps a bare ``off`` as the word it is; other sources (JSON, a test) may have made it a boolean."""
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else value


def interruptions(value: object) -> object:
    """None of them: ``off`` and ``none`` say the same as an empty list."""
    return [] if isinstance(value, str) and value in ("off", "none") else one_or_many(value)


def interruptions_or_unset(value: object) -> object:
    """The same, where nothing written means something else than none of them."""
    return value if value is None else interruptions(value)


Interruption = Literal["speech", "digits"]
Kind = Literal["free", "digits", "number", "date", "email", "phone", "yesno"]
"""What a question expects; decides the end silence, the local grammar and how the answer is parsed."""
Endpointing = Literal["gateway", "vendor"]
Exhausted = Literal["event", "hangup", "idle"]
RecordingMode = Annotated[Literal["off", "on", "messages"], BeforeValidator(_yaml_word)]


class NoInputSection(Section):
    """What happens when the caller says nothing."""

    timeout: float = Field(default=7.0, ge=0.5, le=120)
    """Silence after the end of a prompt before the caller is asked again."""
    retries: int = Field(default=2, ge=0, le=10)
    """How often the caller is asked again."""
    prompts: tuple[str, ...] = ()
    """What is said, one after the other, the last one repeated. Empty: the bot's last words are repeated."""
    then: Exhausted = "idle"
    """After the last retry: `event` tells the bot, `hangup` ends the call, `idle` listens on until `idle_limit`."""
    goodbye: str | None = None
    """Said before hanging up on silence."""
    nomatch_counts: bool = True
    """Whether speech that was not understood uses up a retry, as silence does."""


class BargeInSection(Section):
    """What may interrupt the bot."""

    by: Annotated[tuple[Interruption, ...], BeforeValidator(interruptions)] = ("speech", "digits")
    """`speech`, `digits`, both, or nothing (`off`)."""
    min_speech: float = Field(default=0.25, ge=0.06, le=5)
    """Voiced audio before speech interrupts."""
    min_words: int = Field(default=0, ge=0, le=10)
    """Recognized words before speech interrupts; 0: voice alone is enough."""
    protect: float = Field(default=0.3, ge=0, le=30)
    """Time at the start of the bot's speech during which nothing interrupts."""
    confirm_within: float = Field(default=0.0, ge=0, le=5)
    """Reversible barge-in: the prompt pauses, and resumes at the same sample if no word follows in time; 0: off."""
    exempt: Annotated[tuple[Literal["greeting", "waiting"], ...], BeforeValidator(one_or_many)] = ("waiting",)
    """Speech that cannot be interrupted: the first words of the call, waiting messages. What is said before a transfer
    or a hang-up never can."""


class DigitsSection(Section):
    """How pressed keys become an answer."""

    interdigit_timeout: float = Field(default=3.0, ge=0.2, le=30)
    """Pause after a key that ends the entry."""
    term_char: Annotated[Literal["#", "*", "off"], BeforeValidator(_yaml_word)] = "#"
    """Key that ends the entry at once; it is not part of the answer."""
    clear_char: Annotated[Literal["#", "*", "off"], BeforeValidator(_yaml_word)] = "*"
    """Key that forgets what was typed so far."""
    max_digits: int = Field(default=32, ge=1, le=128)
    """The entry ends when it has this many keys."""


class EndSilenceSection(Section):
    """Silence that ends the caller's turn, by what the question expects."""

    free: float = Field(default=0.8, ge=0.2, le=5)
    """Of an open question."""
    yesno: float = Field(default=0.6, ge=0.2, le=5)
    """Of a question for yes or no."""
    number: float = Field(default=1.2, ge=0.2, le=5)
    """Of a question for a number."""
    digits: float = Field(default=1.5, ge=0.2, le=5)
    """Of a question for digits that are spoken one by one."""
    date: float = Field(default=1.2, ge=0.2, le=5)
    """Of a question for a date."""
    phone: float = Field(default=2.0, ge=0.2, le=5)
    """Of a question for a telephone number."""
    email: float = Field(default=2.0, ge=0.2, le=5)
    """Of a question for an e-mail address."""


class FallbackRecognizerSection(Section):
    """A recognizer to take over when the one before it fails. It hears what has not become text of the turn so far."""

    vendor: str
    """A name under `speech`, or `local`."""
    language: str | None = None
    """BCP 47 tag; unset: that of the recognizer it stands in for."""
    model: str | None = None
    """The vendor's name of a model; unset: the one its adapter recommends."""
    options: dict[str, Any] = Field(default_factory=dict)
    """The vendor's own, by the names its API has for them; `docs/speech/` lists them."""


class RecognizerSection(Section):
    """Who listens, and for what."""

    vendor: str = "local"
    """A name under `speech`, or `local`. Where a profile or number names another one than what it inherits from,
    `model` and `options` start afresh."""
    language: str | None = None
    """BCP 47 tag; unset: the number's language."""
    model: str | None = None
    """The vendor's name of a model; unset: the one its adapter recommends."""
    hints: tuple[str, ...] = ()
    """Words and phrases callers are likely to say; for the local recognizer, the only ones it can hear."""
    hints_boost: float | None = Field(default=None, ge=0, le=20)
    """How much likelier the hints are made: 0 not at all, 20 as much as the vendor can. Unset: the vendor's default."""
    alt_languages: Annotated[tuple[str, ...], BeforeValidator(one_or_many)] = ()
    """BCP 47 tags of languages callers may speak as well, where the vendor can tell them apart."""
    min_confidence: float = Field(default=0.0, ge=0, le=1)
    """Transcripts below this count as not understood."""
    alternatives: int | None = Field(default=None, ge=0, le=10)
    """How many further readings of what was said the vendor is asked for; menus are matched against them, too."""
    profanity_filter: bool | None = None
    """Whether strong words are masked. Unset: the vendor's default."""
    punctuation: bool | None = None
    """Whether transcripts have marks and capitals. Unset: the vendor's default."""
    interim: bool | None = None
    """Whether partial transcripts are asked for, which `barge_in.min_words` needs. Unset: where the vendor has them."""
    endpointing: Endpointing | None = None
    """Who decides that a caller has finished: `gateway`, by silence, or `vendor`, by its own model, where it has one.
    Unset: the gateway."""
    options: dict[str, Any] = Field(default_factory=dict)
    """The vendor's own, by the names its API has for them; `docs/speech/` lists them."""
    final_within: float = Field(default=0.8, ge=0.1, le=10)
    """From the end of a turn until the transcript counts as late. Then the last partial is taken for it; is there none,
    the next recognizer hears the audio as well, and the first one to understand something is believed."""
    fallback: tuple[FallbackRecognizerSection, ...] = ()
    """Tried in order when the vendor fails. Behind the last one stands the local recognizer, for what it can hear."""


class FallbackVoiceSection(Section):
    """A synthesizer to take over when the one before it fails."""

    vendor: str
    """A name under `speech`, or `local`."""
    voice: str | None = None
    """The vendor's name of a voice; unset: its voice for the language."""
    language: str | None = None
    """BCP 47 tag; unset: that of the synthesizer it stands in for."""
    options: dict[str, Any] = Field(default_factory=dict)
    """The vendor's own, by the names its API has for them; `docs/speech/` lists them."""


class SynthesizerSection(Section):
    """Who speaks, and how."""

    vendor: str = "local"
    """A name under `speech`, or `local`. Where a profile or number names another one than what it inherits from,
    `voice`, `model` and `options` start afresh."""
    language: str | None = None
    """BCP 47 tag; unset: the number's language."""
    voice: str | None = None
    """The vendor's name of a voice; unset: its voice for the language."""
    model: str | None = None
    """The vendor's name of a model; unset: the one its adapter recommends."""
    rate: float | None = Field(default=None, ge=0.25, le=4)
    """Pace, as a factor of the voice's own: 1.2 is a fifth faster."""
    pitch: float | None = Field(default=None, ge=-20, le=20)
    """Semitones above or below the voice's own."""
    volume: float | None = Field(default=None, ge=-30, le=16)
    """Decibels above or below the voice's own."""
    options: dict[str, Any] = Field(default_factory=dict)
    """The vendor's own, by the names its API has for them; `docs/speech/` lists them."""
    first_audio_within: float = Field(default=2.0, ge=0.2, le=15)
    """Until a voice that has not been heard yet counts as failed, and the next one is asked."""
    fallback: tuple[FallbackVoiceSection, ...] = ()
    """Tried in order when the vendor fails. The local voice always stands behind the last one."""


class FollowSection(Section):
    """How far the bot's own speech settings rule."""

    speech: Literal["all", "language", "none"] = "all"
    """`all`: vendor, voice and timers; `language`: only the language; `none`: the number's settings stay."""
    vendors: dict[str, str] = Field(default_factory=dict)
    """Names the bot uses for a vendor, to names under `speech`."""
    voices: dict[str, str] = Field(default_factory=dict)
    """Names the bot uses for a voice, to the vendor's own."""


class FallbackSection(Section):
    """What the caller gets when the bot cannot go on."""

    say: str | None = None
    """Said first. Unset: the gateway's own sentence in the caller's language."""
    transfer: str | None = None
    """Where the caller goes then; unset, or where the line cannot transfer: the call ends, and the PBX goes on."""


class TransferSection(Section):
    """Where callers may be sent."""

    allow: Annotated[tuple[str, ...], BeforeValidator(one_or_many)] = ()
    """What every target must match, whoever names it: a prefix (`+33`, `2*`), an extension (`100`), SIP addresses
    (`sip:*@pbx`), or anything (`*`). Empty: nobody is transferred."""
    ring: float = Field(default=25.0, ge=1, le=300)
    """How long the target may ring."""
    kind: Literal["blind", "attended"] = "blind"
    """`blind`: the caller is sent to the target, whom the PBX rings. `attended`, on `sip` lines: we call the target,
    and the caller stays with us until he has answered; the PBX must know REFER and Replaces. A bot may name either."""


class RecordingSection(Section):
    """Recording of the call, stereo: the caller left, the bot right."""

    mode: RecordingMode = "off"
    """Whether the call is recorded: `on` from its beginning, `messages` from the moment the caller is asked to leave a
    message."""
    announce: str | None = None
    """Said, and not interruptible, before the first sample is kept."""


class AnswerWhenSection(Section):
    """When the bot answers. At other times people get the call: `people`, or whoever the PBX rings next."""

    mode: Literal["always", "outside_hours", "nobody_free"] = "always"
    """`always`; `outside_hours`: while `hours` are closed; `nobody_free`: while they are closed, and when `hook` does
    not say that somebody is free."""
    hook: str | None = None
    """A name under `hooks`, asked for each call; it answers `{"free": true}` or `{"free": false}`. Does it not answer,
    nobody is free."""
    wait: float = Field(default=2.0, gt=0, le=10)
    """Longest wait for the hook, while the call rings."""
    people: str | None = None
    """Where callers are sent then. If nobody takes them, the bot does. Unset, or where the line cannot transfer: the
    call is refused as busy, and the PBX takes its next step."""


class CallSection(Section):
    """The conduct of a call. Stands under `defaults`, in profiles, and in each number."""

    language: str = "en-GB"
    """BCP 47 tag of the caller's language."""
    recognizer: RecognizerSection = RecognizerSection()
    synthesizer: SynthesizerSection = SynthesizerSection()
    no_input: NoInputSection = NoInputSection()
    barge_in: BargeInSection = BargeInSection()
    hear_during_prompt: Annotated[tuple[Interruption, ...] | None, BeforeValidator(interruptions_or_unset)] = None
    """What is recognized while the bot speaks. Unset: what `barge_in.by` names, and digits."""
    digits: DigitsSection = DigitsSection()
    end_silence: EndSilenceSection = EndSilenceSection()
    follow: FollowSection = FollowSection()
    fallback: FallbackSection = FallbackSection()
    transfer: TransferSection = TransferSection()
    recording: RecordingSection = RecordingSection()
    hours: HoursSection = HoursSection()
    answer_when: AnswerWhenSection = AnswerWhenSection()
    pick_up: Literal["at_once", "when_ready", "early_media"] = "at_once"
    """When the call is answered, on lines that can let it ring: at once; when the bot has something to say, and until
    then the caller's side rings; likewise, but the ringing tone is ours (`early_media`), for trunks that would leave
    the caller in silence. The bot has `answer_timeout`; then the call is answered all the same."""
    max_length: float = Field(default=30.0, ge=1, le=300)
    """Longest turn of the caller; what was said until then is sent."""
    filler_after: float = Field(default=1.5, ge=0.2, le=60)
    """Waiting time for the bot before the caller hears a filler."""
    filler_every: float = Field(default=8.0, ge=1, le=120)
    """Time between fillers."""
    answer_timeout: float = Field(default=30.0, ge=1, le=300)
    """Longest wait for the bot's answer; then an apology, or the fallback."""
    batch_gap: float = Field(default=0.7, ge=0, le=30)
    """Where the bot cannot say that it has finished: time after its last message until the caller is listened to."""
    transcript_timeout: float = Field(default=2.0, ge=0.1, le=30)
    """Longest wait for the recognizer after the caller's turn ended."""
    idle_limit: float = Field(default=30.0, ge=1, le=3600)
    """Listening on after the retries are exhausted, before the fallback."""
    max_call: float = Field(default=3600.0, ge=10, le=86400)
    """Longest call; then a goodbye and a hang-up."""
    thinking_input: Literal["next_turn", "barge_in", "drop"] = "next_turn"
    """What becomes of speech while the bot thinks: the turn after its answer, a barge-in into the answer, nothing."""
    links: Literal["hook", "speak", "drop"] = "speak"
    """What becomes of a link the bot sends: `hook` hands it to `link_hook`, such as a text message service, and tells
    the caller once that has taken it; `speak` says the text beside it; `drop` says nothing. It is in the record
    always."""
    link_hook: str | None = None
    """A name under `hooks`."""
    words: dict[str, str] = Field(default_factory=dict)
    """The gateway's own sentences, by name (`talkpath words` lists them), in this number's language."""


class NumberSettings(CallSection):
    """Everything that rules the calls to one number, after inheritance."""

    number: str
    """The called number, or the pattern, this stands under."""
    bot: str
    """A name under `bots`."""
    profile: str | None = None
    """A name under `profiles`, from which this number inherits."""
