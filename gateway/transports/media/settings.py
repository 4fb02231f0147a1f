"""Types of settings that lines with media of their own have in common."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator
from pydantic_core import PydanticCustomError

_PORTS = re.compile(r"([0-9]{1,5})\s*-\s*([0-9]{1,5})")


def _port_range(value: Any) -> Any:
    """``20000-20999`` as a pair."""
    if not isinstance(value, str):
        return value
    found = _PORTS.fullmatch(value.strip())
    if found is None:
        raise PydanticCustomError("ports", "is a range such as 20000-20999")
    return int(found[1]), int(found[2])


def _usable_range(value: tuple[int, int]) -> tuple[int, int]:
    first, last = value
    if not 1024 <= first < last <= 65535:
        raise PydanticCustomError("ports", "is a range from 1024 to 65535 with two ports at least")
    return value


def _address(value: str | None) -> str | None:
    if value is None:
        return None
    try:
        return str(ip_address(value.strip()))
    except ValueError:
        raise PydanticCustomError("address", "is an IP address such as 203.0.113.5") from None


MediaPorts = Annotated[tuple[int, int], BeforeValidator(_port_range), AfterValidator(_usable_range)]
"""A range of UDP ports, written ``20000-20999``."""
MediaAddress = Annotated[str | None, AfterValidator(_address)]
"""An IP address, or none."""
