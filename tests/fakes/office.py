"""A whole gateway behind its real ports: every kind of line, API and health, a bot, and people who call it.

For the loop with virtual time. What stands for the machine's own (speech, voice detection, echo) is scripted unless a
test asks for the real thing. When the office closes, nothing of its calls may be left: every call has its record and a
journal that decides the same again, the bot was told that it ended, and the caller heard what the books say.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import pytest
from websockets.asyncio.client import connect

from audio.endpointing import VoiceEvent
from audio.format import AudioFormat
from config.loading import load
from config.settings import Settings
from gateway.call.registry import Registry
from gateway.call.services import Canceller, Detector
from gateway.caller.asterisk_line import AsteriskCaller
from gateway.caller.line import CallerClient
from gateway.caller.peer import CallerAuth
from gateway.caller.sip import SipCaller
from gateway.caller.twilio import TwilioCaller
from gateway.clock import LoopClock
from gateway.http.control import Reloaded
from gateway.http.guard import Guard
from gateway.http.messages import MessageShelf
from gateway.http.metrics import Metrics
from gateway.http.port import build
from gateway.interfaces import Leg, Transport
from gateway.kit.http import HttpClient
from gateway.lab.server import LabRequest, LabServer
from gateway.operator import Operator
from gateway.plugins import SpeechVendor, installed
from gateway.prompts.store import open_cache, open_overrides
from gateway.reception import Equipment, House, Reception
from gateway.records.disk import DiskWriter
from gateway.records.journal import read, replay
from gateway.routes import SocketRoute, Webhook
from gateway.speech.breaker import Breaker
from gateway.speech.cache import CachedSynthesizer
from gateway.speech.directory import SpeechDirectory
from gateway.speech.guarded import GuardedRecognizer, GuardedSynthesizer
from gateway.speech.prompt import salt_of
from gateway.speech.scripted.vendor import ScriptedSpeech
from gateway.speech_interfaces import Recognizer, Synthesizer
from gateway.transports.sockets import LineContext
from gateway.transports.text.transport import TextTransport
from tests.fakes.callers import Phone, Typist
from tests.fakes.fittings import CleanDetector, KeptRecords, NoCanceller
from tests.fakes.page import token_for
from tests.fakes.page_caller import PageCaller
from tests.fakes.shared_port import served
from tests.fakes.sip_line import rtp_ports, trunk_url

Line = Literal["cloud", "pbx", "trunk", "softphone", "page"]
LINES: tuple[Line, ...] = ("cloud", "pbx", "trunk", "softphone", "page")
"""Twilio, Asterisk's media WebSocket, SIP with RTP, SIP over our WebSocket with WebRTC, and the browser."""
SOCKETS: tuple[Line, ...] = ("cloud", "pbx")
"""The lines of media WebSockets."""
NUMBER = "+441632960000"
CALLER = "+33612345678"
TWILIO_TOKEN = "12345678901234567890123456789012"
PBX_PASSWORD = "correct horse battery staple"
CALLS_END_WITHIN = 15.0
MORE_THAN_A_SCRAP = 0.1
ONE_FRAME = 0.025
CLOSING = 0.01
"""Virtual seconds for connections to be seen closing, before their server cancels those that are left."""


class Bot(Protocol):
    """A chat platform's other side; a lab and what looks like one."""

    @property
    def url(self) -> str: ...
    @property
    def requests(self) -> list[LabRequest]: ...
    @property
    def server(self) -> LabServer: ...


Detectors = Callable[[AudioFormat, Callable[[VoiceEvent], None], float], Detector]
Cancellers = Callable[[AudioFormat], Canceller]


