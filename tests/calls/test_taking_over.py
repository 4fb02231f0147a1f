"""Whole calls on a trunk in which a customer takes the place of a colleague: one conversation, one record."""

from __future__ import annotations

from pathlib import Path

from tests.fakes.exchange import ABILITIES, Exchange, Side, exchange
from tests.fakes.office import NUMBER, Office
from tests.fakes.talkr_office import open_office
from tests.fakes.virtual_loop import virtual_time


async def hears(trunk: Exchange, side: Side, *, speech: bool) -> None:
    """Wait until something is said to somebody, or nothing is."""
    while (len(set((await trunk.hears(side.audio)).payload)) > 1) is not speech:
        pass


async def takes_over(trunk: Exchange, colleague: Side) -> Side:
    to_tag, from_tag = colleague.theirs.partition("tag=")[2], colleague.ours.partition("tag=")[2]
    replaces = f"Replaces: {colleague.call_id};to-tag={to_tag};from-tag={from_tag}"
    customer = await trunk.calls("customer", called=NUMBER, extra=[*ABILITIES, replaces])
    bye = await trunk.request("BYE")
    assert bye.call_id == colleague.call_id
    trunk.answers(bye)
    return customer


async def presses(trunk: Exchange, side: Side, key: str) -> None:
    trunk.ask("INFO", side, f"Signal={key}\r\nDuration=160\r\n", kind="application/dtmf-relay")
    assert (await trunk.response(side)).status == 200


def heard_of(office: Office) -> list[str]:
    return [turn["caller"] for turn in office.record["exchange"]]


@virtual_time
async def test_the_bot_goes_on_with_the_customer(tmp_path: Path) -> None:
    number = {"recording": {"mode": "on"}, "digits": {"max_digits": 3}}
    async with open_office(tmp_path, number=number) as office, exchange(office.trunk) as trunk:
        colleague = await trunk.calls("colleague", called=NUMBER)
        await hears(trunk, colleague, speech=True)
        customer = await takes_over(trunk, colleague)
        await hears(trunk, customer, speech=True)  # the greeting is not over
        for key in "123":
            await presses(trunk, customer, key)
        await hears(trunk, customer, speech=False)
        await hears(trunk, customer, speech=True)
        assert len(office.operator.calls()) == 1
        trunk.ask("BYE", customer)
        assert (await trunk.response(customer)).status == 200
        await office.calls_over()
    assert office.outcome == ("completed", "caller")
    assert heard_of(office)[-1] == "123"
    assert any(note["kind"] == "recording_started" for note in office.record["notes"])
    assert len(list((office.folder / "records").glob("*/*.wav"))) == 1
