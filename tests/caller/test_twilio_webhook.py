from __future__ import annotations

from urllib.parse import parse_qsl

import httpx
import pytest

from gateway.caller.twilio_webhook import ask_voice_webhook, read_twiml
from gateway.errors import RemoteProtocolError
from gateway.kit.signature import is_signed_by_twilio

URL = "http://127.0.0.1:8080/media/twilio/voice"
TWIML = (
    b'<?xml version="1.0" encoding="UTF-8"?><Response><Connect><Stream url="wss://gw.example.com/media/twilio">'
    b'<Parameter name="from" value="+33612345678"/><Parameter name="token" value="a&amp;b"/>'
    b"</Stream></Connect></Response>"
)


def answering(status: int, body: bytes, asked: list[httpx.Request]) -> httpx.AsyncClient:
    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(status, content=body)

    return httpx.AsyncClient(transport=httpx.MockTransport(answer))


@pytest.mark.asyncio
async def test_the_webhook_is_asked_with_a_signed_form() -> None:
    asked: list[httpx.Request] = []
    forwarded = {"ForwardedFrom": "+331"}
    async with answering(200, TWIML, asked) as client:
        invitation = await ask_voice_webhook(
            client,
            URL,
            caller="+33612345678",
            called="+33100000000",
            auth_token="12345",
            fields=forwarded,
        )
    form = parse_qsl(asked[0].content.decode(), keep_blank_values=True)
    assert is_signed_by_twilio("12345", asked[0].headers["x-twilio-signature"], URL, form)
    assert {("From", "+33612345678"), ("To", "+33100000000"), ("ForwardedFrom", "+331")} <= set(form)
    assert invitation.url == "wss://gw.example.com/media/twilio"
    assert invitation.parameters == {"from": "+33612345678", "token": "a&b"}
    assert ("CallSid", invitation.call_sid) in form


@pytest.mark.asyncio
async def test_a_refusal_is_an_error_with_its_status() -> None:
    async with answering(403, b"no", []) as client:
        with pytest.raises(RemoteProtocolError, match="403"):
            await ask_voice_webhook(client, URL, caller="1", called="2")


@pytest.mark.parametrize(
    "document", [b"", b"<Response/>", b"<Response><Connect/></Response>", b"<Response><Say>x</Say>"]
)
def test_what_connects_no_stream_is_refused(document: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        read_twiml(document)
