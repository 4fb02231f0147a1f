"""A TALKR bot of one-word answers, for tests in which calls are to be short."""

from __future__ import annotations

from types import TracebackType

from gateway.lab.server import LabReply, LabRequest, LabServer, json_reply
from tests.fakes.talkr import response

GREETING, ANSWER = "Hello.", "Yes."
BROKEN_ID = 13
"""A bot by this number refuses every request."""
LETS_GO_AFTER = 1.0
"""Seconds of silence after which it has a caller hung up on."""


class TerseBot:
    """Says hello, and yes to everything. Use it as an async context manager.

    Args:
        lets_go: Have whoever is silent hung up on soon; else nothing is ever asked again.
    Attributes:
        heard: What callers said or keyed.
    """

    def __init__(self, *, lets_go: bool = True) -> None:
        self.server = LabServer(self._answer)
        self._lets_go = lets_go
        self.heard: set[str] = set()

    async def __aenter__(self) -> TerseBot:
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
        if f"/{BROKEN_ID}/" in request.path:
            return LabReply(status=403)
        body = request.json() if request.body.strip() else {}
        said = body["variables"]["userresponse"] if body else ""
        self.heard |= {said} - {""}
        says = {
            "messages": [{"type": "text", "content": ANSWER if body else GREETING}],
            "responses": None,
            "has_background_text": 0,
            "retries": 0,
            "hangup_no_response": int(self._lets_go),
            "speech_recognizer": {"timeout": LETS_GO_AFTER},
        }
        return json_reply({**response(**says), "variables": {}})
