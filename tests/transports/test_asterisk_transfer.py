"""Transfers on an `asterisk` line: by its manager interface, and back into the same call when nobody answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from audio.format import PCMU_8K
from audio.frame import Frame
from config.lines import AuthSection
from gateway.caller.asterisk_line import AsteriskCaller
from gateway.caller.line import CallerLine
from gateway.events import LegClosed, MarkReached
from gateway.interfaces import TransferOutcome, TransferTarget
from gateway.transports.asterisk.settings import AsteriskLine
from gateway.transports.asterisk.transport import AsteriskTransport
from gateway.transports.sockets import LineContext
from tests.fakes.desk import Desk, TakenCall, open_line
from tests.fakes.manager import Action, Manager, manager_interface
from tests.fakes.shared_port import SharedPort
from tests.fakes.virtual_loop import virtual_time

PATH = "/media/asterisk"
CHANNEL = "PJSIP/alice-00000001"
PEOPLE = TransferTarget(transfer_id="t1", target="sip:100@pbx", ring=20, headers={"X-Reason": "angry"})


@dataclass
class House:
    """A line with a call on it, and Asterisk's manager interface."""

    port: SharedPort
    desk: Desk
    manager: Manager
    line: CallerLine
    call: TakenCall

    async def redirected(self) -> Action:
        async with asyncio.timeout(5):
            return await self.manager.redirects.get()

    def returning(self, status: str, *, call_id: str = "call-1", codec: str = "ulaw") -> CallerLine:
        """The dialplan dials us again, with what is inherited by the channel."""
        custom = {"pbx_channel": CHANNEL, "__talkpath_call": call_id, "__talkpath_status": status}
        caller = AsteriskCaller(codec=codec, answers_itself=False)  # type: ignore[arg-type]  # one of a table of tests
        return caller.connect(self.port.url + PATH, custom=custom)


@asynccontextmanager
async def house(custom: dict[str, str] | None = None, **manager_settings: object) -> AsyncIterator[House]:
    manager, desk = Manager(), Desk()
    async with manager_interface(manager):
        settings = {"port": manager.port, "username": "talkpath", "secret": "s3cret", **manager_settings}
        section = AsteriskLine.model_validate({"auth": AuthSection.model_validate("none"), "manager": settings})
        transport = AsteriskTransport("pbx", section, LineContext(new_id=lambda: f"call-{len(desk.calls) + 1}"))
        variables = {"pbx_channel": CHANNEL} if custom is None else custom
        async with (
            open_line(transport, desk) as port,
            AsteriskCaller().connect(port.url + PATH, custom=variables) as line,
        ):
            yield House(port, desk, manager, line, await desk.call())


def start(house: House, target: TransferTarget = PEOPLE) -> asyncio.Task[TransferOutcome]:
    return asyncio.create_task(house.call.leg.transfer(target))


async def outcome_of(transferring: asyncio.Task[TransferOutcome]) -> TransferOutcome:
    async with asyncio.timeout(60):
        return await transferring


@virtual_time
async def test_the_callers_channel_is_sent_to_the_target_with_what_the_dialplan_needs() -> None:
    async with house() as it:
        transferring = start(it)
        redirect = await it.redirected()
        assert {key: redirect[key] for key in ("Channel", "Context", "Exten", "Priority")} == {
            "Channel": CHANNEL,
            "Context": "bot-transfer",
            "Exten": "100",
            "Priority": "1",
        }
        assert it.manager.variables == {
            "talkpath_call": "call-1",
            "talkpath_target": "sip:100@pbx",
            "talkpath_host": "pbx",
            "talkpath_ring": "20",
            "talkpath_status": "",
            "talkpath_header1": "X-Reason: angry",
        }
        await it.line.hang_up()
        it.manager.tell(Event="DialEnd", Channel=CHANNEL, DestChannel="PJSIP/bob-2", DialStatus="ANSWER")
        assert await outcome_of(transferring) == TransferOutcome(ok=True)
        await it.desk.until(lambda: it.call.is_over)
    assert [type(event) for event in it.call.told] == [LegClosed]
    assert len(it.desk.calls) == 1


@pytest.mark.parametrize(
    ("status", "cause"),
    [("BUSY", "busy"), ("NOANSWER", "no_answer"), ("CHANUNAVAIL", "unreachable"), ("ODD", "failed"), ("", "failed")],
)
@virtual_time
async def test_a_caller_who_comes_back_is_in_the_same_call(status: str, cause: str) -> None:
    async with house() as it:
        await it.call.leg.mark("before")
        await it.desk.until(lambda: MarkReached(mark_id="before") in it.call.told)
        transferring = start(it)
        await it.redirected()
        await it.line.hang_up()
        it.manager.tell(Event="DialEnd", Channel=CHANNEL, DestChannel="PJSIP/bob-2", DialStatus=status)
        async with it.returning(status) as again:
            assert await outcome_of(transferring) == TransferOutcome(ok=False, cause=cause)
            await again.say(Frame(b"\x12" * 1600, PCMU_8K))
            await it.call.leg.send_audio(Frame(b"\x34" * 1600, PCMU_8K))
            await it.call.leg.mark("after")
            await it.desk.until(lambda: MarkReached(mark_id="after") in it.call.told)
            await it.desk.until(lambda: b"\x12" * 1600 in it.call.audio)
            assert not it.call.is_over
            await again.hang_up()
            await it.desk.until(lambda: it.call.is_over)
    assert len(it.desk.calls) == 1
    assert it.call.told[-1] == LegClosed(by="caller", reason="1000")


