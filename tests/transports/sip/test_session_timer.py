"""Session timers: what is agreed on, who refreshes, and calls that nobody confirms."""

from __future__ import annotations

import pytest

from gateway.transports.sip.message import NameAddress
from gateway.transports.sip.session_timer import SessionTerms
from gateway.transports.sip.ua_events import Acked, Answered, CallLost, Invited, Reoffered
from gateway.transports.sip.uri import parse_uri
from tests.fakes.sip_agent import ANSWER, OFFER, AgentAndPeer

ALLOW = "Allow: INVITE, ACK, BYE, UPDATE"


def called(*extra: str, allow: str = ALLOW) -> tuple[AgentAndPeer, str, list[str]]:
    """A call of theirs that is up: our tag, and what our 200 says about the session."""
    line = AgentAndPeer()
    line.give(line.request(body=OFFER, extra=[allow, *extra]))
    line.agent.accept(line.event(Invited).call, ANSWER, now=line.now)
    answer = line.responses()[-1]
    tag = answer.to.tag
    assert tag is not None
    line.give(line.request("ACK", to_tag=tag))
    line.event(Acked)
    line.take()
    return line, tag, answer.headers.all("Session-Expires") + answer.headers.all("Require")


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ([], []),
        (["Supported: timer"], []),
        (["Supported: 100rel, timer", "Session-Expires: 1800", "Min-SE: 90"], ["1800;refresher=uac", "timer"]),
        (["Supported: timer", "Session-Expires: 90;refresher=uas"], ["90;refresher=uas"]),
        (["k: timer", "x: 600 ; refresher = UAC"], ["600;refresher=uac", "timer"]),
        (["Require: timer", "Session-Expires: 600"], ["600;refresher=uac", "timer"]),
        (
            ["Session-Expires: 600"],
            ["600;refresher=uas"],
        ),  # somebody on the way wants it; the caller knows nothing of it
        (["Session-Expires: 30"], []),
        (["Supported: timer", "Session-Expires: soon"], []),
    ],
)
def test_what_our_200_says(extra: list[str], said: list[str]) -> None:
    assert called(*extra)[2] == said


def test_too_short_an_interval_is_refused() -> None:
    line = AgentAndPeer()
    answer = line.ask("INVITE", body=OFFER, extra=["Supported: timer", "Session-Expires: 60"])
    assert (answer.status, answer.headers.get("Min-SE")) == (422, "90")
    assert line.kinds() == []


def test_a_peer_that_does_not_refresh_is_hung_up_on() -> None:
    line, _, _ = called("Supported: timer", "Session-Expires: 90;refresher=uac")
    line.wait(59.9)
    assert line.kinds() == []
    line.wait(0.2)  # 90 - a third
    assert line.event(CallLost).cause == "session_expired"
    assert line.requests()[0].method == "BYE"


@pytest.mark.parametrize("method", ["UPDATE", "INVITE"])
def test_a_peer_that_refreshes_stays(method: str) -> None:
    line, tag, _ = called("Supported: timer", "Session-Expires: 90")
    for number in range(2, 20):
        line.wait(45)
        body = OFFER if method == "INVITE" else b""
        extra = ["Supported: timer", "Session-Expires: 90;refresher=uac"]
        line.take()
        line.give(line.request(method, number=number, to_tag=tag, extra=extra, body=body))
        if method == "INVITE":
            line.agent.answer_reoffer(line.event(Reoffered).call, ANSWER, now=line.now)
        answer = line.responses()[-1]
        assert (answer.status, answer.headers.get("Session-Expires")) == (200, "90;refresher=uac")
        if method == "INVITE":
            line.give(line.request("ACK", number=number, to_tag=tag))
            line.event(Acked)
    assert line.kinds() == []


def test_a_change_that_forgets_the_interval_does_not_end_it() -> None:
    line, tag, _ = called("Supported: timer", "Session-Expires: 90")
    answer = line.ask("UPDATE", number=2, to_tag=tag, extra=["Supported: timer"])
    assert answer.headers.get("Session-Expires") == "90;refresher=uac"
    answer = line.ask("UPDATE", number=3, to_tag=tag)
    assert "Session-Expires" not in answer.headers
    line.wait(1000)
    assert line.kinds() == []


