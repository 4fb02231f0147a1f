"""Makes the recordings of the demonstrations' callers with the local synthesizer.

`python -m tools.make_demo_recordings [VENDOR ...]` writes them where the demonstrations find them, from the phrases in
their ``demo.yaml``. They are generated speech, so they may be shipped; recordings of people are not.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from audio.codecs import convert
from audio.format import L16_8K
from audio.wav import write_wav
from gateway.demo.bundle import Phrase, demonstrations, opened
from gateway.speech.local.vendor import LocalSpeech
from gateway.speech_interfaces import Utterance

FOLDER = Path(__file__).resolve().parent.parent / "gateway" / "demo"


async def make(vendors: list[str]) -> None:
    """Write one WAV file per phrase of each vendor's demonstration."""
    speech = LocalSpeech("local", LocalSpeech.Section())
    await speech.start()
    try:
        for vendor in vendors or demonstrations():
            with opened(vendor) as (_, shown, _):
                for name, phrase in shown.phrases.items():
                    await write(speech, FOLDER / vendor / f"{name}.wav", phrase, shown.language)
    finally:
        await speech.close()


async def write(speech: LocalSpeech, path: Path, phrase: Phrase, language: str) -> None:
    """One phrase."""
    utterance = Utterance(
        text=phrase.text, plain=phrase.text, language=language, voice=phrase.voice, options={"rate": phrase.rate}
    )
    frames = [spoken.frame async for spoken in speech.synthesizer.speak(utterance)]
    pcm = b"".join(convert(frame.data, frame.format, L16_8K) for frame in frames)
    write_wav(path, pcm, L16_8K.rate, 1)


if __name__ == "__main__":
    asyncio.run(make(sys.argv[1:]))
