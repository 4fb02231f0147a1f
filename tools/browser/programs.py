"""The programs that a browser's calls need: Chromium, and npm, which fetches JsSIP."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from tools.debian import Unavailable, install

NPM_WITHIN = 300.0
PROGRAMS = ("chromium", "npm")
"""Each is in Debian's package of the same name."""
_TRACE = re.compile(r"npm warn|>|at |code |errno |syscall |A complete log|If you are behind")
SOFTPHONE = Path(__file__).parents[2] / "examples" / "jssip"


def prepare(chromium: str | None = None) -> str:
    """Install what is missing; returns the browser.

    Args:
        chromium: Another one than Debian's.

    Raises:
        Unavailable: a program is missing and cannot be installed.
    """
    if missing := [name for name in PROGRAMS if not _is_there(name, chromium)]:
        install(missing)
    if still := [name for name in PROGRAMS if not _is_there(name, chromium)]:
        raise Unavailable(f"these programs are not to be had here: {', '.join(still)}")
    return chromium or shutil.which("chromium") or "chromium"


def _is_there(name: str, chromium: str | None) -> bool:
    return shutil.which(chromium if name == "chromium" and chromium else name) is not None


def build_softphone(folder: Path) -> str:
    """Put the page of `examples/jssip` there, with JsSIP as its lock file has it; returns JsSIP's version.

    Raises:
        Unavailable: npm cannot fetch it.
    """
    for file in SOFTPHONE.iterdir():
        if file.is_file():
            shutil.copy(file, folder)
    for command in (["npm", "ci", "--no-audit", "--no-fund"], ["npm", "run", "build"]):
        try:
            done = _run(command, folder, NPM_WITHIN)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Unavailable(f"{' '.join(command)} failed: {error}") from error
        if done.returncode:
            raise Unavailable(f"{' '.join(command)} failed: {_reason(done)}")
    return version_in((folder / "node_modules" / "jssip" / "package.json").read_text(encoding="utf-8"))


def version_in(package: str) -> str:
    """Of the package whose description this is."""
    found = re.search(r'"version":\s*"([^"]+)"', package)
    return found[1] if found else "of an unknown version"


def chromium_version(program: str) -> str:
    try:
        done = _run([program, "--version"], Path("/"), 30.0)
    except (OSError, subprocess.TimeoutExpired):
        return "of an unknown version"
    found = re.search(r"\d+(\.\d+)+", done.stdout)
    return found.group() if found else "of an unknown version"


def _run(command: list[str], folder: Path, within: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=within, stdin=subprocess.DEVNULL)


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    """What npm or the builder complained of in words: not codes, traces and places of logs."""
    lines = [re.sub(r"^npm (error|ERR!) ?", "", line).strip() for line in (done.stdout + done.stderr).splitlines()]
    worded = [line for line in lines if line.count(" ") >= 2 and not _TRACE.match(line)]
    return worded[0] if worded else f"it ended with {done.returncode}"
