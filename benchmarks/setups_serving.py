"""The measured process of `benchmarks.setups`: a `sip` line on a real UDP port, with nobody behind it.

Each call is answered and left to its caller to end. At each line on standard input it prints what is left behind; the
garbage is collected first, as it would be some time later.

python -m benchmarks.setups_serving
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import itertools
import json
import logging
import os
import resource
import sys
from collections import Counter
from contextlib import suppress

import structlog
import uvloop

from gateway.collecting import collect_seldom
from gateway.interfaces import Leg
from gateway.transports.sip.settings import SipLine
from gateway.transports.sip.transport import SipTransport
from gateway.transports.sockets import LineContext

HOST = "127.0.0.1"
OURS = ("gateway.", "audio.", "config.")


async def answer(leg: Leg) -> None:
    """A call whose bot has nothing to say."""
    await leg.answer()
    async for _ in leg.events():
        pass
    await leg.hang_up("normal")


def remains() -> dict[str, object]:
    """What there is: our own objects by class, tasks, files, and what it took so far.

    Free memory is given back first: what a crowd of calls had spread over is else counted as if it were in use.
    """
    gc.collect()
    with suppress(AttributeError, OSError):  # not every C library has it
        ctypes.CDLL(None).malloc_trim(0)
    objects = Counter(
        f"{type(item).__module__}.{type(item).__qualname__}"
        for item in gc.get_objects()
        if type(item).__module__.startswith(OURS)
    )
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "objects": objects,
        "tasks": len(asyncio.all_tasks()),
        "files": len(os.listdir("/proc/self/fd")),
        "blocks": sys.getallocatedblocks(),
        "cpu": usage.ru_utime + usage.ru_stime,
    }


async def serve() -> None:
    numbers = itertools.count(1)
    settings = {"listen": f"udp:{HOST}:0", "allow": HOST, "rtp": {"host": HOST, "ports": "20000-59999"}}
    line = SipTransport("bench", SipLine.model_validate(settings), LineContext(new_id=lambda: f"call-{next(numbers)}"))
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with asyncio.TaskGroup() as group:
        group.create_task(line.serve(answer))
        (bound,) = await line.bound()
        collect_seldom()
        print(json.dumps({"port": bound.port}), flush=True)
        while await reader.readline():
            print(json.dumps(remains()), flush=True)
        os._exit(0)


if __name__ == "__main__":
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    uvloop.run(serve())
