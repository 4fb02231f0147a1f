"""Sessions that change: hold, resume, UPDATE, both sides at once, and answers that are lost."""

from __future__ import annotations

import pytest

from gateway.errors import LocalProtocolError
from gateway.transports.sip.message import SipRequest
from gateway.transports.sip.ua_events import (
    Acked,
    ByeReceived,
    CallLost,
    Invited,
    Reanswered,
    ReofferCancelled,
    Reoffered,
    ReofferRefused,
)
from tests.fakes.sip_agent import ANSWER, OFFER, WS, AgentAndPeer, up

HOLD = OFFER + b"a=sendonly\r\n"
HELD = ANSWER + b"a=recvonly\r\n"


def only(line: AgentAndPeer) -> SipRequest:
    (request,) = line.requests()
    return request


# --- theirs --------------------------------------------------------------------------------------------------------
def test_a_new_offer_is_answered_and_acknowledged() -> None:
    line, call, tag = up()
    reinvite = line.request(number=2, to_tag=tag, body=HOLD, extra=["Contact: <sip:alice@192.0.2.99>"])
    line.give(reinvite)
    assert line.event(Reoffered).sdp == HOLD
    assert line.statuses() == [100]
    line.agent.answer_reoffer(call, HELD, now=line.now)
    (answer,) = line.responses()
    assert (answer.status, answer.body, answer.to.tag) == (200, HELD, tag)
    line.give(reinvite)
    assert line.statuses() == [200]
    line.wait(0.6)
    assert line.statuses() == [200]
    line.give(line.request("ACK", number=2, to_tag=tag))
    line.event(Acked)
    line.wait(50)
    assert line.take() == []
    line.agent.bye(call, now=line.now)
    assert str(only(line).uri) == "sip:alice@192.0.2.99"  # where the peer said it had moved


def test_a_new_offer_that_does_not_suit_leaves_all_as_it_was() -> None:
    line, call, tag = up()
    line.give(line.request(number=2, to_tag=tag, body=HOLD, branch="z9hG4bKhold"))
    line.event(Reoffered)
    line.take()
    for status in (299, 700):
        with pytest.raises(LocalProtocolError):
            line.agent.refuse_reoffer(call, status, now=line.now)
    line.agent.refuse_reoffer(call, now=line.now)
    assert line.statuses() == [488]
    line.give(line.request("ACK", number=2, to_tag=tag, branch="z9hG4bKhold"))
    line.wait(100)
    assert line.kinds() == []
    assert line.ask("BYE", number=3, to_tag=tag).status == 200


def test_without_an_offer_in_it_we_offer_and_the_ack_answers() -> None:
    line, call, tag = up()
    line.give(line.request(number=2, to_tag=tag))
    assert line.event(Reoffered).sdp is None
    line.agent.answer_reoffer(call, OFFER, now=line.now)
    line.give(line.request("ACK", number=2, to_tag=tag, body=ANSWER))
    assert line.event(Acked).sdp == ANSWER


def test_an_update_with_an_offer_is_answered_once() -> None:
    line, call, tag = up()
    line.give(line.request("UPDATE", number=2, to_tag=tag, body=HOLD))
    line.event(Reoffered)
    assert line.take() == []
    line.agent.answer_reoffer(call, HELD, now=line.now)
    (answer,) = line.responses()
    assert (answer.status, answer.body) == (200, HELD)
    line.wait(50)
    assert line.take() == []


def test_an_update_without_an_offer_says_where_the_peer_is() -> None:
    line, call, tag = up()
    answer = line.ask("UPDATE", number=2, to_tag=tag, extra=["Contact: <sip:alice@192.0.2.50>"])
    assert answer.status == 200
    assert answer.contacts[0].uri.host == "198.51.100.1"
    assert line.kinds() == []
    line.agent.bye(call, now=line.now)
    assert str(only(line).uri) == "sip:alice@192.0.2.50"


def test_a_body_that_nobody_understands_changes_nothing() -> None:
    line, _, tag = up()
    answer = line.ask("INVITE", number=2, to_tag=tag, body=b"hello", content_type="text/plain")
    assert (answer.status, answer.headers.get("Accept")) == (415, "application/sdp")
    assert line.kinds() == []


def test_while_one_is_open_another_one_has_to_wait() -> None:
    line, _, tag = up()
    line.give(line.request(number=2, to_tag=tag, body=HOLD))
    line.event(Reoffered)
    again = line.ask("INVITE", number=3, to_tag=tag, body=OFFER)
    assert (again.status, again.headers.get("Retry-After")) == (500, "5")
    assert line.ask("UPDATE", number=4, to_tag=tag, body=OFFER).status == 500
    assert line.kinds() == []


