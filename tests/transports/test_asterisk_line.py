"""An `asterisk` line as a whole: who gets in, who calls whom, and the queue at the other end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from pydantic import ValidationError
from websockets.exceptions import InvalidStatus

from audio.format import PCMU_8K
from audio.frame import Frame
from config.lines import AuthSection
from gateway.caller.asterisk import AsteriskPeer
from gateway.caller.asterisk_line import AsteriskCaller, AsteriskServer
from gateway.caller.line import CallerLine
from gateway.caller.peer import Answered, CallerAuth, Complained, HungUp
from gateway.errors import LocalProtocolError, VendorRejected, VendorUnavailable
from gateway.events import DigitPressed, LegClosed, MarkReached
from gateway.transports.asterisk.settings import AsteriskLine
from gateway.transports.asterisk.transport import AsteriskTransport
from gateway.transports.sockets import LineContext
from tests.fakes.desk import Desk, TakenCall, open_line
from tests.fakes.virtual_loop import virtual_time

PATH = "/media/asterisk"
BASIC = {"basic": {"username": "pbx1", "password": "s3cret"}}
GOOD = CallerAuth(username="pbx1", password="s3cret")


def transport(auth: object = "none", **settings: object) -> AsteriskTransport:
    section = AsteriskLine.model_validate({"auth": AuthSection.model_validate(auth), **settings})
    return AsteriskTransport("pbx", section, LineContext(new_id=lambda: "call-1", country="33"))


def asterisk(line: CallerLine) -> AsteriskPeer:
    assert isinstance(line.peer, AsteriskPeer)
    return line.peer


async def answered(line: CallerLine) -> None:
    async with asyncio.timeout(5):
        async for event in line.events():
            if isinstance(event, Answered):
                return


# --- who gets in ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("auth", [None, CallerAuth(username="pbx1", password="wrong"), CallerAuth(bearer="s3cret")])
@virtual_time
async def test_wrong_credentials_are_refused_before_the_upgrade(auth: CallerAuth | None) -> None:
    desk = Desk()
    async with open_line(transport(BASIC), desk) as port:
        with pytest.raises(InvalidStatus) as refused:
            async with AsteriskCaller().connect(port.url + PATH, auth=auth):
                pass
    assert refused.value.response.status_code == 401
    assert refused.value.response.headers["WWW-Authenticate"].startswith("Basic")
    assert desk.calls == []


@virtual_time
async def test_right_credentials_get_in_and_the_subprotocol_is_echoed() -> None:
    desk = Desk()
    async with open_line(transport(BASIC), desk) as port, AsteriskCaller().connect(port.url + PATH, auth=GOOD) as line:
        await desk.call()
        assert line.subprotocol == "media"


# --- who calls whom ------------------------------------------------------------------------------------------------
@virtual_time
async def test_identity_comes_from_channel_variables_by_their_aliases_and_never_from_the_query() -> None:
    desk = Desk()
    variables = {"callerid": "0612345678", "EXTEN": "+33100000000", "UNIQUEID": "1.2"}
    async with open_line(transport(), desk) as port:
        url = port.url + PATH + "?from=+33777000777&to=+33777000777&called=+33777000777"
        async with AsteriskCaller().connect(url, custom=variables) as line:
            info = (await desk.call()).leg.info
            assert info.leg_id == line.peer.leg_id
    assert (info.caller, info.called, info.line, info.call_id) == ("+33612345678", "+33100000000", "pbx", "call-1")
    assert info.custom["UNIQUEID"] == "1.2"
    assert "777000777" not in str(info)


@pytest.mark.parametrize(("last", "called"), [("601", "601"), ("+33100000000", "+33100000000"), ("", "")])
@virtual_time
async def test_on_plain_text_the_called_number_is_the_last_part_of_the_path(last: str, called: str) -> None:
    desk = Desk()
    async with open_line(transport(), desk) as port:
        url = f"{port.url}{PATH}/{last}?to=998" if last else f"{port.url}{PATH}?to=998"
        async with AsteriskCaller(is_json=False).connect(url):
            info = (await desk.call()).leg.info
    assert (info.caller, info.called, info.custom) == ("", called, {})


@virtual_time
async def test_with_variables_the_path_counts_only_where_they_are_silent() -> None:
    desk = Desk()
    async with open_line(transport(), desk) as port:
        async with AsteriskCaller().connect(f"{port.url}{PATH}/601", called="602"):
            assert (await desk.call()).leg.info.called == "602"
        async with AsteriskCaller().connect(f"{port.url}{PATH}/601"):
            assert (await desk.call(1)).leg.info.called == "601"


# --- the channel ---------------------------------------------------------------------------------------------------
@virtual_time
async def test_a_channel_that_waits_is_answered() -> None:
    desk = Desk(answers=False)
    caller = AsteriskCaller(answers_itself=False)
    async with open_line(transport(), desk) as port, caller.connect(port.url + PATH) as line:
        call = await desk.call()
        assert not asterisk(line).is_answered
        await call.leg.answer()
        await answered(line)


@virtual_time
async def test_a_hang_up_before_the_answer_refuses_the_call() -> None:
    desk = Desk(answers=False)
    caller = AsteriskCaller(answers_itself=False)
    async with open_line(transport(), desk) as port, caller.connect(port.url + PATH) as line:
        call = await desk.call()
        await call.leg.hang_up("busy")
        over = await line.wait_until_over()
        assert asterisk(line).refused
        assert (over.by, over.code) == ("gateway", 1000)
        await desk.until(lambda: call.is_over)
    assert call.events == [LegClosed(by="gateway", reason="busy")]


class RefusingDesk(Desk):
    """Hangs up without ever reading the leg's events."""

    async def offer(self, leg: object) -> None:
        self.calls.append(TakenCall(leg))  # type: ignore[arg-type]  # as much of one as is used
        await leg.hang_up("unknown_number")  # type: ignore[attr-defined]  # a leg


