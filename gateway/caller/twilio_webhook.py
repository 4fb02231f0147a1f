"""The first half of a call from Twilio: it asks the number's voice webhook what to do, and is told to connect a stream.

The second half is `twilio.TwilioCaller.connect`, with the URL and the parameters that came back.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree import ElementTree

import httpx

from gateway.errors import RemoteProtocolError
from gateway.kit.signature import twilio_signature


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamInvitation:
    """What the TwiML says.

    Attributes:
        url: Of the media stream, by its public name.
        parameters: To be passed on in the stream's first message.
        call_sid: Of the call the webhook was asked about; the stream must be of the same.
    """

    url: str
    parameters: dict[str, str]
    call_sid: str


async def ask_voice_webhook(
    client: httpx.AsyncClient,
    url: str,
    *,
    caller: str,
    called: str,
    auth_token: str | None = None,
    signed_url: str | None = None,
    fields: Mapping[str, str] | None = None,
) -> StreamInvitation:
    """POST a call to a number's voice webhook.

    Args:
        auth_token: Signs the request; None: unsigned.
        signed_url: What is signed, where the gateway is known by another URL than the one we ask.
        fields: Further fields of the form, such as ``ForwardedFrom``.
    Raises:
        RemoteProtocolError: the answer is not TwiML that connects a stream; the HTTP status is in the text.
        httpx.HTTPError: there is no answer.
    """
    call_sid = "CA" + secrets.token_hex(16)
    form = {
        "CallSid": call_sid,
        "AccountSid": "AC" + "0" * 32,
        "From": caller,
        "To": called,
        "CallStatus": "ringing",
        "Direction": "inbound",
        **(fields or {}),
    }
    headers = {}
    if auth_token is not None:
        headers["X-Twilio-Signature"] = twilio_signature(auth_token, signed_url or url, form.items())
    reply = await client.post(url, data=form, headers=headers)
    if reply.status_code != 200:
        raise RemoteProtocolError(f"the voice webhook answered {reply.status_code}")
    stream_url, parameters = read_twiml(reply.content)
    return StreamInvitation(url=stream_url, parameters=parameters, call_sid=form["CallSid"])


def read_twiml(document: bytes) -> tuple[str, dict[str, str]]:
    """URL and parameters of `<Response><Connect><Stream>`.

    Raises:
        RemoteProtocolError: there is none.
    """
    try:
        stream = ElementTree.fromstring(document).find("./Connect/Stream")
    except ElementTree.ParseError as error:
        raise RemoteProtocolError("the TwiML is not XML") from error
    if stream is None or not stream.get("url"):
        raise RemoteProtocolError("the TwiML connects no stream")
    parameters = {item.get("name", ""): item.get("value", "") for item in stream.findall("Parameter")}
    return str(stream.get("url")), parameters
