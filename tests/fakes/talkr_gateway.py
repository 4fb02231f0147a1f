"""A whole gateway in one process: reception, sessions and lines on a real port, a scripted TALKR bot behind it.

For the loop with virtual time. Calls come over real WebSockets (`callers`), the bot is asked over real HTTP, and when
the gateway is left every call's journal is replayed and must decide the same again.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from config.loading import load
from config.settings import Settings
from config.speech import engine_of
from gateway.backends.talkr.client import TalkrBackend
from gateway.call.registry import Registry
from gateway.clock import LoopClock
from gateway.http.metrics import Metrics
from gateway.interfaces import Leg, Transport
from gateway.kit.http import HttpClient
from gateway.lab.server import LabReply, LabRequest, LabServer, json_reply
from gateway.plugins import installed
from gateway.reception import Equipment, House, Reception
from gateway.records.disk import DiskWriter
from gateway.records.journal import Step, read, replay
from gateway.speech.cache import CachedSynthesizer, PromptCache
from gateway.speech.directory import SpeechDirectory
from gateway.speech.scripted.vendor import ScriptedSpeech
from gateway.transports.sockets import LineContext
from gateway.transports.text.transport import TextTransport
from tests.fakes.callers import NUMBER
from tests.fakes.fittings import CleanDetector, KeptRecords, NoCanceller
from tests.fakes.shared_port import shared_port

CALLER_SAYS = ("how does talkr work?", "my words", "yes please", "a second thing", "stop it now")
"""What the scripted recognizer understands; anything else a caller says is a sound without words."""
OFFER_ENDS_WITHIN = 10.0
CLOSING = 0.01
"""Virtual seconds for connections to be seen closing, before their server cancels those that are left."""

BotAnswer = dict[str, Any] | LabReply


class ScriptedTalkr:
    """The vendor's server: one answer per request, in order. A request too many gets a 599 and is counted."""

    def __init__(self, answers: Sequence[BotAnswer]) -> None:
        self._left = list(answers)
        self._closing = asyncio.Event()
        self.surplus = 0
        self.server = LabServer(self._answer)

    async def _answer(self, request: LabRequest) -> LabReply:
        if not self._left:
            self.surplus += 1
            return LabReply(status=599)
        answer = self._left.pop(0)
        reply = answer if isinstance(answer, LabReply) else json_reply(answer)
        if not reply.delay:
            return reply
        try:
            async with asyncio.timeout(reply.delay):
                await self._closing.wait()
        except TimeoutError:
            return replace(reply, delay=0.0)
        return LabReply(drop=True)

    async def __aenter__(self) -> ScriptedTalkr:
        await self.server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing.set()
        await asyncio.sleep(CLOSING)
        await self.server.stop()

    @property
    def requests(self) -> list[LabRequest]:
        return list(self.server.requests)

    @property
    def bodies(self) -> list[Any]:
        return [request.json() for request in self.server.requests]

    @property
    def unused(self) -> int:
        return len(self._left)


@dataclass
class Gateway:
    """A gateway that serves, and what can be seen of it from outside and in its books."""

    bot: ScriptedTalkr
    reception: Reception
    vendors: Mapping[str, ScriptedSpeech]
    records: list[dict[str, Any]]
    url: str = ""
    journals: list[list[Step]] = field(default_factory=list)
    _running: int = 0
    _quiet: asyncio.Event = field(default_factory=asyncio.Event)

    async def offer(self, line: str, leg: Leg) -> None:
        self._running += 1
        self._quiet.clear()
        try:
            await self.reception.offer(line, leg)
        finally:
            self._running -= 1
            if not self._running:
                self._quiet.set()

    async def calls_over(self) -> None:
        """Wait until every call that came has its record."""
        async with asyncio.timeout(OFFER_ENDS_WITHIN):
            if self._running:
                await self._quiet.wait()

    async def asked(self, count: int, within: float = 60.0) -> float:
        """Wait until the bot has had so many requests. Returns when the last of them came, in loop time."""
        async with asyncio.timeout(within):
            await self.bot.server.received(count)
        return self.bot.requests[count - 1].at

    # --- the books -------------------------------------------------------------------------------------------------
    def record(self, index: int = -1) -> dict[str, Any]:
        """The record of a call that is over, as it is stored."""
        return self.records[index]

    def notes(self, kind: str, index: int = -1) -> list[dict[str, Any]]:
        """What was noted of a kind in a call's record."""
        return [note["data"] for note in self.record(index)["notes"] if note["kind"] == kind]

    @property
    def outcome(self) -> tuple[str, str]:
        """How the last call ended, and by whom."""
        record = self.record()
        return record["result"], record["by"]

    def spoken_by(self, vendor: str) -> list[str]:
        """What a vendor's voice was asked to say, in plain words."""
        return [said.plain or said.text for said in self.vendors[vendor].synthesizer.requests]

    @property
    def texts(self) -> set[str]:
        """Everything any voice was asked to say."""
        return {text for name in self.vendors for text in self.spoken_by(name)}


