"""Transfers: REFER, what the NOTIFYs tell, and ends that nobody tells."""

from __future__ import annotations

import pytest

from gateway.transports.sip.message import NameAddress, SipRequest
from gateway.transports.sip.ua_events import (
    ByeReceived,
    CallLost,
    ReferFailed,
    ReferProgressed,
    ReferSucceeded,
    Released,
    Ringing,
)
from gateway.transports.sip.uri import parse_uri
from tests.fakes.sip_agent import ANSWER, OFFER, AgentAndPeer, up

TARGET = parse_uri("sip:carol@pbx.example.com")


class Transfer:
    """A call that is being transferred."""

    def __init__(self) -> None:
        self.line, self.call, self.tag = up()
        self.number = 1
        self.line.agent.refer(self.call, TARGET, [("X-Why", "because")], now=self.line.now)
        (self.refer,) = self.line.requests()

    def notify(self, fragment: str, state: str = "active;expires=60", event: str = "refer") -> int:
        """What a NOTIFY is answered with."""
        self.number += 1
        return self.line.ask(
            "NOTIFY",
            number=self.number,
            to_tag=self.tag,
            extra=[f"Event: {event}", f"Subscription-State: {state}"],
            body=fragment.encode(),
            content_type="message/sipfrag;version=2.0",
        ).status

    def take_on(self) -> None:
        self.line.respond(self.refer, 202)
        assert self.line.event(ReferProgressed).status == 202


def test_a_refer_names_the_target_and_us() -> None:
    refer = Transfer().refer
    assert refer.method == "REFER"
    assert refer.headers.get("Refer-To") == "<sip:carol@pbx.example.com>"
    assert refer.headers.get("Referred-By") == "<sip:bot@example.com>"
    assert refer.headers.get("X-Why") == "because"
    assert "Contact" in refer.headers


def test_a_transfer_is_followed_to_its_end() -> None:
    transfer = Transfer()
    transfer.take_on()
    assert transfer.notify("SIP/2.0 100 Trying\r\n") == 200
    assert transfer.line.event(ReferProgressed).status == 100
    assert transfer.notify("SIP/2.0 180 Ringing\r\n", event="refer;id=93809824") == 200
    assert transfer.line.event(ReferProgressed).status == 180
    assert transfer.notify("SIP/2.0 200 OK\r\n", "terminated;reason=noresource") == 200
    assert transfer.line.event(ReferSucceeded).status == 200
    transfer.line.agent.bye(transfer.call, now=transfer.line.now)
    assert [request.method for request in transfer.line.requests()] == ["BYE"]


def test_the_answer_to_the_last_notify_leaves_before_the_bye() -> None:
    transfer = Transfer()
    transfer.take_on()
    transfer.number += 1
    line = transfer.line
    line.take()
    extra = ["Event: refer", "Subscription-State: terminated"]
    notify = line.request(
        "NOTIFY", number=2, to_tag=transfer.tag, extra=extra, body=b"SIP/2.0 200 OK", content_type="message/sipfrag"
    )
    line.agent.receive(notify, line.flow, line.now)
    line.agent.bye(transfer.call, now=line.now)  # at once, before anything has left
    response, bye = line.take()
    assert not isinstance(response, SipRequest)
    assert isinstance(bye, SipRequest)


@pytest.mark.parametrize("status", [300, 404, 486, 503, 603])
def test_a_target_that_does_not_take_the_call(status: int) -> None:
    transfer = Transfer()
    transfer.take_on()
    assert transfer.notify(f"SIP/2.0 {status} No", "terminated;reason=noresource") == 200
    failed = transfer.line.event(ReferFailed)
    assert (failed.status, failed.by) == (status, "target")
    assert transfer.line.ask("INFO", number=9, to_tag=transfer.tag).status == 200  # the caller is still here


@pytest.mark.parametrize("status", [300, 403, 405, 501, 603])
def test_a_peer_that_does_not_transfer(status: int) -> None:
    transfer = Transfer()
    transfer.line.respond(transfer.refer, status)
    failed = transfer.line.event(ReferFailed)
    assert (failed.status, failed.by) == (status, "peer")
    transfer.line.wait(200)
    assert transfer.line.kinds() == []


