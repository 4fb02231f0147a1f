"""A codec that changes in mid-call: by re-INVITE, and without a word among those that both have."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import numpy as np
import pytest

from audio.codecs import convert
from audio.codecs.choice import live_codec
from audio.codecs.live import Codec
from audio.format import L16_8K, AudioFormat
from audio.frame import Frame
from audio.rtp.packet import RtpPacket
from gateway.transports.sip.settings import SipLine
from gateway.transports.sip.transport import SipTransport
from gateway.transports.sockets import LineContext
from tests.fakes.desk import Desk, TakenCall, open_line
from tests.fakes.plain_phone import PlainPhone, plain_phone, port_in
from tests.fakes.sip_line import rtp_ports, trunk_url
from tests.fakes.virtual_loop import virtual_time

TYPES = {"PCMU": 0, "PCMA": 8, "G722": 9, "opus": 96}
MAPS = {"opus": "a=rtpmap:96 opus/48000/2"}
CLOCKS = {"opus": 48000}
SLOTS = 25
PITCHES = (400, 700, 1000, 1300, 1600)  # Hz; each another stretch of the call


@asynccontextmanager
async def calling(desk: Desk) -> AsyncIterator[PlainPhone]:
    ids = itertools.count(1)
    line = SipLine.model_validate(
        {
            "listen": "udp:127.0.0.1:0",
            "allow": "127.0.0.1",
            "codecs": ["PCMU", "PCMA", "G722", "opus"],
            "rtp": {"host": "127.0.0.1", "ports": rtp_ports()},
        }
    )
    transport = SipTransport("line", line, LineContext(new_id=lambda: f"call-{next(ids)}"))
    async with open_line(transport, desk), plain_phone(await trunk_url(transport)) as phone:
        yield phone


def sdp(phone: PlainPhone, *names: str) -> str:
    return phone.sdp(" ".join(str(TYPES[name]) for name in names), *(MAPS[name] for name in names if name in MAPS))


def tone(pitch: int, format: AudioFormat, slots: int = SLOTS) -> bytes:
    times = np.arange(slots * round(0.02 * format.rate)) / format.rate
    pcm = (8000 * np.sin(2 * np.pi * pitch * times)).astype("<i2").tobytes()
    return convert(pcm, AudioFormat(L16_8K.encoding, format.rate), format)


def pitch_of(data: bytes, format: AudioFormat) -> int:
    """The loudest pitch of a stretch, to the nearest 100 Hz."""
    pcm = convert(data, format, AudioFormat(L16_8K.encoding, format.rate))
    spectrum = np.abs(np.fft.rfft(np.frombuffer(pcm, "<i2").astype(float)))
    return round(float(np.argmax(spectrum)) * format.rate / (len(pcm) // 2) / 100) * 100


class Talk:
    """What the telephone says: one stream, whatever its codec."""

    def __init__(self, phone: PlainPhone, port: int) -> None:
        self._phone = phone
        self._port = port
        self._codecs: dict[str, Codec] = {}
        self._sequence = self._timestamp = 0

    async def say(self, name: str, pitch: int) -> None:
        codec = self._codecs.setdefault(name, live_codec(name))
        data, size = tone(pitch, codec.format), codec.format.size(0.02)
        for start in range(0, len(data), size):
            self._sequence += 1
            payload = codec.encode(data[start : start + size])
            packet = RtpPacket(TYPES[name], self._sequence, self._timestamp, 77, payload)
            self._timestamp += CLOCKS.get(name, 8000) // 50
            self._phone.media.transport.sendto(packet.to_wire(), (self._phone.host, self._port))
            await asyncio.sleep(0.02)

    async def hears(self, name: str) -> int:
        """The pitch of what the gateway sends from now on; all of it has to be by that codec."""
        codec, data = live_codec(name), b""
        while not self._phone.media.arrived.empty():
            self._phone.media.arrived.get_nowait()
        for _ in range(SLOTS - 5):
            packet = await self._phone.hears()
            assert packet.payload_type == TYPES[name]
            data += codec.decode(packet.payload)
        return pitch_of(data, codec.format)


async def answered(desk: Desk, phone: PlainPhone, *names: str) -> tuple[Talk, TakenCall]:
    phone.ask("INVITE", sdp(phone, *names))
    answer = await phone.response()
    phone.ask("ACK", number=1)
    call = await desk.call()
    await desk.until(lambda: call.is_answered)
    return Talk(phone, port_in(answer.body)), call


def pitches(call: TakenCall, since: int) -> list[int]:
    """Of each half second that was heard since then, but for the seams."""
    format = call.leg.capabilities.format
    data, size = call.audio[since:], format.size(SLOTS * 0.02)
    return [pitch_of(data[at + size // 5 : at + size], format) for at in range(0, len(data) - size // 2, size)]


@pytest.mark.parametrize(
    "names",
    [("PCMU", "PCMA", "G722", "opus", "PCMU"), ("G722", "PCMU", "G722"), ("opus", "PCMA", "opus")],
    ids=lambda names: "-".join(names),
)
@virtual_time
async def test_a_codec_that_changes_by_re_invite(names: Sequence[str]) -> None:
    desk = Desk()
    async with calling(desk) as phone:
        talk, call = await answered(desk, phone, names[0])
        format, versions = call.leg.capabilities.format, set()
        for number, (name, pitch) in enumerate(zip(names, PITCHES, strict=False), 1):
            if number > 1:
                phone.ask("INVITE", sdp(phone, name))
                answer = await phone.response()
                phone.ask("ACK", number=number)
                assert f" RTP/AVP {TYPES[name]}\r\n" in answer.body.decode()
                versions.add(answer.body.split(b"\r\n")[1])
            since = len(call.audio)
            await talk.say(name, pitch)
            await asyncio.sleep(0.1)
            assert pitches(call, since) == [pitch], f"{name} was not understood"
            await call.leg.send_audio(Frame(tone(pitch, format), format))
            assert await talk.hears(name) == pitch, f"{name} was not spoken"
            await asyncio.sleep(0.5)
        assert len(versions) == len(names) - 1
        assert call.leg.capabilities.format == format, "a leg keeps its format"


@virtual_time
async def test_what_is_on_its_way_by_the_old_codec_is_understood() -> None:
    desk = Desk()
    async with calling(desk) as phone:
        talk, call = await answered(desk, phone, "PCMU")
        await talk.say("PCMU", 400)
        phone.ask("INVITE", sdp(phone, "PCMA"))
        await phone.response()
        phone.ask("ACK", number=2)
        await talk.say("PCMU", 700)
        await talk.say("PCMA", 1000)
        await asyncio.sleep(0.1)
        assert pitches(call, 0) == [400, 700, 1000]


@pytest.mark.parametrize("other", ["PCMA", "G722", "opus"])
@virtual_time
async def test_a_codec_that_changes_without_a_word(other: str) -> None:
    """The peer has offered both, so it may send either; what we send stays as we have answered."""
    desk = Desk()
    async with calling(desk) as phone:
        talk, call = await answered(desk, phone, "PCMU", other)
        for number, (name, pitch) in enumerate(zip(("PCMU", other, "PCMU", other), PITCHES, strict=False)):
            await talk.say(name, pitch)
            await asyncio.sleep(0.1)
            assert len(pitches(call, 0)) >= number + 1
        assert [pitch for pitch, _ in itertools.groupby(pitches(call, 0))] == list(PITCHES[:4])
        await call.leg.send_audio(Frame(tone(400, call.leg.capabilities.format), call.leg.capabilities.format))
        assert await talk.hears("PCMU") == 400


@virtual_time
async def test_a_codec_that_was_not_offered_is_not_heard() -> None:
    desk = Desk()
    async with calling(desk) as phone:
        talk, call = await answered(desk, phone, "PCMU")
        await talk.say("PCMU", 400)
        before = len(call.audio)
        await talk.say("PCMA", 700)
        await asyncio.sleep(0.1)
        assert len(call.audio) == before
