"""What every test can rely on: the project's root is importable, and no test leaves a task behind or blocks a loop.

Hypothesis runs under a profile, chosen by ``HYPOTHESIS_PROFILE``: ``default`` looks for new examples each time, ``ci``
(also where ``CI`` is set) and ``mutants`` try the same ones always.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tests.watchdog import Watchdog  # noqa: E402  the root is importable from here on

# Deadlines would measure the machine.
settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, database=None, print_blob=True)
settings.register_profile("mutants", deadline=None, derandomize=True, database=None, max_examples=40)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "default"))


@pytest.fixture(scope="session")
def _watchdog() -> Iterator[Watchdog]:
    with Watchdog() as watchdog:
        yield watchdog


@pytest.fixture(autouse=True)
def _leaves_nothing_behind(request: pytest.FixtureRequest, _watchdog: Watchdog) -> Iterator[None]:
    """Fail a test whose loop ends with a task still running, or was held up for long."""
    _watchdog.restart()
    yield
    findings = _watchdog.findings()
    if findings and request.node.get_closest_marker("leaves_tasks") is None:
        pytest.fail("; ".join(findings), pytrace=False)
