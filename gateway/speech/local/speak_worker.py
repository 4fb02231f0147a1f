"""The process that speaks: ``python -m gateway.speech.local.speak_worker``. The gateway's side is `synthesizer`.

It says one text after the other, in the order they came; a text that is cancelled before its turn is skipped.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from typing import Any

import numpy as np

from audio.format import AudioFormat, Encoding
from audio.resample import Resampler
from gateway.speech.local.espeak import RATE, Espeak, EspeakError
from gateway.speech.local.pipe import Pipe, complain
from gateway.speech.local.sound import Outlet, Samples, gain_for
from gateway.speech.local.wire import Kind, Message, WireError

REACHED = struct.Struct("!I")
CALIBRATION = "1 2 3 4 5 6"
"""Said once in each voice, in its language, to learn how loud the voice is."""
DEFAULT_RATE, DEFAULT_PITCH = 175, 50
USUAL_RATES = (8000, 16000)
MAX_CALIBRATIONS = 500


class Speaker:
    """The jobs of one worker."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._espeak = Espeak()
        self._gains: OrderedDict[str, float] = OrderedDict()
        self._todo: OrderedDict[int, Message] = OrderedDict()

    def run(self) -> None:
        """Work until the gateway is gone."""
        for rate in USUAL_RATES:
            Resampler(RATE, rate)  # its filter is made once, and not while a caller waits
        self._pipe.send(Kind.HELLO)
        while True:
            for message in self._pipe.read(wait=not self._todo):
                self._note(message)
            if self._todo:
                _, message = self._todo.popitem(last=False)
                self._do(message)

    def _note(self, message: Message) -> None:
        if message.kind is Kind.OPEN:
            self._todo[message.job] = message
        elif message.kind is Kind.CANCEL:
            self._todo.pop(message.job, None)
        elif message.kind is Kind.PING:
            self._pipe.send(Kind.PONG)

    def _do(self, message: Message) -> None:
        try:
            done = self._speak(message.job, message.json())
        except (EspeakError, WireError, KeyError, ValueError) as error:
            complain(f"a text could not be spoken: {type(error).__name__}")
            self._pipe.send_json(Kind.FAILED, message.job, {"reason": "the text could not be spoken"})
        else:
            self._pipe.send_json(Kind.DONE, message.job, done)

    def _speak(self, job: int, request: dict[str, Any]) -> dict[str, Any]:
        voice = self._espeak.choose_voice(request["voices"])
        gain = self._gain(voice) * float(request.get("volume", 1.0))
        self._espeak.set_manner(rate=request.get("rate", DEFAULT_RATE), pitch=request.get("pitch", DEFAULT_PITCH))
        text: str = request["text"]

        def send(reached: int, audio: bytes) -> None:
            self._pipe.send(Kind.AUDIO_OUT, job, REACHED.pack(reached) + audio)

        encoding, rate = request["format"]
        target = AudioFormat(Encoding(encoding), int(rate))
        outlet = Outlet(target, source_rate=RATE, gain=gain, length=len(text), send=send)
        limit = float(request["max_seconds"]) * target.rate

        def on_audio(pcm: bytes, words: list[tuple[int, int]]) -> bool:
            outlet.take(pcm, words)
            return outlet.sent < limit

        self._espeak.synthesize(text, ssml=bool(request.get("ssml")), on_audio=on_audio)
        outlet.finish()
        return {"voice": voice, "complete": outlet.sent < limit}

    def _gain(self, voice: str) -> float:
        """How much louder the chosen voice must be."""
        if voice not in self._gains:
            self._espeak.set_manner(rate=DEFAULT_RATE, pitch=DEFAULT_PITCH)
            pieces: list[bytes] = []

            def on_audio(pcm: bytes, _words: list[tuple[int, int]]) -> bool:
                pieces.append(pcm)
                return True

            self._espeak.synthesize(CALIBRATION, ssml=False, on_audio=on_audio)
            samples: Samples = np.frombuffer(b"".join(pieces), "<i2").astype(np.float32)
            self._gains[voice] = gain_for(samples, RATE)
            while len(self._gains) > MAX_CALIBRATIONS:
                self._gains.popitem(last=False)
        return self._gains[voice]


def main() -> None:
    """Speak until standard input ends."""
    try:
        Speaker(Pipe()).run()
    except EOFError:
        return


if __name__ == "__main__":
    main()
