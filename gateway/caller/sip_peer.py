"""A telephone's side of a call by SIP and RTP, for calls to a `sip` line: a user agent, and the audio it agrees on.

The user agent is the project's own, as a client; RTP is not (`sip_media`). Messages that are text are signalling, those
of bytes are media; an empty text says that the media are up. What the gateway lets be heard cannot be taken back, so
there is no `Cleared` on such a call, and there are no marks.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal

from audio.format import PCMA_8K, PCMU_8K, MediaError
from gateway.caller.ear import Ear
from gateway.caller.peer import Answered, Complained, FarEvent, Keyed, Message, Rang, Referred
from gateway.caller.sip_media import Agreed, RtpEar, RtpMouth
from gateway.transports.media.answer import Negotiation
from gateway.transports.media.described import AgreedAudio, LocalMedia
from gateway.transports.media.offered import Direction, Security
from gateway.transports.media.sdes import Crypto, OwnKeys
from gateway.transports.media.sdp import SdpError
from gateway.transports.sip import ua_events as ua
from gateway.transports.sip.asking import Credentials
from gateway.transports.sip.context import UserAgentSettings
from gateway.transports.sip.errors import SipParseError
from gateway.transports.sip.flow import CallKey, Flow
from gateway.transports.sip.message import NameAddress, SipRequest, SipUri, parse, response_to
from gateway.transports.sip.user_agent import UserAgent

Codec = Literal["PCMU", "PCMA"]
Keys = Literal["rtp", "info", "both"]
FORMATS = {"PCMU": PCMU_8K, "PCMA": PCMA_8K}
ANONYMOUS = SipUri("sip", "anonymous", None, "anonymous.invalid", None)


def token() -> str:
    return secrets.token_hex(8)


class SipPeer:
    """One call. It is told where its sockets are by `placed_by`, before `start`.

    Args:
        target: Who is called, and where.
        caller: The calling number; empty: anonymous.
        custom: Headers of the INVITE; those without ``X-`` get it.
        keys: How keys are sent.
        transfers: What the target of a transfer says, such as 200 or 404; None: transfers are refused.
        delay: See `RtpEar`.
        keep: Seconds of what was heard that are kept; None: all.
        encrypts: It offers keys in its SDP, and takes no audio without.

    Attributes:
        retry_after: Seconds, where a refusal named them.
    """

    ends_at_once = False
    has_queued = False

    def __init__(
        self,
        target: SipUri,
        *,
        caller: str = "",
        custom: Mapping[str, str] | None = None,
        credentials: Credentials | None = None,
        codec: Codec = "PCMU",
        keys: Keys = "rtp",
        transfers: int | None = None,
        delay: float = 0.0,
        keep: float | None = None,
        encrypts: bool = False,
    ) -> None:
        self.format = FORMATS[codec]
        self.ear = Ear(self.format, keep)
        self.is_over = False
        self.close_code: int | None = None
        self.close_reason = ""
        self.retry_after: float | None = None
        self.leg_id = ""
        self._target = target
        self._caller = caller
        self._custom = dict(custom or {})
        self._keys = keys
        self._transfers = transfers
        self._agent = UserAgent(
            UserAgentSettings(user=caller or "anonymous", product="talkpath call"),
            tokens=token,
            chance=random.random,
            credentials=credentials,
        )
        self._secrets = OwnKeys() if encrypts else None
        security: tuple[Security, ...] = ("sdes",) if encrypts else ("none", "dtls")
        self._negotiation = Negotiation([codec], session_id=1 + secrets.randbelow(1 << 31), security=security)
        self._mouth = RtpMouth(self.format)
        self.rtp = RtpEar(self.ear, delay=delay, complain=self._complain, keyed=self._keyed)
        self._call: CallKey | None = None
        self._agreed: Agreed | None = None
        self._is_answered = self._is_up = self._is_mute = False
        self._messages: list[Message] = []
        self._events: list[FarEvent] = []

    def placed_by(self, flow: Flow, local: LocalMedia, aim: Callable[[AgreedAudio, Crypto | None], None]) -> None:
        """Know the sockets.

        Args:
            aim: Told where the gateway's media are, each time that was agreed on, and our key, if there is one.
        """
        self._flow, self._local, self._aim = flow, local, aim

    # --- the caller's side -----------------------------------------------------------------------------------------
    def start(self, now: float) -> None:
        sender = SipUri("sip", self._caller, None, self._target.host, None) if self._caller else ANONYMOUS
        headers = [(name if name[:2].lower() == "x-" else f"X-{name}", value) for name, value in self._custom.items()]
        self._call = self._agent.invite(
            self._target,
            self._negotiation.offer(self._with_keys()),
            self._flow,
            sender=NameAddress("", sender),
            headers=headers,
            now=now,
        )
        self._drain(now)

    def audio(self, data: bytes, now: float) -> None:
        if self._agreed is not None and self._is_talking and not self._is_mute:
            self._messages.extend(self._mouth.audio(data, self._agreed))

    def digit(self, digit: str, now: float) -> None:
        if self._agreed is None or self._call is None or not self._is_talking:
            return
        if self._keys != "info":
            try:
                self._messages.extend(self._mouth.key(digit, self._agreed))
            except MediaError as error:
                self._complain(now, str(error))
        if self._keys != "rtp":
            body = f"Signal={digit}\r\nDuration=100\r\n".encode()
            self._agent.info(self._call, "application/dtmf-relay", body, now=now)
            self._drain(now)

    def end(self, now: float) -> None:
        """BYE, or CANCEL while nobody has answered."""
        if self._call is not None:
            self._agent.bye(self._call, "Q.850;cause=16", now=now)
        self._drain(now)

    def hold(self, now: float) -> None:
        """Let the gateway wait; it hears a pause, and should not speak."""
        self._reoffer("sendonly", now)
        self._is_mute = True

    def resume(self, now: float) -> None:
        """The end of `hold`."""
        self._reoffer("sendrecv", now)
        self._is_mute = False

    def _reoffer(self, direction: Direction, now: float) -> None:
        assert self._call is not None
        self._agent.reinvite(self._call, self._negotiation.offer(self._with_keys(), direction), now=now)
        self._drain(now)

    # --- the gateway's side ----------------------------------------------------------------------------------------
    def receive(self, message: Message, now: float) -> None:
        if isinstance(message, bytes):
            if self._agreed is not None:
                self.rtp.receive(message, self._agreed, now)
            return
        if not message:
            self._is_up = True
            self._tell_answered(now)
            return
        data = message.encode(errors="surrogateescape")
        if (refer := self._refer(data)) is not None:
            self._referred(refer, now)
        else:
            self._agent.receive(data, self._flow, now)
        self._drain(now)

    def advance(self, now: float) -> None:
        self._agent.timeout(now)
        self._drain(now)

    def next_due(self) -> float | None:
        return self._agent.next_timeout()

    def take_messages(self) -> list[Message]:
        messages, self._messages = self._messages, []
        return messages

    def take_events(self) -> list[FarEvent]:
        events, self._events = self._events, []
        return events

    # --- what the user agent says ----------------------------------------------------------------------------------
    def _drain(self, now: float) -> None:
        for event in self._agent.events():
            self._take(event, now)
        for _, data in self._agent.outgoing():
            if not self.leg_id:
                self.leg_id = parse(data).call_id
            self._messages.append(data.decode(errors="surrogateescape"))

    def _take(self, event: ua.UserAgentEvent, now: float) -> None:
        match event:
            case ua.Ringing():
                self._agree(event.sdp, now)
                self._events.append(Rang(now, event.status))
            case ua.Answered():
                self._agree(event.sdp, now)
                self._is_answered = True
                self._tell_answered(now)
            case ua.Reanswered():
                self._agree(event.sdp, now)
            case ua.Reoffered():
                self._reoffered(event.sdp, now)
            case ua.ReofferRefused():
                self._complain(now, f"new offer refused with {event.status}")
            case ua.Refused():
                self.close_code, self.close_reason = event.status, event.reason or "no answer"
                self.retry_after = event.retry_after
                self.is_over = True
            case ua.ByeReceived():
                self.close_reason = event.reason
                self.is_over = True
            case ua.CallLost():
                self._complain(now, event.cause)
                self.is_over = True
            case ua.Released():
                self.is_over = True
            case _:
                pass

    @property
    def _is_talking(self) -> bool:
        return self._is_answered and self._is_up

    def _tell_answered(self, now: float) -> None:
        if self._is_talking:
            self._events.append(Answered(now))

    def _agree(self, sdp: bytes | None, now: float) -> None:
        if sdp is None:
            return
        try:
            agreed = self._negotiation.read_answer(sdp)
            if self._secrets is not None and agreed.crypto is not None:
                self._secrets.answered(agreed.crypto)
        except SdpError as error:
            self._complain(now, str(error))
            return
        self._adopt(agreed)

    def _reoffered(self, sdp: bytes | None, now: float) -> None:
        assert self._call is not None
        try:
            if sdp is None:
                answer = self._negotiation.offer(self._with_keys())
            else:
                answer = self._negotiation.answer(self._with_keys(self._negotiation.read_offer(sdp)))
        except SdpError as error:
            self._complain(now, str(error))
            self._agent.refuse_reoffer(self._call, error.status, now=now)
            return
        if self._negotiation.agreed is not None:
            self._adopt(self._negotiation.agreed)
        self._agent.answer_reoffer(self._call, answer, now=now)

    def _adopt(self, agreed: AgreedAudio) -> None:
        event = agreed.event.payload_type if agreed.event else None
        self._agreed = Agreed(audio_type=agreed.codec.payload_type, event_type=event)
        ours = (
            self._secrets.matching(agreed.crypto) if self._secrets is not None and agreed.crypto is not None else None
        )
        self._aim(agreed, ours)

    def _with_keys(self, offered: AgreedAudio | None = None) -> LocalMedia:
        """Our media, with keys for an offer, or for the answer to what was offered."""
        if self._secrets is None:
            return self._local
        theirs = offered.crypto if offered is not None else None
        keys = (self._secrets.for_answer(theirs),) if theirs is not None else self._secrets.for_offer()
        return replace(self._local, crypto=keys)

    # --- transfer --------------------------------------------------------------------------------------------------
    def _refer(self, data: bytes) -> SipRequest | None:
        """The REFER of our call, which the user agent does not know."""
        if self._transfers is None or not data.startswith(b"REFER "):
            return None
        try:
            request = parse(data)
        except SipParseError:
            return None
        return request if isinstance(request, SipRequest) and request.call_id == self.leg_id else None

    def _referred(self, refer: SipRequest, now: float) -> None:
        """Take it on, and say what the target says (RFC 3515 section 2.4.4)."""
        assert self._call is not None
        assert self._transfers is not None
        self._messages.append(response_to(refer, 202).to_bytes().decode())
        self._events.append(Referred(now, refer.headers.get("Refer-To") or ""))
        for status, state in ((100, "active;expires=60"), (self._transfers, "terminated;reason=noresource")):
            self._agent.notify(
                self._call,
                [("Event", "refer"), ("Subscription-State", state)],
                "message/sipfrag;version=2.0",
                f"SIP/2.0 {status} As it is\r\n".encode(),
                now=now,
            )

    def _keyed(self, now: float, digit: str) -> None:
        self._events.append(Keyed(now, digit))

    def _complain(self, now: float, what: str) -> None:
        self._events.append(Complained(now, what))
