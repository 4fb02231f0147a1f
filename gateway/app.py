"""The only place that names concrete classes: builds everything a configuration asks for, runs it, takes it down.

One task group holds the lines and the server. SIGTERM or SIGINT: no new calls, `ready` goes false, running calls
finish within the drain time, and only then the server is told to exit, because it closes every WebSocket at once.
"""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
import signal
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import structlog

from audio.ear import SpeechDetector
from audio.echo import EchoCanceller
from audio.endpointing import VoiceEvent
from audio.format import AudioFormat
from audio.judge import Judge
from audio.judge_batch import JudgeBatch
from config.loading import load
from config.settings import Settings
from gateway.call.registry import Registry
from gateway.clock import Clock, LoopClock
from gateway.errors import GatewayError
from gateway.events import OperatorAsked
from gateway.http.control import Reloaded
from gateway.http.messages import MessageShelf
from gateway.http.metrics import Metrics
from gateway.http.ports import Ports, open_ports
from gateway.interfaces import Backend, DrainsPeers, Leg, LooksAtMedia, Transport
from gateway.jobs.hooks import Hooks
from gateway.jobs.work import JobWork, Surroundings
from gateway.kit.http import HttpClient
from gateway.kit.media import MediaFetcher
from gateway.operator import Operator
from gateway.plugins import Plugins, installed
from gateway.prompts.store import beside
from gateway.reception import Equipment, House, Reception
from gateway.records.disk import DiskWriter
from gateway.records.retention import keep_expiring
from gateway.records.storage import CallStore, sqlite_url
from gateway.routes import SocketRoute, Webhook
from gateway.speech_house import SpeechHouse
from gateway.switchboard import Switchboard
from gateway.text import values
from gateway.text.catalogue import Catalogue, WordOverrides
from gateway.transports.sockets import MAX_MESSAGE_BYTES, PING_INTERVAL, PING_TIMEOUT, LineContext
from gateway.transports.text.transport import TextTransport

log = structlog.get_logger()

JUDGE_EVERY = 0.010  # s: windows of all calls are judged together this often
LAG_EVERY = 0.5
LEAVE_WITHIN = 5.0  # s for lines to say goodbye to their peers; each bounds that itself
LAST_CALLS = 5.0  # s for calls that outlast the drain time to hang up in order
WEBSOCKETS = {
    "ws": "websockets-sansio",
    "ws_max_size": MAX_MESSAGE_BYTES,
    "ws_ping_interval": PING_INTERVAL,
    "ws_ping_timeout": PING_TIMEOUT,
    "ws_per_message_deflate": False,
}
FIXED = ("server", "lines", "speech", "prompts", "records", "logging", "media")
"""Sections that only a restart puts in force."""
TEXT_LINE = "text"  # name of the line of calls as text, in records and metrics


def new_call_id() -> str:
    return secrets.token_hex(8)


