"""A conversation that follows a script: it answers kinds of events with commands, and has deadlines on demand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.call.commands import Answer, Command, EndCall
from gateway.call.outcome import CallOutcome
from gateway.events import CallEvent, CallOffered, LegClosed, TimeElapsed

Answering = Sequence[Command] | Callable[[CallEvent], Sequence[Command]]
OVER = EndCall(outcome=CallOutcome(result="completed", by="caller"))


class ScriptedDecider:
    """Implements `gateway.call.services.Decider`. Ends the call on `LegClosed` unless the script says otherwise.

    Args:
        script: For a type of event, what is answered: commands, or a function from the event to commands.
        at: For call times, what is commanded then.
    """

    def __init__(
        self, script: dict[type, Answering] | None = None, at: Sequence[tuple[float, Sequence[Command]]] = ()
    ) -> None:
        self._script: dict[type, Answering] = {CallOffered: [Answer()], LegClosed: [OVER], **(script or {})}
        self._at = sorted(at, key=lambda entry: entry[0])
        self.log: list[tuple[float, CallEvent]] = []

    def handle(self, event: CallEvent, now: float) -> list[Command]:
        self.log.append((now, event))
        commands: list[Command] = []
        if isinstance(event, TimeElapsed):
            while self._at and self._at[0][0] <= now:
                commands += self._at.pop(0)[1]
        answering = self._script.get(type(event), ())
        commands += answering(event) if callable(answering) else answering
        return commands

    def next_deadline(self) -> float | None:
        return self._at[0][0] if self._at else None

    def of(self, kind: type) -> list:
        return [event for _, event in self.log if isinstance(event, kind)]

    def times(self, kind: type) -> list[float]:
        return [now for now, event in self.log if isinstance(event, kind)]
