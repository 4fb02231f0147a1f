"""What calls leave behind: memory, tasks, files and places over thousands of short calls.

Every call is answered, greeted, asks its bot and is hung up by the caller in the middle of the greeting. Memory is
read while no call is up, after each part of the run; the first part warms up and does not count.

python -m benchmarks.slope [CALLS]
"""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Any

import numpy as np

from benchmarks.processes import Process
from benchmarks.run import gateway
from benchmarks.stage import Stage, vendors

CALLS = 10_000
PARTS = 10
AT_ONCE = 60
LIFE = 0.8
"""Seconds of a call: connected, greeted, listened to."""
RATE = 75.0
QUIET = 4.0
"""Seconds for the last calls to end."""


def remains(server: Process) -> dict[str, Any]:
    """What the gateway says it holds, and what the system says."""
    os.kill(server.pid, signal.SIGUSR1)
    return {**server.read(), "memory": server.memory(), "files": server.files()}


def part(stage: Stage, until: int) -> dict[str, Any]:
    """Place calls until so many were made in all, and wait for the end of the last one."""
    stage.churn(AT_ONCE, LIFE, RATE)
    made = 0
    while made < until:
        time.sleep(1)
        made = stage.report()["made"]
    stage.churn(0, LIFE, RATE)
    time.sleep(QUIET)
    return stage.report()


def run(calls: int) -> int:
    with vendors() as stubs, gateway(stubs) as server, Stage(server, stubs) as stage:
        stubs.ask("repeat")
        before = remains(server)
        print(f"before: {before}")
        rows = []
        failures: dict[str, int] = {}
        for number in range(1, PARTS + 1):
            report = part(stage, calls * number // PARTS)
            for reason, count in report["failures"].items():
                failures[reason] = failures.get(reason, 0) + count
            row = remains(server)
            rows.append((report["made"], row))
            print(f"after {report['made']} calls: {row}", flush=True)
    made = np.array([count for count, _ in rows[1:]])
    for what, unit, factor in (("memory", "KB", 1024), ("files", "files", 1), ("objects", "objects", 1)):
        slope = np.polyfit(made, np.array([row[what] for _, row in rows[1:]]) * factor, 1)[0]
        print(f"slope of {what}: {1000 * slope:+.1f} {unit} per 1,000 calls")
    last = rows[-1][1]
    left = [name for name in ("seats", "registered", "sessions") if last[name]]
    left += ["tasks"] if last["tasks"] > rows[0][1]["tasks"] else []
    print(f"failures: {failures or 'none'}; left behind: {left or 'nothing'}")
    return 1 if failures or left else 0


if __name__ == "__main__":
    sys.exit(run(int(sys.argv[1]) if len(sys.argv) > 1 else CALLS))
