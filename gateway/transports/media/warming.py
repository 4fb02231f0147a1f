"""What some calls need is imported late, because most lines do without. A line that expects such calls has it loaded
when it starts: in mid-call, it would hold up that call's greeting, and others with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from importlib import import_module

WEBRTC = "gateway.transports.media.webrtc"
"""aiortc, PyAV and cryptography: a quarter of a second and 35 MB."""
WIDE_CODECS = "audio.codecs.wide"
"""G.722 and Opus, by PyAV: a twentieth of a second and 16 MB."""
_PLAIN = frozenset({"pcma", "pcmu"})


def needed(codecs: Iterable[str], *, expects_webrtc: bool) -> tuple[str, ...]:
    """The modules that a line's calls will need.

    Args:
        codecs: Of the line, in any case.
    """
    has_wide = any(codec.lower() not in _PLAIN for codec in codecs)
    return tuple(name for name, wanted in ((WEBRTC, expects_webrtc), (WIDE_CODECS, has_wide)) if wanted)


async def load(modules: tuple[str, ...]) -> None:
    """Import them in a thread, beside the loop."""
    if modules:
        await asyncio.to_thread(_load, modules)


def _load(modules: tuple[str, ...]) -> None:
    for module in modules:
        import_module(module)
