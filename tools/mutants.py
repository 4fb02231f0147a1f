"""Measures the tests: changes the code in small ways, one at a time, and counts how often a test notices.

``make mutants`` tries a sample that takes a quarter of an hour on two cores, always the same one for the same code;
``make mutants ARGS=--all`` tries everything, ``ARGS='--all audio/endpointing.py'`` one file; files of further backends,
of the SIP core and of RTP are tried when they are named. What no test could notice is listed, with the reason, in
`EQUIVALENT`.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from tools.mutations import Mutation, mutations
from tools.trials import Copies, TrialError

ROOT = Path(__file__).resolve().parent.parent
EQUIVALENT = "tools/equivalent_mutants.toml"
SAMPLE = 400
THRESHOLD = 85.0  # percent
_PATIENCE = 4.0  # times what the unchanged tests take, then a change counts as noticed: it made an endless loop


@dataclass(frozen=True)
class Suite:
    """Files, and the tests that answer for them, quickest first."""

    files: tuple[str, ...]
    tests: tuple[str, ...]


SUITES = (
    Suite(
        ("gateway/backends/talkr/*.py",),
        (
            "tests/backends/talkr/test_compose.py",
            "tests/backends/talkr/test_reply.py",
            "tests/backends/talkr/test_speech.py",
            "tests/backends/talkr/test_settings.py",
            "tests/backends/talkr/test_protocol.py",
            "tests/backends/talkr/test_vectors.py",
            "tests/backends/talkr/test_client.py",
            "tests/contracts/test_backends.py",
        ),
    ),
    Suite(
        (
            "gateway/call/bargein.py",
            "gateway/call/conversation.py",
            "gateway/call/digits.py",
            "gateway/call/endings.py",
            "gateway/call/facts.py",
            "gateway/call/hearing.py",
            "gateway/call/interrupting.py",
            "gateway/call/question.py",
            "gateway/call/speaking.py",
            "gateway/call/states.py",
            "gateway/call/turns.py",
            "gateway/call/voices.py",
        ),
        (
            "tests/call/test_conversation.py",
            "tests/call/test_bargein.py",
            "tests/call/test_digits.py",
            "tests/call/test_endings.py",
            "tests/call/test_hearing.py",
            "tests/call/test_interrupting.py",
            "tests/call/test_links.py",
            "tests/call/test_silence.py",
            "tests/call/test_speaking.py",
            "tests/call/test_speech_settings.py",
            "tests/call/test_transfers.py",
            "tests/call/test_turns.py",
            "tests/call/test_session_conversation.py",
            "tests/call/test_never_silent.py",
        ),
    ),
    Suite(
        ("gateway/call/heard.py", "gateway/call/playout.py", "gateway/call/queued.py"),
        ("tests/call/test_heard.py", "tests/call/test_playout.py"),
    ),
    Suite(("audio/endpointing.py",), ("tests/audio/test_endpointing.py",)),
)


_SIP = "gateway/transports/sip/"
_SIP_TESTS = "tests/transports/sip/test_"
FURTHER = (
    Suite(
        tuple(
            f"{_SIP}{name}.py" for name in ("call_data", "digest", "framing", "grammar", "headers", "message", "uri")
        ),
        tuple(
            f"{_SIP_TESTS}{name}.py"
            for name in ("digest", "torture", "uri", "message", "framing", "call_data", "digest_scope", "replaces")
        ),
    ),
    Suite(
        tuple(
            f"{_SIP}{name}.py"
            for name in (
                *("client_transaction", "dialog", "hanging_up", "in_dialog", "incoming", "own_offers", "peer_offers"),
                *("provisional", "refer", "refer_target", "registration", "retrying", "session_timer", "timers"),
                *("server_transaction", "transaction", "transferring", "user_agent"),
            )
        ),
        tuple(
            f"{_SIP_TESTS}{name}.py"
            for name in (
                *("transaction", "session_timer", "user_agent_offers", "user_agent_transfer", "user_agent_incoming"),
                *("timers", "user_agent_captured", "user_agent_replacing", "user_agent_flows", "dialog"),
                *("user_agent_prack", "user_agent_requests", "registration", "user_agent_outgoing"),
                *("user_agent_network", "user_agent_fuzz"),
            )
        ),
    ),
    Suite(
        ("audio/rtp/*.py", "gateway/transports/media/answer.py", "gateway/transports/media/sdp.py"),
        ("tests/audio/rtp", "tests/transports/media/test_answer.py", "tests/transports/media/test_sdp.py"),
    ),
)
"""Those that count when one of their files is asked for."""


def backend_suites(root: Path, known: Sequence[Suite] = SUITES) -> list[Suite]:
    """A suite for each backend that `known` does not name; they count when their files are asked for."""
    folders = sorted(path.parent for path in root.glob("gateway/backends/*/__init__.py"))
    named = {pattern.rpartition("/")[0] for suite in known for pattern in suite.files}
    found = []
    for folder in folders:
        place = folder.relative_to(root).as_posix()
        tests = tuple(f"tests/{kind}/{folder.name}" for kind in ("backends", "calls"))
        if place not in named and all((root / path).is_dir() for path in tests):
            found.append(Suite((f"{place}/*.py",), tests))
    return found


@dataclass(frozen=True)
class Mutant:
    """One changed file, and the tests that should notice."""

    path: str
    mutation: Mutation
    source: bytes
    tests: tuple[str, ...]

    @property
    def line(self) -> str:
        """The text of the source line it begins on."""
        return self.source.splitlines()[self.mutation.line - 1].decode().strip()

    def __str__(self) -> str:
        return f"{self.path}:{self.mutation.line}: {self.line}\n    {self.mutation.old}  ->  {self.mutation.new}"


def mutants_of(root: Path, suites: Iterable[Suite], only: Sequence[str] = ()) -> list[Mutant]:
    """Every mutant of the suites' files, or of those files among them that are named."""
    found = []
    for suite in suites:
        for path in sorted(path for pattern in suite.files for path in root.glob(pattern)):
            name, source = path.relative_to(root).as_posix(), path.read_bytes()
            if not only or name in only:
                found += [Mutant(name, mutation, source, suite.tests) for mutation in mutations(source)]
    return found


