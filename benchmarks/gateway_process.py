"""The gateway as it is served, in a process of its own, with the benchmark's speech vendor plugged in.

On SIGUSR1 it prints what calls may have left behind: tasks, places at the judge, calls in the registry.

python -m benchmarks.gateway_process --port PORT --stubs PORT --records FOLDER
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy; the command's entry point does the same

import argparse
import asyncio
import gc
import json
import signal
import tempfile
from pathlib import Path

import uvloop

from audio.judge_batch import JudgeBatch
from benchmarks.plugin import BenchSpeech
from config.loading import load
from gateway import logs
from gateway.app import App
from gateway.call.registry import Registry
from gateway.call.session import Session
from gateway.collecting import collect_seldom
from gateway.plugins import Plugins, installed

CONFIGURATION = """
server: {{host: 127.0.0.1, port: 0, max_calls: 20000, drain_timeout: 1}}
lines:
  bench: {{transport: twilio, path: /media/bench, auth: none}}
bots:
  bench: {{backend: talkr, url: "http://127.0.0.1:{stubs}/api/acme/1/telephony"}}
speech:
  local: {{engine: bench, url: "ws://127.0.0.1:{stubs}"}}
numbers:
  "*": {{bot: bench}}
records: {{directory: "{records}"}}
logging: {{level: warning, format: json}}
"""
"""Everything else has its built-in default: journal, echo canceller, barge-in, listening while we speak."""


def configure(stubs: int, folder: Path) -> Path:
    """Write the configuration of the gateway that is measured."""
    path = folder / "bench.yaml"
    path.write_text(CONFIGURATION.format(stubs=stubs, records=folder / "records"))
    return path


def plugins() -> Plugins:
    """What is installed, but for speech: no engine, no worker process."""
    found = installed()
    return Plugins(transports=found.transports, backends=found.backends, speech={"bench": BenchSpeech})


async def serve(path: Path) -> None:
    available = plugins()
    settings = load(path, available.sections())
    logs.set_up(settings.logging)
    app = App(path, settings, available)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, tell_remains)
    async with asyncio.TaskGroup() as group:
        group.create_task(app.run())
        await app.started.wait()
        print(json.dumps({"port": app.port, "path": "/media/bench"}), flush=True)


def tell_remains() -> None:
    """Count what a call holds while it lasts; the garbage is collected first, as it would be some time later."""
    gc.collect()
    objects = gc.get_objects()
    remains = {
        "tasks": len(asyncio.all_tasks()),
        "seats": sum(len(item) for item in objects if isinstance(item, JudgeBatch)),
        "registered": sum(len(item) for item in objects if isinstance(item, Registry)),
        "sessions": sum(isinstance(item, Session) for item in objects),
        "objects": len(objects),
    }
    print(json.dumps(remains), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--stubs", type=int, required=True)
    given = parser.parse_args()
    collect_seldom()
    with tempfile.TemporaryDirectory(prefix="talkpath-bench-") as folder:
        uvloop.run(serve(configure(given.stubs, Path(folder))))


if __name__ == "__main__":
    main()
