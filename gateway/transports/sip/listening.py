"""The doors that a line opens for trunks, as its settings say, and which of those who come in by them it knows."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address

from gateway.clock import Clock
from gateway.transports.sip.flow import Flow
from gateway.transports.sip.settings import Listening, SipLine
from gateway.transports.sip.signalling import Door
from gateway.transports.sip.tcp import TcpDoor
from gateway.transports.sip.tls import ServerIdentity
from gateway.transports.sip.trunks import DoorOptions
from gateway.transports.sip.udp import UdpDoor


def trunk_doors(settings: SipLine, *, line: str, tokens: Callable[[], str], clock: Clock) -> list[Door]:
    """One for each socket of `listen`.

    Raises:
        ConfigError: the certificate cannot be used.
    """
    identity = ServerIdentity(settings.tls, line=line, clock=clock) if settings.tls is not None else None
    asks_later = settings.auth is not None and settings.auth.kind in ("digest", "none")

    def door(listening: Listening) -> Door:
        is_tls = listening.transport == "tls"
        proves_itself = is_tls and settings.has_client_ca and not settings.allow
        options: DoorOptions = {
            "line": line,
            "is_open": asks_later or proves_itself,
            "announce": settings.rtp.announce,
            "clock": clock,
        }
        if not listening.is_stream:
            return UdpDoor(listening, settings.allow, **options)
        return TcpDoor(listening, settings.allow, tokens=tokens, identity=identity if is_tls else None, **options)

    return [door(listening) for listening in settings.sockets]


def is_known(settings: SipLine, flow: Flow) -> bool:
    """Whether who speaks there is in `allow`, or has shown a certificate."""
    if flow.transport == "tls" and settings.has_client_ca:
        return True
    try:
        address = ip_address(flow.peer_address[0])
    except ValueError:
        return False
    return flow.transport in ("udp", "tcp", "tls") and any(address in network for network in settings.allow)


def is_overheard(flow: Flow) -> bool:
    """Whether others on the way can read what is said there, keys included; not on this machine, where a proxy that
    speaks TLS may be."""
    host = flow.peer_address[0]
    try:
        return flow.transport not in ("tls", "wss") and not ip_address(host).is_loopback
    except ValueError:
        return flow.transport not in ("tls", "wss")
