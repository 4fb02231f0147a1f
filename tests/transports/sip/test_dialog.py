"""Dialogs: who, which way, in what order."""

from __future__ import annotations

import pytest

from gateway.transports.sip.dialog import Dialog
from gateway.transports.sip.message import SipRequest, SipResponse, parse
from tests.fakes.sip_agent import ANSWER, OFFER, AgentAndPeer

ROUTES = ["Record-Route: <sip:a.example.com;lr;r2=on>", "Record-Route: <sip:b.example.com;lr>, <sip:c.example.com;lr>"]


def invite(*extra: str) -> SipRequest:
    message = parse(AgentAndPeer().request(body=OFFER, extra=extra))
    assert isinstance(message, SipRequest)
    return message


def answer(request: SipRequest, *extra: str) -> SipResponse:
    message = parse(AgentAndPeer().respond(request, 200, extra=extra, body=ANSWER))
    assert isinstance(message, SipResponse)
    return message


def test_the_callee_goes_the_way_back_as_it_came() -> None:
    dialog = Dialog.as_callee(invite(*ROUTES), "ours")
    bye = dialog.request("BYE")
    assert bye.headers.all("Route") == [
        "<sip:a.example.com;lr;r2=on>",
        "<sip:b.example.com;lr>",
        "<sip:c.example.com;lr>",
    ]
    assert str(bye.uri) == "sip:alice@192.0.2.7:5060"
    assert (bye.from_.tag, bye.to.tag) == ("ours", "caller-tag")
    assert bye.cseq == (1, "BYE")


def test_the_caller_goes_it_the_other_way_round() -> None:
    request = invite()
    dialog = Dialog.as_caller(request, answer(request, *ROUTES, "Contact: <sip:carol@192.0.2.9;alias=x>"))
    bye = dialog.request("BYE")
    assert bye.headers.all("Route") == [
        "<sip:c.example.com;lr>",
        "<sip:b.example.com;lr>",
        "<sip:a.example.com;lr;r2=on>",
    ]
    assert str(bye.uri) == "sip:carol@192.0.2.9;alias=x"
    assert (bye.from_.tag, bye.to.tag) == ("caller-tag", "callee-tag")
    assert bye.cseq == (2, "BYE")
    assert dialog.request("ACK", 1).cseq == (1, "ACK")


def test_who_answers_without_a_contact_is_where_we_called() -> None:
    request = invite()
    assert str(Dialog.as_caller(request, answer(request)).target) == str(request.uri)


def test_a_station_without_lr_wants_to_be_asked_itself() -> None:
    extra = "Record-Route: <sip:strict.example.com>, <sip:b.example.com;lr>"
    bye = Dialog.as_callee(invite(extra), "ours").request("BYE")
    assert str(bye.uri) == "sip:strict.example.com"
    assert bye.headers.all("Route") == ["<sip:b.example.com;lr>", "<sip:alice@192.0.2.7:5060>"]


def test_the_target_moves_and_the_way_does_not() -> None:
    dialog = Dialog.as_callee(invite(*ROUTES), "ours")
    dialog.refresh_target(invite("Contact: <sip:alice@192.0.2.77>", "Record-Route: <sip:other.example.com;lr>"))
    assert str(dialog.target) == "sip:alice@192.0.2.77"
    assert len(dialog.routes) == 3


@pytest.mark.parametrize(
    ("numbers", "taken"), [([1], [False]), ([2, 2], [True, False]), ([5, 3, 6], [True, False, True])]
)
def test_numbers(numbers: list[int], taken: list[bool]) -> None:
    dialog = Dialog.as_callee(invite(), "ours")
    results = []
    for number in numbers:
        message = parse(AgentAndPeer().request("INFO", number=number, to_tag="ours"))
        assert isinstance(message, SipRequest)
        results.append(dialog.take_number(message))
    assert results == taken


def test_a_peer_of_old_has_no_tag() -> None:
    message = parse(AgentAndPeer().request(body=OFFER).replace(b";tag=caller-tag", b""))
    assert isinstance(message, SipRequest)
    dialog = Dialog.as_callee(message, "ours")
    assert dialog.is_meant_by(message)
    assert not dialog.is_meant_by(invite())
    assert dialog.request("BYE").to.tag is None
