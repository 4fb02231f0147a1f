"""How well, and how fast, the local voice and the local ear work: ``python -m benchmarks.speech_local``.

Everything goes through the worker processes, as in a call. The speech is that of three voice actors
(`tests.recordings`), through G.711; real callers are worse.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from audio.codecs import g711
from audio.format import PCMU_8K, Encoding
from audio.frame import Frame
from config.call import Kind
from gateway.events import Transcript
from gateway.speech.local.recognizer import LocalRecognizer
from gateway.speech.local.settings import LocalSpeechSection
from gateway.speech.local.synthesizer import LocalSynthesizer
from gateway.speech_interfaces import ListenSettings, Utterance
from gateway.trying.material import short_phrases
from tests.recordings import recording, transcripts

TAGS = {"en": "en-US", "fr": "fr-CA", "es": "es-MX"}
DIGITS = {
    "en": "zero one two three four five six seven eight nine",
    "fr": "zéro un deux trois quatre cinq six sept huit neuf",
    "es": "cero uno dos tres cuatro cinco seis siete ocho nueve",
}
LONGEST_PHRASE = 6
FRAME = 160
AT_A_TIME = 4


@dataclass(slots=True)
class Score:
    """What became of the utterances of one kind of trial."""

    right: int = 0
    wrong: int = 0
    rejected: int = 0
    heard: list[tuple[str, str]] = field(default_factory=list)

    @property
    def trials(self) -> int:
        return self.right + self.wrong + self.rejected

    def count(self, said: str | None, heard: str) -> None:
        """``said`` is None for speech that is none of the answers."""
        self.heard.append((said or "", heard))
        if not heard:
            self.rejected += 1
        elif heard == said:
            self.right += 1
        else:
            self.wrong += 1

    def __str__(self) -> str:
        return f"right {self.right / self.trials:.2f}  wrong {self.wrong / self.trials:.2f}  of {self.trials}"


def phrases(language: str) -> dict[str, str]:
    """Recordings of one to six words, no two with the same text: name to text."""
    return short_phrases(transcripts(language), LONGEST_PHRASE)


def telephone(language: str, name: str) -> bytes:
    """A recording as a line would deliver it: mu-law."""
    return g711.encode(recording(language, name), Encoding.PCMU)


async def hear(recognizer: LocalRecognizer, audio: bytes, settings: ListenSettings) -> str:
    """What is recognized in mu-law audio; nothing where it is rejected."""
    async with recognizer.listen(settings) as stream:
        for start in range(0, len(audio), FRAME):
            await stream.push(Frame(audio[start : start + FRAME], PCMU_8K, start))
        await stream.finish()
        results = [result async for result in stream.results()]
    return " ".join(result.text for result in results if isinstance(result, Transcript) and result.final)


async def menus(recognizer: LocalRecognizer, language: str, *, size: int, trials: int) -> tuple[Score, Score]:
    """Menus drawn at random: one of the options is said, and then something else.

    Returns:
        How the options fared, and the other talk.
    """
    texts = phrases(language)
    chance = random.Random(5)
    options, others = Score(), Score()
    gate = asyncio.Semaphore(AT_A_TIME)

    async def trial(said: str | None, name: str, menu: Sequence[str], score: Score) -> None:
        settings = ListenSettings(language=TAGS[language], phrases=tuple(texts[each] for each in menu))
        async with gate:
            score.count(said, await hear(recognizer, telephone(language, name), settings))

    async with asyncio.TaskGroup() as tasks:
        for _ in range(trials):
            *menu, other = chance.sample(sorted(texts), size + 1)
            tasks.create_task(trial(texts[menu[0]], menu[0], menu, options))
            tasks.create_task(trial(None, other, menu, others))
    return options, others


async def digits(recognizer: LocalRecognizer, language: str, *, kind: Kind = "free") -> Score:
    """The ten digits alone: each one of ten phrases, or as a question for digits."""
    score = Score()
    words = tuple(DIGITS[language].split())
    asked = ListenSettings(language=TAGS[language], kind=kind, phrases=words if kind == "free" else ())
    for number, word in enumerate(words):
        score.count(word, await hear(recognizer, telephone(language, f"digits/{number}"), asked))
    return score


async def strings(recognizer: LocalRecognizer, language: str, *, length: int, trials: int) -> Score:
    """Strings of digits, put together from recordings."""
    score = Score()
    chance = random.Random(3)
    words = DIGITS[language].split()
    for _ in range(trials):
        numbers = [chance.randrange(10) for _ in range(length)]
        pause = PCMU_8K.silence(400)
        audio = pause + pause.join(telephone(language, f"digits/{number}") for number in numbers)
        asked = ListenSettings(language=TAGS[language], kind="digits")
        score.count(" ".join(words[number] for number in numbers), await hear(recognizer, audio, asked))
    return score


async def hearing(trials: int) -> None:
    """Print how well the local ear hears."""
    recognizer = LocalRecognizer(LocalSpeechSection(listen_workers=2))
    await recognizer.start()
    try:
        for language in TAGS:
            for size in (4, 8):
                options, others = await menus(recognizer, language, size=size, trials=trials)
                print(f"{language}  menu of {size}: {options}; other talk accepted {others.wrong / others.trials:.2f}")
            print(f"{language}  digits, one of ten: {await digits(recognizer, language)}")
            print(f"{language}  digits, as a question for digits: {await digits(recognizer, language, kind='digits')}")
            print(f"{language}  strings of four digits: {await strings(recognizer, language, length=4, trials=15)}")
        await _hearing_speed(recognizer)
    finally:
        await recognizer.close()


async def _hearing_speed(recognizer: LocalRecognizer) -> None:
    texts = phrases("en")
    names = sorted(texts)[:20]
    settings = ListenSettings(language="en-US", phrases=tuple(texts[name] for name in names[:8]))
    seconds = sum(len(telephone("en", name)) for name in names) / PCMU_8K.rate
    before = _cpu_seconds(recognizer.pool.pids)
    for name in names:
        await hear(recognizer, telephone("en", name), settings)
    used = _cpu_seconds(recognizer.pool.pids) - before
    print(f"ear: {used / seconds:.3f} of a processor for each caller who talks")


def _cpu_seconds(pids: Sequence[int]) -> float:
    """What processes have used so far (proc(5), fields utime and stime)."""
    ticks = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat") as file:
            ticks += sum(int(value) for value in file.read().rpartition(")")[2].split()[11:13])
    return ticks / os.sysconf("SC_CLK_TCK")


async def speaking() -> None:
    """Print how fast the local voice speaks."""
    synthesizer = LocalSynthesizer(LocalSpeechSection(speak_workers=1))
    start = time.perf_counter()
    await synthesizer.start()
    print(f"voice: worker ready after {time.perf_counter() - start:.2f} s")
    text = "Welcome to our service. Please say in a few words what you are calling about, or press zero for an agent."
    firsts, totals, seconds = [], [], 0.0
    try:
        for language in ("en-GB", "fr-FR", "es-ES", "de-DE") * 5:
            start, first = time.perf_counter(), None
            async for spoken in synthesizer.speak(Utterance(text=text, plain=text, language=language, format=PCMU_8K)):
                first = first or time.perf_counter() - start
                seconds += spoken.frame.duration
            firsts.append(first or 0.0)
            totals.append(time.perf_counter() - start)
    finally:
        await synthesizer.close()
    middle = len(firsts) // 2
    print(
        f"voice: first audio {sorted(firsts)[middle] * 1e3:.1f} ms, whole text {sorted(totals)[middle] * 1e3:.0f} ms, "
        f"{sum(totals) / seconds:.4f} of real time"
    )


async def _main() -> None:
    await speaking()
    await hearing(trials=60)


if __name__ == "__main__":
    asyncio.run(_main())