def configuration(
    folder: Path,
    url: str,
    *,
    bot: Mapping[str, Any],
    number: Mapping[str, Any],
    speech: Mapping[str, Any],
) -> Settings:
    """What an operator would write, read as his file would be."""
    script = {"engine": "scripted", "echo": True, "texts": list(CALLER_SAYS)}
    written = {
        "lines": {
            "cloud": {"transport": "twilio", "path": "/media/twilio", "auth": "none"},
            "pbx": {"transport": "asterisk", "path": "/media/asterisk", "auth": "none"},
        },
        "bots": {
            "reception": {
                "backend": "talkr",
                "url": url + "/bot/{company}/{bot_id}/{channel}",
                "company": "acme",
                "bot_id": 42,
                **bot,
            }
        },
        "speech": {name: {**script, **own} for name, own in {"local": {}, **speech}.items()},
        "records": {"directory": str(folder / "records")},
        "numbers": {NUMBER: {"bot": "reception", **number}},
    }
    file = folder / "talkpath.yaml"
    file.write_text(json.dumps(written))  # JSON is YAML
    return load(file, installed().sections(), env={})


def furnish(settings: Settings, http: HttpClient) -> tuple[House, Mapping[str, ScriptedSpeech]]:
    """As the application does it."""
    cache, plugins = PromptCache(), installed()
    vendors = {
        name: plugins.speech[engine_of(name, section)](name, section, http) for name, section in settings.speech.items()
    }
    recognizers = {name: vendor.recognizer for name, vendor in vendors.items()}
    synthesizers = {name: CachedSynthesizer(vendor.synthesizer, cache) for name, vendor in vendors.items()}
    house = House(
        settings=settings,
        backends={name: TalkrBackend(name, section, http) for name, section in settings.bots.items()},  # type: ignore[arg-type]  # all are TALKR's
        speech=SpeechDirectory(synthesizers, recognizers),
        recognizers={name: recognizer.capabilities for name, recognizer in recognizers.items()},
        synthesizers=tuple(synthesizers),
    )
    return house, vendors


@asynccontextmanager
async def talkr_gateway(
    folder: Path,
    *answers: BotAnswer,
    bot: Mapping[str, Any] | None = None,
    number: Mapping[str, Any] | None = None,
    speech: Mapping[str, Any] | None = None,
    may_ask_more: bool = False,
) -> AsyncIterator[Gateway]:
    """A gateway whose number `NUMBER` is answered by a TALKR bot that gives these answers, one per request.

    Args:
        bot, number: Further settings of the bot and of the number.
        speech: Scripted vendors beside the default one, by name, with their scripts.
        may_ask_more: Do not fail where the bot is asked more often than it has answers.
    """
    talkr = ScriptedTalkr(answers)
    async with talkr, HttpClient() as http:
        parts = {"bot": bot or {}, "number": number or {}, "speech": speech or {}}
        settings = configuration(folder, talkr.server.url, **parts)
        house, vendors = furnish(settings, http)
        clock, disk, store = LoopClock(), DiskWriter(), KeptRecords()
        equipment = Equipment(
            clock=clock,
            registry=Registry(clock, settings.server.max_calls),
            metrics=Metrics(),
            store=store,  # type: ignore[arg-type]  # as far as it is asked
            disk=disk,
            detector=CleanDetector,
            canceller=lambda format: NoCanceller(),
        )
        gateway = Gateway(talkr, Reception(house, equipment), vendors, store.records)
        try:
            async with _serving(gateway, settings, clock):
                yield gateway
                await gateway.calls_over()
        finally:
            await asyncio.to_thread(disk.close)
        _check_books(gateway, folder)
        assert may_ask_more or not talkr.surplus, f"the bot was asked {talkr.surplus} times too often"


@asynccontextmanager
async def _serving(gateway: Gateway, settings: Settings, clock: LoopClock) -> AsyncIterator[None]:
    ids = itertools.count(1)
    context = LineContext(new_id=lambda: f"call-{next(ids)}", clock=clock)
    transports: dict[str, Transport] = {"text": TextTransport("text", context)}
    for name, line in settings.lines.items():
        transports[name] = installed().transports[line.transport](name, line, context)
    routes = [route for transport in transports.values() for route in transport.routes]
    async with shared_port(routes) as port:
        gateway.url = port.url
        serving = [
            asyncio.create_task(transport.serve(lambda leg, name=name: gateway.offer(name, leg)))
            for name, transport in transports.items()
        ]
        await asyncio.sleep(0)
        try:
            yield
        finally:
            for task in serving:
                task.cancel()
            await asyncio.wait(serving)


def _check_books(gateway: Gateway, folder: Path) -> None:
    """Every call has a journal, and it decides the same again."""
    journals = sorted((folder / "records").glob("*/*.jsonl"), key=lambda path: int(path.stem.partition("-")[2]))
    assert len(journals) == len(gateway.records)
    for journal in journals:
        setup, steps = read(journal)
        assert steps, f"{journal.name} is empty"
        differences = replay(setup, steps)
        assert not differences, f"{journal.name} decides otherwise: {differences[0]}"
        gateway.journals.append(steps)