@virtual_time
async def test_a_caller_may_be_back_before_his_old_socket_is_closed_and_be_sent_again() -> None:
    async with house() as it:
        transferring = start(it)
        await it.redirected()
        async with it.returning("BUSY") as again:
            assert not (await outcome_of(transferring)).ok
            assert (await it.line.wait_until_over()).code == 1000
            transferring = start(it)
            await it.redirected()
            await again.hang_up()
            async with it.returning("NOANSWER") as third:
                assert (await outcome_of(transferring)).cause == "no_answer"
                await it.call.leg.hang_up("normal")
                assert (await third.wait_until_over()).code == 1000
        await it.desk.until(lambda: it.call.is_over)
    assert len(it.desk.calls) == 1


@virtual_time
async def test_marks_that_went_down_with_the_socket_count_as_reached() -> None:
    async with house() as it:
        await it.call.leg.send_audio(Frame(b"\x34" * 8000, PCMU_8K))
        await it.call.leg.mark("unheard")
        transferring = start(it)
        await it.redirected()
        await it.line.hang_up()
        async with it.returning("BUSY"):
            await outcome_of(transferring)
            await it.desk.until(lambda: MarkReached(mark_id="unheard") in it.call.told)


@virtual_time
async def test_a_caller_who_hangs_up_while_it_rings_is_gone() -> None:
    async with house() as it:
        transferring = start(it)
        await it.redirected()
        await it.line.hang_up()
        it.manager.tell(Event="Hangup", Channel=CHANNEL, Cause="16")
        assert await outcome_of(transferring) == TransferOutcome(ok=False, cause="gone")
        await it.desk.until(lambda: it.call.is_over)


@virtual_time
async def test_the_way_back_to_us_is_no_target_that_answers() -> None:
    async with house() as it:
        transferring = start(it)
        await it.redirected()
        await it.line.hang_up()
        it.manager.tell(Event="DialEnd", Channel=CHANNEL, DestChannel="WebSocket/talkpath-2", DialStatus="ANSWER")
        it.manager.tell(Event="DialEnd", Channel="PJSIP/stranger-9", DestChannel="PJSIP/bob-2", DialStatus="ANSWER")
        async with it.returning("BUSY"):
            assert not (await outcome_of(transferring)).ok


@virtual_time
async def test_a_lost_manager_connection_leaves_the_way_back() -> None:
    async with house() as it:
        transferring = start(it)
        await it.redirected()
        await it.line.hang_up()
        it.manager.hang_up()
        async with it.returning("NOANSWER"):
            assert await outcome_of(transferring) == TransferOutcome(ok=False, cause="no_answer")


@pytest.mark.parametrize("trouble", ["secret", "channel", "down", "mute", "ssh", "target"])
@virtual_time
async def test_a_transfer_that_asterisk_does_not_take_leaves_the_caller_with_the_bot(trouble: str) -> None:
    target = TransferTarget(transfer_id="t", target="sip:a&b@pbx") if trouble == "target" else PEOPLE
    async with house() as it:
        match trouble:
            case "secret":
                it.manager.secret = "another"
            case "channel":
                it.manager.channels.clear()
            case "mute":
                it.manager.is_mute = True
            case "ssh":
                it.manager.banner = b"SSH-2.0-OpenSSH_9.9\r\n"
        if trouble == "down":
            async with house(port=1) as other:
                assert (await outcome_of(start(other))) == TransferOutcome(ok=False, cause="failed")
            return
        assert await outcome_of(start(it, target)) == TransferOutcome(ok=False, cause="failed")
        await it.line.say(Frame(b"\x12" * 1600, PCMU_8K))
        await it.desk.until(lambda: b"\x12" * 1600 in it.call.audio)
        assert it.manager.redirects.empty()


@virtual_time
async def test_a_call_without_its_channels_name_cannot_be_transferred() -> None:
    async with house(custom={}) as it:
        assert not it.call.leg.capabilities.can_transfer
        assert await it.call.leg.transfer(PEOPLE) == TransferOutcome(ok=False, cause="unsupported")
    async with house() as it:
        assert it.call.leg.capabilities.can_transfer


@virtual_time
async def test_a_caller_who_comes_back_to_a_call_that_is_over_is_refused() -> None:
    async with house() as it:
        async with it.returning("BUSY", call_id="call-77") as late:
            over = await late.wait_until_over()
            assert (over.code, over.reason) == (1008, "the call is over")
        async with it.returning("BUSY") as early:  # nobody has sent him away
            assert (await early.wait_until_over()).code == 1008
    assert len(it.desk.calls) == 1


@virtual_time
async def test_a_caller_who_comes_back_with_another_codec_is_a_clear_failure() -> None:
    async with house() as it:
        transferring = start(it)
        await it.redirected()
        await it.line.hang_up()
        async with it.returning("BUSY", codec="alaw") as again:
            await outcome_of(transferring)
            assert (await again.wait_until_over()).reason == "dial back with the same codec"
        await it.desk.until(lambda: it.call.is_over)


@virtual_time
async def test_a_transfer_that_is_given_up_ends_the_call() -> None:
    async with house() as it:
        transferring = start(it)
        await it.redirected()
        await it.line.hang_up()
        transferring.cancel()
        await asyncio.wait([transferring])
        await it.desk.until(lambda: it.call.is_over)
        async with it.returning("NOANSWER") as late:
            assert (await late.wait_until_over()).code == 1008