def test_a_peer_that_knows_no_call() -> None:
    transfer = Transfer()
    transfer.line.respond(transfer.refer, 481)
    assert transfer.line.kinds() == ["ReferFailed", "CallLost"]


def test_a_peer_that_does_not_answer() -> None:
    transfer = Transfer()
    transfer.line.wait(33)
    failed = transfer.line.event(ReferFailed)
    assert (failed.status, failed.by) == (None, "timeout")


def test_a_200_takes_it_on_as_well_as_a_202() -> None:
    transfer = Transfer()
    transfer.line.respond(transfer.refer, 200)
    assert transfer.line.event(ReferProgressed).status == 200
    assert transfer.notify("SIP/2.0 299 Fine", "terminated") == 200
    assert transfer.line.event(ReferSucceeded).status == 299


def test_a_100_to_a_refer_says_nothing() -> None:
    transfer = Transfer()
    transfer.line.respond(transfer.refer, 100)
    transfer.line.wait(25)
    assert transfer.line.kinds() == []


def test_a_notify_may_overtake_the_202() -> None:
    transfer = Transfer()
    assert transfer.notify("SIP/2.0 200 OK", "terminated") == 200
    transfer.line.event(ReferSucceeded)
    transfer.line.respond(transfer.refer, 202)
    transfer.line.wait(200)
    assert transfer.line.kinds() == []


def test_a_peer_that_says_beforehand_that_it_will_not_tell() -> None:
    transfer = Transfer()
    transfer.line.respond(transfer.refer, 202, extra=["Refer-Sub: false"])
    assert transfer.line.event(ReferSucceeded).status is None


def test_a_peer_that_takes_it_on_and_says_no_more_has_done_it() -> None:
    transfer = Transfer()
    transfer.take_on()
    transfer.line.wait(19)
    assert transfer.line.kinds() == []
    transfer.line.wait(2)
    assert transfer.line.event(ReferSucceeded).status is None


def test_a_transfer_that_gets_nowhere() -> None:
    transfer = Transfer()
    transfer.take_on()
    transfer.notify("SIP/2.0 180 Ringing")
    transfer.line.event(ReferProgressed)
    transfer.line.wait(119)
    assert transfer.line.kinds() == []
    transfer.line.wait(2)
    assert transfer.line.event(ReferFailed).by == "timeout"


def test_an_end_that_says_nothing_waits_a_moment_for_a_bye() -> None:
    transfer = Transfer()
    transfer.take_on()
    transfer.notify("", "terminated;reason=noresource")
    transfer.line.wait(1)
    assert transfer.line.ask("BYE", number=9, to_tag=transfer.tag).status == 200
    assert transfer.line.kinds() == ["ReferSucceeded", "ByeReceived"]


def test_an_end_that_says_nothing_is_unknown() -> None:
    transfer = Transfer()
    transfer.take_on()
    transfer.notify("", "terminated;reason=noresource")
    transfer.line.wait(3)
    assert transfer.line.event(ReferFailed).by == "unknown"


def test_a_bye_after_progress_is_success_and_without_it_the_caller_has_left() -> None:
    transfer = Transfer()
    transfer.take_on()
    transfer.notify("SIP/2.0 100 Trying")
    transfer.line.event(ReferProgressed)
    transfer.line.ask("BYE", number=9, to_tag=transfer.tag)
    assert transfer.line.kinds() == ["ReferSucceeded", "ByeReceived"]

    transfer = Transfer()
    transfer.take_on()
    transfer.line.ask("BYE", number=9, to_tag=transfer.tag)
    failed, bye = transfer.line.seen
    assert isinstance(failed, ReferFailed)
    assert failed.by == "hang_up"
    assert isinstance(bye, ByeReceived)


