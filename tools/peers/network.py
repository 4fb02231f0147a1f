"""A network in which there is nobody else: the loopback interface with a few addresses, in a namespace of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tools.debian import Unavailable, install

INSIDE = "TALKPATH_PEERS_INSIDE"
GATEWAY = "192.0.2.1"
SIPP = "198.51.100.2"
BARESIP = "198.51.100.3"
PBX = "192.0.2.10"
ADDRESSES = (GATEWAY, SIPP, BARESIP, PBX)
NAMES = f"127.0.0.1 localhost\n{PBX} pbx.example.com\n"

PACKAGES = {  # the program, and the Debian package that has it
    "sipp": "sip-tester",
    "baresip": "baresip-core",
    "kamailio": "kamailio",
    "rtpengine": "rtpengine-daemon",
}
TOOLS = {"unshare": "util-linux", "ip": "iproute2"}
BESIDE = {"kamailio": ("kamailio-websocket-modules", "kamailio-utils-modules")}


def packages_of(programs: list[str]) -> list[str]:
    """What apt is asked for, for programs that are missing."""
    return [package for name in programs for package in (PACKAGES[name], *BESIDE.get(name, ()))]


def prepare() -> None:
    """Install the peers that are missing.

    Raises:
        Unavailable: not root, or a peer cannot be had.
    """
    if os.geteuid() != 0:
        raise Unavailable("calls through real peers need root, for a network of their own: use sudo")
    if absent := [package for tool, package in TOOLS.items() if shutil.which(tool) is None]:
        install(absent)
    if missing := _missing():
        install(packages_of(missing))
    if still := _missing():
        raise Unavailable(f"these peers are not to be had here: {', '.join(still)}")


def _missing() -> list[str]:
    return [name for name in PACKAGES if shutil.which(name) is None]


def go_inside(module: str, at_most: float) -> int:
    """Run this again where nobody else is: own network, mounts and processes, which end with it."""
    alone = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    command = [*alone, sys.executable, "-m", module, *sys.argv[1:]]
    try:
        return subprocess.run(command, env={**os.environ, INSIDE: "1"}, timeout=at_most).returncode
    except subprocess.TimeoutExpired:
        print(f"talkpath: the calls took longer than {at_most:.0f} s", file=sys.stderr)
        return 1


def arrange(folder: Path) -> None:
    """Addresses and names, as long as we are inside. There is no route to anywhere."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for address in ADDRESSES:
        subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)
    hosts = folder / "hosts"
    hosts.write_text(NAMES, encoding="utf-8")
    subprocess.run(["mount", "--bind", str(hosts), "/etc/hosts"], check=True)
