"""baresip as a telephone: its configuration, and what it is told and tells by its control socket."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import numpy as np

from audio.files import read
from audio.format import L16_8K
from audio.resample import resample
from audio.wav import write_wav
from tools.peers.network import BARESIP
from tools.peers.process import Process

MODULES = "/usr/lib/baresip/modules"
STARTS_WITHIN = 10.0
POLL = 0.1
MEDIA_PORTS = 10  # for each telephone
LIVES = 120  # s
Codec = Literal["ulaw", "alaw", "g722", "opus"]
Encryption = Literal["srtp", "srtp-mand", "srtp-mandf"]
"""As baresip calls it: keys beside RTP/AVP, RTP/SAVP, RTP/SAVPF."""
CODECS: dict[Codec, str] = {
    "ulaw": "PCMU/8000/1",
    "alaw": "PCMA/8000/1",
    "g722": "G722/16000/1",
    "opus": "opus/48000/2",
}
RATES: dict[Codec, int] = {"ulaw": 8000, "alaw": 8000, "g722": 16000, "opus": 48000}


def configuration(folder: Path, place: int, codec: Codec, believes: Path | None = None) -> str:
    """A telephone that hears a file (`in.wav`) and keeps what it decodes.

    Args:
        believes: The authority whose certificates it takes.
    """
    first = media_ports(place)[0]
    lines = [
        f"sip_listen {BARESIP}:{sip_port(place)}",
        f"audio_source aufile,{folder / 'in.wav'}",
        "audio_player aubridge,nobody",
        "audio_alert aubridge,nobody",
        *(f"{name}_srate {RATES[codec]}" for name in ("ausrc", "auplay")),
        *(f"{name}_channels {2 if codec == 'opus' else 1}" for name in ("ausrc", "auplay")),
        f"rtp_ports {first}-{first + MEDIA_PORTS - 2}",
        f"snd_path {folder}",
        f"ctrl_tcp_listen {BARESIP}:{control_port(place)}",
        *([f"sip_cafile {believes}", "sip_verify_server yes"] if believes is not None else []),
        f"module_path {MODULES}",
        *(f"module {name}.so" for name in ("g711", "g722", "opus", "srtp", "aufile", "aubridge", "sndfile")),
        *(f"module_tmp {name}.so" for name in ("uuid", "account")),
        *(f"module_app {name}.so" for name in ("ctrl_tcp", "menu")),
    ]
    return "\n".join(lines) + "\n"


def sip_port(place: int) -> int:
    return 5200 + 2 * place  # the port above it is for TLS


def control_port(place: int) -> int:
    return 4400 + place


def media_ports(place: int) -> range:
    first = 17000 + MEDIA_PORTS * place
    return range(first, first + MEDIA_PORTS)


def netstring(text: str) -> bytes:
    """As ctrl_tcp reads and writes it."""
    data = text.encode()
    return b"%d:%s," % (len(data), data)


class Baresip:
    """A telephone that is up."""

    def __init__(self, folder: Path, place: int) -> None:
        self._folder = folder
        self._place = place
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def connect(self) -> None:
        self._reader, self._writer = await asyncio.open_connection(BARESIP, control_port(self._place))

    async def tell(self, command: str, parameters: str = "") -> None:
        assert self._writer is not None, "it is not connected"
        self._writer.write(netstring(json.dumps({"command": command, "params": parameters, "token": command})))
        await self._writer.drain()

    async def hears_of(self, kind: str, within: float) -> dict[str, Any]:
        """Wait for an event of its calls, such as CALL_ESTABLISHED."""
        seen: list[str] = []
        try:
            async with asyncio.timeout(within):
                while True:
                    told = await self._next()
                    seen.append(str(told.get("type") or told.get("data")))
                    if told.get("type") == kind:
                        return told
        except (TimeoutError, EOFError):
            raise AssertionError(f"baresip did not come to {kind}, but {', '.join(seen)}") from None

    async def _next(self) -> dict[str, Any]:
        assert self._reader is not None, "it is not connected"
        length = int((await self._reader.readuntil(b":"))[:-1])
        told: dict[str, Any] = json.loads((await self._reader.readexactly(length + 1))[:-1])
        return told

    def speaks(self) -> str:
        """The codec that was agreed on, as baresip calls it."""
        log = (self._folder / "baresip.log").read_text(encoding="utf-8", errors="replace")
        return log.rpartition("Set audio encoder: ")[2].partition(" ")[0]

    def decoded(self) -> bytes:
        """What it has played: PCM at 8 kHz."""
        found = sorted(self._folder.glob("dump-*-dec.wav"))
        assert found, "baresip has kept nothing of what it heard"
        return read(found[-1], L16_8K)

    async def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            with suppress(OSError):
                await self._writer.wait_closed()


def _furnish(
    folder: Path,
    place: int,
    number: str,
    codec: Codec,
    says: bytes,
    encryption: Encryption | None,
    believes: Path | None,
) -> None:
    folder.mkdir(parents=True)
    rate = RATES[codec]
    wide = resample(says, 8000, rate)
    if codec == "opus":
        write_wav(folder / "in.wav", np.repeat(np.frombuffer(wide, "<i2"), 2).tobytes(), rate, channels=2)
    else:
        write_wav(folder / "in.wav", wide, rate)
    (folder / "config").write_text(configuration(folder, place, codec, believes), encoding="ascii")
    media = f";mediaenc={encryption}" if encryption is not None else ""
    account = f"<sip:{number}@{BARESIP}>;regint=0;audio_codecs={CODECS[codec]}{media}\n"
    (folder / "accounts").write_text(account, encoding="ascii")


@asynccontextmanager
async def baresip(
    folder: Path,
    place: int,
    number: str,
    codec: Codec,
    says: bytes,
    *,
    encryption: Encryption | None = None,
    believes: Path | None = None,
) -> AsyncIterator[Baresip]:
    """A telephone within the block, registered nowhere; it says PCM at 8 kHz from when it is answered."""
    _furnish(folder, place, number, codec, says, encryption, believes)
    telephone = Baresip(folder, place)
    with Process("baresip", ["baresip", "-f", str(folder), "-v", "-t", str(LIVES)], folder) as process:
        deadline = time.monotonic() + STARTS_WITHIN
        while "baresip is ready" not in process.said:
            if process.has_ended or time.monotonic() > deadline:
                raise RuntimeError(f"baresip did not start; see {process.log}")
            await asyncio.sleep(POLL)
        await telephone.connect()
        try:
            yield telephone
        finally:
            await telephone.close()