@virtual_time
async def test_a_call_can_be_refused_by_somebody_who_reads_nothing() -> None:
    desk = RefusingDesk(answers=False)
    caller = AsteriskCaller(answers_itself=False)
    async with open_line(transport(), desk) as port, caller.connect(port.url + PATH) as line:
        over = await line.wait_until_over()
        assert asterisk(line).refused
    assert (over.by, over.code) == ("gateway", 1000)


@pytest.mark.parametrize(
    ("start", "advice"),
    [
        ("MEDIA_START connection_id:b channel:c channel_id:1.2 format:opus optimal_frame_size:0", "c(ulaw)"),
        ("MEDIA_START connection_id:b channel:c channel_id:1.2 format:ulaw optimal_frame_size:0", "take p out"),
    ],
)
@virtual_time
async def test_media_that_is_not_spoken_is_refused_with_the_change_to_the_dialplan(start: str, advice: str) -> None:
    desk = Desk()
    async with open_line(transport(), desk) as port:
        line = AsteriskCaller().connect(port.url + PATH)
        line.peer = Scripted(start)  # type: ignore[assignment]  # as much of one as is used
        async with line:
            over = await line.wait_until_over()
    assert over.code == 1008
    assert advice in over.reason
    assert desk.calls == []


class Scripted(AsteriskPeer):
    """Begins with a message of the test's."""

    def __init__(self, message: str) -> None:
        super().__init__()
        self._message = message

    def start(self, now: float) -> None:
        self._messages.append(self._message)


