"""A page that calls, without a browser: aiortc's own peer, and the requests that the console's page makes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from fractions import Fraction
from types import TracebackType

import httpx
import numpy as np
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame

from gateway.http.port import build_listener
from gateway.interfaces import Transport
from gateway.routes import Webhook
from gateway.transports.browser.transport import BrowserTransport

RATE = 48_000
PTIME = 0.02
SDP = {"content-type": "application/sdp"}


class Microphone(MediaStreamTrack):
    """A tone, in frames of 20 ms."""

    kind = "audio"

    def __init__(self, hertz: float = 440.0) -> None:
        super().__init__()
        self._hertz = hertz
        self._sent = 0

    async def recv(self) -> AudioFrame:
        size = int(RATE * PTIME)
        times = (self._sent + np.arange(size)) / RATE
        pcm = (8000 * np.sin(2 * np.pi * self._hertz * times)).astype(np.int16)
        frame = AudioFrame.from_ndarray(pcm.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, self._sent, Fraction(1, RATE)
        self._sent += size
        await asyncio.sleep(PTIME)
        return frame


class Page:
    """One call from a page.

    Args:
        http: To the line's shared port.
    """

    def __init__(self, http: httpx.AsyncClient, path: str = "/media/browser") -> None:
        self.http = http
        self.path = path
        self.peer = RTCPeerConnection()
        self.heard: list[np.ndarray] = []
        self.session = ""
        self._listening: asyncio.Task[None] | None = None
        self._news = asyncio.Condition()
        self.peer.on("track", self._listen)
        self.peer.on("connectionstatechange", self._changed)

    async def __aenter__(self) -> Page:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.peer.close()
        if self._listening is not None:
            await asyncio.wait([self._listening])

    async def offer(self, microphone: MediaStreamTrack | None = None) -> str:
        self.peer.addTrack(microphone or Microphone())
        await self.peer.setLocalDescription(await self.peer.createOffer())
        return self.peer.localDescription.sdp

    async def send(self, offer: str, token: str) -> httpx.Response:
        headers = {**SDP, "authorization": f"Bearer {token}"}
        return await self.http.post(self.path, content=offer.encode(), headers=headers)

    async def call(self, token: str) -> httpx.Response:
        """Call, and wait for the media."""
        answer = await self.send(await self.offer(), token)
        assert answer.status_code == 201, answer.text
        self.session = str(answer.url.join(answer.headers["location"]))
        await self.peer.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))
        await self.until(lambda: self.peer.connectionState == "connected")
        return answer

    async def hang_up(self, token: str) -> httpx.Response:
        return await self.http.delete(self.session, headers={"authorization": f"Bearer {token}"})

    async def until(self, condition: object, within: float = 15.0) -> None:
        """Wait until what came, or the state of the connection, makes a condition true."""
        assert callable(condition)
        async with asyncio.timeout(within), self._news:
            await self._news.wait_for(condition)

    def _listen(self, track: MediaStreamTrack) -> None:
        self._listening = asyncio.create_task(self._hear(track))

    async def _hear(self, track: MediaStreamTrack) -> None:
        try:
            while True:
                frame = await track.recv()
                assert isinstance(frame, AudioFrame)
                self.heard.append(frame.to_ndarray().reshape(-1))
                await self._changed()
        except MediaStreamError:
            await self._changed()

    async def _changed(self) -> None:
        async with self._news:
            self._news.notify_all()


@asynccontextmanager
async def port_of(transport: Transport, peer: str = "127.0.0.1") -> AsyncIterator[httpx.AsyncClient]:
    """A line's webhooks as the shared port serves them."""
    app = build_listener([route for route in transport.routes if isinstance(route, Webhook)])
    reached = httpx.ASGITransport(app, client=(peer, 1))
    async with httpx.AsyncClient(transport=reached, base_url="http://gateway") as http:
        yield http


def token_for(transport: Transport, number: str = "+33100000000", caller: str = "") -> str:
    assert isinstance(transport, BrowserTransport)
    return transport.invite(number, caller).token
