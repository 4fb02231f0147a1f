"""Which projects are behind one address: TalkLift has one for all of them, and tells them apart by who asks for what.

Two bots may so share a listener, or a project that two numbers begin differently. Kept for as long as the process.
"""

from __future__ import annotations

from typing import Generic, TypeVar
from weakref import ref

T = TypeVar("T")
Address = tuple[str, str]
"""A listener, empty for the shared port, and where the endpoints are on it."""


class Doors(Generic[T]):
    """Endpoints by address; those of a backend that is gone are gone, too."""

    def __init__(self) -> None:
        self._behind: dict[Address, list[ref[T]]] = {}

    def join(self, address: Address, endpoints: T) -> None:
        """Stand behind an address, too."""
        known = self._behind.setdefault(address, [])
        known[:] = [each for each in known if each() not in (None, endpoints)]
        known.insert(0, ref(endpoints))

    def behind(self, address: Address) -> list[T]:
        """Who is there, the newest first."""
        found = (each() for each in self._behind.get(address, ()))
        return [each for each in found if each is not None]
