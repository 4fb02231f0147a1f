"""The private members of aioice and aiortc that `webrtc_parts` stands on: they exist, and are what it takes them for.

When a new version fails here, read `gateway/transports/media/webrtc_parts.py` beside the library's change log, mend it,
and move the upper bounds in `pyproject.toml`.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from aioice import Candidate, Connection
from aioice.candidate import candidate_foundation, candidate_priority
from aioice.ice import CandidatePair, StunProtocol, get_host_addresses
from aiortc.rtcdtlstransport import RTCCertificate, RTCDtlsTransport, State
from pylibsrtp import Session

from gateway.transports.media import webrtc_parts

SIGNATURES: dict[Callable[..., Any], str] = {
    Connection.get_component_candidates: "self component addresses timeout",
    Connection.gather_candidates: "self",
    Connection.add_remote_candidate: "self remote_candidate",
    Connection.connect: "self",
    Connection.close: "self",
    Connection.sendto: "self data component",
    Connection.protocol_lost: "self protocol",
    StunProtocol.__init__: "self receiver",
    StunProtocol.connection_made: "self transport",
    StunProtocol.connection_lost: "self exc",
    StunProtocol.datagram_received: "self data addr",
    StunProtocol.error_received: "self exc",
    CandidatePair.__init__: "self protocol remote_candidate",
    candidate_foundation: "candidate_type candidate_transport base_address",
    candidate_priority: "candidate_component candidate_type local_pref",
    get_host_addresses: "use_ipv4 use_ipv6",
    Candidate.from_sdp: "sdp",
    RTCCertificate._create_ssl_context: "self srtp_profiles",
    RTCDtlsTransport.__init__: "self transport certificates",
    RTCDtlsTransport._set_role: "self role",
    RTCDtlsTransport.start: "self remoteParameters",
    RTCDtlsTransport.stop: "self",
    Session.protect: "self packet",
    Session.protect_rtcp: "self packet",
    Session.unprotect: "self packet",
    Session.unprotect_rtcp: "self packet",
}
COROUTINES = [
    Connection.get_component_candidates,
    Connection.close,
    Connection.sendto,
    RTCDtlsTransport.start,
    RTCDtlsTransport.stop,
]
PINNED = {
    "_components",
    "_create_ssl_context",
    "_dtls",  # ours
    "_nominated",
    "_protocols",
    "_rx_srtp",
    "_set_role",
    "_state",
    "_task",
    "_tx_srtp",
}


@pytest.mark.parametrize("function", SIGNATURES, ids=lambda function: function.__qualname__)
def test_signatures(function: Callable[..., Any]) -> None:
    assert " ".join(inspect.signature(function).parameters) == SIGNATURES[function]


@pytest.mark.parametrize("function", COROUTINES, ids=lambda function: function.__qualname__)
def test_coroutines(function: Callable[..., Any]) -> None:
    assert inspect.iscoroutinefunction(function)


def test_attributes_of_a_connection() -> None:
    async def look() -> None:
        connection = Connection(ice_controlling=False, components=2)
        assert connection._components == {1, 2}
        assert connection._nominated == {}
        assert connection._protocols == []
        assert (connection.ice_controlling, connection.remote_is_lite) == (False, False)
        assert (connection.remote_username, connection.remote_password) == (None, None)
        assert len(connection.local_username) >= 4
        assert len(connection.local_password) >= 22

    asyncio.run(look())


def test_attributes_of_a_dtls_transport() -> None:
    async def look() -> None:
        transport = RTCDtlsTransport(object(), [RTCCertificate.generateCertificate()])  # type: ignore[arg-type]  # it only keeps it
        assert transport._task is transport._rx_srtp is transport._tx_srtp is None
        assert transport._state is State.NEW
        assert (transport.state, transport.encrypted) == ("new", False)
        assert {state.name for state in State} >= {"CONNECTED", "CLOSED", "FAILED"}

    asyncio.run(look())


def test_a_pair_tells_where_it_leads() -> None:
    async def look() -> None:
        protocol = StunProtocol(Connection(ice_controlling=False))
        protocol.local_candidate = Candidate("1", 1, "udp", 1, "127.0.0.1", 1000, "host")
        pair = CandidatePair(protocol, Candidate("2", 1, "udp", 1, "127.0.0.1", 2000, "host"))
        assert (pair.component, pair.remote_addr, pair.protocol) == (1, ("127.0.0.1", 2000), protocol)

    asyncio.run(look())


def test_no_other_private_member_is_used() -> None:
    """Each private name in the module is its own, or one of those pinned here."""
    tree = ast.parse(inspect.getsource(webrtc_parts))
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and _is_foreign(node)}
    assert used <= PINNED


def _is_foreign(node: ast.Attribute) -> bool:
    """A private name on something else than ``self``, or that a base class has."""
    if not node.attr.startswith("_") or node.attr.startswith("__"):
        return False
    on_self = isinstance(node.value, ast.Name) and node.value.id == "self"
    return not on_self or node.attr in dir(Connection(ice_controlling=False))
