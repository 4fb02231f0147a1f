"""What a bot can ask for, and the values those requests are made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from config.call import Exhausted, Kind
from gateway.tuning import Prosody, Tuning

TextFormat = Literal["plain", "markdown", "html", "ssml"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Say:
    """Speech. ``more``: a piece of a streamed text, to be continued; cut into sentences by the conversation.

    Attributes:
        role: ``answer`` is repeated on silence, ``waiting`` never; ``agent`` and ``system`` are not the bot's words.
    """

    text: str
    format: TextFormat = "plain"
    language: str | None = None
    voice: str | None = None
    interruptible: bool = True
    more: bool = False
    role: Literal["answer", "waiting", "agent", "system"] = "answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """A recording, by URL or by path. ``alt_text`` is spoken when it cannot be played."""

    url: str | None = None
    path: str | None = None
    interruptible: bool = True
    alt_text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    seconds: float
    filler: Literal["none", "soft"] = "none"
    interruptible: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuOption:
    id: str
    label: str
    description: str | None = None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Menu:
    """A question with options; read out as "say or press" after ``prompt``.

    Attributes:
        aloud: Off: the caller knows it already, and may answer it still.
    """

    menu_id: str
    options: tuple[MenuOption, ...]
    prompt: str | None = None
    max_digits: int = 1
    aloud: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """How the next input is taken. What is None comes from `SetSpeech`, then from the number.

    Attributes:
        no_input_prompts: Said on silence, one after the other, the last one repeated. A blank one repeats the last
            answer. None: the number's own.
        is_message: The caller leaves a message: from here on the call is recorded, where the number has
            ``recording.mode: messages``. Where it records at all, what he says comes as `UserMedia`.
    """

    kind: Kind = "free"
    start_timeout: float | None = None
    end_silence: float | None = None
    max_length: float | None = None
    hints: tuple[str, ...] = ()
    sensitive: bool = False
    no_input_prompts: tuple[str, ...] | None = None
    no_input_format: TextFormat = "plain"
    no_input_retries: int | None = None
    on_exhausted: Exhausted | None = None
    barge_in: bool | None = None
    is_message: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthesizerChoice:
    """A bot's wish for a voice. None keeps what the number says."""

    vendor: str | None = None
    voice: str | None = None
    language: str | None = None
    model: str | None = None
    prosody: Prosody = field(default_factory=Prosody)
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecognizerChoice:
    """A bot's wish for a recognizer. Timers in seconds."""

    vendor: str | None = None
    language: str | None = None
    model: str | None = None
    hints: tuple[str, ...] = ()
    start_timeout: float | None = None
    end_silence: float | None = None
    max_length: float | None = None
    barge_in: bool | None = None
    tuning: Tuning = field(default_factory=Tuning)
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetSpeech:
    """From the next prompt and the next recognition stream on, until changed.

    Per side: None keeps what is in force; an empty choice (all fields unset) goes back to the number's own.
    ``language`` is the conversation's language, for the sides that name none.
    """

    synthesizer: SynthesizerChoice | None = None
    recognizer: RecognizerChoice | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """Send the caller elsewhere, after the speech before it."""

    transfer_id: str
    target: str | None = None
    group: str | None = None
    skills: tuple[str, ...] = ()
    mode: Literal["blind", "attended", "auto"] = "auto"
    feedback: bool = True
    ring: float | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hangup:
    reason: str = "bot"
    after_speech: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """The bot leaves the call: the number's fallback. ``policy`` ``failed``: because it cannot go on."""

    policy: str = "fallback"


@dataclass(frozen=True, slots=True, kw_only=True)
class SendLink:
    url: str
    text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SendDigits:
    digits: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Something to keep in the call record."""

    kind: Literal["note", "contact", "conversation", "variables", "event"]
    data: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PostCall:
    """Something to do when the call is over, stored before it is done and tried again until it is.

    Attributes:
        kind: Who does it: a mail server, a hook of the configuration by name, any URL, or the bot's backend
            (`AfterCall`).
        data: What that one needs, in JSON values; ``delay``: seconds after the end of the call.
    """

    kind: Literal["email", "addon", "webhook", "backend"]
    data: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fail:
    """The adapter met trouble outside of `Chat.send`: a failed turn."""

    kind: Literal["config", "auth", "unavailable", "protocol"]
    detail: str = ""
    retryable: bool = False


Action = (
    Say
    | Play
    | Pause
    | Menu
    | Listen
    | SetSpeech
    | Transfer
    | Hangup
    | Release
    | SendLink
    | SendDigits
    | Record
    | PostCall
    | Fail
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionBatch:
    """What a bot says at once.

    Attributes:
        turn: The turn it answers; None when unasked, or when the vendor cannot tell.
        turn_done: Nothing more will come for this turn.
    """

    actions: tuple[Action, ...]
    turn: int | None = None
    turn_done: bool = True