def test_before_the_first_answer_none_can_be_changed() -> None:
    line = AgentAndPeer()
    line.give(line.request(body=OFFER))
    call = line.event(Invited).call
    line.agent.ring(call, now=line.now)
    tag = line.responses()[-1].to.tag
    assert line.ask("UPDATE", number=2, to_tag=tag, body=HOLD).status == 500
    assert line.ask("UPDATE", number=3, to_tag=tag).status == 200
    assert line.kinds() == []


def test_a_new_offer_can_be_taken_back() -> None:
    line, call, tag = up()
    line.give(line.request(number=2, to_tag=tag, body=HOLD, branch="z9hG4bKhold"))
    line.event(Reoffered)
    line.take()
    line.give(line.request("CANCEL", number=2, to_tag=tag, branch="z9hG4bKhold"))
    assert [(each.status, each.cseq.method) for each in line.responses()] == [(200, "CANCEL"), (487, "INVITE")]
    line.event(ReofferCancelled)
    line.agent.answer_reoffer(call, HELD, now=line.now)  # too late, and no harm
    line.agent.refuse_reoffer(call, now=line.now)
    assert line.take() == []


def test_an_offer_that_nobody_answers_is_answered_by_time() -> None:
    line, _, tag = up(WS)
    line.give(line.request(number=2, to_tag=tag, body=HOLD))
    line.event(Reoffered)
    line.take()
    line.wait(21)
    assert line.statuses() == [500]
    line.event(ReofferCancelled)


def test_a_new_offer_shows_that_our_200_has_arrived() -> None:
    """Its ACK was lost, or is still on its way (RFC 5407 section 3.1.5)."""
    line = AgentAndPeer()
    line.give(line.request(body=OFFER))
    call = line.event(Invited).call
    line.agent.accept(call, ANSWER, now=line.now)
    tag = line.responses()[-1].to.tag
    line.give(line.request(number=2, to_tag=tag, body=HOLD))
    assert line.kinds() == ["Acked", "Reoffered"]
    line.agent.answer_reoffer(call, HELD, now=line.now)
    line.take()
    line.give(line.request("ACK", to_tag=tag))  # the late one: it is not for the new offer
    line.wait(0.6)
    assert line.statuses() == [200]


def test_a_new_offer_before_the_answer_to_ours_has_to_wait() -> None:
    line = AgentAndPeer()
    line.give(line.request())
    call = line.event(Invited).call
    line.agent.accept(call, OFFER, now=line.now)
    tag = line.responses()[-1].to.tag
    assert line.ask("INVITE", number=2, to_tag=tag, body=HOLD).status == 491
    assert line.kinds() == []


def test_a_bye_in_the_midst_of_an_offer_ends_that_too() -> None:
    line, _, tag = up()
    line.give(line.request(number=2, to_tag=tag, body=HOLD))
    line.event(Reoffered)
    line.take()
    line.give(line.request("BYE", number=3, to_tag=tag))
    assert [(each.status, each.cseq.method) for each in line.responses()] == [(200, "BYE"), (487, "INVITE")]
    line.event(ByeReceived)
    line.wait(100)
    assert len(line.agent) == 0


def test_no_ack_to_a_new_offers_200_ends_the_call() -> None:
    line, call, tag = up()
    line.give(line.request(number=2, to_tag=tag, body=HOLD))
    line.event(Reoffered)
    line.agent.answer_reoffer(call, HELD, now=line.now)
    line.wait(33)
    assert line.event(CallLost).cause == "no_ack"
    assert [request.method for request in line.requests()][:1] == ["BYE"]


# --- ours ----------------------------------------------------------------------------------------------------------
def test_our_offer_is_acknowledged_each_time_it_is_answered() -> None:
    line, call, _ = up()
    line.agent.reinvite(call, OFFER, now=line.now)
    reinvite = only(line)
    assert (reinvite.method, reinvite.body, reinvite.cseq.number) == ("INVITE", OFFER, 1)
    assert str(reinvite.contacts[0].uri) == "sip:talkpath@198.51.100.1:5060"
    answer = line.respond(reinvite, 200, body=ANSWER, extra=["Contact: <sip:alice@192.0.2.9>"])
    assert line.event(Reanswered).sdp == ANSWER
    ack = only(line)
    assert (ack.method, ack.cseq.number, str(ack.uri)) == ("ACK", 1, "sip:alice@192.0.2.9")
    line.give(answer)
    assert only(line).to_bytes() == ack.to_bytes()
    assert line.kinds() == []


