"""What all labs share: a server behind a fault script, errands that end with it, and the command that runs it.

A lab is a subclass that says what a request gets when nothing goes wrong; `gateway.lab.server` has the HTTP below it,
`gateway.lab.faults` what can go wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, Self

import httpx

from gateway.lab.faults import Fault, FaultScript, instead, parse_fault, spoil
from gateway.lab.server import LabReply, LabRequest, LabServer, json_reply

LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=20)


class Lab(ABC):
    """A chat vendor's other side. Use it as an asynchronous context manager.

    A request's fault comes from the script, or from its own header ``X-Lab-Fault`` or query's ``fault``.

    Args:
        faults: What goes wrong with answers, one step for each; a wrong script raises ValueError.
    """

    def __init__(self, *, faults: str = "", host: str = "127.0.0.1", port: int = 0) -> None:
        self.faults = FaultScript(faults)
        self.server = LabServer(self._handle, host=host, port=port)
        self._errands: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self.server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        errands = list(self._errands)
        for errand in errands:
            errand.cancel()
        if errands:
            await asyncio.wait(errands)
        await self.server.stop()

    @property
    def url(self) -> str:
        """What the gateway's configuration names."""
        return self.server.url

    @property
    def requests(self) -> list[LabRequest]:
        """The newest requests, in order."""
        return list(self.server.requests)

    def announcement(self) -> str:
        """What `talkpath lab` prints when the lab is there: its address, and what a caller may say."""
        return f"lab at {self.url}"

    @abstractmethod
    async def _answer(self, request: LabRequest, fault: Fault) -> LabReply:
        """The answer to a request whose fault, if it has one, comes after it or is the vendor's own to show."""

    def _refusal(self, status: int, message: str) -> LabReply:
        """How this vendor says no."""
        return json_reply({"error": message}, status)

    def _instead(self, fault: Fault) -> LabReply | None:
        """The answer a fault gives before the request is looked at."""
        return instead(fault)

    async def _handle(self, request: LabRequest) -> LabReply:
        asked = request.headers.get("x-lab-fault") or request.query.get("fault")
        try:
            fault = parse_fault(asked) if asked else self.faults.next()
        except ValueError as error:
            return self._refusal(400, str(error))
        return self._instead(fault) or spoil(await self._answer(request, fault), fault)

    def _start(self, errand: Coroutine[Any, Any, None]) -> None:
        """Do something besides answering; it ends with the lab at the latest."""
        task = asyncio.get_running_loop().create_task(errand)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)


class SendingLab(Lab):
    """A lab that makes requests, too: webhooks, callbacks.

    Args:
        within: Seconds the gateway has for an answer.
        limits: Of its connections.
    """

    def __init__(
        self,
        *,
        within: float,
        limits: httpx.Limits = LIMITS,
        faults: str = "",
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        super().__init__(faults=faults, host=host, port=port)
        self._within = within
        self._limits = limits

    async def __aenter__(self) -> Self:
        self._client = httpx.AsyncClient(timeout=self._within, limits=self._limits, trust_env=False)
        return await super().__aenter__()

    async def __aexit__(self, *_: object) -> None:
        await super().__aexit__()
        await self._client.aclose()


def lab_parser(vendor: str, about: str, *, port: int, faults: str = "ok,500*2,slow:3") -> argparse.ArgumentParser:
    """A lab's command line with the options that all have; ``faults``: an example of a script."""
    parser = argparse.ArgumentParser(prog=f"talkpath lab {vendor}", description=about)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=port)
    parser.add_argument(
        "--faults", default="", metavar="SCRIPT", help=f"of answers, such as {faults}; see gateway.lab.faults"
    )
    return parser


def run_lab(
    parser: argparse.ArgumentParser, argv: Sequence[str] | None, make: Callable[[argparse.Namespace], Lab]
) -> int:
    """Run a lab until the process is told to stop; a ValueError of ``make`` is the command line's fault.

    Returns:
        The exit code: 1 when there is nothing to listen on.
    """
    given = parser.parse_args(argv)
    try:
        lab = make(given)
    except ValueError as error:
        parser.error(str(error))
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(_serve(lab))
    except OSError as error:
        print(f"talkpath: cannot listen on {given.host}:{given.port}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


async def _serve(lab: Lab) -> None:
    async with lab:
        print(lab.announcement(), flush=True)
        await asyncio.Event().wait()
