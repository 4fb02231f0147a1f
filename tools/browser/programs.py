"""The programs that a browser's calls need: Chromium, and npm, which fetches JsSIP."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

NPM_WITHIN = 300.0
APT_WITHIN = 1200.0
PROGRAMS = ("chromium", "npm")
"""Each is in Debian's package of the same name."""
SOFTPHONE = Path(__file__).parents[2] / "examples" / "jssip"


class Unavailable(Exception):
    """Something cannot be had on this machine; the message is one sentence for whoever asked."""


def prepare(chromium: str | None = None) -> str:
    """Install what is missing; returns the browser.

    Args:
        chromium: Another one than Debian's.

    Raises:
        Unavailable: a program is missing and cannot be installed.
    """
    missing = [name for name in PROGRAMS if shutil.which(name) is None and not (name == "chromium" and chromium)]
    if missing:
        _install(missing)
    browser = chromium or shutil.which("chromium")
    if browser is None or shutil.which("npm") is None:
        raise Unavailable(f"apt-get said that it installed {' '.join(missing)}, but they are not there")
    return browser


def _install(packages: list[str]) -> None:
    wish = f"apt-get install {' '.join(packages)}"
    if os.geteuid() != 0:
        raise Unavailable(f"calls from a browser need {' and '.join(packages)}: sudo {wish}")
    if shutil.which("apt-get") is None:
        raise Unavailable(f"calls from a browser need {' and '.join(packages)}, and this machine has no apt-get")
    print(f"installing {', '.join(packages)}", flush=True)
    if (reason := _apt("install", *packages)) is None:
        return
    _apt("update")  # a fresh machine knows no packages yet
    if (reason := _apt("install", *packages)) is not None:
        raise Unavailable(f"{wish} failed: {reason}")


def _apt(action: str, *packages: str) -> str | None:
    """Why it failed; None where it did not."""
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    options = ["-y", "--no-install-recommends"] if action == "install" else []
    try:
        done = _run(["apt-get", "-q", action, *options, *packages], Path("/"), APT_WITHIN, quiet)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return None if done.returncode == 0 else _last_line(done)


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
            raise Unavailable(f"{' '.join(command)} failed: {_last_line(done)}")
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


def _run(
    command: list[str], folder: Path, within: float, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=within,
        stdin=subprocess.DEVNULL,
    )


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return lines[-1].strip() if lines else f"it ended with {done.returncode}"
