"""The messages of a Vosk server, without I/O.

https://github.com/alphacep/vosk-server, ``websocket/asr_server.py`` of May 2025, read in November 2026: a ``config``
object may come first and is not answered; every other message is answered by exactly one. It counts until the first
audio only, so a connection serves turns of one and the same ``config``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from gateway.errors import VendorReplyInvalid, VendorUnavailable
from gateway.events import Transcript
from gateway.kit.turn_protocol import Message, Result
from gateway.speech.vosk.options import ListenOptions
from gateway.speech_interfaces import ListenSettings

EOF = '{"eof" : 1}'
RESET = '{"reset" : 1}'
"""Both ask for the last final; after the first the server hangs up, after the second it hears the next turn. It
compares the text, spaces included."""
UNKNOWN = "[unk]"
"""What a grammar hears in place of everything else; without it, noise becomes one of its phrases."""
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


def config(settings: ListenSettings, options: ListenOptions, rate: int, *, grammar: bool) -> str:
    """The first message: the rate, and what the question allows.

    A ``model`` is never named: the server would load it for all its callers.
    """
    phrases = options.phrase_list or (settings.phrases if grammar else ())
    alternatives = options.max_alternatives
    if alternatives is None and settings.tuning.alternatives:
        alternatives = settings.tuning.alternatives + 1  # it counts the first reading
    told: dict[str, Any] = {"sample_rate": rate, "words": True}
    if spelt := _spelt(phrases):
        told["phrase_list"] = [*spelt, UNKNOWN]
    if alternatives:
        told["max_alternatives"] = alternatives
    return json.dumps({"config": told}, ensure_ascii=False)


def _spelt(phrases: Sequence[str]) -> list[str]:
    """Phrases as Vosk's dictionaries have them: words in small letters, without marks."""
    return list(dict.fromkeys(filter(None, (" ".join(_WORD.findall(phrase.lower())) for phrase in phrases))))


class VoskTurn:
    """A turn's messages; see `gateway.kit.turn_protocol.TurnProtocol`. The answer to ``reset``, or ``eof``, is its end.

    Args:
        config: As `config` makes it.
        phrases: What the question allows, as the caller's words are to be written.
        partials: Whether text is reported before it is final.
        is_first: Whether the connection has carried no turn before.
        resets: Whether the server knows ``reset``, as its version in Python does since December 2023.
    """

    keep_alive = None

    def __init__(
        self,
        vendor: str,
        config: str,
        phrases: Sequence[str],
        partials: bool,
        *,
        is_first: bool = True,
        resets: bool = True,
    ) -> None:
        self._vendor = vendor
        self._config = config
        self._written = {spelt: phrase for phrase in reversed(phrases) for spelt in _spelt([phrase])}
        self._partials = partials
        self._partial = ""
        self._is_first = is_first
        self._resets = resets
        self._unanswered = 0
        self._is_finished = False
        self._is_final = False  # the last answer
        self.is_clean = resets

    @property
    def is_over(self) -> bool:
        return self._is_finished and self._unanswered <= 0 and self._is_final

    def opening(self) -> Iterable[Message]:
        return [self._config] if self._is_first else []

    def audio(self, data: bytes) -> Message:
        self._unanswered += 1
        return data

    def finish(self) -> Iterable[Message]:
        self._unanswered += 1
        self._is_finished = True
        return [RESET if self._resets else EOF]

    def insist(self) -> Iterable[Message]:
        """A server that does not know ``reset``, such as the one in C++, takes it for a moment of sound."""
        if not self._resets:
            return []
        self._unanswered += 1
        self.is_clean = False
        return [EOF]

    def receive(self, message: Message) -> Iterable[Result]:
        self._unanswered -= 1
        answer = self._parsed(message)
        self._is_final = "partial" not in answer
        match answer:
            case {"partial": str(text)}:
                return self._told(text)
            case {"text": str(text)}:
                self._partial = ""
                return self._final([text], _confidence(answer.get("result")))
            case {"alternatives": [*alternatives]}:
                self._partial = ""
                texts = [found.get("text") for found in alternatives if isinstance(found, dict)]
                return self._final([text for text in texts if isinstance(text, str)], None)
        raise VendorReplyInvalid("an answer has no text", vendor=self._vendor, operation="listen")

    def closed(self) -> Iterable[Result]:
        raise VendorUnavailable("it hung up before its last answer", vendor=self._vendor, operation="listen")

    def _told(self, text: str) -> list[Result]:
        """A partial, where it says something new: the server repeats itself with every message."""
        text = self._words(text)
        if not self._partials or not text or text == self._partial:
            return []
        self._partial = text
        return [Transcript(text=text, final=False)]

    def _final(self, texts: Sequence[str], confidence: float | None) -> list[Result]:
        first, *others = [self._words(text) for text in texts] or [""]
        if not first:
            return []
        return [Transcript(text=first, final=True, confidence=confidence, alternatives=tuple(filter(None, others)))]

    def _words(self, text: str) -> str:
        text = " ".join(text.replace(UNKNOWN, " ").split())
        return self._written.get(text, text)

    def _parsed(self, message: Message) -> dict[str, Any]:
        try:
            answer = json.loads(message)
        except ValueError as error:
            raise VendorReplyInvalid("an answer is no JSON", vendor=self._vendor, operation="listen") from error
        if not isinstance(answer, dict):
            raise VendorReplyInvalid("an answer is no object", vendor=self._vendor, operation="listen")
        return answer


def _confidence(words: Any) -> float | None:
    """The mean over a final's words."""
    found = [word.get("conf") for word in words if isinstance(word, dict)] if isinstance(words, list) else []
    values = [min(1.0, max(0.0, conf)) for conf in found if isinstance(conf, (int, float))]
    return sum(values) / len(values) if values else None
