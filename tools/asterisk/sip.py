"""A SIP telephone for tests: one call at a time over UDP, PCMU or PCMA, keys as telephone events.

Independent of the gateway on purpose: it is the far end of a real PBX, and only has to be right. Signalling is RFC 3261
without authentication or retransmission (loopback loses nothing); media is in `media`.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from dataclasses import dataclass, field
from typing import Literal

from tools.asterisk.media import PAYLOAD_TYPES, Codec, MediaPort

HOST = "127.0.0.1"
CRLF = "\r\n"
REASONS = {180: "Ringing", 200: "OK", 486: "Busy Here", 487: "Request Terminated"}


@dataclass(slots=True)
class Message:
    """A request or a response; header names in lower case, repeated ones in order."""

    first_line: str
    headers: list[tuple[str, str]]
    body: str = ""

    @classmethod
    def from_wire(cls, data: bytes) -> Message:
        head, _, body = data.decode("utf-8", "replace").partition(CRLF * 2)
        first_line, *lines = head.split(CRLF)
        pairs = (line.partition(":") for line in lines)
        return cls(first_line, [(name.strip().lower(), value.strip()) for name, _, value in pairs], body)

    def to_wire(self) -> bytes:
        lines = [self.first_line, *(f"{name}: {value}" for name, value in self.headers)]
        lines.append(f"content-length: {len(self.body.encode())}")
        return (CRLF.join(lines) + CRLF * 2 + self.body).encode()

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    def get(self, name: str) -> str:
        return next(iter(self.all(name)), "")

    @property
    def method(self) -> str:
        """Of a request, or of the request that a response answers."""
        return self.get("cseq").partition(" ")[2] if self.status else self.first_line.partition(" ")[0]

    @property
    def status(self) -> int:
        """Of a response; 0 for a request."""
        return int(self.first_line.split(" ")[1]) if self.first_line.startswith("SIP/2.0 ") else 0


@dataclass(frozen=True, slots=True)
class Ended:
    """``status``: the final response where the call was never answered, else 200."""

    by: Literal["phone", "pbx"]
    status: int = 200


@dataclass(slots=True)
class _Dialog:
    call_id: str
    local: str
    remote: str
    target: str
    routes: list[str] = field(default_factory=list)
    cseq: int = 1


class Phone(asyncio.DatagramProtocol):
    """One telephone. Use it as an asynchronous context manager.

    Args:
        user: Its account at the PBX.
        port: Of its signalling.
        pbx: Where its calls go.
        number: What it calls from, as a trunk asserts it (RFC 3325).
        answers: Take incoming calls.
        host, pbx_host: Addresses of the telephone and of the PBX.

    Attributes:
        is_deaf: Incoming calls ring, and nobody takes them.
    """

    def __init__(
        self,
        user: str,
        port: int,
        pbx: int = 5060,
        *,
        number: str = "",
        codec: Codec = "ulaw",
        answers: bool = False,
        host: str = HOST,
        pbx_host: str = HOST,
    ) -> None:
        self.user = user
        self._host = host
        self._pbx_host = pbx_host
        self.number = number
        self.media = MediaPort(codec)
        self.answered = asyncio.Event()
        self.ended: Ended | None = None
        self.over = asyncio.Event()
        self.invited: list[Message] = []
        self._port = port
        self._pbx = pbx
        self.is_deaf = False
        self._answers = answers
        self._ringing: Message | None = None
        self._dialog: _Dialog | None = None
        self._invite: Message | None = None
        self._transport: asyncio.DatagramTransport | None = None

    async def __aenter__(self) -> Phone:
        loop = asyncio.get_running_loop()
        await self.media.open(self._host)
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(self._host, self._port))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.hang_up()
        await asyncio.sleep(0.05)  # a BYE is on its way before its socket goes
        await self.media.close()
        assert self._transport is not None
        self._transport.close()

    # --- what its user does ----------------------------------------------------------------------------------------
    def call(self, number: str) -> None:
        """Dial; `answered` or `over` is set when something has come of it."""
        tag, call_id = secrets.token_hex(4), secrets.token_hex(8)
        target = f"sip:{number}@{self._pbx_host}:{self._pbx}"
        self._dialog = _Dialog(call_id, f"<sip:{self.user}@{self._host}>;tag={tag}", f"<{target}>", target)
        self._invite = self._request("INVITE", body=self._sdp())
        if self.number:
            self._invite.headers.append(("p-asserted-identity", f"<sip:{self.number}@{self._host}>"))
        self._send(self._invite)

    def hang_up(self) -> None:
        if self._dialog is None or self.ended is not None:
            return
        if self.answered.is_set():
            self._dialog.cseq += 1
            self._send(self._request("BYE"))
        elif self._invite is not None:
            cancel = Message(self._invite.first_line.replace("INVITE", "CANCEL", 1), list(self._invite.headers))
            cancel.headers = [
                (name, value.replace("INVITE", "CANCEL")) for name, value in cancel.headers if "content" not in name
            ]
            self._send(cancel)
        self._end(Ended("phone"))

    async def until_answered(self, within: float) -> None:
        """Raises TimeoutError, or AssertionError where the call was refused."""
        async with asyncio.timeout(within):
            waiting = [asyncio.ensure_future(event.wait()) for event in (self.answered, self.over)]
            try:
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in waiting:
                    task.cancel()
        assert self.answered.is_set(), f"the call was refused: {self.ended}"

    async def until_over(self, within: float) -> Ended:
        async with asyncio.timeout(within):
            await self.over.wait()
        assert self.ended is not None
        return self.ended

    # --- what the PBX says -----------------------------------------------------------------------------------------
    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        message = Message.from_wire(data)
        if message.status:
            self._on_response(message)
        else:
            self._on_request(message)

    def _on_response(self, message: Message) -> None:
        if message.method != "INVITE" or self._dialog is None or message.get("call-id") != self._dialog.call_id:
            return
        if message.status < 200:
            return
        self._dialog.remote = message.get("to")
        if message.status >= 300:
            self._send(self._request("ACK", branch=_branch(message)))
            self._end(Ended("pbx", message.status))
            return
        self._dialog.target = _uri(message.get("contact"))
        self._dialog.routes = message.all("record-route")[::-1]
        self._send(self._request("ACK"))
        self._connect(message.body)

    def _on_request(self, message: Message) -> None:
        match message.method:
            case "INVITE" if self._is_ours(message):
                self._reply(message, 200, self._sdp())
            case "INVITE" if self.is_deaf:
                self._ringing = message
                self._reply(message, 180)
            case "INVITE" if self._answers and self._dialog is None:
                self.invited.append(message)
                self._take(message)
            case "INVITE":
                self._reply(message, 486)
            case "ACK":
                pass
            case "BYE":
                self._reply(message, 200)
                self._end(Ended("pbx"))
            case "CANCEL" if self._ringing is not None:
                self._reply(message, 200)
                self._reply(self._ringing, 487)
                self._ringing = None
            case "CANCEL":
                self._reply(message, 200)
                self._end(Ended("pbx", 487))
            case _:
                self._reply(message, 200)

    def _take(self, message: Message) -> None:
        local = f"{message.get('to')};tag={secrets.token_hex(4)}"
        self._dialog = _Dialog(
            message.get("call-id"),
            local,
            message.get("from"),
            _uri(message.get("contact")),
            message.all("record-route"),
        )
        self.ended = None
        self.over.clear()
        self._reply(message, 200, self._sdp())
        self._connect(message.body)

    # --- helpers ---------------------------------------------------------------------------------------------------
    def _connect(self, sdp: str) -> None:
        address = re.search(r"^c=IN IP4 (\S+)", sdp, re.MULTILINE)
        port = re.search(r"^m=audio (\d+)", sdp, re.MULTILINE)
        event = re.search(r"^a=rtpmap:(\d+) telephone-event/8000", sdp, re.MULTILINE)
        assert address is not None, sdp
        assert port is not None, sdp
        self.media.connect((address[1], int(port[1])), event_type=int(event[1]) if event else None)
        self.answered.set()

    def _end(self, ended: Ended) -> None:
        if self.ended is None:
            self.ended = ended
            self.media.stop()
            self.over.set()
            if self._answers:
                self._dialog = None

    def _is_ours(self, message: Message) -> bool:
        return self._dialog is not None and message.get("call-id") == self._dialog.call_id

    def _request(self, method: str, *, body: str = "", branch: str = "") -> Message:
        dialog = self._dialog
        assert dialog is not None
        headers = [
            ("via", f"SIP/2.0/UDP {self._host}:{self._port};branch={branch or 'z9hG4bK' + secrets.token_hex(8)}"),
            ("max-forwards", "70"),
            *(("route", route) for route in dialog.routes),
            ("from", dialog.local),
            ("to", dialog.remote),
            ("call-id", dialog.call_id),
            ("cseq", f"{dialog.cseq} {method}"),
            ("contact", f"<sip:{self.user}@{self._host}:{self._port}>"),
        ]
        if body:
            headers.append(("content-type", "application/sdp"))
        return Message(f"{method} {dialog.target} SIP/2.0", headers, body)

    def _reply(self, request: Message, status: int, body: str = "") -> None:
        kept = ("via", "from", "call-id", "cseq", "record-route")
        headers = [(name, value) for name, value in request.headers if name in kept]
        is_ours = self._is_ours(request) and self._dialog is not None
        local = self._dialog.local if is_ours and self._dialog is not None else request.get("to")
        headers += [("to", local), ("contact", f"<sip:{self.user}@{self._host}:{self._port}>")]
        if body:
            headers.append(("content-type", "application/sdp"))
        self._send(Message(f"SIP/2.0 {status} {REASONS[status]}", headers, body))

    def _sdp(self) -> str:
        audio = PAYLOAD_TYPES[self.media.codec]
        lines = [
            "v=0",
            f"o=- {self._port} 1 IN IP4 {self._host}",
            "s=-",
            f"c=IN IP4 {self._host}",
            "t=0 0",
            f"m=audio {self.media.port} RTP/AVP {audio.number} 101",
            f"a=rtpmap:{audio.number} {audio.name}/8000",
            "a=rtpmap:101 telephone-event/8000",
            "a=fmtp:101 0-16",
            "a=ptime:20",
            "a=sendrecv",
        ]
        return CRLF.join(lines) + CRLF

    def _send(self, message: Message) -> None:
        assert self._transport is not None
        self._transport.sendto(message.to_wire(), (self._pbx_host, self._pbx))


def _branch(message: Message) -> str:
    found = re.search(r"branch=([^;\s]+)", message.get("via"))
    return found[1] if found else ""


def _uri(header: str) -> str:
    found = re.search(r"<([^>]+)>", header)
    return found[1] if found else header
