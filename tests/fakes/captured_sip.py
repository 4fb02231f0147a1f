"""SIP messages as real peers sent them."""

from __future__ import annotations

from pathlib import Path

from gateway.transports.sip.message import SipRequest, SipResponse, parse

FOLDER = Path(__file__).parents[1] / "fixtures" / "sip" / "captures"
NAMES = sorted(path.stem for path in FOLDER.glob("*.txt"))


def captured(name: str) -> bytes:
    """One message as it went over the wire."""
    return (FOLDER / f"{name}.txt").read_bytes().replace(b"\n", b"\r\n")


def captured_request(name: str) -> SipRequest:
    message = parse(captured(name))
    assert isinstance(message, SipRequest)
    return message


def captured_response(name: str) -> SipResponse:
    message = parse(captured(name))
    assert isinstance(message, SipResponse)
    return message
