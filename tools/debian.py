"""Debian packages that real peers come from, installed where they are missing.

``python -m tools.debian PACKAGE ...`` does it by hand, as root. Only the standard library is used, because this may run
before anything else is there.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

WITHIN = 600.0
POLICY = Path("/usr/sbin/policy-rc.d")
LOCK = Path(tempfile.gettempdir()) / "talkpath-installs"
QUIET = ("-o", "Dpkg::Use-Pty=0", "-o", "DPkg::Lock::Timeout=300")


class Unavailable(Exception):
    """Something cannot be had on this machine; the message is one sentence for whoever asked."""


def install(packages: Sequence[str]) -> None:
    """By apt, without starting what comes as a service: peers run in a network of their own.

    Raises:
        Unavailable: not root, no apt, or no such package.
    """
    wanted = " ".join(packages)
    if os.geteuid() != 0:
        raise Unavailable(f"this needs root or: apt-get install {wanted}")
    with open(LOCK, "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several of us run side by side, and the policy below is one for all
        print(f"installing {wanted}", flush=True)
        said = _install(packages)
    if said is not None:
        raise Unavailable(f"apt-get cannot install {wanted}: {said}")


def _install(packages: Sequence[str]) -> str | None:
    """Why it has failed; nothing where it has not."""
    is_ours = not POLICY.exists()
    if is_ours:
        POLICY.write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
        POLICY.chmod(0o755)
    try:
        install = ("install", "-y", "--no-install-recommends", *packages)
        if _apt_get(*install) is None:
            return None
        _apt_get("update")  # a machine that is new knows no packages, and one that is old some that are gone
        return _apt_get(*install)
    finally:
        if is_ours:
            POLICY.unlink()


def _apt_get(*arguments: str) -> str | None:
    """Why it has failed; nothing where it has not."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", *QUIET, *arguments]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=WITHIN)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return None
    lines = (done.stdout + done.stderr).splitlines()
    return next((line for line in lines if line.startswith("E:")), "no reason given")


def is_installed(package: str) -> bool:
    told = subprocess.run(["dpkg-query", "-W", "-f", "${Status}", package], capture_output=True, text=True, timeout=60)
    return told.returncode == 0 and told.stdout.endswith(" installed")


def main(packages: Sequence[str]) -> int:
    try:
        if missing := [package for package in packages if not is_installed(package)]:
            install(missing)
    except (OSError, Unavailable) as error:
        print(f"talkpath: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
