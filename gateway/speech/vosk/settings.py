"""What an operator writes for a Vosk server."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from config.speech import SpeechSection


def _socket(url: str) -> str:
    if not url.startswith(("ws://", "wss://")):
        raise ValueError("must begin with ws:// or wss://")
    return url


class VoskSpeechSection(SpeechSection):
    """A Vosk server."""

    url: Annotated[str, AfterValidator(_socket)] = "ws://127.0.0.1:2700"
    """The server's address. It asks for no key: keep it on a network of your own."""
    rate: Literal[8000, 16000] = 8000
    """Samples per second that its model was made for."""
    languages: tuple[str, ...] = ()
    """What its model hears, such as `fr`. Empty: whatever it is asked."""
    grammar: bool = True
    """Where a question allows certain answers only, the model is told to hear nothing else. Big models cannot do that
    and ignore it or fail; then say no."""
    resets: bool = True
    """It knows `reset`, as alphacep's `websocket/asr_server.py` does since December 2023: then a connection serves one
    turn after another. Say no for an older server, or the one in C++."""
    timeout: float = Field(default=10.0, gt=0, le=60)
    """Seconds from the end of a turn to its last transcript."""
