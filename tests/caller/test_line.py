"""The thin client, against a gateway of a few lines on a real socket."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from audio.format import PCMA_8K, PCMU_8K
from audio.frame import Frame
from gateway.caller.peer import AudioHeard, HungUp
from gateway.caller.twilio import TwilioCaller
from gateway.errors import LocalProtocolError
from tests.fakes.virtual_loop import virtual_time


@dataclass
class Gateway:
    """Keeps what it gets, with the time, and sends what it is told to."""

    url: str = ""
    got: list[tuple[float, dict[str, object]]] = field(default_factory=list)
    connection: ServerConnection | None = None
    started: asyncio.Event = field(default_factory=asyncio.Event)
    stream_sid: str = ""

    async def handle(self, connection: ServerConnection) -> None:
        self.connection = connection
        try:
            async for text in connection:
                message = json.loads(text)
                self.got.append((asyncio.get_running_loop().time(), message))
                if message["event"] == "start":
                    self.stream_sid = message["streamSid"]
                    self.started.set()
        except ConnectionClosed:
            pass

    async def say(self, size: int) -> None:
        await self.started.wait()
        assert self.connection is not None
        media = {"payload": base64.b64encode(bytes(size)).decode()}
        await self.connection.send(json.dumps({"event": "media", "streamSid": self.stream_sid, "media": media}))

    def media(self) -> list[tuple[float, bytes]]:
        found = [(at, message["media"]) for at, message in self.got if message["event"] == "media"]
        return [(at, base64.b64decode(media["payload"])) for at, media in found]  # type: ignore[index]  # a dict


@asynccontextmanager
async def gateway() -> AsyncIterator[Gateway]:
    taking = Gateway()
    async with serve(taking.handle, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        taking.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        yield taking


def now() -> float:
    return asyncio.get_running_loop().time()


@virtual_time
async def test_what_is_said_leaves_every_20_ms() -> None:
    async with gateway() as taking, TwilioCaller().connect(taking.url) as line:
        begin = now()
        await line.say(Frame(bytes(16000), PCMU_8K))
        assert now() - begin == pytest.approx(2.0)
        times = [at - begin for at, _ in taking.media()]
        assert times == pytest.approx([index * 0.02 for index in range(100)], abs=1e-6)


@virtual_time
async def test_two_who_speak_at_once_are_heard_one_after_the_other() -> None:
    async with gateway() as taking, TwilioCaller().connect(taking.url) as line:
        begin = now()
        await asyncio.gather(*(line.say(Frame(byte * 1600, PCMU_8K)) for byte in (b"a", b"b")))
        assert now() - begin == pytest.approx(0.4)
        await asyncio.sleep(0.01)
        assert b"".join(data for _, data in taking.media()) == b"a" * 1600 + b"b" * 1600


@virtual_time
async def test_a_carrier_sends_silence_where_nothing_is_said() -> None:
    async with gateway() as taking, TwilioCaller(background=True).connect(taking.url) as line:
        await asyncio.sleep(0.095)
        await line.say(Frame(b"a" * 320, PCMU_8K))
        await asyncio.sleep(0.055)
        data = b"".join(data for _, data in taking.media())
    assert data == b"\xff" * 800 + b"a" * 320 + b"\xff" * 480


@virtual_time
async def test_saying_something_ends_with_the_call() -> None:
    async with gateway() as taking, TwilioCaller().connect(taking.url) as line:
        await taking.started.wait()
        saying = asyncio.create_task(line.say(Frame(bytes(80_000), PCMU_8K)))
        await asyncio.sleep(0.1)
        assert taking.connection is not None
        await taking.connection.close(1000)
        async with asyncio.timeout(1):
            await saying
        await line.say(Frame(bytes(80_000), PCMU_8K))
        assert line.hung_up is not None
        assert line.hung_up.by == "gateway"


@virtual_time
async def test_what_was_still_buffered_at_the_end_is_never_heard() -> None:
    async with gateway() as taking, TwilioCaller().connect(taking.url) as line:
        await taking.say(16_000)
        await asyncio.sleep(0.5)
        await line.hang_up()
        await line.wait_until_over()
        await asyncio.sleep(5)
        assert sum(len(piece.data) for piece in line.heard()) == pytest.approx(4000, abs=8)
        events = [event async for event in line.events()]
    assert sum(len(event.frame.data) for event in events if isinstance(event, AudioHeard)) == pytest.approx(4000, abs=8)
    assert isinstance(events[-1], HungUp)
    assert sum(isinstance(event, HungUp) for event in events) == 1


@pytest.mark.parametrize(
    ("end", "by"),
    [
        (lambda connection: connection.close(1000), "gateway"),
        (lambda connection: connection.close(1011), "failure"),
        (lambda connection: asyncio.sleep(0, connection.transport.abort()), "failure"),
    ],
)
@virtual_time
async def test_who_hung_up_is_told(end: Callable[[ServerConnection], object], by: str) -> None:
    async with gateway() as taking, TwilioCaller().connect(taking.url) as line:
        await taking.started.wait()
        assert taking.connection is not None
        await end(taking.connection)  # type: ignore[misc]  # one of a table of tests
        assert (await line.wait_until_over()).by == by


@virtual_time
async def test_audio_of_another_format_is_refused() -> None:
    async with gateway() as taking, TwilioCaller().connect(taking.url) as line:
        for send in (line.say, line.send_audio):
            with pytest.raises(LocalProtocolError):
                await send(Frame(b"", PCMA_8K))


@virtual_time
async def test_a_gateway_that_is_not_there() -> None:
    with pytest.raises(OSError, match=r"refused|failed"):
        async with TwilioCaller().connect("ws://127.0.0.1:9/"):
            pass
