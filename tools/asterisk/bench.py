"""What every call needs: a caller's telephone, a colleague's at the reception, the gateway's record, and patience."""

from __future__ import annotations

import asyncio
import itertools
import wave
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

from audio.codecs import convert
from audio.format import L16_8K
from audio.wav import write_wav
from gateway.caller.asterisk_line import AsteriskCaller
from gateway.caller.peer import CallerAuth
from tools import fetch_recordings
from tools.asterisk.house import PASSWORD, House
from tools.asterisk.media import Codec
from tools.asterisk.pbx import RECEPTION_PORT, Pbx
from tools.asterisk.sip import HOST, Phone
from tools.asterisk.sound import likeness, share_of, tone, voiced

POLL = 0.1
FIRST_PORT = 6000
ANSWERS_WITHIN = 5.0
SAYS_WITHIN = 20.0
LineCodec = Literal["ulaw", "alaw", "slin", "slin16"]
LINE_CODECS: tuple[LineCodec, ...] = ("ulaw", "alaw", "slin", "slin16")
_numbers = itertools.count(1)  # every call comes from another one, by which its record is found
SAME = 0.99  # least correlation of a greeting that was coded once on the way
RESAMPLED = 0.95  # and of one that was at 16 kHz
MAX_DRIFT = 0.3  # s
COLLEAGUE = 440.0  # Hz; what the reception says
GREETING = "Hello, this is Acme."


@dataclass(frozen=True, slots=True)
class Place:
    """Addresses of the telephones and of the PBX."""

    phones: str = HOST
    pbx: str = HOST


class Bench:
    """Everything that is up while calls are placed."""

    def __init__(
        self,
        house: House,
        pbx: Pbx,
        reception: Phone,
        greetings: Mapping[LineCodec, bytes],
        place: Place | None = None,
    ) -> None:
        self.place = place or Place()
        self.house = house
        self.pbx = pbx
        self.reception = reception
        self.greetings = greetings

    @asynccontextmanager
    async def call(
        self, context: str, number: str, *, codec: Codec = "ulaw", caller: str = "", known_as: str | None = None
    ) -> AsyncIterator[Call]:
        """A call to a number in a context of the dialplan; it is hung up when the block is left.

        Args:
            codec: Of the telephone.
            caller: Its number; empty: one that no other call has.
            known_as: What the gateway knows the caller as, where that is something else.
        """
        place = next(_numbers)
        caller = caller or f"+44207946{place:04}"
        where = self.place
        number_shown = quote(caller, safe="+")
        async with Phone(
            context, FIRST_PORT + place, number=number_shown, codec=codec, host=where.phones, pbx_host=where.pbx
        ) as phone:
            began = asyncio.get_running_loop().time()
            phone.call(number)
            try:
                yield Call(self, phone, caller if known_as is None else known_as, began)
            finally:
                write_wav(self.house.folder / f"{place:02}-{context}.wav", phone.media.timeline()[1], 8000)
        await asyncio.sleep(0.2)  # Asterisk tidies up behind the call


