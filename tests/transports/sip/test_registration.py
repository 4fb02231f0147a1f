"""Registrations: made, refreshed, refused, moved to another connection, and taken back."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.transports.sip.binding import Binding
from gateway.transports.sip.digest import DigestClient, DigestServer
from gateway.transports.sip.flow import Flow
from gateway.transports.sip.message import NameAddress, SipRequest, response_to
from gateway.transports.sip.registration import RegistrationSettings
from gateway.transports.sip.ua_events import Invited, Registered, RegistrationFailed, Unregistered
from gateway.transports.sip.uri import parse_name_address, parse_uri
from tests.fakes.sip_agent import ANSWER, OFFER, UDP, WS, AgentAndPeer, counting

INSTANCE = "urn:uuid:6f1e0c1a-0000-4000-8000-00c04fd430c8"
SETTINGS = RegistrationSettings(
    name="pbx",
    registrar=parse_uri("sip:pbx.example.com"),
    aor=parse_uri("sip:bot@pbx.example.com"),
    user="bot",
    instance=INSTANCE,
)
WS2 = Flow("ws-2", "wss", "192.0.2.8:8089", "zyx987.invalid")
CHALLENGE = 'WWW-Authenticate: Digest realm="asterisk", nonce="n1", opaque="o", algorithm=MD5, qop="auth"'


class Line:
    """A line with one registration that has just been asked for."""

    def __init__(self, settings: RegistrationSettings = SETTINGS, flow: Flow = WS, **more: Any) -> None:
        credentials = DigestClient("bot", "secret", counting("c"))
        self.line = AgentAndPeer(flow, registrations=[(settings, credentials)], **more)
        self.begin(flow)

    def begin(self, flow: Flow) -> None:
        self.line.agent.register("pbx", flow, now=self.line.now)

    def request(self) -> SipRequest:
        (request,) = self.line.requests()
        assert request.method == "REGISTER"
        return request

    def grant(self, expires: int = 300, *extra: str) -> SipRequest:
        request = self.request()
        contact = str(request.contacts[0].with_param("expires", str(expires)))
        self.line.respond(request, 200, extra=[f"Contact: {contact}", *extra])
        return request


def test_what_a_register_says() -> None:
    register = Line().request()
    assert str(register.uri) == "sip:pbx.example.com"
    assert register.headers.get("To") == "<sip:bot@pbx.example.com>"
    assert register.from_.tag
    assert register.headers.get("Expires") == "300"
    assert register.headers.all("Supported") == ["path", "outbound"]
    assert register.headers.get("Contact") == (
        f'<sip:bot@abc123.invalid;transport=ws;ob>;+sip.instance="<{INSTANCE}>";reg-id=1;expires=300'
    )
    assert str(register.vias[0]).startswith("SIP/2.0/WS abc123.invalid;branch=z9hG4bK")


def test_over_udp_there_is_no_flow_to_keep() -> None:
    register = Line(flow=UDP).request()
    assert register.headers.get("Contact") == "<sip:bot@198.51.100.1:5060>;expires=300"
    assert register.headers.all("Supported") == ["path"]


def test_a_pbx_that_wants_wss_in_contacts_gets_it_there_and_in_calls() -> None:
    line = Line(replace(SETTINGS, contact_transport="wss"))
    assert line.grant().contacts[0].uri.param("transport") == "wss"
    line.line.event(Registered)
    line.line.give(line.line.request(body=OFFER))
    line.line.agent.accept(line.line.event(Invited).call, ANSWER, now=line.line.now)
    assert line.line.responses()[-1].contacts[0].uri.param("transport") == "wss"


def test_a_flow_with_calls_on_it_is_in_use() -> None:
    line = Line()
    line.grant()
    assert not line.line.agent.has_calls(WS)
    line.line.give(line.line.request(body=OFFER))
    assert line.line.agent.has_calls(WS)
    assert not line.line.agent.has_calls(WS2)


def test_registered_is_said_once_and_refreshed_with_the_same_call_id() -> None:
    line = Line()
    first = line.grant(300, "Service-Route: <sip:edge.example.com;lr>", "Path: <sip:p.example.com;lr>")
    event = line.line.event(Registered)
    assert (event.registration, event.expires, event.flow) == ("pbx", 300.0, WS)
    assert event.service_route == ("<sip:edge.example.com;lr>",)
    assert event.path == ("<sip:p.example.com;lr>",)
    line.line.wait(194)
    assert line.line.requests() == []
    line.line.wait(2)  # 65 % of 300 s
    second = line.grant()
    assert second.call_id == first.call_id
    assert second.from_.tag == first.from_.tag
    assert second.cseq.number == first.cseq.number + 1
    assert line.line.kinds() == []


def test_the_service_route_is_taken_by_calls_of_ours() -> None:
    line = Line()
    line.grant(300, "Service-Route: <sip:e1.example.com;lr>, <sip:e2.example.com;lr>")
    sender = NameAddress("", SETTINGS.aor)
    line.line.agent.invite(parse_uri("sip:1@example.com"), OFFER, WS, sender=sender, now=line.line.now)
    (invite,) = line.line.requests()
    assert invite.headers.all("Route") == ["<sip:e1.example.com;lr>", "<sip:e2.example.com;lr>"]
    assert str(invite.contacts[0].uri) == "sip:bot@abc123.invalid;transport=ws;ob"


@pytest.mark.parametrize("chance", [0.0, 0.25, 0.999])
def test_the_time_of_the_refresh_is_between_half_and_four_fifths(chance: float) -> None:
    line = Line(chance=lambda: chance)
    line.grant(1000)
    line.line.wait(1000 * (0.5 + 0.3 * chance) - 1)
    assert line.line.requests() == []
    line.line.wait(2)
    line.request()


def test_a_refresh_of_a_moment_is_not_one_without_end() -> None:
    line = Line(chance=lambda: 0.0)
    for _ in range(5):
        line.grant(1)
        line.line.wait(0.9)
        assert line.line.requests() == []
        line.line.wait(0.2)
    line.request()


# --- what was granted ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("headers", "expires"),
    [
        ([f'Contact: <sip:x@1.2.3.4>;expires=60;+sip.instance="<{INSTANCE.upper()}>";reg-id=1'], 60.0),
        ([f'Contact: <sip:x@1.2.3.4>;expires=60;+sip.instance="<{INSTANCE}>";reg-id=2', "Expires: 90"], 90.0),
        (["Contact: <sip:bot@other.invalid>;expires=10, <sip:bot@abc123.invalid;transport=ws>;expires=70"], 70.0),
        (["Contact: <sip:bot@10.0.0.1:47114;transport=ws;x-ast-orig-host=abc123.invalid:0>;expires=80"], 80.0),
        (["Contact: <sip:else@10.0.0.1>;expires=10, <sip:bot@10.0.0.1:47114;transport=ws>;expires=85"], 85.0),
        (["Contact: <sip:bot@abc123.invalid>", "Expires: 95"], 95.0),
        (["Contact: <sip:bot@abc123.invalid>;expires=soon", "Expires: 95"], 95.0),
        (["Contact: <sip:bot@abc123.invalid>;expires=0", "Expires: 95"], 95.0),
        (["Contact: <sip:bot@abc123.invalid>;expires=1"], 1.0),
        (["Contact: <sip:bot@abc123.invalid>;expires=999999999", "Expires: 95"], 95.0),
        (["Expires: 99"], 99.0),
        (["Contact: <<<"], 300.0),
        ([], 300.0),
    ],
)
def test_our_own_binding_is_found(headers: list[str], expires: float) -> None:
    line = Line()
    line.line.respond(line.request(), 200, extra=headers)
    assert line.line.event(Registered).expires == expires


def test_nobody_elses_binding_is_ours() -> None:
    contacts = [parse_name_address("<sip:alice@192.0.2.1>;expires=5")]
    assert Binding(WS.contact("bot"), INSTANCE).find(contacts) is None


# --- passwords -----------------------------------------------------------------------------------------------------
def test_a_challenge_is_answered() -> None:
    line = Line()
    first = line.request()
    line.line.respond(first, 401, extra=[CHALLENGE])
    second = line.request()
    assert (second.cseq.number, second.call_id) == (first.cseq.number + 1, first.call_id)
    authorization = second.headers.get("Authorization") or ""
    assert 'username="bot"' in authorization
    assert 'uri="sip:pbx.example.com"' in authorization
    line.line.respond(second, 200)
    line.line.event(Registered)
    line.line.wait(200)
    refresh = line.request()
    assert "nc=00000002" in (refresh.headers.get("Authorization") or "")  # the nonce is used again
    stale = CHALLENGE.replace("n1", "n2") + ", stale=true"
    line.line.respond(refresh, 401, extra=[stale])
    again = line.request()
    assert 'nonce="n2"' in (again.headers.get("Authorization") or "")
    line.line.respond(again, 200)
    assert line.line.kinds() == []


def refuse_the_password(line: Line, nonces: Iterator[str]) -> None:
    """The registrar asks, does not like the answer, and asks again."""
    for has_answer in (False, True):
        request = line.request()
        assert ("Proxy-Authorization" in request.headers) == has_answer
        challenge = CHALLENGE.replace("WWW-", "Proxy-").replace("n1", next(nonces))
        line.line.respond(request, 407, extra=[challenge])


def test_a_wrong_password_is_tried_once_each_time_and_seldom() -> None:
    line = Line(chance=lambda: 0.0)
    nonces = map(str, itertools.count())
    wrong_at = []
    for _ in range(7):
        refuse_the_password(line, nonces)
        failed = line.line.event(RegistrationFailed)
        assert (failed.status, failed.is_refusal) == (407, True)
        assert failed.retry_in is not None
        wrong_at.append(line.line.now)
        assert line.line.requests() == []
        line.line.wait(failed.retry_in - 0.1)
        assert line.line.requests() == []
        line.line.wait(0.2)
    pauses = [round(after - before) for before, after in itertools.pairwise(wrong_at)]
    assert pauses == [60, 120, 240, 480, 900, 900]
    for first, fifth in zip(wrong_at, wrong_at[4:], strict=False):
        assert fifth - first > 600, "five wrong passwords in ten minutes are what locks accounts out"


def test_chance_makes_the_pauses_after_a_refusal_only_longer() -> None:
    line = Line(chance=lambda: 0.999)
    line.line.respond(line.request(), 403)
    assert line.line.event(RegistrationFailed).retry_in == pytest.approx(75, abs=0.1)


def test_a_password_that_was_set_right_at_the_pbx_needs_no_restart() -> None:
    line = Line()
    refuse_the_password(line, iter(["a", "b"]))
    line.line.event(RegistrationFailed)
    line.line.wait(68)
    line.line.respond(line.request(), 401, extra=[CHALLENGE])
    assert "Authorization" in line.grant().headers
    line.line.event(Registered)
    line.line.wait(196)
    line.line.respond(line.request(), 403)
    assert line.line.event(RegistrationFailed).retry_in == 67.5, "pauses begin anew behind a success"


def test_a_refusal_with_retry_after_is_not_asked_sooner() -> None:
    line = Line()
    line.line.respond(line.request(), 403, extra=["Retry-After: 1800 (maintenance)"])
    assert line.line.event(RegistrationFailed).retry_in == 1800.0
    line.line.wait(1799)
    assert line.line.requests() == []
    line.line.wait(2)
    line.request()


@pytest.mark.parametrize("answers", [True, False])
def test_a_connection_that_comes_again_and_again_does_not_try_the_password_each_time(answers: bool) -> None:
    line = Line(chance=lambda: 0.0)
    refuse_the_password(line, map(str, itertools.count()))
    line.line.event(RegistrationFailed)
    asked = []
    flows = (Flow(f"ws-{number}", "ws", "192.0.2.8:8088", f"h{number}.invalid") for number in itertools.count())
    until = line.line.now + 600
    flow = WS
    while line.line.now < until:
        line.line.agent.flow_closed(flow, line.line.now)
        flow = next(flows)
        line.begin(flow)
        line.line.wait(5)
        for request in line.line.requests():
            asked.append(line.line.now)
            if answers:
                line.line.respond(request, 403)
    assert len(asked) == 3


@pytest.mark.parametrize("status", [401, 403])
def test_what_is_known_of_a_registration_from_outside(status: int) -> None:
    line = Line()
    agent, began = line.line.agent, line.line.now
    assert agent.standing("pbx").outlook == "trying"
    line.line.respond(line.request(), status)
    standing = agent.standing("pbx")
    assert (standing.outlook, standing.since, standing.status) == ("refused", began, status)
    assert (standing.reason, standing.next_attempt, standing.expires) == ("Because", began + 67.5, None)
    line.line.wait(68)
    again = agent.standing("pbx")
    assert (again.outlook, again.since, again.next_attempt) == ("refused", began, None), "a REGISTER is out"
    line.grant(300)
    up = line.line.now
    standing = agent.standing("pbx")
    assert (standing.outlook, standing.since, standing.status, standing.expires) == ("registered", up, None, up + 300)
    line.line.wait(196)
    assert agent.standing("pbx").outlook == "registered", "also while a refresh is out"
    line.grant(300)
    assert agent.standing("pbx").since == up
    line.line.agent.flow_closed(WS, line.line.now)
    standing = agent.standing("pbx")
    assert (standing.outlook, standing.reason, standing.next_attempt) == ("trying", "the connection is gone", None)
    line.line.agent.unregister("pbx", now=line.line.now)
    assert agent.standing("pbx").outlook == "left"


def test_a_registrar_that_is_busy_is_being_tried() -> None:
    line = Line()
    line.line.respond(line.request(), 503)
    standing = line.line.agent.standing("pbx")
    assert (standing.outlook, standing.status, standing.next_attempt) == ("trying", 503, line.line.now + 0.75)


@pytest.mark.parametrize("status", [408, 423, 429, 480, 486, 491, 500, 503, 599])
def test_a_refusal_that_may_pass_is_no_end(status: int) -> None:
    line = Line()
    line.line.respond(line.request(), status)
    assert line.line.event(RegistrationFailed).retry_in == 0.75
    line.line.wait(0.8)
    line.grant()
    line.line.event(Registered)


def test_asked_again_on_the_same_connection_it_is_the_same_registration() -> None:
    line = Line()
    first = line.grant()
    line.line.event(Registered)
    line.begin(WS)
    second = line.grant()
    assert (second.call_id, second.cseq.number) == (first.call_id, 2)
    assert line.line.kinds() == []


@pytest.mark.parametrize("status", [302, 400, 403, 404, 405, 600, 603])
def test_a_refusal_that_somebody_has_to_set_right_is_asked_seldom(status: int) -> None:
    line = Line()
    line.line.respond(line.request(), status)
    failed = line.line.event(RegistrationFailed)
    assert (failed.status, failed.retry_in, failed.reason, failed.is_refusal) == (status, 67.5, "Because", True)
    line.line.wait(67)
    assert line.line.requests() == []
    line.line.wait(1)
    line.grant()
    line.line.event(Registered)


# --- trying again --------------------------------------------------------------------------------------------------
def test_an_interval_that_is_too_short_is_made_longer() -> None:
    line = Line()
    line.line.respond(line.request(), 423, extra=["Min-Expires: 1800"])
    longer = line.request()
    assert longer.headers.get("Expires") == "1800"
    assert longer.contacts[0].param("expires") == "1800"
    line.line.respond(longer, 200)
    assert line.line.event(Registered).expires == 1800.0


def test_the_longest_interval_is_two_hours() -> None:
    line = Line()
    line.line.respond(line.request(), 423, extra=["Min-Expires: 7200"])
    assert line.request().headers.get("Expires") == "7200"


@pytest.mark.parametrize("demand", [[], ["Min-Expires: 300"], ["Min-Expires: x"], ["Min-Expires: 7201"]])
def test_a_demand_that_makes_no_sense_is_a_failure_that_may_pass(demand: list[str]) -> None:
    line = Line()
    line.line.respond(line.request(), 423, extra=demand)
    assert line.line.event(RegistrationFailed).retry_in is not None
    assert line.line.requests() == []


def test_pauses_grow_up_to_a_minute_and_begin_anew_after_success() -> None:
    line = Line()
    pauses = []
    for _ in range(9):
        line.line.respond(line.request(), 500)
        failed = line.line.event(RegistrationFailed)
        assert failed.retry_in is not None
        pauses.append(failed.retry_in)
        line.line.wait(failed.retry_in - 0.01)
        assert line.line.requests() == []
        line.line.wait(0.02)
    assert pauses == [0.75, 1.5, 3.0, 6.0, 12.0, 24.0, 45.0, 45.0, 45.0]
    line.grant()
    line.line.event(Registered)
    line.line.wait(200)
    line.line.respond(line.request(), 500)
    assert line.line.event(RegistrationFailed).retry_in == 0.75


def test_a_registrar_says_when_it_wants_to_be_asked_again() -> None:
    line = Line()
    line.line.respond(line.request(), 503, extra=["Retry-After: 120"])
    assert line.line.event(RegistrationFailed).retry_in == 120.0
    line.line.wait(119)
    assert line.line.requests() == []
    line.line.wait(2)
    line.grant()
    line.line.event(Registered)


def test_a_registrar_that_does_not_answer_is_asked_again() -> None:
    line = Line(flow=UDP)
    line.line.wait(32.1)
    assert line.line.event(RegistrationFailed).status is None
    assert {request.method for request in line.line.requests()} == {"REGISTER"}
    line.line.wait(1)
    line.request()


def test_a_failed_refresh_is_told_and_so_is_the_next_success() -> None:
    line = Line()
    line.grant()
    line.line.event(Registered)
    line.line.wait(200)
    line.line.respond(line.request(), 500)
    line.line.event(RegistrationFailed)
    line.line.wait(1)
    line.grant()
    line.line.event(Registered)


# --- connections ---------------------------------------------------------------------------------------------------
def test_another_connection_is_another_host_and_another_call_id() -> None:
    line = Line()
    first = line.grant()
    line.line.event(Registered)
    line.line.agent.flow_closed(WS, line.line.now)
    failed = line.line.event(RegistrationFailed)
    assert (failed.status, failed.retry_in) == (None, None)
    line.line.wait(1000)
    assert line.line.requests() == []
    line.begin(WS2)
    second = line.grant()
    assert line.line.event(Registered).flow == WS2
    assert second.contacts[0].uri.host == "zyx987.invalid"
    assert second.contacts[0].param("+sip.instance") == first.contacts[0].param("+sip.instance")
    assert second.call_id != first.call_id
    assert second.cseq.number == 1


def test_a_connection_that_breaks_while_asking() -> None:
    line = Line()
    line.request()
    line.line.agent.flow_closed(WS, line.line.now)
    line.line.event(RegistrationFailed)
    line.line.agent.flow_closed(WS, line.line.now)
    assert line.line.kinds() == []
    line.line.wait(1000)
    assert len(line.line.agent) == 0


def test_an_answer_for_the_connection_before_changes_nothing() -> None:
    line = Line(flow=UDP)
    first = line.request()
    line.begin(WS)
    line.request()
    line.line.respond(first, 200)
    assert line.line.kinds() == []


# --- leaving -------------------------------------------------------------------------------------------------------
def test_leave_is_taken() -> None:
    line = Line()
    line.grant()
    line.line.event(Registered)
    line.line.agent.unregister("pbx", now=line.line.now)
    leave = line.request()
    assert leave.headers.get("Expires") == "0"
    assert leave.contacts[0].param("expires") == "0"
    line.line.respond(leave, 401, extra=[CHALLENGE])
    again = line.request()
    assert again.headers.get("Expires") == "0"
    line.line.respond(again, 200)
    line.line.event(Unregistered)
    line.line.wait(1000)
    assert line.line.requests() == []
    assert len(line.line.agent) == 0


@pytest.mark.parametrize("how", ["silence", "closed", "refused"])
def test_leave_is_taken_also_where_nobody_minds(how: str) -> None:
    line = Line()
    line.grant()
    line.line.event(Registered)
    line.line.agent.unregister("pbx", now=line.line.now)
    if how == "closed":
        line.line.agent.flow_closed(WS, line.line.now)
    elif how == "refused":
        line.line.respond(line.request(), 500)
    line.line.wait(33)
    line.line.event(Unregistered)


def test_calls_outlive_our_leave_with_the_same_name_and_password() -> None:
    line = Line()
    line.line.respond(line.request(), 401, extra=[CHALLENGE])
    line.grant()
    line.line.event(Registered)
    line.line.give(line.line.request(body=OFFER))
    call = line.line.event(Invited).call
    line.line.agent.unregister("pbx", now=line.line.now)
    line.line.respond(line.line.requests()[0], 200)
    line.line.event(Unregistered)
    line.line.agent.accept(call, ANSWER, now=line.line.now)
    answer = line.line.responses()[-1]
    assert answer.contacts[0].uri.user == "bot"
    line.line.give(line.line.request("ACK", to_tag=answer.to.tag))
    line.line.agent.bye(call, now=line.line.now)
    (bye,) = line.line.requests()
    line.line.respond(bye, 407, extra=[CHALLENGE.replace("WWW-", "Proxy-")])
    (again,) = line.line.requests()
    assert "Proxy-Authorization" in again.headers


def test_a_connection_that_closes_when_nothing_is_registered_is_no_news() -> None:
    line = Line()
    line.grant()
    line.line.agent.unregister("pbx", now=line.line.now)
    line.line.respond(line.request(), 200)
    line.line.kinds()
    line.line.agent.flow_closed(WS, line.line.now)
    assert line.line.kinds() == []


def test_leave_without_ever_having_been_there() -> None:
    line = Line()
    line.line.respond(line.request(), 403)
    line.line.event(RegistrationFailed)
    line.line.agent.unregister("pbx", now=line.line.now)
    line.line.event(Unregistered)
    assert line.line.requests() == []


def test_several_registrars_of_one_line_do_not_meet() -> None:
    other = replace(SETTINGS, name="backup", registrar=parse_uri("sip:backup.example.com"), number=2)
    line = AgentAndPeer(WS, registrations=[(SETTINGS, None), (other, None)])
    line.agent.register("pbx", WS, now=line.now)
    line.agent.register("backup", WS2, now=line.now)
    one, two = line.requests()
    assert (one.contacts[0].param("reg-id"), two.contacts[0].param("reg-id")) == ("1", "2")
    line.respond(two, 200)
    assert line.event(Registered).registration == "backup"
    line.respond(one, 403)
    assert line.event(RegistrationFailed).registration == "pbx"
    line.agent.flow_closed(WS, line.now)
    line.wait(200)
    (refresh,) = line.requests()
    assert str(refresh.uri) == "sip:backup.example.com"


# --- eight hours ---------------------------------------------------------------------------------------------------
class Registrar:
    """Checks passwords with nonces that last five minutes, and forgets who does not come back in time."""

    def __init__(self, expires: int) -> None:
        self.digest = DigestServer("pbx", {"bot": "secret"}, b"r" * 16)
        self.expires = expires
        self.until = 0.0
        self.refreshes = 0
        self.challenges = 0
        self.numbers: list[int] = []

    def answer(self, request: SipRequest, now: float) -> bytes:
        assert self.until == 0.0 or now < self.until, "the binding was lost"
        self.numbers.append(request.cseq.number)
        verdict = self.digest.check(request, now, peer="192.0.2.8")
        if verdict.username is None:
            self.challenges += 1
            return self.digest.refuse(request, verdict, now, peer="192.0.2.8", to_tag="r").to_bytes()
        self.refreshes += 1
        self.until = now + self.expires
        response = response_to(request, 200, to_tag="r")
        response.headers.add("Contact", str(request.contacts[0].with_param("expires", str(self.expires))))
        return response.to_bytes()


@pytest.mark.parametrize(("flow", "expires"), [(WS, 300), (UDP, 60), (WS, 3600)])
def test_eight_hours(flow: Flow, expires: int) -> None:
    line = AgentAndPeer(
        flow,
        registrations=[(SETTINGS, DigestClient("bot", "secret", counting("c")))],
        chance=random.Random(5).random,
    )
    registrar = Registrar(expires)
    line.agent.register("pbx", flow, now=line.now)
    end = line.now + 8 * 3600
    sizes = []
    while line.now < end:
        while requests := line.requests():
            for request in requests:
                line.give(registrar.answer(request, line.now))
        due = line.agent.next_timeout()
        assert due is not None
        line.now = max(line.now, due)
        line.agent.timeout(line.now)
        sizes.append(len(line.agent))
    assert line.kinds() == ["Registered"]
    assert 8 * 3600 / expires / 0.8 <= registrar.refreshes <= 8 * 3600 / expires / 0.5 + 1
    assert registrar.numbers == list(range(1, len(registrar.numbers) + 1))
    assert registrar.challenges <= registrar.refreshes
    assert max(sizes) < 10


@given(st.lists(st.sampled_from([200, 401, 403, 423, 480, 500, 503, "silence", "closed", "begin", "end"]), max_size=20))
def test_whatever_a_registrar_says_it_ends_when_we_leave(course: list[int | str]) -> None:
    line = Line(flow=WS)
    for step in course:
        requests = line.line.requests()
        if step == "silence":
            line.line.wait(70)
        elif step == "closed":
            line.line.agent.flow_closed(WS, line.line.now)
        elif step == "begin":
            line.begin(WS)
        elif step == "end":
            line.line.agent.unregister("pbx", now=line.line.now)
        elif requests:
            extra = [CHALLENGE] if step == 401 else ["Min-Expires: 400"]
            line.line.respond(requests[-1], int(step), extra=extra)
    line.line.agent.unregister("pbx", now=line.line.now)
    line.line.wait(100)
    assert line.line.kinds()[-1] == "Unregistered"
    assert len(line.line.agent) == 0