@dataclass
class Office:
    """A gateway that serves, and what can be seen of it in its books."""

    bot: Bot
    settings: Settings
    reception: Reception
    operator: Operator
    transports: Mapping[str, Transport]
    vendors: Mapping[str, ScriptedSpeech]
    records: list[dict[str, Any]]
    folder: Path
    messages: MessageShelf
    address: str = ""
    trunk: str = ""
    callers: list[Phone] = field(default_factory=list)
    is_truth_checked: bool = True
    """Compare what callers heard with the books; not where the connection breaks, which is noticed later."""
    _running: int = 0
    _quiet: asyncio.Event = field(default_factory=asyncio.Event)
    _one_over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def registry(self) -> Registry:
        return self.reception.equipment.registry

    def url_of(self, line: Line) -> str:
        if line == "trunk":
            return self.trunk
        scheme = "http" if line == "page" else "ws"
        return f"{scheme}://{self.address}{self.settings.lines[line].path}"

    async def offer(self, line: str, leg: Leg) -> None:
        self._running += 1
        self._quiet.clear()
        try:
            await self.reception.offer(line, leg)
        finally:
            self._running -= 1
            self._one_over.set()
            if not self._running:
                self._quiet.set()

    async def calls_over(self) -> None:
        """Wait until every call that came has its record."""
        async with asyncio.timeout(CALLS_END_WITHIN):
            if self._running:
                await self._quiet.wait()

    async def written(self) -> None:
        """Wait until the disk has what the calls so far have left; a thread writes it, in its own time."""
        assert await asyncio.to_thread(self.reception.equipment.disk.flush)

    async def ended(self, count: int) -> None:
        """Wait until so many calls have their record; the caller bounds the wait."""
        while len(self.records) < count:
            self._one_over.clear()
            await self._one_over.wait()

    async def asked(self, count: int, within: float = 60.0) -> float:
        """Wait until the bot has had so many requests. Returns when the last of them came, in loop time."""
        async with asyncio.timeout(within):
            await self.bot.server.received(count)
        return self.bot.requests[count - 1].at

    @property
    def texts(self) -> set[str]:
        """Everything any scripted voice was asked to say."""
        return {said.plain or said.text for vendor in self.vendors.values() for said in vendor.synthesizer.requests}

    # --- the books -------------------------------------------------------------------------------------------------
    @property
    def record(self) -> dict[str, Any]:
        """Of the call that ended last."""
        return self.records[-1]

    @property
    def outcome(self) -> tuple[str, str]:
        return self.record["result"], self.record["by"]

    def notes(self, kind: str) -> list[dict[str, Any]]:
        return [note["data"] for note in self.record["notes"] if note["kind"] == kind]


def auth_of(line: Line) -> CallerAuth | None:
    if line in ("trunk", "page"):
        return None
    if line == "cloud":
        return CallerAuth(twilio_token=TWILIO_TOKEN)
    return CallerAuth(username="pbx", password=PBX_PASSWORD)


def client_of(office: Office, line: Line, *, background: bool = True) -> CallerClient:
    if line == "cloud":
        return TwilioCaller(background=background)
    if line in ("trunk", "softphone"):
        return SipCaller(background=background)
    if line == "page":
        transport = office.transports[line]
        return PageCaller(lambda called, caller: token_for(transport, called, caller), background=background)
    return AsteriskCaller(background=background)


@asynccontextmanager
async def dial(
    office: Office,
    line: Line = "cloud",
    *,
    called: str = NUMBER,
    background: bool = True,
    client: CallerClient | None = None,
    auth: CallerAuth | None = None,
    **custom: str,
) -> AsyncIterator[Phone]:
    """A call to the office; hung up at the end, if it is still up."""
    client, auth = client or client_of(office, line, background=background), auth or auth_of(line)
    connection = client.connect(office.url_of(line), caller=CALLER, called=called, custom=custom, auth=auth)
    async with connection as up:
        caller = Phone(office, up)
        office.callers.append(caller)
        yield caller


@asynccontextmanager
async def texting(office: Office, *, caller: str = CALLER, called: str = NUMBER) -> AsyncIterator[Typist]:
    """A call to the office as text; hung up at the end, if it is still up."""
    url = f"ws://{office.address}/api/chat"
    async with connect(url, compression=None, proxy=None, ping_interval=None) as connection:
        await connection.send(json.dumps({"type": "start", "to": called, "from": caller}))
        author = Typist(connection)
        tasks = [asyncio.create_task(author.run()), asyncio.create_task(author.send_marks())]
        try:
            yield author
            await author.hang_up()
            await author.over(within=30)
        finally:
            await connection.close()
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


