"""Somebody who reads and types on a line that can transfer: whole calls in text, sent on and brought back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from gateway.events import CallInfo, DigitPressed, Transcript
from gateway.interfaces import HangupReason, LegCapabilities, TransferOutcome, TransferTarget
from tests.fakes.leg import FakeLeg
from tests.fakes.office import CALLER, NUMBER, Office


@dataclass(slots=True)
class Party(FakeLeg):
    """Somebody who reads and types on a line that can transfer; each text takes as long as it does to read it.

    Attributes:
        outcomes: Of the transfers, one after the other; none left: the caller is put through.
        transfers: Where he was sent.
    """

    outcomes: list[TransferOutcome] = field(default_factory=list)
    transfers: list[TransferTarget] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _seen: int = 0

    @property
    def texts(self) -> list[str]:
        """Everything that was begun to be said."""
        return [utterance.plain or utterance.text for _, utterance, _ in self.spoken]

    async def speak(self, utterance: Any, mark_id: str) -> None:
        await FakeLeg.speak(self, utterance, mark_id)
        self._news.set()

    async def hears(self, text: str, within: float = 120.0) -> float:
        """Wait until a text that begins so is said, after what was waited for before. Returns when, in loop time."""
        try:
            async with asyncio.timeout(within):
                while (place := self._find(text)) is None:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError as error:
            raise AssertionError(f"{text!r} was not said, but {self.texts}") from error
        self._seen = place + 1
        return self.spoken[place][0]

    async def read(self) -> None:
        """Read what has been said so far to its end."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._until - loop.time()) + 0.05)

    async def says(self, text: str) -> None:
        await self.read()
        self.push(Transcript(text=text, final=True, ends_turn=True))

    async def press(self, keys: str) -> None:
        await self.read()
        for key in keys:
            self.push(DigitPressed(digit=key))

    async def over(self, within: float = 300.0) -> None:
        await self.until(lambda: self.hangup is not None or self._gone, within)

    async def until(self, condition: Callable[[], bool], within: float = 60.0) -> None:
        """Wait for something that shows when this line is spoken to, sent on or hung up."""
        async with asyncio.timeout(within):
            while not condition():
                self._news.clear()
                await self._news.wait()

    @property
    def _gone(self) -> bool:
        return bool(self.transfers) and self._closed

    async def transfer(self, target: TransferTarget) -> TransferOutcome:
        self.transfers.append(target)
        await asyncio.sleep(self.transfer_takes)
        outcome = self.outcomes.pop(0) if self.outcomes else TransferOutcome(ok=True)
        if outcome.ok:
            self.close(by="gateway")
        self._news.set()
        return outcome

    async def hang_up(self, reason: HangupReason) -> None:
        await FakeLeg.hang_up(self, reason)
        self._news.set()

    def _find(self, text: str) -> int | None:
        found = enumerate(self.texts[self._seen :], self._seen)
        return next((place for place, said in found if said.startswith(text)), None)


TEXT = LegCapabilities(
    has_marks=True, has_clear=True, can_transfer=True, can_send_digits=True, hears_text=True, speaks_text=True
)


@asynccontextmanager
async def rings(
    office: Office, *outcomes: TransferOutcome, caller: str = CALLER, call_id: str = "call-1", **info: Any
) -> AsyncIterator[Party]:
    """A call to the office; hung up at the end, if it is still up."""
    party = Party(
        info=CallInfo(call_id=call_id, leg_id=call_id, caller=caller, called=NUMBER, **info),
        capabilities=TEXT,
        outcomes=list(outcomes),
    )
    talking = asyncio.create_task(office.offer("pbx", party))
    try:
        yield party
        party.close()
        async with asyncio.timeout(60):
            await asyncio.wait([talking])
    finally:
        talking.cancel()
        await asyncio.wait([talking])


BUSY = TransferOutcome(ok=False, cause="busy", sip_code=486)
