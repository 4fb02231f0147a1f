"""Callers of a gateway in virtual time: one on the phone, who hears sound, and one who types.

The one on the phone hears exactly what the scripted voice says, sample by sample, so every word has its time.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from audio.codecs import g711
from audio.format import PCMU_8K, Encoding
from audio.frame import Frame
from gateway.caller.asterisk_line import AsteriskCaller
from gateway.caller.line import CallerLine
from gateway.caller.peer import Cleared, Complained, FarEvent, HungUp
from gateway.caller.twilio import TwilioCaller
from gateway.lab.server import LabRequest
from gateway.speech.scripted.signal import duration_of, spoken_pcm
from gateway.text.catalogue import Catalogue

NUMBER, FROM = "601", "+33612345678"
READING_SPEED = 15.0
"""Characters per second of somebody who reads the text of a call."""
SHORTEST_PIECE = 0.02
FRAME = 0.02
"""Seconds by which a clock of frames may be late, as Asterisk's is, and what the end of a call may cost."""
"""Seconds of a text from which it is recognised; shorter beginnings count as sounds."""


def near(seconds: float, within: float = FRAME + 0.002) -> Any:
    """As long as that, to the frame."""
    return pytest.approx(seconds, abs=within)


def own_words(name: str, language: str = "fr-FR", variant: int = 0) -> str:
    """One of the gateway's own sentences."""
    return Catalogue.for_language(language).say(name, variant=variant)


@cache
def sound(text: str) -> bytes:
    """What a text sounds like on the line."""
    return g711.encode(spoken_pcm(text, PCMU_8K.rate), Encoding.PCMU)


@dataclass(frozen=True, slots=True)
class Word:
    """A text as it was heard, in seconds since the call began.

    Attributes:
        text: What was said; ``?`` for a sound that is none of the known texts.
        at, until: The first and the last of it.
        whole: It was heard to its end.
    """

    text: str
    at: float
    until: float
    whole: bool = True


class Speaking(Protocol):
    """Who is called, as far as what he says is to be known."""

    @property
    def texts(self) -> set[str]:
        """Everything any of his voices was asked to say."""
        ...


class Asked(Protocol):
    """A bot, and what it was asked."""

    @property
    def requests(self) -> list[LabRequest]: ...


class Called(Speaking, Protocol):
    """A gateway that can be called."""

    @property
    def url(self) -> str: ...
    @property
    def bot(self) -> Asked: ...