def written(
    folder: Path,
    bot: Mapping[str, Any],
    number: Mapping[str, Any],
    speech: Mapping[str, Any],
    server: Mapping[str, Any],
    pbx: Mapping[str, Any],
    trunk: Mapping[str, Any],
    more: Mapping[str, Mapping[str, Any]],
) -> Path:
    """The configuration file of an office."""
    configuration: dict[str, dict[str, Any]] = {
        "server": {"host": "127.0.0.1", "port": 0, **server},
        "lines": {
            "cloud": {"transport": "twilio", "path": "/media/twilio", "auth": {"twilio_signature": TWILIO_TOKEN}},
            "pbx": {
                "transport": "asterisk",
                "path": "/media/asterisk",
                "auth": {"basic": {"username": "pbx", "password": PBX_PASSWORD}},
                **pbx,
            },
            "trunk": {
                "transport": "sip",
                "listen": "udp:127.0.0.1:0",
                "allow": "127.0.0.1",
                "rtp": {"host": "127.0.0.1", "ports": rtp_ports()},
                **trunk,
            },
            "softphone": {
                "transport": "sip",
                "path": "/softphone",
                "auth": {"basic": {"username": "pbx", "password": PBX_PASSWORD}},
                "rtp": {"host": "127.0.0.1", "ports": rtp_ports()},
            },
            "page": {"transport": "browser", "media": {"host": "127.0.0.1", "ports": rtp_ports()}},
        },
        "bots": {"reception": bot},
        "speech": {"local": {"engine": "scripted", "echo": True}, **speech},
        "records": {"directory": str(folder / "records")},
        "defaults": {"language": "en-GB"},
        "numbers": {NUMBER: {"bot": "reception", **number}},
    }
    for section, entries in more.items():
        configuration[section] = {**configuration.get(section, {}), **entries}
    file = folder / "talkpath.yaml"
    file.write_text(json.dumps(configuration))  # JSON is YAML
    return file


def settings_of(file: Path) -> Settings:
    return load(file, installed().sections(), env={})


@asynccontextmanager
async def open_office(
    folder: Path,
    *,
    bot: Bot,
    bot_settings: Mapping[str, Any],
    number: Mapping[str, Any] | None = None,
    speech: Mapping[str, Any] | None = None,
    server: Mapping[str, Any] | None = None,
    pbx: Mapping[str, Any] | None = None,
    trunk: Mapping[str, Any] | None = None,
    more: Mapping[str, Mapping[str, Any]] | None = None,
    detector: Detectors = CleanDetector,
    canceller: Cancellers = lambda format: NoCanceller(),
    voice: Synthesizer | None = None,
    vendors: Mapping[str, SpeechVendor] | None = None,
) -> AsyncIterator[Office]:
    """Open an office.

    Args:
        bot: Who is asked.
        bot_settings: All of the bot's.
        number, speech, server, pbx, trunk: Further settings of theirs.
        more: Further entries by section, such as other bots and numbers.
        voice: Speaks instead of the scripted voice of the vendor ``local``, and without the prompt cache.
        vendors: Speech vendors that are started already, beside the scripted ones or in their place.
    """
    scripted = {name: {"engine": "scripted"} for name in vendors or {} if name != "local"}
    speech = {**scripted, **(speech or {})}
    file = written(folder, bot_settings, number or {}, speech, server or {}, pbx or {}, trunk or {}, more or {})
    async with HttpClient() as http:
        fittings = Fittings(detector, canceller, voice, vendors or {})
        office, disk = _furnish(settings_of(file), bot, http, folder, fittings)
        try:
            async with _serving(office):
                yield office
                await office.calls_over()
        finally:
            await asyncio.to_thread(disk.close)
    _check_books(office)


@dataclass
class Fittings:
    """What stands for the machine's own."""

    detector: Detectors
    canceller: Cancellers
    voice: Synthesizer | None
    vendors: Mapping[str, SpeechVendor]