class App:
    """One gateway process.

    Args:
        path: The configuration, a file or a folder.
        settings: What `path` held; read again on reload.
        plugins: Transports, backends and speech vendors there are.
    """

    def __init__(self, path: Path | str, settings: Settings, plugins: Plugins | None = None) -> None:
        self._path = path
        self._settings = settings
        self._plugins = plugins or installed()
        self._clock: Clock = LoopClock()
        self._stop = asyncio.Event()
        self._ports: Ports | None = None
        server = settings.server
        self._messages = MessageShelf(self._clock, lambda: server.public_url or self.url + server.prefix)
        self.port = settings.server.port
        self.listening: dict[str, int] = {}
        """Ports of the listeners that webhooks have asked for, by what they named."""
        self.started = asyncio.Event()

    @property
    def url(self) -> str:
        """Where the shared port is, once `started` is set."""
        host = self._settings.server.host
        return f"http://{'127.0.0.1' if host in ('0.0.0.0', '') else host}:{self.port}"

    def stop(self) -> None:
        """Begin to drain; as SIGTERM does. A second time: do not wait for running calls."""
        if self._stop.is_set() and self._ports is not None:
            self._ports.stop()
        self._stop.set()

    async def run(self) -> None:
        """Serve until stopped.

        Raises:
            ConfigError: something configured cannot be had, such as the port.
        """
        async with AsyncExitStack() as stack:
            http = await stack.enter_async_context(HttpClient())
            self._metrics = Metrics()
            tell = self._metrics.circuit_changed
            self._speech = SpeechHouse(self._path, self._settings, self._plugins, self._clock, tell)
            await self._speech.start(stack, http)
            equipment = await self._equip(stack)
            reception = Reception(self._furnish(self._settings, http), equipment)
            self._hooks = Hooks(http, lambda: reception.house.settings.hooks, self._clock)
            self._switchboard = Switchboard(reception.house.backends)
            transports = self._make_transports(http)
            self._jobs.employ(
                Surroundings(
                    http=http,
                    books=reception,
                    settings=lambda: reception.house.settings,
                    backends=lambda: reception.house.backends,
                    told=reception.told,
                )
            )
            self._operator = operator = Operator(reception, transports, lambda: self._reload(reception, http))
            await self._serve(reception, operator, transports)

    # --- building --------------------------------------------------------------------------------------------------
    async def _equip(self, stack: AsyncExitStack) -> Equipment:
        records = self._settings.records
        disk = DiskWriter()
        stack.push_async_callback(asyncio.to_thread, disk.close)  # it waits for the disk
        database = records.database.get_secret_value() if records.database else sqlite_url(Path(records.directory))
        store = CallStore(database)
        await store.open()
        stack.push_async_callback(store.close)
        metrics = self._metrics
        metrics.prepare(list(self._settings.lines))
        self._jobs = JobWork(records, self._clock, metrics)
        await self._jobs.open()
        stack.push_async_callback(self._jobs.close)
        return Equipment(
            clock=self._clock,
            registry=Registry(self._clock, self._settings.server.max_calls),
            metrics=metrics,
            store=store,
            disk=disk,
            detector=self._detectors(),
            canceller=lambda format: EchoCanceller(format.rate),
            fetch_media=self._make_fetcher(stack),
            media_root=self._beside(self._settings.media.root),
            put_message=self._messages.put,
            jobs=self._jobs.desk,
            ask_hook=lambda name, key, body: self._hooks.ask(name, key, body),
        )

    def _make_fetcher(self, stack: AsyncExitStack) -> Callable[[str], Awaitable[bytes]]:
        media = self._settings.media
        self._fetcher = fetcher = MediaFetcher(
            allow=media.allow,
            max_bytes=media.max_bytes,
            timeout=media.timeout,
            max_redirects=media.max_redirects,
        )
        stack.push_async_callback(fetcher.aclose)

        async def fetch(url: str) -> bytes:
            return (await fetcher.fetch(url)).data

        return fetch

    def _detectors(self) -> Callable[[AudioFormat, Callable[[VoiceEvent], None], float], SpeechDetector]:
        """Voice activity detectors that share one judge, evaluated for all calls together."""
        mode = self._settings.server.vad
        batch: JudgeBatch | None = None
        if mode == "cascade":
            loop = asyncio.get_running_loop()
            batch = JudgeBatch(Judge(), lambda flush: loop.call_later(JUDGE_EVERY, flush))
        return lambda format, on_event, min_speech: SpeechDetector(
            format, batch, on_event, mode=mode, min_speech=min_speech
        )

    def _furnish(self, settings: Settings, http: HttpClient, kept: House | None = None) -> House:
        """What a configuration amounts to; of the one before, the bots that have not changed are kept."""
        for language in {number.language for number in settings.numbers.values()}:
            values.warm(language)  # else the first call in a language reads its words on the event loop
        return House(
            settings=settings,
            backends=self._make_backends(settings, http, kept),
            speech=self._speech.directory(),
            recognizers={name: recognizer.capabilities for name, recognizer in self._speech.ears.items()},
            synthesizers=tuple(self._speech.voices),
            words=self._wording(settings),
        )

    def _wording(self, settings: Settings) -> WordOverrides:
        """The operator's own wording, beside the configuration. Raises ConfigError."""
        wording = self._beside(settings.server.wording)
        return {} if wording is None else Catalogue.load_overrides(wording)

    def _beside(self, named: Path | None) -> Path | None:
        """A path of the configuration's, from where that lies."""
        return beside(self._path, named)

    def _make_backends(self, settings: Settings, http: HttpClient, kept: House | None) -> dict[str, Backend]:
        made: dict[str, Backend] = {}
        for name, section in settings.bots.items():
            if kept is not None and kept.settings.bots.get(name) == section:
                made[name] = kept.backends[name]
            else:
                made[name] = backend = self._plugins.backends[section.backend](name, section, http)
                if isinstance(backend, LooksAtMedia):
                    backend.look_with(self._content_type)
        return made

    async def _content_type(self, url: str) -> str:
        return (await self._fetcher.fetch(url)).content_type

    def _make_transports(self, http: HttpClient) -> dict[str, Transport]:
        server = self._settings.server
        context = LineContext(
            new_id=new_call_id,
            public_url=server.public_url,
            trusted_proxies=server.trusted_proxies,
            country=server.country,
            clock=self._clock,
            http=http,
        )
        self._text = TextTransport(TEXT_LINE, context)
        return {
            name: self._plugins.transports[line.transport](name, line, context)
            for name, line in self._settings.lines.items()
        }

    # --- serving ---------------------------------------------------------------------------------------------------
    async def _serve(self, reception: Reception, operator: Operator, transports: Mapping[str, Transport]) -> None:
        equipment, records = reception.equipment, self._settings.records
        self._ports = ports = await self._open_ports(operator, transports, reception)
        async with asyncio.TaskGroup() as group:
            lines = {
                name: group.create_task(transport.serve(_offer_to(reception, name)), name=f"line {name}")
                for name, transport in {**transports, TEXT_LINE: self._text}.items()
            }
            tasks = list(lines.values())
            tasks.append(group.create_task(self._watch_lag(equipment.metrics), name="lag"))
            tasks.append(
                group.create_task(
                    keep_expiring(equipment.store, Path(records.directory), records.retention_days, self._clock),
                    name="retention",
                )
            )
            tasks.append(group.create_task(self._jobs.run(), name="jobs"))
            tasks.append(
                group.create_task(
                    self._speech.speak_ahead(self._settings.numbers.values(), self._wording(self._settings)),
                    name="own sentences",
                )
            )
            serving = [
                group.create_task(server.run_until_told(), name=f"server {server.port}") for server in ports.servers
            ]
            handlers = self._catch_signals(reception, operator)
            try:
                await ports.wait_started()
                operator.is_serving = True
                self.started.set()
                log.info("serving", url=self.url, lines=len(transports), numbers=len(self._settings.numbers))
                await self._stop.wait()
                await self._drain(equipment.registry, transports.values())
                await self._jobs.drain()
            finally:
                self._release_signals(handlers)
                await _take_leave([lines[name] for name, line in transports.items() if isinstance(line, DrainsPeers)])
                ports.stop()
                await asyncio.wait(serving)
                for task in tasks:
                    task.cancel()

    async def _open_ports(self, operator: Operator, transports: Mapping[str, Transport], reception: Reception) -> Ports:
        plugged: list[Webhook | SocketRoute] = []
        for transport in transports.values():
            plugged.extend(transport.routes)
        plugged.extend([*self._switchboard.routes, *self._messages.routes])
        ports = await open_ports(
            self._settings.server,
            operator,
            plugged,
            own_sockets=[route for route in self._text.routes if isinstance(route, SocketRoute)],
            observe=reception.equipment.metrics.webhook_served,
            websockets=WEBSOCKETS,
        )
        self.port = ports.shared.port
        self.listening = {listen: server.port for listen, server in ports.listeners.items()}
        return ports

    async def _drain(self, registry: Registry, transports: Iterable[Transport]) -> None:
        registry.drain()
        for transport in transports:
            if isinstance(transport, DrainsPeers):
                transport.drain()
        timeout = self._settings.server.drain_timeout
        log.info("draining", calls=len(registry), at_most_seconds=timeout)
        if not await registry.drained(timeout):
            for call in registry:
                if call.post is not None:
                    call.post(OperatorAsked())
            await registry.drained(LAST_CALLS)

    # --- signals ---------------------------------------------------------------------------------------------------
    def _catch_signals(self, reception: Reception, operator: Operator) -> list[signal.Signals]:
        loop = asyncio.get_running_loop()
        caught: list[signal.Signals] = []
        reload_tasks: set[asyncio.Task[Any]] = set()

        def reload() -> None:
            task = loop.create_task(operator.reload())
            reload_tasks.add(task)  # the loop itself keeps only a weak reference
            task.add_done_callback(reload_tasks.discard)

        actions = {signal.SIGTERM: self.stop, signal.SIGINT: self.stop, signal.SIGHUP: reload}
        for number, action in actions.items():
            try:
                loop.add_signal_handler(number, action)
            except (NotImplementedError, RuntimeError, ValueError):  # no main thread: a test, or an embedding program
                continue
            caught.append(number)
        return caught

    def _release_signals(self, caught: Sequence[signal.Signals]) -> None:
        loop = asyncio.get_running_loop()
        for number in caught:
            loop.remove_signal_handler(number)

    async def _reload(self, reception: Reception, http: HttpClient) -> Reloaded:
        """Read the configuration again. Wrong: the old one stays. Right: in force for new calls."""
        try:
            settings = await asyncio.to_thread(load, self._path, self._plugins.sections())
            house = self._furnish(settings, http, reception.house)
        except GatewayError as error:
            problems = [str(problem) for problem in getattr(error, "problems", [])] or [str(error)]
            log.error("configuration not reloaded", problems=problems)
            return Reloaded(problems=problems)
        fixed = [name for name in FIXED if getattr(settings, name) != getattr(self._settings, name)]
        served = {name: getattr(self._settings, name) for name in fixed}
        reception.house = dataclasses.replace(house, settings=settings.model_copy(update=served))
        fixed += [f"bots.{bot}" for bot in self._switchboard.change(house.backends)]
        if fixed:
            log.warning("changes need a restart", sections=fixed)
        await self._speech.speak_ahead(settings.numbers.values(), self._wording(settings))
        log.info("configuration reloaded", numbers=len(settings.numbers))
        return Reloaded(needs_restart=fixed)

    # --- housekeeping ----------------------------------------------------------------------------------------------
    async def _watch_lag(self, metrics: Metrics) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + LAG_EVERY
            await asyncio.sleep(LAG_EVERY)
            metrics.lag.set(max(0.0, loop.time() - due))


async def _take_leave(lines: Sequence[asyncio.Task[None]]) -> None:
    """End lines that have something to say to their peers, while the shared port still carries it."""
    for line in lines:
        line.cancel()
    if lines:
        await asyncio.wait(lines, timeout=LEAVE_WITHIN)


def _offer_to(reception: Reception, line: str) -> Callable[[Leg], Any]:
    return lambda leg: reception.offer(line, leg)