def test_notifies_are_welcome_for_a_minute_after_the_call() -> None:
    transfer = Transfer()
    transfer.take_on()
    transfer.notify("SIP/2.0 200 OK")
    transfer.line.event(ReferSucceeded)
    transfer.line.agent.bye(transfer.call, now=transfer.line.now)
    (bye,) = transfer.line.requests()
    transfer.line.respond(bye, 200)
    transfer.line.event(Released)
    transfer.line.wait(50)
    assert transfer.notify("SIP/2.0 200 OK", "terminated") == 200
    assert transfer.line.ask("INFO", number=90, to_tag=transfer.tag).status == 481
    transfer.line.wait(11)
    assert transfer.notify("SIP/2.0 200 OK", "terminated") == 481
    assert transfer.line.kinds() == []
    transfer.line.wait(100)
    assert len(transfer.line.agent) == 0


def test_other_events_are_none_of_a_transfers() -> None:
    transfer = Transfer()
    transfer.take_on()
    assert transfer.notify("SIP/2.0 200 OK", event="dialog") == 489
    assert transfer.line.kinds() == []


def test_a_second_transfer_waits_for_the_first_to_fail() -> None:
    transfer = Transfer()
    transfer.take_on()
    line, call = transfer.line, transfer.call
    line.agent.refer(call, TARGET, now=line.now)
    assert line.event(ReferFailed).by == "unknown"
    assert line.requests() == []
    transfer.notify("SIP/2.0 486 Busy", "terminated")
    line.event(ReferFailed)
    line.take()
    line.agent.refer(call, TARGET, now=line.now)
    assert [request.method for request in line.requests()] == ["REFER"]


@pytest.mark.parametrize("body", ["SIP/2.0 ", "SIP/2.0 2000 x", "HTTP/1.1 200 OK", "", "\r\n\r\n"])
def test_what_is_no_status_line_tells_nothing(body: str) -> None:
    transfer = Transfer()
    transfer.take_on()
    assert transfer.notify(body) == 200
    assert transfer.line.kinds() == []


def test_what_is_no_fragment_tells_nothing() -> None:
    transfer = Transfer()
    transfer.take_on()
    extra = ["Event: refer", "Subscription-State: active"]
    body = b"SIP/2.0 200 OK"
    transfer.line.give(
        transfer.line.request(
            "NOTIFY", number=2, to_tag=transfer.tag, extra=extra, body=body, content_type="text/plain"
        )
    )
    assert transfer.line.kinds() == []


def test_our_bye_in_the_midst_of_a_transfer() -> None:
    transfer = Transfer()
    transfer.take_on()
    line = transfer.line
    line.agent.bye(transfer.call, now=line.now)
    (bye,) = line.requests()
    line.respond(bye, 200)
    assert line.kinds() == ["ReferFailed", "Released"]


def test_an_attended_transfer_names_the_dialog_to_be_taken_over() -> None:
    line = AgentAndPeer()
    line.agent.invite(TARGET, OFFER, line.flow, sender=NameAddress("", TARGET), now=line.now)
    (invite,) = line.requests()
    line.respond(invite, 180, to_tag="a&b", extra=["Supported: replaces"])
    call = line.event(Ringing).call
    assert line.agent.replacing(call) is None
    extra = ["Contact: <sip:carol@192.0.2.30>", "Allow: INVITE"]
    line.respond(invite, 200, to_tag="theirs", extra=extra, body=ANSWER)
    target = line.agent.replacing(call)
    assert str(target) == f"sip:carol@pbx.example.com?Replaces={invite.call_id}%3Bto-tag%3Dtheirs%3Bfrom-tag%3Dt1"


def test_who_cannot_be_replaced() -> None:
    line, call, _ = up()
    assert line.agent.replacing(call) is None


def test_a_call_that_is_not_up_cannot_be_transferred() -> None:
    from gateway.transports.sip.ua_events import Invited

    line = AgentAndPeer()
    line.give(line.request())
    call = line.event(Invited).call
    line.take()
    line.agent.refer(call, TARGET, now=line.now)
    assert line.event(ReferFailed).by == "unknown"
    assert line.take() == []


def test_a_call_lost_in_the_midst_of_a_transfer() -> None:
    transfer = Transfer()
    transfer.take_on()
    transfer.line.agent.flow_closed(transfer.line.flow, transfer.line.now)
    transfer.line.wait(16)
    failed, lost = transfer.line.seen
    assert isinstance(failed, ReferFailed)
    assert isinstance(lost, CallLost)
