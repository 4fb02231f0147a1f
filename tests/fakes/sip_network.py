"""Two SIP user agents of ours and a network between them that loses, doubles, delays and reorders."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.transports.sip.context import UserAgentSettings
from gateway.transports.sip.flow import CallKey, Flow, FlowTransport
from gateway.transports.sip.message import NameAddress, SipRequest, parse, response_to
from gateway.transports.sip.registration import RegistrationSettings
from gateway.transports.sip.ua_events import Invited, Reoffered, UserAgentEvent
from gateway.transports.sip.uri import parse_uri
from gateway.transports.sip.user_agent import UserAgent
from tests.fakes.sip_agent import ANSWER, OFFER, counting

CALLER = "192.0.2.1:5060"
CALLEE = "192.0.2.2:5060"
SENDER = NameAddress("", parse_uri("sip:caller@192.0.2.1"))
TARGET = parse_uri("sip:callee@192.0.2.2")
REGISTRATION = RegistrationSettings(
    name="home", registrar=parse_uri("sip:home"), aor=parse_uri("sip:callee@home"), user="b"
)


@dataclass(frozen=True)
class Trouble:
    """What the network does to each message: chances of loss and doubling, and how long it takes."""

    loss: float = 0.0
    double: float = 0.0
    slowest: float = 0.05
    ends: float = float("inf")
    """From then on (seconds from the start) it does no harm."""


class Network:
    """See the module. `caller` and `callee` are at time `now`; what they say arrives by `run`."""

    def __init__(self, chance: random.Random, trouble: Trouble, *, transport: FlowTransport = "udp") -> None:
        self.now = 0.0
        self.chance = chance
        self.trouble = trouble
        self.caller = self._agent("a")
        self.callee = self._agent("b")
        self.to_callee = Flow(f"{transport}-a", transport, CALLEE, CALLER)
        self.to_caller = Flow(f"{transport}-b", transport, CALLER, CALLEE)
        self.events: dict[str, list[tuple[float, UserAgentEvent]]] = {"caller": [], "callee": []}
        self.listener: Callable[[str, UserAgentEvent], None] = self._polite
        self._order = itertools.count()
        self._last: dict[Flow, float] = {}
        self._due: list[tuple[float, int, Callable[[], None]]] = []

    def _agent(self, name: str) -> UserAgent:
        return UserAgent(
            UserAgentSettings(user=name),
            tokens=counting(name),
            chance=self.chance.random,
            registrations=[(REGISTRATION, None)],
        )

    def at(self, when: float, act: Callable[[], None]) -> None:
        """Do something at a time."""
        heapq.heappush(self._due, (when, next(self._order), act))

    def call(self) -> CallKey:
        """The caller calls the callee."""
        return self.caller.invite(TARGET, OFFER, self.to_callee, sender=SENDER, now=self.now)

    def _polite(self, who: str, event: UserAgentEvent) -> None:
        """Answers calls, and agrees to new offers."""
        agent = self.caller if who == "caller" else self.callee
        if isinstance(event, Invited):
            agent.accept(event.call, ANSWER, now=self.now)
        elif isinstance(event, Reoffered):
            agent.answer_reoffer(event.call, ANSWER, now=self.now)

    # --- the course of things --------------------------------------------------------------------------------------
    def run(self, until: float) -> None:
        """Let time pass, from one thing that happens to the next."""
        self._carry()
        while (when := self._next()) is not None and when <= until:
            self.now = max(self.now, when)
            while self._due and self._due[0][0] <= self.now:
                heapq.heappop(self._due)[2]()
                self._carry()
            for agent in (self.caller, self.callee):
                agent.timeout(self.now)
            self._carry()
        self.now = until

    def _next(self) -> float | None:
        times = [time for agent in (self.caller, self.callee) if (time := agent.next_timeout()) is not None]
        times += [self._due[0][0]] if self._due else []
        return min(times, default=None)

    def _carry(self) -> None:
        is_busy = True
        while is_busy:
            is_busy = False
            for who, agent, other, way in (
                ("caller", self.caller, self.callee, self.to_caller),
                ("callee", self.callee, self.caller, self.to_callee),
            ):
                for sent_on, data in agent.outgoing():
                    self._deliver(data, other, way, sent_on)
                    is_busy = True
                for event in agent.events():
                    self.events[who].append((self.now, event))
                    self.listener(who, event)
                    is_busy = True

    def _deliver(self, data: bytes, agent: UserAgent, flow: Flow, sent_on: Flow) -> None:
        trouble = self.trouble if self.now < self.trouble.ends else Trouble()
        if flow.reliable:  # TCP makes delays of all that
            self._last[flow] = max(self._last.get(flow, 0.0), self.now + self.chance.random() * trouble.slowest) + 1e-6
            self.at(self._last[flow], lambda: agent.receive(data, flow, self.now))
            return
        copies = 2 if self.chance.random() < trouble.double else 1
        for _ in range(copies):
            if self.chance.random() >= trouble.loss:
                when = self.now + 0.001 + self.chance.random() * trouble.slowest
                self.at(when, lambda: agent.receive(data, flow, self.now))

    # --- what is asked afterwards ----------------------------------------------------------------------------------
    def of(self, who: str, *kinds: type) -> Sequence[Any]:
        """The events of some kinds that one side was told."""
        return [event for _, event in self.events[who] if isinstance(event, kinds)]


class Connection(Network):
    """The two agents on a WebSocket that breaks and is made anew. The caller's side is a registrar, too."""

    def __init__(self, chance: random.Random, slowest: float) -> None:
        super().__init__(chance, Trouble(slowest=slowest), transport="ws")
        self.is_open = True
        self._made = 1

    def breaks(self) -> None:
        """Both sides notice, and what was on its way is lost."""
        if self.is_open:
            self.is_open = False
            self.caller.flow_closed(self.to_callee, self.now)
            self.callee.flow_closed(self.to_caller, self.now)

    def comes_back(self) -> None:
        """The callee makes another one, and registers."""
        if not self.is_open:
            self.is_open = True
            self._made += 1
            self.to_callee = Flow(f"ws-a{self._made}", "ws", CALLEE, CALLER)
            self.to_caller = Flow(f"ws-b{self._made}", "ws", CALLER, f"b{self._made}.invalid")
            self.callee.register("home", self.to_caller, now=self.now)

    def _deliver(self, data: bytes, agent: UserAgent, flow: Flow, sent_on: Flow) -> None:
        made = self._made

        def arrive() -> None:
            if not self.is_open or made != self._made:
                return
            if data.startswith(b"REGISTER "):
                request = parse(data)
                assert isinstance(request, SipRequest)
                self.callee.receive(response_to(request, 200, to_tag="r").to_bytes(), self.to_caller, self.now)
            else:
                agent.receive(data, flow, self.now)

        if self.is_open and sent_on in (self.to_caller, self.to_callee):
            self._last[flow] = max(self._last.get(flow, 0.0), self.now + self.chance.random() * self.trouble.slowest)
            self._last[flow] += 1e-6
            self.at(self._last[flow], arrive)