class Call:
    """One call from a telephone through Asterisk; ``caller``: what the gateway knows it as."""

    def __init__(self, bench: Bench, phone: Phone, caller: str, began: float) -> None:
        self.bench = bench
        self.phone = phone
        self.caller = caller
        self.began = began

    async def answered(self, within: float = ANSWERS_WITHIN) -> float:
        """Seconds from dialling to the answer."""
        await self.phone.until_answered(within)
        return asyncio.get_running_loop().time() - self.began

    async def hears(self, text: str) -> dict[str, Any]:
        return await until_said(self.bench.house, self.caller, text)

    async def says(self, name: str) -> None:
        """Play a recording of somebody's speech into the call."""
        await self.phone.media.say(recording(name) + bytes(3200))

    async def record(self) -> dict[str, Any]:
        return await until_recorded(self.bench.house, self.caller)

    def greeting_heard(self, codec: LineCodec = "ulaw") -> str:
        """Check that the greeting's sound is in what the telephone heard; how well, in words."""
        score, drift = likeness(self.phone.media.timeline()[1], self.bench.greetings[codec])
        assert score > (RESAMPLED if codec == "slin16" else SAME), f"the greeting is not what was sent: {score:.3f}"
        assert drift < MAX_DRIFT, f"the greeting has holes of {drift:.3f} s"
        return f"greeting {score:.3f}, {1000 * drift:.0f} ms of stutter"

    async def reaches_people(self, within: float = 6.0) -> float:
        """Wait until the caller hears the colleague; seconds from dialling to the colleague's answer."""
        loop = asyncio.get_running_loop()
        reception = self.bench.reception
        async with asyncio.timeout(within):
            await reception.answered.wait()
            seconds = loop.time() - self.began
        talking = asyncio.create_task(reception.media.say(tone(COLLEAGUE, 1.5)))
        try:
            await asyncio.sleep(1.4)
            heard = self.phone.media.timeline()[1][-16000:]
            share = share_of(heard[-8000:], COLLEAGUE)
            assert share > 0.9, f"the caller does not hear the colleague: {share:.2f} of the sound"
        finally:
            talking.cancel()
            await asyncio.wait([talking])
        return seconds


async def learn_greeting(house: House, number: str, codec: LineCodec) -> bytes:
    """What the gateway says first, as an emulated Asterisk gets it: the sound to look for behind the real one.

    Per codec, because a synthesizer does not speak twice alike: the gateway keeps each codec's rendering.
    """
    caller = f"+44207946009{LINE_CODECS.index(codec)}"
    line = AsteriskCaller(codec=codec, background=True, hear_every=None).connect(
        "ws://127.0.0.1:8080/media/asterisk",
        caller=caller,
        called=number,
        auth=CallerAuth(username="pbx", password=PASSWORD),
    )
    async with line:
        await until_said(house, caller, GREETING)
        pcm = convert(b"".join(piece.data for piece in line.heard()), line.peer.format, L16_8K)
    return until_last_word(pcm)


def until_last_word(pcm: bytes) -> bytes:
    """Without the silence behind it."""
    is_voice = voiced(pcm)
    end = len(is_voice) - is_voice[::-1].index(True)
    return pcm[: end * 320]


async def until_said(house: House, caller: str, text: str) -> dict[str, Any]:
    """Wait until the gateway's record says that the caller heard a text to its end."""
    record: dict[str, Any] = {}
    try:
        async with asyncio.timeout(SAYS_WITHIN):
            while True:
                record = await house.call_from(caller)
                if any(text in said["text"] and said["result"] == "played" for said in record.get("said", ())):
                    return record
                await asyncio.sleep(POLL)
    except TimeoutError:
        said = [item["text"] for item in record.get("said", ())]
        raise AssertionError(f"the caller did not hear {text!r}, but {said}; understood {heard(record)}") from None


async def until_recorded(house: House, caller: str) -> dict[str, Any]:
    """The complete record of a call that is over."""
    async with asyncio.timeout(5):
        while True:
            record = await house.call_from(caller)
            if record.get("result"):
                return record
            await asyncio.sleep(POLL)


@asynccontextmanager
async def reception(place: Place | None = None) -> AsyncIterator[Phone]:
    where = place or Place()
    async with Phone("reception", RECEPTION_PORT, answers=True, host=where.phones, pbx_host=where.pbx) as phone:
        yield phone


def recording(name: str) -> bytes:
    with wave.open(str(fetch_recordings.CACHE / "en" / f"{name}.wav")) as file:
        pcm: bytes = file.readframes(file.getnframes())
    return pcm


def heard(record: dict[str, Any]) -> list[str]:
    """What the gateway understood, turn by turn."""
    return [turn["caller"] or turn["kind"] for turn in record.get("exchange", ()) if turn["kind"] != "start"]
