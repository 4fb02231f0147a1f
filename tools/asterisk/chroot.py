"""A root file system with Debian sid's Asterisk in it, made once and kept between runs."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tools.debian import Unavailable, install

SUITE = "sid"
PACKAGES = ("asterisk", "asterisk-core-sounds-en-wav")
TOOLS = {"unshare": "util-linux", "ip": "iproute2"}
TIMEOUT = 900.0
DONE = "talkpath-is-complete"


def default_place() -> Path:
    """In the user's cache, so that neither `make clean` nor a new checkout costs a download."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "talkpath" / "asterisk"


def prepare(place: Path) -> Path:
    """Make the file system unless it is there; about a minute and 550 MB.

    Raises:
        Unavailable: not root, no debootstrap, or the packages cannot be fetched.
    """
    if os.geteuid() != 0:
        raise Unavailable("the Asterisk calls need root, for debootstrap, chroot and a network of their own: use sudo")
    if absent := [package for tool, package in TOOLS.items() if shutil.which(tool) is None]:
        install(absent)
    if (place / DONE).exists():
        return place
    if shutil.which("debootstrap") is None:
        install(["debootstrap"])
    remove_incomplete(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    print(f"fetching Debian {SUITE} with Asterisk into {place}, which takes a minute", flush=True)
    # In a mount namespace of its own: what debootstrap mounts goes with it, however it ends.
    command = ["unshare", "--mount", "debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}"]
    made = subprocess.run([*command, SUITE, str(place)], capture_output=True, text=True, timeout=TIMEOUT)
    if made.returncode:
        lines = (made.stdout + made.stderr).strip().splitlines() or ["no reason given"]
        raise Unavailable(f"debootstrap cannot make a Debian {SUITE} with Asterisk: {lines[-1]}")
    (place / DONE).touch()
    return place


def remove_incomplete(place: Path) -> None:
    """What an interrupted run left; never anything that is not such a file system, or has something mounted."""
    if not place.exists():
        return
    looks_like_one = (place / "debootstrap").is_dir() or (place / "etc" / "debian_version").exists()
    looks_like_one |= not any(place.iterdir())
    mounts = Path("/proc/mounts").read_text(encoding="utf-8", errors="replace")
    if not looks_like_one or f" {place}/" in mounts:
        raise Unavailable(f"{place} holds something else or is in use; remove it, or name another place with --place")
    shutil.rmtree(place)
