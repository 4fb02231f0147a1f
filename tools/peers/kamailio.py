"""Kamailio and rtpengine, with the published configuration."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tools.peers.house import House
from tools.peers.network import PBX
from tools.peers.process import Process, until_accepts

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "kamailio"
STARTS_WITHIN = 15.0
REGISTERS_WITHIN = 30.0
POLL = 0.1
WEBSOCKET_PORT = 8088


class Pbx:
    """Both programs, and what their logs say."""

    def __init__(self, folder: Path) -> None:
        media = ["rtpengine", f"--config-file={EXAMPLES / 'rtpengine.conf'}", "--foreground", "--log-stderr"]
        self.rtpengine = Process("rtpengine", media, folder)
        self.kamailio = Process("kamailio", ["kamailio", "-f", str(EXAMPLES / "kamailio.cfg"), "-DD", "-E"], folder)

    async def start_kamailio(self) -> None:
        """And wait until it accepts connections."""
        self.kamailio.start()
        await until_accepts(PBX, WEBSOCKET_PORT, self.kamailio)

    async def start_rtpengine(self) -> None:
        self.rtpengine.start()
        deadline = time.monotonic() + STARTS_WITHIN
        while "Startup complete" not in self.rtpengine.said:
            if self.rtpengine.has_ended or time.monotonic() > deadline:
                raise RuntimeError(f"rtpengine did not start; see {self.rtpengine.log}")
            await asyncio.sleep(POLL)

    def stop(self) -> None:
        self.kamailio.stop()
        self.rtpengine.stop()


@asynccontextmanager
async def pbx(folder: Path) -> AsyncIterator[Pbx]:
    """Both are up within the block."""
    both = Pbx(folder)
    try:
        await both.start_rtpengine()
        await both.start_kamailio()
        yield both
    finally:
        both.stop()


def registrations(house: House) -> int:
    """How often the gateway has registered, by its log."""
    return house.gateway.said.count('"event": "registered"')


async def until_registered(house: House, more_than: int = 0, within: float = REGISTERS_WITHIN) -> float:
    """Seconds until the gateway has registered once more."""
    began = time.monotonic()
    while registrations(house) <= more_than:
        assert time.monotonic() - began < within, f"the gateway did not register in {within:.0f} s"
        await asyncio.sleep(POLL)
    return time.monotonic() - began
