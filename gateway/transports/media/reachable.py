"""Where a peer's audio is, when its description names an address that means something on its own machine alone."""

from __future__ import annotations

import ipaddress
import socket

import structlog

log = structlog.get_logger(__name__)


def is_misnamed(named: str, toward: str) -> bool:
    """Whether a description names the loopback, and whoever sent it is on another machine.

    A PBX writes into its offers what its machine's name means, and where that is 127.0.0.1, nobody else can use it. Its
    signalling comes from an address that works; its packets will tell better.

    Args:
        named: Of ``c=``.
        toward: Where the signalling comes from.
    """
    here, there = _parsed(named), _parsed(toward)
    if here is None or there is None or here.version != there.version:
        return False
    return here.is_loopback and not there.is_loopback and not is_this_machine(toward)


def warn(named: str, toward: str) -> None:
    """Tell the operator whose mistake that likely is."""
    log.warning(
        "the peer's SDP names an address of its own machine alone",
        named=named,
        peer=toward,
        why="its machine's name means that address to itself: correct its /etc/hosts, or set the media address of its "
        "endpoint. Until then audio goes to where its signalling comes from, and then to where its audio does",
    )


def is_this_machine(address: str) -> bool:
    """Whether an address is one of ours: only to those does a packet leave from the address it goes to."""
    try:
        wanted = ipaddress.ip_address(address)
        family = socket.AF_INET6 if wanted.version == 6 else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(wanted), 9))
            return str(ipaddress.ip_address(probe.getsockname()[0])) == str(wanted)
    except (OSError, ValueError):
        return False


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(address)
    except ValueError:
        return None
