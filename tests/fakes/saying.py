"""A TALKR bot that says one thing, with the speech settings it asks for, and then only listens."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from gateway.lab.server import LabReply, LabRequest, LabServer, json_reply
from tests.fakes.talkr import response


class SayingBot:
    """Use it as an async context manager.

    Args:
        greeting: What it says first; later answers are silence.
        data: Keys of the first answer's ``data``, such as ``speech_synthesis``.
    """

    def __init__(self, greeting: str, **data: Any) -> None:
        self.server = LabServer(self._answer)
        self._greeting = greeting
        self._data = data

    async def __aenter__(self) -> SayingBot:
        await self.server.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.server.stop()

    @property
    def url(self) -> str:
        return self.server.url + "/bot/{company}/{bot_id}/{channel}"

    @property
    def requests(self) -> list[LabRequest]:
        return list(self.server.requests)

    async def _answer(self, request: LabRequest) -> LabReply:
        first = len(self.server.requests) == 1
        says = {
            "messages": [{"type": "text", "content": self._greeting if first else "Thank you."}],
            "responses": None,
            "has_background_text": 0,
            "retries": 0,
            "hangup_no_response": 0,
            **(self._data if first else {}),
        }
        return json_reply({**response(**says), "variables": {}})
