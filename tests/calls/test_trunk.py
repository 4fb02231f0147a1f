"""Whole calls by SIP and RTP: what only a trunk can do. What all lines do is in the other files, for this one too."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import pytest

from audio import tones
from audio.codecs import g711
from audio.format import PCMU_8K, Encoding
from gateway.caller.line import CallRefused
from gateway.caller.peer import Answered, CallerAuth, FarEvent, HungUp, Rang, Referred
from gateway.caller.sip import SipCaller
from gateway.caller.sip_peer import Keys, SipPeer
from gateway.lab.talkr_bot import BOTS
from gateway.speech.scripted.signal import duration_of
from gateway.transports.sip.transport import SipTransport
from tests.fakes.callers import Phone, sound
from tests.fakes.office import Office, dial
from tests.fakes.talkr_office import open_office
from tests.fakes.virtual_loop import virtual_time

BOT = BOTS["en"]
SAYS = {topic.name: topic.says for topic in BOT.topics}
FRAME = 0.025
STRANGE = "+4989123456"


def telephone(caller: Phone) -> SipPeer:
    assert isinstance(caller.line.peer, SipPeer)
    return caller.line.peer


async def until(caller: Phone, kind: type[FarEvent], within: float = 30.0) -> FarEvent:
    """The next event of a kind."""
    async with asyncio.timeout(within):
        async for event in caller.line.events():
            caller.events.append(event)
            if isinstance(event, kind):
                return event
    raise AssertionError(f"no {kind.__name__} came")


# --- who may come in -----------------------------------------------------------------------------------------------
@virtual_time
async def test_an_unknown_number_is_refused_with_404(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        with pytest.raises(CallRefused) as refused:
            async with dial(office, "trunk", called=STRANGE):
                pass
        assert refused.value.status == 404
    assert office.records == []
    assert len(office.bot.requests) == 0


@virtual_time
async def test_the_status_for_unknown_numbers_is_the_lines(tmp_path: Path) -> None:
    async with open_office(tmp_path, trunk={"refuse_unknown": 484}) as office:
        with pytest.raises(CallRefused) as refused:
            async with dial(office, "trunk", called=STRANGE):
                pass
        assert refused.value.status == 484


@virtual_time
async def test_people_who_answer_now_are_busy_to_the_trunk(tmp_path: Path) -> None:
    hours = {"time_zone": "UTC", "weekly": {"mon-sun": "00:00-24:00"}}
    async with open_office(tmp_path, number={"hours": hours, "answer_when": {"mode": "outside_hours"}}) as office:
        with pytest.raises(CallRefused) as refused:
            async with dial(office, "trunk"):
                pass
        assert refused.value.status == 486


@virtual_time
async def test_a_full_gateway_says_when_to_come_again_and_has_room_afterwards(tmp_path: Path) -> None:
    async with open_office(tmp_path, server={"max_calls": 1}) as office:
        async with dial(office, "trunk") as caller:
            await caller.until(1.0)
            with pytest.raises(CallRefused) as refused:
                async with dial(office, "trunk"):
                    pass
            assert (refused.value.status, refused.value.retry_after) == (503, 30.0)
        await office.calls_over()
        async with dial(office, "trunk") as caller:
            await caller.hears(BOT.greeting)
    assert len(office.records) == 2


@virtual_time
async def test_a_draining_gateway_finishes_its_calls_and_takes_no_more(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office, dial(office, "trunk") as caller:
        await caller.until(1.0)
        await office.operator.drain()
        with pytest.raises(CallRefused) as refused:
            async with dial(office, "trunk"):
                pass
        assert (refused.value.status, refused.value.retry_after) == (503, 30.0)
        await caller.hears(BOT.greeting)
        await caller.say("location")
        await caller.hears(SAYS["location"])
    assert office.outcome == ("completed", "caller")


DIGEST = {"allow": [], "auth": {"digest": {"realm": "pbx", "users": {"alice": "secret"}}}}


@pytest.mark.parametrize("auth", [None, CallerAuth(username="alice", password="wrong")], ids=["none", "wrong"])
@virtual_time
async def test_strangers_are_asked_who_they_are_and_not_let_in(auth: CallerAuth | None, tmp_path: Path) -> None:
    async with open_office(tmp_path, trunk=DIGEST) as office:
        with pytest.raises(CallRefused) as refused:
            async with dial(office, "trunk", auth=auth):
                pass
        assert refused.value.status == 401
        async with dial(office, "trunk", auth=CallerAuth(username="alice", password="secret")) as caller:
            await caller.hears(BOT.greeting)
    assert len(office.records) == 1


# --- ringing -------------------------------------------------------------------------------------------------------
@virtual_time
async def test_a_call_is_picked_up_when_the_bot_has_something_to_say(tmp_path: Path) -> None:
    number = {"pick_up": "when_ready"}
    async with (
        open_office(tmp_path, number=number, faults="slow:4") as office,
        dial(office, "trunk", client=SipCaller(answered_within=None)) as caller,
    ):
        rang = await until(caller, Rang)
        answered = await until(caller, Answered)
        greeting = await caller.hears(BOT.greeting)
    assert isinstance(rang, Rang)
    assert isinstance(answered, Answered)
    assert rang.status == 180
    assert rang.at - caller.began < 0.1
    assert answered.at - caller.began == pytest.approx(4.0, abs=0.2)
    assert greeting.at == pytest.approx(answered.at - caller.began, abs=0.1)
    assert caller.words == [BOT.greeting]


@virtual_time
async def test_with_early_media_the_ringing_is_ours_and_stops_with_the_answer(tmp_path: Path) -> None:
    number = {"pick_up": "early_media"}
    async with (
        open_office(tmp_path, number=number, faults="slow:4") as office,
        dial(office, "trunk", client=SipCaller(answered_within=None)) as caller,
    ):
        office.is_truth_checked = False  # the tone is in no book
        rang = await until(caller, Rang)
        answered = await until(caller, Answered)
        await caller.hears(BOT.greeting)
        assert isinstance(rang, Rang)
        assert isinstance(answered, Answered)
        first, *_ = caller.line.heard()
    assert rang.status == 183
    assert first.at < answered.at - 3.0
    ringing = g711.encode(tones.ringback(1.0, 8000), Encoding.PCMU)[: PCMU_8K.size(0.2)]
    assert ringing in first.data


@pytest.mark.parametrize("pick_up", ["when_ready", "early_media"])
@virtual_time
async def test_who_gives_up_while_it_rings_has_abandoned_the_call(pick_up: str, tmp_path: Path) -> None:
    async with open_office(tmp_path, number={"pick_up": pick_up}, faults="slow:4") as office:
        async with dial(office, "trunk", client=SipCaller(answered_within=None)) as caller:
            office.is_truth_checked = False
            await until(caller, Rang)
            await caller.until(2.0)
            await caller.hang_up()
            assert caller.line.hung_up is not None
            assert caller.line.hung_up.by == "caller"
            assert not any(isinstance(event, Answered) for event in caller.events)
        await office.calls_over()
        assert office.outcome == ("abandoned", "caller")
        assert office.record["seconds"] == pytest.approx(2.0, abs=0.1)


# --- while it is up ------------------------------------------------------------------------------------------------
@virtual_time
async def test_on_hold_the_prompt_stops_and_goes_on_at_its_next_sample(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office, dial(office, "trunk") as caller:
        await caller.until(1.0)
        await caller.line.act(telephone(caller).hold)
        held = caller.now()
        await caller.until(held + 5.0)
        await caller.line.act(telephone(caller).resume)
        resumed = caller.now()
        await caller.until(resumed + duration_of(BOT.greeting))
        before, after = caller.line.heard()
        await caller.say("location")
        await caller.hears(SAYS["location"])
        office.is_truth_checked = False  # the greeting is one in the books, and was heard in two parts
    assert before.end - caller.began <= held + FRAME
    assert after.at - caller.began == pytest.approx(resumed, abs=0.1)
    assert before.data + after.data == sound(BOT.greeting)
    assert office.outcome == ("completed", "caller")


@virtual_time
async def test_a_browser_talks_keys_and_holds(tmp_path: Path) -> None:
    async with open_office(tmp_path, trunk={"path": "/sip", "auth": "none"}) as office:
        office.trunk = f"ws://{office.address}/sip"
        async with dial(office, "trunk") as caller:
            await caller.hears(BOT.greeting)
            await caller.say("password")
            await caller.hears(SAYS["code"])
            await caller.press("12")
            await caller.line.act(telephone(caller).hold)
            await caller.wait(20.0)
            await caller.line.act(telephone(caller).resume)
            await caller.press("34#")
            await caller.hears(BOT.code_heard.format(code="1 2 3 4"))
    assert office.outcome == ("completed", "caller")
    assert office.record["exchange"][-1]["caller"] == "1234"


@virtual_time
async def test_a_call_on_hold_is_not_asked_anything(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office, dial(office, "trunk") as caller:
        await caller.hears(BOT.greeting)
        await caller.line.act(telephone(caller).hold)
        await caller.wait(60.0)
        assert caller.words == [BOT.greeting]
        await caller.line.act(telephone(caller).resume)
        resumed = caller.now()
        again = await caller.hears(BOT.again)
    assert again.at == pytest.approx(resumed + 7.0, abs=0.2)


@pytest.mark.parametrize("keys", ["rtp", "info", "both"])
@virtual_time
async def test_a_key_is_one_key_however_it_comes(keys: Keys, tmp_path: Path) -> None:
    async with open_office(tmp_path) as office, dial(office, "trunk", client=SipCaller(keys=keys)) as caller:
        await caller.hears(BOT.greeting)
        await caller.say("password")
        await caller.hears(SAYS["code"])
        await caller.press("1224#", every=0.25)
        await caller.hears(BOT.code_heard.format(code="1 2 2 4"))
    assert [turn["caller"] for turn in office.record["exchange"]][1:] == ["password", "1224"]


TRANSFER = {"transfer": {"allow": ["2*"]}}


async def transferred(office: Office, caller: Phone) -> Referred:
    """The operator sends the caller to somebody else."""
    (call,) = office.operator.calls()
    await office.operator.transfer(call["call_id"], "200")
    referred = await until(caller, Referred)
    assert isinstance(referred, Referred)
    return referred


@virtual_time
async def test_a_transfer_that_succeeds_ends_the_call(tmp_path: Path) -> None:
    async with (
        open_office(tmp_path, number=TRANSFER) as office,
        dial(office, "trunk", client=SipCaller(transfers=200)) as caller,
    ):
        await caller.hears(BOT.greeting)
        referred = await transferred(office, caller)
        assert "sip:200@" in referred.target
        over = await until(caller, HungUp)
        assert isinstance(over, HungUp)
        assert over.by == "gateway"
    assert office.outcome == ("transferred", "transfer")


@pytest.mark.parametrize("status", [404, 486, None])
@virtual_time
async def test_a_transfer_that_fails_leaves_the_caller_with_the_bot(status: int | None, tmp_path: Path) -> None:
    async with (
        open_office(tmp_path, number=TRANSFER) as office,
        dial(office, "trunk", client=SipCaller(transfers=status)) as caller,
    ):
        await caller.hears(BOT.greeting)
        (call,) = office.operator.calls()
        await office.operator.transfer(call["call_id"], "200")
        await caller.wait(3.0)
        assert caller.line.hung_up is None
        await caller.say("location")
        await caller.hears(SAYS["location"])
    assert office.outcome == ("completed", "caller")


# --- who falls silent ----------------------------------------------------------------------------------------------
@virtual_time
async def test_a_telephone_that_vanishes_is_noticed_by_its_silence(tmp_path: Path) -> None:
    async with (
        open_office(tmp_path, trunk={"rtp": {"host": "127.0.0.1", "silence_limit": 5}}) as office,
        dial(office, "trunk") as caller,
    ):
        office.is_truth_checked = False
        await caller.until(1.0)
        caller.line.vanish()
        await office.calls_over()
    assert office.outcome == ("leg_failed", "gateway")
    assert office.record["seconds"] == pytest.approx(6.0, abs=0.1)


@virtual_time
async def test_what_is_sent_is_steady_and_without_gaps(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office, dial(office, "trunk") as caller:
        await caller.hears(BOT.greeting)
        await caller.say("location")
        await caller.hears(SAYS["location"])
        ear, seconds = telephone(caller).rtp, caller.now()
        assert (ear.lost, ear.late) == (0, 0)
        assert ear.packets == pytest.approx(seconds / 0.02, abs=3)
        assert ear.reports == pytest.approx(seconds / 5.0, abs=1)
    assert office.outcome == ("completed", "caller")


@virtual_time
async def test_calls_leave_nothing_behind(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office:
        transport = office.transports["trunk"]
        for way in itertools.islice(itertools.cycle(("leaves", "strange", "stays")), 30):
            if way == "strange":
                with pytest.raises(CallRefused):
                    async with dial(office, "trunk", called=STRANGE):
                        pass
                continue
            async with dial(office, "trunk") as caller:
                await caller.until(0.0 if way == "leaves" else 0.5)
        await office.calls_over()
        await asyncio.sleep(70)  # what is kept for those who repeat themselves
        assert isinstance(transport, SipTransport)
        assert len(transport._agent) == 0
        assert not transport._legs
