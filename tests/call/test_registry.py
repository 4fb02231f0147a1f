"""Which calls there are, whose key this is, and when the last one is over."""

from __future__ import annotations

import asyncio

import pytest

from gateway.call.registry import MAX_KEYS, CallRefused, Registry, UnknownCall
from gateway.events import CallInfo, OperatorAsked
from tests.fakes.clock import ManualClock
from tests.fakes.virtual_loop import elapsed, virtual_time


def info(call_id: str) -> CallInfo:
    return CallInfo(call_id=call_id, caller="+331", called="+332", line="pbx", number="+332")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def registry(clock) -> Registry:
    return Registry(clock, max_calls=2)


def test_a_call_is_there_until_it_is_over(registry):
    with registry.register(info("a")):
        assert len(registry) == 1
        assert registry.call("a").info == info("a")
    assert len(registry) == 0
    with pytest.raises(UnknownCall):
        registry.call("a")


def test_calls_beyond_the_limit_are_refused(registry):
    with registry.register(info("a")), registry.register(info("b")):
        assert registry.refusal() == "full"
        with pytest.raises(CallRefused, match="full"), registry.register(info("c")):
            pass
    assert registry.refusal() is None


def test_an_id_is_used_once_at_a_time(registry):
    with registry.register(info("a")):
        with pytest.raises(ValueError), registry.register(info("a")):
            pass
        assert len(registry) == 1


def test_a_draining_registry_takes_no_calls_and_keeps_those_it_has(registry):
    with registry.register(info("a")):
        registry.drain()
        assert registry.refusal() == "draining"
        assert len(registry) == 1


def test_a_key_leads_to_the_newest_call_that_claimed_it(registry):
    with registry.register(info("a")):
        registry.claim("a", "k")
        with registry.register(info("b")):
            registry.claim("b", "k")
            registry.claim("b", "l")
            assert registry.holder("k") == "b"
        assert registry.holder("k") is None
        assert registry.holder("l") is None
    assert registry.holder("k") is None


def test_the_end_of_an_older_call_does_not_take_the_key_from_the_newer(registry):
    older = registry.register(info("a"))
    older.__enter__()
    registry.claim("a", "k")
    with registry.register(info("b")):
        registry.claim("b", "k")
        older.__exit__(None, None, None)
        assert registry.holder("k") == "b"


def test_keys_are_bounded(registry):
    with registry.register(info("a")):
        for number in range(MAX_KEYS):
            registry.claim("a", str(number))
        registry.claim("a", "0")
        with pytest.raises(ValueError):
            registry.claim("a", "one too many")


def test_an_operator_reaches_the_call(registry):
    posted = []
    with registry.register(info("a")) as call:
        with pytest.raises(UnknownCall):
            registry.ask("a", OperatorAsked())
        call.post = posted.append
        registry.ask("a", OperatorAsked(target="sip:1@pbx"))
    assert posted == [OperatorAsked(target="sip:1@pbx")]
    with pytest.raises(UnknownCall):
        registry.ask("a", OperatorAsked())


def test_snapshots_tell_who_and_for_how_long(registry, clock):
    with registry.register(info("a")) as call:
        clock.advance(2.5)
        call.snapshot = lambda: {"state": "listening", "turns": []}
        assert registry.snapshots() == [
            {
                "call_id": "a",
                "leg_id": "",
                "line": "pbx",
                "number": "+332",
                "from": "+331",
                "to": "+332",
                "seconds": 2.5,
            }
        ]
        assert registry.snapshot("a")["state"] == "listening"


@virtual_time
async def test_draining_waits_for_the_last_call():
    registry = Registry(ManualClock(), 10)
    place = registry.register(info("a"))
    place.__enter__()
    asyncio.get_running_loop().call_later(3, place.__exit__, None, None, None)
    registry.drain()
    assert await registry.drained(within=10)
    assert elapsed() == pytest.approx(3)
    assert await registry.drained(within=0.1)


@virtual_time
async def test_draining_waits_no_longer_than_it_may():
    registry = Registry(ManualClock(), 10)
    with registry.register(info("a")):
        assert not await registry.drained(within=5)
    assert elapsed() == pytest.approx(5)