class Phone:
    """Somebody on the phone."""

    def __init__(self, called: Speaking, line: CallerLine) -> None:
        self._called = called
        self.line = line
        self.began = asyncio.get_running_loop().time()
        self._seen = 0.0
        self.events: list[FarEvent] = []

    def now(self) -> float:
        """Seconds since the call began."""
        return asyncio.get_running_loop().time() - self.began

    async def say(self, text: str) -> Word:
        """Say a text; returns when it is said."""
        at = self.now()
        await self.line.say(Frame(sound(text), PCMU_8K))
        return Word(text, at, at + duration_of(text))

    async def press(self, keys: str, every: float = 0.2) -> None:
        await self.line.press(keys, every=every)

    async def wait(self, seconds: float) -> None:
        """Say nothing for a while."""
        await asyncio.sleep(seconds)

    async def until(self, at: float) -> None:
        """Wait for a moment of the call."""
        await asyncio.sleep(max(0.0, at - self.now()))

    async def hang_up(self) -> None:
        await self.line.hang_up()

    async def hears(self, text: str, within: float = 60.0) -> Word:
        """Wait until a text has been heard to its end, after what was waited for before."""
        try:
            async with asyncio.timeout(within):
                while (word := self._find(text)) is None:
                    event = await self._next()
                    assert not isinstance(event, HungUp), f"{text!r} was not heard, but {self.words}"
        except TimeoutError as error:
            raise AssertionError(f"{text!r} was not heard, but {self.words}") from error
        self._seen = word.until
        return word

    async def begins_to_hear(self, text: str, within: float = 60.0) -> Word:
        """Wait until the beginning of a text is heard."""
        async with asyncio.timeout(within):
            while not (found := [word for word in self.heard if word.text == text and word.until > self._seen]):
                event = await self._next()
                assert not isinstance(event, HungUp), f"{text!r} was not heard, but {self.words}"
        return found[0]

    async def over(self, within: float = 120.0) -> float:
        """Wait for the end of the call. Returns when it came."""
        async with asyncio.timeout(within):
            while not isinstance(event := await self._next(), HungUp):
                pass
        assert event.by == "gateway"
        return event.at - self.began

    @property
    def heard(self) -> list[Word]:
        """Everything that was heard, in order."""
        texts = sorted(self._called.texts, key=len, reverse=True)
        return [word for stretch in self.line.heard() for word in _words(stretch.data, stretch.at - self.began, texts)]

    @property
    def words(self) -> list[str]:
        return [word.text if word.whole else f"{word.text}|" for word in self.heard]

    @property
    def clears(self) -> int:
        return sum(isinstance(event, Cleared) for event in self.events)

    async def _next(self) -> FarEvent:
        event = await anext(self.line.events())
        assert not isinstance(event, Complained), event
        self.events.append(event)
        return event

    def _find(self, text: str) -> Word | None:
        for stretch in self.line.heard():
            begun = stretch.at - self.began
            start = max(0, round((self._seen - begun) * PCMU_8K.rate))
            place = stretch.data.find(sound(text), start)
            if place >= 0:
                at = begun + place / PCMU_8K.rate
                return Word(text, at, at + duration_of(text))
        return None


def _words(data: bytes, at: float, texts: Iterable[str]) -> list[Word]:
    """A stretch of sound as words: what begins like a known text is that text, as far as it goes."""
    found: list[Word] = []
    rate, place, silence = PCMU_8K.rate, 0, PCMU_8K.encoding.silence
    while place < len(data):
        if data[place : place + 1] == silence and not data[place : place + 80].strip(silence):
            place += 80
            continue
        text, size = max(((text, _common(data, place, sound(text))) for text in texts), key=lambda item: item[1])
        if size < SHORTEST_PIECE * rate:
            text, size = "?", 80
            if found and found[-1].text == "?" and found[-1].until == at + place / rate:
                place += size
                found[-1] = Word("?", found[-1].at, at + place / rate)
                continue
        whole = text == "?" or size >= len(sound(text)) - FRAME * rate
        found.append(Word(text, at + place / rate, at + (place + size) / rate, whole))
        place += size
    return found


def _common(data: bytes, start: int, wanted: bytes) -> int:
    """How many bytes of the wanted ones are there."""
    if data.startswith(wanted, start):
        return len(wanted)
    low, high = 0, min(len(wanted), len(data) - start)
    while low < high:
        middle = (low + high + 1) // 2
        if data.startswith(wanted[:middle], start):
            low = middle
        else:
            high = middle - 1
    return low


@asynccontextmanager
async def phone(gateway: Called, *, steady: bool = False) -> AsyncIterator[Phone]:
    """A call to the gateway's number over its media socket; hung up at the end, if it is still up.

    Args:
        steady: Send silence whenever nothing is said, as Twilio does. Times of speech are exact then, to the frame;
            but fifty messages a second take time even where time is virtual.
    """
    client = TwilioCaller(background=steady)
    async with client.connect(gateway.url + "/media/twilio", caller=FROM, called=NUMBER) as line:
        yield Phone(gateway, line)


@asynccontextmanager
async def desk_phone(gateway: Called) -> AsyncIterator[Phone]:
    """The same call from behind an Asterisk."""
    client = AsteriskCaller()
    async with client.connect(gateway.url + "/media/asterisk", caller=FROM, called=NUMBER) as line:
        yield Phone(gateway, line)


