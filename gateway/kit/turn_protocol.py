"""One caller turn in the messages of a vendor, without input or output; `gateway.kit.hearing` carries it out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

from gateway.events import Transcript
from gateway.speech_interfaces import SpeechHeard

M = TypeVar("M")

Message = str | bytes
"""What a WebSocket carries."""
Result = Transcript | SpeechHeard
"""What is heard."""


class TurnProtocol(Protocol[M]):
    """One turn on a vendor's connection, as plain values. Raises VendorError and nothing else.

    Asked in the order of its methods, but that `receive` may come at any time.
    """

    @property
    def is_over(self) -> bool:
        """Nothing more will come of this turn."""
        ...

    @property
    def is_clean(self) -> bool:
        """The connection can serve another turn; asked when the turn is over."""
        ...

    @property
    def keep_alive(self) -> M | None:
        """What is sent where there is no audio for long, in a turn or between two; None: nothing."""
        ...

    def opening(self) -> Iterable[M]:
        """What is said first."""
        ...

    def audio(self, data: bytes) -> M: ...
    def finish(self) -> Iterable[M]:
        """What asks for the rest. Where there is none, the turn is over at once."""
        ...

    def insist(self) -> Iterable[M]:
        """What makes the vendor send the rest, since it did not say that there is none; nothing where nothing does."""
        ...

    def receive(self, message: M) -> Iterable[Result]: ...
    def closed(self) -> Iterable[Result]:
        """The vendor has closed as one closes: what is left, or an error where that is too early."""
        ...
