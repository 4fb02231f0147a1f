"""Debian packages that real peers come from, installed where they are missing."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

WITHIN = 600.0
POLICY = Path("/usr/sbin/policy-rc.d")
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
    print(f"installing {wanted}", flush=True)
    is_ours = not POLICY.exists()
    if is_ours:
        POLICY.write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
        POLICY.chmod(0o755)
    try:
        if (said := _apt_get("install", "-y", "--no-install-recommends", *packages)) is not None:
            # A machine that is new knows no packages, and one that is old knows some that are gone.
            _apt_get("update")
            said = _apt_get("install", "-y", "--no-install-recommends", *packages)
    finally:
        if is_ours:
            POLICY.unlink()
    if said is not None:
        raise Unavailable(f"apt-get cannot install {wanted}: {said}")


def _apt_get(*arguments: str) -> str | None:
    """Why it has failed; nothing where it has not."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", *QUIET, *arguments]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=WITHIN)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    lines = (done.stdout + done.stderr).strip().splitlines() or ["no reason given"]
    return lines[-1] if done.returncode else None