@dataclass
class Typist:
    """Somebody who reads and types: a call as text. What is said is heard when it has been read."""

    connection: ClientConnection
    began: float = field(default_factory=lambda: asyncio.get_running_loop().time())
    heard: list[Word] = field(default_factory=list)
    reason: str | None = None
    clears: int = 0
    ended: float | None = None
    _seen: int = 0
    _reading: tuple[str, str, float] | None = None
    _timer: asyncio.TimerHandle | None = None
    _marks: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    def now(self) -> float:
        return asyncio.get_running_loop().time() - self.began

    @property
    def words(self) -> list[str]:
        return [word.text if word.whole else f"{word.text}|" for word in self.heard]

    async def say(self, text: str) -> Word:
        await self._send(type="text", text=text)
        return Word(text, self.now(), self.now())

    async def press(self, keys: str, every: float = 0.2) -> None:
        await self._send(type="digits", digits=keys)

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def until(self, at: float) -> None:
        await asyncio.sleep(max(0.0, at - self.now()))

    async def hang_up(self) -> None:
        await self._send(type="hangup")

    async def hears(self, text: str, within: float = 60.0) -> Word:
        """Wait until a text has been read to its end, after what was waited for before."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within), self._news:
                await self._news.wait_for(lambda: self._find(text) is not None or self.ended is not None)
        found = self._find(text)
        assert found is not None, f"{text!r} was not said, but {self.words}"
        self._seen = found + 1
        return self.heard[found]

    async def over(self, within: float = 120.0) -> float:
        async with asyncio.timeout(within), self._news:
            await self._news.wait_for(lambda: self.ended is not None)
        assert self.ended is not None
        return self.ended

    def _find(self, text: str) -> int | None:
        return next((i for i, word in enumerate(self.heard) if i >= self._seen and word.text == text), None)

    # --- the reader ------------------------------------------------------------------------------------------------
    async def run(self) -> None:
        with suppress(ConnectionClosed):
            while True:
                await self._take(json.loads(await self.connection.recv()))
        self.ended = self.now()
        await self._tell()

    async def send_marks(self) -> None:
        while True:
            await self._send(type="mark", mark=await self._marks.get())
            await self._tell()

    async def _take(self, message: dict[str, str]) -> None:
        match message["type"]:
            case "say":
                self._reading = (message["text"], message["mark"], self.now())
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(len(message["text"]) / READING_SPEED, self._read_out)
            case "clear":
                self.clears += 1
                if self._reading is not None and self._timer is not None:
                    self._timer.cancel()
                    text, _, at = self._reading
                    self._reading = None
                    self.heard.append(Word(text, at, self.now(), whole=False))
            case "hangup":
                self.reason = message["reason"]
        await self._tell()

    def _read_out(self) -> None:
        assert self._reading is not None
        text, mark, at = self._reading
        self._reading = None
        self.heard.append(Word(text, at, self.now()))
        self._marks.put_nowait(mark)

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def _send(self, **message: str) -> None:
        with suppress(ConnectionClosed):
            await self.connection.send(json.dumps(message))


@asynccontextmanager
async def typist(gateway: Called) -> AsyncIterator[Typist]:
    """A call as text to the gateway's number; hung up at the end, if it is still up."""
    async with connect(gateway.url + "/api/chat", compression=None, proxy=None, ping_interval=None) as connection:
        await connection.send(json.dumps({"type": "start", "to": NUMBER, "from": FROM}))
        author = Typist(connection)
        tasks = [asyncio.create_task(author.run()), asyncio.create_task(author.send_marks())]
        try:
            yield author
            await author.hang_up()
        finally:
            await connection.close()
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


def request_times(gateway: Called, caller: Phone | Typist) -> list[float]:
    """When the bot was asked, in seconds since a call began."""
    return [request.at - caller.began for request in gateway.bot.requests]


on_each_line = pytest.mark.parametrize("dial", [phone, desk_phone, typist], ids=["twilio", "asterisk", "text"])