@virtual_time
async def test_while_asterisk_says_stop_audio_waits_and_a_clear_ends_the_wait() -> None:
    desk = Desk()
    async with open_line(transport(), desk) as port, AsteriskCaller().connect(port.url + PATH) as line:
        call = await desk.call()
        ten_seconds = Frame(bytes(80_000), PCMU_8K)
        await call.leg.send_audio(ten_seconds)
        await call.leg.send_audio(ten_seconds)
        await asyncio.sleep(0.1)
        waiting = asyncio.create_task(call.leg.send_audio(ten_seconds))
        await asyncio.sleep(0.5)
        assert not waiting.done()
        await call.leg.clear()
        async with asyncio.timeout(0.01):
            await waiting
        await call.leg.mark("cleared")
        await desk.until(lambda: call.told == [MarkReached(mark_id="cleared")], within=0.1)
        await call.leg.send_audio(Frame(bytes(160), PCMU_8K))
        await asyncio.sleep(0.1)
        heard = sum(len(piece.data) for piece in line.heard())
        assert heard / 8000 == pytest.approx(0.6 + 0.02, abs=0.05)


@virtual_time
async def test_audio_that_waits_goes_on_when_asterisk_says_so_and_nothing_is_lost() -> None:
    desk = Desk()
    async with open_line(transport(), desk) as port, AsteriskCaller().connect(port.url + PATH) as line:
        call = await desk.call()
        for _ in range(50):
            await call.leg.send_audio(Frame(bytes(8_000), PCMU_8K))
            await asyncio.sleep(0.02)  # a second of audio each time: fifty times faster than it is heard
        await call.leg.mark("end")
        await desk.until(lambda: call.told == [MarkReached(mark_id="end")], within=60)
        await asyncio.sleep(0.1)
        assert sum(len(piece.data) for piece in line.heard()) == 400_000
        await line.hang_up()
        events = [event async for event in line.events()]
        assert not [event for event in events if isinstance(event, Complained)]
        assert isinstance(events[-1], HungUp)


@virtual_time
async def test_a_peer_that_does_not_obey_a_hang_up_is_closed() -> None:
    desk = Desk()
    async with open_line(transport(), desk) as port, AsteriskCaller().connect(port.url + PATH) as line:
        call = await desk.call()
        asterisk(line).receive = lambda message, now: None  # type: ignore[method-assign]  # deaf
        begin = asyncio.get_running_loop().time()
        await call.leg.hang_up("normal")
        assert asyncio.get_running_loop().time() - begin == pytest.approx(2.0, abs=0.1)
        assert (await line.wait_until_over()).code == 1000
        await desk.until(lambda: call.is_over)
        assert call.events == [LegClosed(by="gateway", reason="normal")]


@virtual_time
async def test_errors_and_unknown_events_change_nothing() -> None:
    desk = Desk()
    async with open_line(transport(), desk) as port, AsteriskCaller().connect(port.url + PATH) as line:
        call = await desk.call()
        await line.send_raw('{"event":"ERROR","error_text":"no"}')
        await line.send_raw('{"event":"NEWS"}')
        await line.press("1")
        await desk.until(lambda: call.told == [DigitPressed(digit="1")])


# --- channels that wait for us -------------------------------------------------------------------------------------
async def waiting_channel(
    play: Callable[[AsteriskTransport, AsteriskServer, Desk], Awaitable[None]], **settings: object
) -> None:
    async with AsteriskServer() as server:
        line, desk = transport(dial=server.url, **settings), Desk()
        async with open_line(line, desk):
            await play(line, server, desk)


@virtual_time
async def test_we_dial_a_channel_that_waits_for_us() -> None:
    async def play(line: AsteriskTransport, server: AsteriskServer, desk: Desk) -> None:
        channel = server.expect(AsteriskCaller(answers_itself=False), "id-1", caller="0611111111", called="601")
        dialled = asyncio.create_task(line.connect("id-1", called="0199999999", custom={"queue": "sales"}))
        async with channel:
            assert await dialled == "call-1"
            await answered(channel)
            call = await desk.call()
            info = call.leg.info
            assert (info.caller, info.called) == ("+33611111111", "+33199999999")
            assert info.custom["queue"] == "sales"
            await call.leg.send_audio(Frame(bytes(8000), PCMU_8K))
            await channel.say(Frame(bytes(1600), PCMU_8K))
            assert len(call.audio) == 1600
            with pytest.raises(VendorRejected) as taken:
                await line.connect("id-1")
            assert taken.value.status == 409
        await desk.until(lambda: call.is_over)
        assert call.events[-1] == LegClosed(by="caller", reason="1000")

    await waiting_channel(play)


