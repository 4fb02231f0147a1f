"""Calls from a page, with aiortc's own peer as the browser: real sockets, real media."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx
import numpy as np
import pytest

from audio import tones
from audio.codecs import g711
from audio.frame import Frame
from gateway.events import AudioReceived, LegClosed
from gateway.interfaces import Leg
from gateway.transports.browser.settings import BrowserLine
from gateway.transports.browser.transport import BrowserTransport
from gateway.transports.sockets import LineContext
from tests.fakes.desk import Desk
from tests.fakes.page import Page, port_of, token_for
from tests.fakes.sip_line import rtp_ports


def line(**more: object) -> BrowserTransport:
    settings = BrowserLine.model_validate({"media": {"host": "127.0.0.1", "ports": rtp_ports()}, **more})
    return BrowserTransport("web", settings, LineContext(new_id=lambda: "call-1"))


@asynccontextmanager
async def serving(transport: BrowserTransport, desk: Desk) -> AsyncIterator[httpx.AsyncClient]:
    serving = asyncio.create_task(transport.serve(desk.offer))
    await asyncio.sleep(0)
    try:
        async with port_of(transport) as http:
            yield http
    finally:
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving


async def say(leg: Leg, seconds: float) -> None:
    format = leg.capabilities.format
    await leg.send_audio(Frame(g711.encode(tones.ringback(seconds, format.rate), format.encoding), format))


@pytest.mark.asyncio
async def test_a_page_calls_hears_is_heard_and_hangs_up() -> None:
    transport, desk = line(), Desk()
    async with serving(transport, desk) as http, Page(http) as page:
        token = token_for(transport, "0033 1 00 00 00 00", "+44 1632 960999")
        answer = await page.call(token)
        assert answer.headers["content-type"] == "application/sdp"
        taken = await desk.call()
        info = taken.leg.info
        assert (info.call_id, info.line, info.called, info.caller) == (
            "call-1", "web", "+33100000000", "+441632960999",
        )  # fmt: skip
        assert answer.headers["location"] == f"browser/{info.leg_id}"
        await desk.until(lambda: sum(isinstance(event, AudioReceived) for event in taken.events) > 20)
        heard = np.frombuffer(taken.audio, np.int16)[-3200:].astype(float)
        assert 1000 < np.abs(heard).max() < 20_000
        await say(taken.leg, 0.5)
        await page.until(lambda: any(np.abs(frame).max() > 500 for frame in page.heard))
        assert (await page.hang_up("another")).status_code == 401
        assert (await page.hang_up(token)).status_code == 200
        await desk.until(lambda: taken.is_over)
        assert taken.events[-1] == LegClosed(by="caller", reason="hung up")
        await page.until(lambda: page.peer.connectionState in ("closed", "failed"))
        assert (await page.hang_up(token)).status_code == 404


@pytest.mark.asyncio
async def test_the_page_sees_that_we_hang_up() -> None:
    transport, desk = line(codecs=["PCMU"]), Desk()
    async with serving(transport, desk) as http, Page(http) as page:
        await page.call(token_for(transport))
        taken = await desk.call()
        await taken.leg.hang_up("normal")
        await page.until(lambda: page.peer.connectionState in ("closed", "failed"))
        await desk.until(lambda: taken.is_over)
        assert taken.events[-1] == LegClosed(by="gateway", reason="normal")


@pytest.mark.asyncio
async def test_a_page_that_goes_away_is_noticed() -> None:
    transport, desk = line(), Desk()
    async with serving(transport, desk) as http, Page(http) as page:
        await page.call(token_for(transport))
        taken = await desk.call()
        await page.peer.close()
        await desk.until(lambda: taken.is_over)
        assert isinstance(taken.events[-1], LegClosed)
        assert taken.events[-1].by == "caller"