def test_a_refresh_with_too_short_an_interval_is_refused_and_the_call_goes_on() -> None:
    line, tag, _ = called("Supported: timer", "Session-Expires: 90")
    refused = line.ask("UPDATE", number=2, to_tag=tag, extra=["Supported: timer", "Session-Expires: 10"])
    assert refused.status == 422
    assert line.kinds() == []


# --- we refresh ----------------------------------------------------------------------------------------------------
def test_we_refresh_by_update_at_half_the_time() -> None:
    line, _, _ = called("Supported: timer", "Session-Expires: 200;refresher=uas")
    for _ in range(5):
        line.wait(99.9)
        assert line.requests() == []
        line.wait(0.1)
        (update,) = line.requests()
        assert (update.method, update.headers.get("Session-Expires")) == ("UPDATE", "200;refresher=uac")
        assert update.body == b""
        assert "timer" in update.headers.all("Supported")
        line.respond(update, 200, extra=["Session-Expires: 200;refresher=uac"])
    assert line.kinds() == []


def test_we_refresh_by_invite_where_the_peer_knows_no_update() -> None:
    line, _, _ = called("Supported: timer", "Session-Expires: 200;refresher=uas", allow="Allow: INVITE, BYE")
    line.wait(100)
    (reinvite,) = line.requests()
    assert (reinvite.method, reinvite.body) == ("INVITE", ANSWER)
    line.respond(reinvite, 200, extra=["Session-Expires: 200;refresher=uac"], body=OFFER)
    assert line.kinds() == ["Reanswered"]
    line.wait(100)
    assert [request.method for request in line.requests()] == ["ACK", "INVITE"]


def test_a_refresh_that_is_refused_ends_the_call_when_the_time_is_over() -> None:
    line, _, _ = called("Supported: timer", "Session-Expires: 200;refresher=uas")
    line.wait(100)
    line.respond(line.requests()[0], 500)
    line.wait(67)
    assert line.kinds() == []
    line.wait(2)
    assert line.event(CallLost).cause == "session_expired"


def test_a_refresh_with_too_short_an_interval_is_made_again_with_a_longer_one() -> None:
    line, _, _ = called("Supported: timer", "Session-Expires: 200;refresher=uas")
    line.wait(100)
    line.respond(line.requests()[0], 422, extra=["Min-SE: 1800"])
    (update,) = line.requests()
    assert update.headers.get("Session-Expires") == "1800;refresher=uac"
    line.respond(update, 200, extra=["Session-Expires: 1800;refresher=uac"])
    line.wait(899)
    assert line.requests() == []
    line.wait(1.1)
    assert len(line.requests()) == 1


@pytest.mark.parametrize("least", ["Min-SE: 200", "Min-SE: x", "Min-SE: 999999999", "X: y"])
def test_a_422_that_makes_no_sense_is_not_obeyed(least: str) -> None:
    line, _, _ = called("Supported: timer", "Session-Expires: 200;refresher=uas")
    line.wait(100)
    line.respond(line.requests()[0], 422, extra=[least])
    assert line.requests() == []


def test_a_peer_may_drop_the_timer_in_its_answer() -> None:
    line, _, _ = called("Supported: timer", "Session-Expires: 200;refresher=uas")
    line.wait(100)
    line.respond(line.requests()[0], 200)
    line.wait(1000)
    assert line.kinds() == []
    assert line.requests() == []


@pytest.mark.parametrize(("said", "we"), [("120;refresher=uac", True), ("120;refresher=uas", False), ("120", True)])
def test_in_calls_of_ours_the_peer_decides(said: str, we: bool) -> None:
    line = AgentAndPeer()
    sender = NameAddress("", parse_uri("sip:bot@example.com"))
    line.agent.invite(parse_uri("sip:c@example.com"), OFFER, line.flow, sender=sender, now=line.now)
    (invite,) = line.requests()
    extra = [f"Session-Expires: {said}", "Require: timer", ALLOW, "Contact: <sip:c@192.0.2.9>"]
    line.respond(invite, 200, extra=extra, body=ANSWER)
    line.event(Answered)
    line.take()
    line.wait(61)
    assert [request.method for request in line.requests()][:1] == (["UPDATE"] if we else [])
    line.wait(30)
    line.event(CallLost)


def test_times() -> None:
    assert SessionTerms(interval=1800, we_refresh=True).lapse_after == 1768.0
    assert SessionTerms(interval=90, we_refresh=True).lapse_after == 60.0
    assert SessionTerms(interval=90, we_refresh=True).refresh_after == 45.0