def test_our_offer_refused_leaves_all_as_it_was() -> None:
    line, call, tag = up()
    line.agent.reinvite(call, OFFER, now=line.now)
    reinvite = only(line)
    line.respond(reinvite, 488)
    assert line.event(ReofferRefused).status == 488
    ack = only(line)
    assert ack.vias[0].branch == reinvite.vias[0].branch
    assert line.ask("INFO", number=2, to_tag=tag).status == 200


def test_who_answers_our_offer_may_have_moved() -> None:
    line, call, _ = up()
    line.agent.reinvite(call, OFFER, now=line.now)
    line.respond(only(line), 200, body=ANSWER, extra=["Contact: <sip:alice@192.0.2.98>"])
    line.event(Reanswered)
    line.take()
    line.agent.bye(call, now=line.now)
    assert str(only(line).uri) == "sip:alice@192.0.2.98"


@pytest.mark.parametrize("status", [481, 408])
def test_our_offer_may_find_nobody(status: int) -> None:
    line, call, _ = up()
    line.agent.reinvite(call, OFFER, now=line.now)
    line.respond(only(line), status)
    assert line.event(CallLost).cause == "dialog_gone"


def test_ours_and_theirs_at_once() -> None:
    line, call, tag = up()
    line.agent.reinvite(call, OFFER, now=line.now)
    reinvite = only(line)
    assert line.ask("INVITE", number=2, to_tag=tag, body=HOLD).status == 491
    line.respond(reinvite, 491)
    line.take()
    line.wait(0.9)
    assert line.requests() == []  # half of two seconds: the Call-ID is theirs
    line.wait(0.2)
    again = only(line)
    assert (again.body, again.cseq.number) == (OFFER, 2)
    line.respond(again, 200, body=ANSWER)
    line.event(Reanswered)


def test_a_glare_that_does_not_end_is_given_up() -> None:
    line, call, _ = up()
    line.agent.reinvite(call, OFFER, now=line.now)
    for _ in range(6):
        (reinvite,) = [request for request in line.requests() if request.method == "INVITE"]
        line.respond(reinvite, 491)
        line.wait(1.2)
    assert line.event(ReofferRefused).status == 491


def test_our_offer_waits_for_theirs() -> None:
    line, call, tag = up()
    line.give(line.request(number=2, to_tag=tag, body=HOLD))
    line.event(Reoffered)
    line.agent.reinvite(call, OFFER, now=line.now)
    line.agent.answer_reoffer(call, HELD, now=line.now)
    assert line.requests() == []
    line.give(line.request("ACK", number=2, to_tag=tag))
    line.event(Acked)
    assert only(line).body == OFFER


def test_our_latest_offer_follows_the_one_before() -> None:
    line, call, _ = up()
    for number in (b"1", b"2", b"3"):
        line.agent.reinvite(call, OFFER + number, now=line.now)
    first = only(line)
    line.respond(first, 200, body=ANSWER)
    _, second = line.requests()
    assert (first.body[-1:], second.body[-1:]) == (b"1", b"3")
    line.respond(second, 200, body=ANSWER)
    assert line.kinds() == ["Reanswered", "Reanswered"]


def test_an_answer_that_was_announced_and_never_comes() -> None:
    """The offer is taken back; if even that is not answered, the call is lost."""
    line, call, _ = up()
    line.agent.reinvite(call, OFFER, now=line.now)
    reinvite = only(line)
    line.respond(reinvite, 100)
    line.wait(32.1)
    (cancel,) = line.requests()
    assert (cancel.method, cancel.vias[0].branch) == ("CANCEL", reinvite.vias[0].branch)
    line.respond(cancel, 200)
    line.respond(reinvite, 487)
    assert line.event(ReofferRefused).status == 487
    line.wait(100)
    assert line.kinds() == []


def test_an_offer_that_is_not_answered_at_all_loses_the_call() -> None:
    line, call, _ = up()
    line.agent.reinvite(call, OFFER, now=line.now)
    line.wait(33)
    assert line.event(CallLost).cause == "dialog_gone"


def test_a_bye_of_theirs_with_an_offer_of_ours_open() -> None:
    line, call, tag = up()
    line.agent.reinvite(call, OFFER, now=line.now)
    reinvite = only(line)
    line.give(line.request("BYE", number=2, to_tag=tag))
    line.event(ByeReceived)
    line.take()
    line.respond(reinvite, 200, body=ANSWER)
    assert only(line).method == "ACK"  # lest it is repeated for half a minute
    assert line.kinds() == []
    line.wait(100)
    assert len(line.agent) == 0