def without_equivalents(mutants: list[Mutant], listed: Path) -> tuple[list[Mutant], list[str]]:
    """Leave out what is listed as unnoticeable.

    Args:
        mutants: All of the files that are looked at.
        listed: TOML, tables ``[[mutant]]`` of ``file``, ``old``, ``new``, ``reason``, and ``line``, the text of the
            source line, where the same change is noticed elsewhere in the file.
    Returns:
        The others, and a sentence for every entry that names no mutant any more.
    """
    entries = tomllib.loads(listed.read_text(encoding="utf-8")).get("mutant", []) if listed.is_file() else []
    files = {mutant.path for mutant in mutants}
    stale = [
        f"{entry['file']}: {entry['old']}  ->  {entry['new']}"
        for entry in entries
        if entry["file"] in files and not any(_is_named(mutant, entry) for mutant in mutants)
    ]
    return [mutant for mutant in mutants if not any(_is_named(mutant, entry) for entry in entries)], stale


def _is_named(mutant: Mutant, entry: dict[str, str]) -> bool:
    change = mutant.mutation
    return (mutant.path, change.old, change.new) == (entry["file"], entry["old"], entry["new"]) and entry.get(
        "line", mutant.line
    ) == mutant.line


def survivors_of(mutants: Sequence[Mutant], root: Path, jobs: int) -> list[Mutant]:
    """Try every mutant; those that no test notices, in the order of `mutants`.

    Raises:
        TrialError: when tests fail without any change, or do not even notice a file that cannot be imported.
    """
    survived: set[Mutant] = set()
    with tempfile.TemporaryDirectory(prefix="mutants-") as work, ThreadPoolExecutor(jobs) as pool:
        copies = Copies(root, Path(work), jobs)
        patience = {
            tests: 10 + _PATIENCE * copies.warm(tests, 600) for tests in {mutant.tests: 0 for mutant in mutants}
        }
        for path, tests in {(mutant.path, mutant.tests): 0 for mutant in mutants}:
            if copies.survives(path, b"raise RuntimeError", tests, patience[tests]):
                raise TrialError(f"{path} is not even imported by {' '.join(tests)}")
        trials = {
            pool.submit(copies.survives, it.path, it.mutation.apply(it.source), it.tests, patience[it.tests]): it
            for it in mutants
        }
        for done, trial in enumerate(as_completed(trials), start=1):
            if trial.result():
                survived.add(trials[trial])
                print(f"survived ({done} of {len(mutants)} tried): {trials[trial]}", flush=True)
    return [mutant for mutant in mutants if mutant in survived]


def report(mutants: Sequence[Mutant], survived: Sequence[Mutant]) -> float:
    """Print how many were caught, file by file.

    Returns:
        Percent caught in all.
    """
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for mutant in mutants:
        counts[mutant.path][0] += 1
        counts[mutant.path][1] += mutant not in survived
    print(f"\n{'tried':>6} {'caught':>6} {'%':>6}")
    for path, (tried, caught) in sorted(counts.items()):
        print(f"{tried:6} {caught:6} {100 * caught / tried:6.1f}  {path}")
    caught = len(mutants) - len(survived)
    percent = 100 * caught / len(mutants)
    print(f"{len(mutants):6} {caught:6} {percent:6.1f}  in all")
    return percent


def main(arguments: Sequence[str] | None = None, root: Path = ROOT, suites: Sequence[Suite] = SUITES) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.mutants", description=__doc__)
    parser.add_argument("files", nargs="*", help="only these files")
    parser.add_argument("--sample", type=int, default=SAMPLE, help="how many to try (default %(default)s)")
    parser.add_argument("--all", action="store_true", help="try all of them")
    parser.add_argument("--seed", type=int, default=1, help="of the sample (default %(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time (default %(default)s)")
    parser.add_argument("--threshold", type=float, default=THRESHOLD, help="percent (default %(default)s)")
    options = parser.parse_args(arguments)

    if options.files:
        suites = [*suites, *FURTHER, *backend_suites(root, suites)]
    mutants, stale = without_equivalents(mutants_of(root, suites, options.files), root / EQUIVALENT)
    if not mutants:
        print("there is nothing to change in " + (" ".join(options.files) or "the suites"), file=sys.stderr)
        return 2
    total = len(mutants)
    if not options.all and options.sample < total:
        chosen = sorted(random.Random(options.seed).sample(range(total), options.sample))
        mutants = [mutants[index] for index in chosen]
    print(f"trying {len(mutants)} of {total} changes, {options.jobs} at a time", flush=True)
    try:
        survived = survivors_of(mutants, root, options.jobs)
    except TrialError as error:
        print(error, file=sys.stderr)
        return 2
    percent = report(mutants, survived)
    for entry in stale:
        print(f"{EQUIVALENT} lists what is not there any more: {entry}")
    return 0 if percent >= options.threshold and not stale else 1


if __name__ == "__main__":
    sys.exit(main())