@virtual_time
async def test_what_cannot_be_dialled_is_said() -> None:
    async def play(line: AsteriskTransport, server: AsteriskServer, desk: Desk) -> None:
        with pytest.raises(VendorRejected) as unknown:
            await line.connect("nobody")
        assert unknown.value.status == 404
        for wrong in ("", "a/b", "../ari", "x" * 200):
            with pytest.raises(LocalProtocolError):
                await line.connect(wrong)

    await waiting_channel(play)


@virtual_time
async def test_a_line_without_dial_or_not_served_dials_nobody() -> None:
    with pytest.raises(LocalProtocolError):
        await transport().connect("id-1")
    with pytest.raises(VendorUnavailable):
        await transport(dial="ws://127.0.0.1:9").connect("id-1")


@virtual_time
async def test_an_asterisk_that_is_away_is_said() -> None:
    async def play(line: AsteriskTransport, server: AsteriskServer, desk: Desk) -> None:
        await server.__aexit__(None, None, None)
        with pytest.raises(VendorUnavailable):
            await line.connect("id-1")

    await waiting_channel(play)


@virtual_time
async def test_a_dialled_channel_that_never_starts_is_given_up() -> None:
    async def play(line: AsteriskTransport, server: AsteriskServer, desk: Desk) -> None:
        channel = server.expect(AsteriskCaller(), "id-1")
        channel.peer.start = lambda now: None  # type: ignore[method-assign]  # a peer that never begins
        dialled = asyncio.create_task(line.connect("id-1"))
        async with channel:
            with pytest.raises(VendorUnavailable):
                await dialled
            assert (await channel.wait_until_over()).code == 1008

    await waiting_channel(play, start_timeout=0.5)


@virtual_time
async def test_a_dialled_call_that_breaks_leaves_its_neighbours_alone() -> None:
    class BrokenDesk(Desk):
        async def offer(self, leg: object) -> None:
            if not self.calls:
                self.calls.append(TakenCall(leg))  # type: ignore[arg-type]  # as much of one as is used
                raise ZeroDivisionError
            await super().offer(leg)  # type: ignore[arg-type]  # as much of one as is used

    async with AsteriskServer() as server:
        line, desk = transport(dial=server.url), BrokenDesk()
        async with open_line(line, desk):
            first, second = (server.expect(AsteriskCaller(), name) for name in ("id-1", "id-2"))
            dialled = asyncio.create_task(line.connect("id-1"))
            async with first:
                await dialled
                assert (await first.wait_until_over()).by == "gateway"
                dialled = asyncio.create_task(line.connect("id-2"))
                async with second:
                    await dialled
                    call = await desk.call(1)
                    await second.press("1")
                    await desk.until(lambda: call.told == [DigitPressed(digit="1")])


# --- settings ------------------------------------------------------------------------------------------------------
def test_settings_name_what_is_wrong() -> None:
    assert AsteriskLine.model_validate({"auth": "none"}).path == PATH
    assert (
        AsteriskLine.model_validate({"auth": "none", "dial": "wss://pbx:8089/prefix/"}).dial == "wss://pbx:8089/prefix"
    )
    for wrong in (
        {},
        {"auth": {"twilio_signature": "x"}},
        {"auth": "none", "dial": "http://pbx"},
        {"auth": "none", "dial": "ws://pbx?x=1"},
        {"auth": "none", "path": "a b"},
    ):
        with pytest.raises(ValidationError):
            AsteriskLine.model_validate(wrong)
