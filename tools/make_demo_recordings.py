"""Makes the recordings of the demonstration's caller with the local synthesizer.

`python -m tools.make_demo_recordings` writes them where the demonstration finds them. They are generated speech, so
they may be shipped; recordings of people are not.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from audio.codecs import convert
from audio.format import L16_8K
from audio.wav import write_wav
from gateway.interfaces import Utterance
from gateway.speech.local.vendor import LocalSpeech

FOLDER = Path(__file__).resolve().parent.parent / "gateway" / "demo"
VOICE = "en-us+f2"
WORDS_PER_MINUTE = 140
PHRASES = {
    "number": "telephone number",
    "last-call": "information about your last call",
    "password": "password",
    "goodbye": "goodbye",
}


async def make() -> None:
    """Write one WAV file per phrase."""
    speech = LocalSpeech("local", LocalSpeech.Section())
    await speech.start()
    try:
        for name, phrase in PHRASES.items():
            options = {"rate": WORDS_PER_MINUTE}
            utterance = Utterance(text=phrase, plain=phrase, language="en-US", voice=VOICE, options=options)
            frames = [spoken.frame async for spoken in speech.synthesizer.speak(utterance)]
            pcm = b"".join(convert(frame.data, frame.format, L16_8K) for frame in frames)
            write_wav(FOLDER / f"{name}.wav", pcm, L16_8K.rate, 1)
    finally:
        await speech.close()


if __name__ == "__main__":
    asyncio.run(make())
