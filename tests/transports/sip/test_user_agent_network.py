"""Two user agents of ours, and a network that loses, doubles, delays and reorders: in the end both sides agree."""

from __future__ import annotations

import random
from collections import Counter
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import LocalProtocolError
from gateway.transports.sip.flow import FlowTransport
from gateway.transports.sip.ua_events import (
    Acked,
    Answered,
    ByeReceived,
    CallEvent,
    CallLost,
    Cancelled,
    InfoReceived,
    Invited,
    Reanswered,
    Refused,
    Released,
    Reoffered,
    ReofferRefused,
    UserAgentEvent,
)
from gateway.transports.sip.uri import parse_uri
from tests.fakes.sip_agent import ANSWER, OFFER
from tests.fakes.sip_network import Connection, Network, Trouble

ENDS = (Cancelled, Refused, ByeReceived, Released, CallLost)
CALM = 20.0
"""From then on the network is well; what is repeated for half a minute then arrives."""
OVER = 400.0

troubles = st.builds(
    Trouble,
    loss=st.sampled_from([0.0, 0.05, 0.3, 0.6, 1.0]),
    double=st.sampled_from([0.0, 0.1, 0.5]),
    slowest=st.sampled_from([0.01, 0.2, 1.5]),
    ends=st.just(CALM),
)
actions = st.lists(
    st.tuples(
        st.floats(0, CALM),
        st.sampled_from(["caller", "callee"]),
        st.sampled_from(["bye", "reinvite", "info", "refer", "ring", "accept", "reject"]),
    ),
    max_size=8,
)
decisions = st.sampled_from(["accept", "ring", "refuse", "wait"])


class Play:
    """A call with things done to it at random times."""

    def __init__(self, net: Network, decision: str) -> None:
        self.net = net
        self.decision = decision
        self.keys: dict[str, str] = {}
        self.net.listener = self.listen
        self.keys["caller"] = self.net.call()

    def listen(self, who: str, event: UserAgentEvent) -> None:
        agent = getattr(self.net, who)
        if isinstance(event, Invited):
            self.keys[who] = event.call
            if self.decision == "accept":
                agent.accept(event.call, ANSWER, now=self.net.now)
            elif self.decision == "ring":
                agent.ring(event.call, now=self.net.now)
            elif self.decision == "refuse":
                agent.reject(event.call, 486, now=self.net.now)
        elif isinstance(event, Reoffered):
            agent.answer_reoffer(event.call, ANSWER, now=self.net.now)

    def act(self, who: str, action: str) -> None:
        agent, call, now = getattr(self.net, who), self.keys.get(who), self.net.now
        if call is None:
            return
        try:
            match action:
                case "bye":
                    agent.bye(call, now=now)
                case "reinvite":
                    agent.reinvite(call, OFFER, now=now)
                case "info":
                    agent.info(call, "application/dtmf", b"5", now=now)
                case "refer":
                    agent.refer(call, parse_uri("sip:carol@example.com"), now=now)
                case "ring":
                    agent.ring(call, now=now)
                case "accept":
                    agent.accept(call, ANSWER, now=now)
                case "reject":
                    agent.reject(call, 603, now=now)
        except LocalProtocolError:
            assert action in ("ring", "accept", "reject")  # the call was answered before, or is one of its own

    def ends(self, who: str) -> Counter[str]:
        return Counter(event.call for event in self.net.of(who, *ENDS) if isinstance(event, CallEvent))


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), troubles, actions, decisions, st.sampled_from(["udp", "udp", "tcp"]))
def test_both_sides_agree_in_the_end_and_nothing_is_left(
    seed: int, trouble: Trouble, todo: list[tuple[float, str, str]], decision: str, transport: FlowTransport
) -> None:
    play = Play(Network(random.Random(seed), trouble, transport=transport), decision)
    for when, who, action in todo:
        play.net.at(when, partial(play.act, who, action))
    play.net.run(OVER)

    assert len(play.net.of("callee", Invited)) <= 1  # whatever was repeated, it was one call
    assert_agreed(play)


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 2**32),
    st.sampled_from([0.01, 0.5]),
    actions,
    decisions,
    st.lists(st.tuples(st.floats(0, CALM), st.floats(0.01, 18)), max_size=3),
)
def test_both_sides_agree_over_connections_that_break(
    seed: int,
    slowest: float,
    todo: list[tuple[float, str, str]],
    decision: str,
    breaks: list[tuple[float, float]],
) -> None:
    net = Connection(random.Random(seed), slowest)
    play = Play(net, decision)
    for when, who, action in todo:
        net.at(when, partial(play.act, who, action))
    for when, gap in breaks:
        net.at(when, net.breaks)
        net.at(when + gap, net.comes_back)
    net.run(OVER)
    assert_agreed(play)


def assert_agreed(play: Play) -> None:
    """Both sides think the same of the call; when it is up, it can be ended; and then nothing is left."""
    is_up = {who: bool(key) and not play.ends(who) for who, key in play.keys.items()}
    assert is_up["caller"] == is_up.get("callee", False)
    if is_up["caller"]:
        play.act("caller", "bye")
        play.net.run(OVER + 200)
    play.net.callee.unregister("home", now=play.net.now)
    play.net.run(OVER + 400)
    for who, key in play.keys.items():
        assert play.ends(who) == {key: 1}  # exactly one end each
    assert (len(play.net.caller), len(play.net.callee)) == (0, 0)
    assert play.net.caller.next_timeout() is None
    assert play.net.callee.next_timeout() is None


@pytest.mark.parametrize("seed", range(5))
def test_a_lossy_network_delays_a_call_and_does_not_prevent_it(seed: int) -> None:
    net = Network(random.Random(seed), Trouble(loss=0.3, double=0.3, slowest=0.4))
    net.call()
    net.run(25)
    assert [type(event) for event in net.of("caller", Answered, *ENDS)] == [Answered]
    assert [type(event) for event in net.of("callee", Invited, Acked, *ENDS)] == [Invited, Acked]


def test_both_offer_at_the_same_moment_and_both_get_their_answer() -> None:
    net = Network(random.Random(3), Trouble())
    caller = net.call()
    net.run(1)
    callee = net.of("callee", Invited)[0].call
    net.caller.reinvite(caller, OFFER, now=net.now)
    net.callee.reinvite(callee, ANSWER, now=net.now)
    net.run(20)
    assert not net.of("caller", ReofferRefused, *ENDS)
    assert not net.of("callee", ReofferRefused, *ENDS)
    assert len(net.of("caller", Reanswered)) == len(net.of("callee", Reanswered)) == 1


def test_both_hang_up_at_the_same_moment() -> None:
    net = Network(random.Random(3), Trouble())
    caller = net.call()
    net.run(1)
    callee = net.of("callee", Invited)[0].call
    net.caller.bye(caller, now=net.now)
    net.callee.bye(callee, now=net.now)
    net.run(100)
    assert [type(event) for event in net.of("caller", *ENDS)] == [Released]
    assert [type(event) for event in net.of("callee", *ENDS)] == [Released]
    assert (len(net.caller), len(net.callee)) == (0, 0)


def test_an_info_that_is_repeated_is_one_info() -> None:
    net = Network(random.Random(3), Trouble(double=1.0))
    caller = net.call()
    net.run(1)
    net.caller.info(caller, "application/dtmf-relay", b"Signal=5\r\n", now=net.now)
    net.run(10)
    assert len(net.of("callee", InfoReceived)) == 1
