"""The process that listens: ``python -m gateway.speech.local.listen_worker``. The gateway's side is `recognizer`.

It serves many streams at a time, each piece of audio as it comes.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Any

from audio.codecs import g711
from audio.format import Encoding
from gateway.speech.local.decoding import DICTIONARY, Answer, Decoders, Ear
from gateway.speech.local.espeak import Espeak, EspeakError
from gateway.speech.local.grammar import Grammar, compile_grammar
from gateway.speech.local.lexicon import Lexicon
from gateway.speech.local.pipe import Pipe, complain
from gateway.speech.local.wire import ENCODINGS, Kind, Message, WireError

ENGLISH_THRESHOLD, THRESHOLD = -3.0, -10.0
"""Margins below which speech is none of the answers. The dictionary knows English better than the table of phones knows
other languages. Measured on recorded menus: one right answer in twenty is lost, one wrong one in ten accepted."""
LOOP_THRESHOLD = -15.0
"""The same for sequences of words, each of which costs a penalty. Digits fit about any talk: half of it is accepted."""
MOST_UNMATCHED = 0.4
"""A phrase that leaves more of the speech unexplained was not what was said."""
CONFIDENCE_SCALE = 6.0
"""Margin from the threshold to a confidence of 0.73."""
GRAMMARS = 256
_TROUBLE = (EspeakError, WireError, KeyError, ValueError, RuntimeError, OSError)


class _Stream:
    """A caller's turn."""

    def __init__(self, grammar: Grammar | None, ear: Ear | None, request: dict[str, Any]) -> None:
        self.grammar = grammar
        self.ear = ear
        usual = ENGLISH_THRESHOLD if str(request["language"]).lower().startswith("en") else THRESHOLD
        is_loop = grammar is not None and grammar.is_loop
        self.threshold = (LOOP_THRESHOLD if is_loop else usual) + float(request.get("rejection", 0.0))
        self.partial = ""

    def final(self) -> dict[str, Any] | None:
        """The transcript; None where nothing that was asked for was said."""
        answer = self.ear.finish() if self.ear else None
        text = self._accepted(answer)
        return {"text": text, "confidence": self._confidence(answer)} if answer and text else None

    def new_guess(self) -> str | None:
        """What seems to be said, when that has changed."""
        if self.ear is None or self.grammar is None:
            return None
        text = self.grammar.text(self.ear.guess())
        if not text or text == self.partial or not self._accepted(self.ear.judge()):
            return None
        self.partial = text
        return text

    def _accepted(self, answer: Answer | None) -> str:
        """The answer's text, where the answer is to be believed."""
        if self.grammar is None or answer is None:
            return ""
        is_good = answer.margin >= self.threshold and answer.unmatched <= MOST_UNMATCHED
        return self.grammar.text(answer.hypothesis) if is_good else ""

    def _confidence(self, answer: Answer) -> float:
        return round(1 / (1 + math.exp((self.threshold - answer.margin) / CONFIDENCE_SCALE)), 3)

    def close(self) -> None:
        if self.ear is not None:
            self.ear.close()


class Listener:
    """The streams of one worker."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._lexicon = Lexicon(DICTIONARY, Espeak())
        self._decoders = Decoders()
        self._grammars: OrderedDict[tuple[object, ...], Grammar | None] = OrderedDict()
        self._streams: dict[int, _Stream] = {}

    def run(self) -> None:
        """Work until the gateway is gone."""
        self._decoders.give_back(self._decoders.take_phone_loop(), None)  # loads what every stream needs
        self._pipe.send(Kind.HELLO)
        while True:
            for message in self._pipe.read(wait=True):
                self._handle(message)
                self._pipe.beat()

    def _handle(self, message: Message) -> None:
        try:
            match message.kind:
                case Kind.OPEN:
                    self._open(message.job, message.json())
                case Kind.AUDIO_IN:
                    self._hear(message.job, message.body)
                case Kind.FINISH:
                    self._finish(message.job)
                case Kind.CANCEL:
                    self._close(message.job)
                case Kind.PING:
                    self._pipe.send(Kind.PONG)
                case _:
                    complain(f"a worker does not take {message.kind.name}")
        except _TROUBLE as error:
            complain(f"a stream broke: {type(error).__name__}")
            self._pipe.send_json(Kind.FAILED, message.job, {"reason": "the question could not be listened to"})
            self._close(message.job)

    def _open(self, job: int, request: dict[str, Any]) -> None:
        grammar = self._grammar(request)
        self._streams[job] = _Stream(grammar, Ear(grammar, self._decoders) if grammar else None, request)

    def _grammar(self, request: dict[str, Any]) -> Grammar | None:
        language: str = request["language"]
        key = (language, *request["phrases"], None, *request["loop"])
        if key not in self._grammars:
            self._grammars[key] = compile_grammar(
                request["phrases"], request["loop"], lambda phrase: self._lexicon.pronounce(phrase, language)
            )
            while len(self._grammars) > GRAMMARS:
                self._grammars.popitem(last=False)
        self._grammars.move_to_end(key)
        return self._grammars[key]

    def _hear(self, job: int, audio: bytes) -> None:
        stream = self._streams.get(job)
        if stream is None or stream.ear is None:
            return
        encoding = ENCODINGS[audio[:1]]
        stream.ear.hear(audio[1:] if encoding is Encoding.L16 else g711.decode(audio[1:], encoding))
        guess = stream.new_guess()
        if guess is not None:
            self._pipe.send_json(Kind.RESULT, job, {"text": guess, "final": False})

    def _finish(self, job: int) -> None:
        stream = self._streams.get(job)
        if stream is None:
            return
        final = stream.final()
        if final is not None:
            self._pipe.send_json(Kind.RESULT, job, {**final, "final": True})
        elif stream.partial:
            self._pipe.send_json(Kind.RESULT, job, {"text": "", "final": False})  # what seemed to be said was not
        self._pipe.send_json(Kind.DONE, job, {})
        self._close(job)

    def _close(self, job: int) -> None:
        stream = self._streams.pop(job, None)
        if stream is not None:
            stream.close()


def main() -> None:
    """Listen until standard input ends."""
    try:
        Listener(Pipe()).run()
    except EOFError:
        return


if __name__ == "__main__":
    main()