def _furnish(
    settings: Settings, bot: Bot, http: HttpClient, folder: Path, fittings: Fittings
) -> tuple[Office, DiskWriter]:
    plugins, clock, disk, store = installed(), LoopClock(), DiskWriter(), KeptRecords()
    vendors = {name: ScriptedSpeech(name, section, http) for name, section in settings.speech.items()}  # type: ignore[arg-type]  # scripted
    config = folder / "talkpath.yaml"
    cache = open_cache(config, settings.prompts)
    salts = {name: salt_of(section) for name, section in settings.speech.items()}
    synthesizers: dict[str, Synthesizer] = {
        name: CachedSynthesizer(vendor.synthesizer, cache, salt=salts[name]) for name, vendor in vendors.items()
    }
    if fittings.voice is not None:
        synthesizers["local"] = fittings.voice
    recognizers: dict[str, Recognizer] = {name: vendor.recognizer for name, vendor in vendors.items()}
    for name, plugged in fittings.vendors.items():
        if plugged.synthesizer is not None:
            guarded = GuardedSynthesizer(plugged.synthesizer, Breaker(name, "synthesizer", clock.now), clock.now)
            synthesizers[name] = CachedSynthesizer(guarded, cache, salt=salts[name])
        if plugged.recognizer is not None:
            breaker = Breaker(name, "recognizer", clock.now)
            recognizers[name] = GuardedRecognizer(plugged.recognizer, breaker, clock.now)
    house = House(
        settings=settings,
        backends={
            name: plugins.backends[section.backend](name, section, http) for name, section in settings.bots.items()
        },
        speech=SpeechDirectory(synthesizers, recognizers, overrides=open_overrides(config, settings.prompts)),
        recognizers={name: recognizer.capabilities for name, recognizer in recognizers.items()},
        synthesizers=tuple(synthesizers),
    )
    messages = MessageShelf(clock, lambda: f"http://{office.address}")
    equipment = Equipment(
        clock=clock,
        registry=Registry(clock, settings.server.max_calls),
        metrics=Metrics(),
        store=store,  # type: ignore[arg-type]  # as far as it is asked
        disk=disk,
        detector=fittings.detector,
        canceller=fittings.canceller,
        put_message=messages.put,
    )
    reception = Reception(house, equipment)
    ids = itertools.count(1)
    public_url = settings.server.public_url
    context = LineContext(new_id=lambda: f"call-{next(ids)}", clock=clock, public_url=public_url, http=http)
    transports: dict[str, Transport] = {
        name: plugins.transports[line.transport](name, line, context) for name, line in settings.lines.items()
    }
    operator = Operator(reception, transports, _no_reload)
    operator.is_serving = True
    office = Office(bot, settings, reception, operator, transports, vendors, store.records, folder, messages)
    return office, disk


async def _no_reload() -> Reloaded:
    return Reloaded(problems=["not here"])


@asynccontextmanager
async def _serving(office: Office) -> AsyncIterator[None]:
    ids = itertools.count(1)
    text = TextTransport("text", LineContext(new_id=lambda: f"text-{next(ids)}"))
    plugged: list[Webhook | SocketRoute] = [route for line in office.transports.values() for route in line.routes]
    plugged += [route for backend in office.reception.house.backends.values() for route in backend.routes]
    plugged += office.messages.routes
    own = [route for route in text.routes if isinstance(route, SocketRoute)]
    port = build(office.operator, plugged, guard=Guard(), guarded_sockets=own)
    async with served(port) as office.address:
        serving = [
            asyncio.create_task(transport.serve(lambda leg, name=name: office.offer(name, leg)))
            for name, transport in {**office.transports, "text": text}.items()
        ]
        await asyncio.sleep(0)
        if "trunk" in office.transports:
            office.trunk = await trunk_url(office.transports["trunk"])
        try:
            yield
        finally:
            for task in serving:
                task.cancel()
            await asyncio.wait(serving)


def _check_books(office: Office) -> None:
    """No call is left, and each has a journal that decides the same again."""
    assert len(office.registry) == 0
    journals = sorted((office.folder / "records").glob("*/*.jsonl"))
    assert len(journals) == len(office.records)
    for journal in journals:
        setup, steps = read(journal)
        differences = replay(setup, steps)
        assert not differences, f"{journal.name} decides otherwise: {differences[0]}"
    if office.is_truth_checked:
        for caller in office.callers:
            _check_truth(office, caller)


def _check_truth(office: Office, caller: Phone) -> None:
    """The books say of each prompt what the caller heard of it, to the frame."""
    record = next((record for record in office.records if record["leg_id"] == caller.line.peer.leg_id), None)
    said = [item for item in record["said"] if item["text"] and item["seconds"] >= MORE_THAN_A_SCRAP] if record else []
    heard = [word for word in caller.heard if word.until - word.at >= MORE_THAN_A_SCRAP]
    booked = [round(item["seconds"], 3) for item in said]
    assert booked == [pytest.approx(word.until - word.at, abs=ONE_FRAME) for word in heard], f"{said} but {heard}"
