"""Whoever calls with a wrong password is refused, and the operator is told so, once a minute for each address."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import structlog

from gateway.transports.sip.digest import DigestClient
from gateway.transports.sip.message import SipRequest, SipResponse, parse
from gateway.transports.sip.settings import SipLine
from gateway.transports.sip.transport import SipTransport
from gateway.transports.sockets import LineContext
from tests.fakes.desk import Desk, open_line
from tests.fakes.sip_line import trunk_url
from tests.fakes.virtual_loop import virtual_time

WITHIN = 5.0
REFUSED = "credentials refused"


class Asker(asyncio.DatagramProtocol):
    """A peer that asks for the gateway's abilities, with or without a password."""

    def __init__(self) -> None:
        self._answers: asyncio.Queue[bytes] = asyncio.Queue()
        self._number = 0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._answers.put_nowait(data)

    async def ask(self, client: DigestClient | None = None) -> SipResponse:
        self._number += 1
        text = (
            "OPTIONS sip:gateway SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK{self._number};rport\r\n"
            "From: <sip:pbx@127.0.0.1>;tag=asker\r\nTo: <sip:gateway>\r\n"
            f"Call-ID: asker\r\nCSeq: {self._number} OPTIONS\r\nContent-Length: 0\r\n\r\n"
        )
        request = parse(text.encode())
        assert isinstance(request, SipRequest)
        if client is not None:
            client.authorize(request)
        self._transport.sendto(request.to_bytes())
        async with asyncio.timeout(WITHIN):
            answer = parse(await self._answers.get())
        assert isinstance(answer, SipResponse)
        if client is not None:
            client.challenged(request, answer)
        return answer


@asynccontextmanager
async def asking() -> AsyncIterator[Asker]:
    settings = {
        "listen": "udp:127.0.0.1:0",
        "auth": {"digest": {"realm": "gateway", "users": {"pbx": "right"}}},
    }
    transport = SipTransport("trunk", SipLine.model_validate(settings), LineContext(new_id=lambda: "call"))
    async with open_line(transport, Desk()):
        port = int((await trunk_url(transport)).rpartition(":")[2])
        loop = asyncio.get_running_loop()
        socket, asker = await loop.create_datagram_endpoint(Asker, remote_addr=("127.0.0.1", port))
        try:
            yield asker
        finally:
            socket.close()
            await asyncio.sleep(0)


def client(password: str) -> DigestClient:
    return DigestClient("pbx", password, lambda: "0a4f113b")


@virtual_time
async def test_a_wrong_password_is_told_to_the_operator_once_a_minute() -> None:
    with structlog.testing.capture_logs() as logs:
        async with asking() as asker:
            wrong = client("wrong")
            statuses = [(await asker.ask(wrong)).status for _ in range(4)]
    assert statuses == [401, 401, 401, 401]
    said = [(entry["peer"], entry["times"], entry["line"]) for entry in logs if entry["event"] == REFUSED]
    assert said == [("127.0.0.1", 1, "trunk")]  # the first asking had no credentials, the others are of the same minute


@pytest.mark.parametrize("password", [None, "right"])
@virtual_time
async def test_who_is_asked_for_a_password_and_who_has_it_cause_no_line(password: str | None) -> None:
    with structlog.testing.capture_logs() as logs:
        async with asking() as asker:
            known = client(password) if password else None
            statuses = [(await asker.ask(known)).status for _ in range(2)]
    assert statuses == [401, 200 if password else 401]
    assert not [entry for entry in logs if entry["event"] == REFUSED]
