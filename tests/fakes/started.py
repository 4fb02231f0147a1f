"""A speech vendor between its start and its end, as the gateway has it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from gateway.plugins import SpeechVendor

VendorT = TypeVar("VendorT", bound=SpeechVendor)


@asynccontextmanager
async def started(vendor: VendorT) -> AsyncIterator[VendorT]:
    await vendor.start()
    try:
        yield vendor
    finally:
        await vendor.close()
