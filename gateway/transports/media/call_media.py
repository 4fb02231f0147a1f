"""The media of one call: the path that was agreed on, opened, described, connected, and changed by later offers.

It joins `answer.Negotiation`, which decides, with the paths and the `MediaSession`, which carry.
"""

from __future__ import annotations

import asyncio
import importlib
import secrets
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from audio.codecs.choice import NATIVE, live_codec
from audio.codecs.live import Codec
from gateway.clock import Clock
from gateway.errors import LocalProtocolError
from gateway.events import LegEvent
from gateway.transports.media.answer import Negotiation
from gateway.transports.media.described import AgreedAudio, LocalMedia
from gateway.transports.media.offered import Security
from gateway.transports.media.path import MediaPath, PathFailed
from gateway.transports.media.ports import MediaOptions
from gateway.transports.media.reachable import is_misnamed, warn
from gateway.transports.media.sdes import OwnKeys
from gateway.transports.media.sdp import SdpError
from gateway.transports.media.session import MediaOrigin, MediaSession, MediaTerms
from gateway.transports.media.ticker import Ticker
from gateway.transports.media.udp_media import RemoteUdp, UdpPath

if TYPE_CHECKING:
    from gateway.transports.media.srtp import Srtp
    from gateway.transports.media.webrtc import WebRtcPath

_WEBRTC = "gateway.transports.media.webrtc"
LOOKAHEAD = 0.5
"""Seconds of audio that wait to be sent. What the peer is given is heard at once, so a clear takes all of it back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaSettings:
    """What the calls of a line have in common.

    Attributes:
        silence_limit, hold_limit: Seconds without a packet, after which the peer is gone.
        hears_tones: Keys are listened for in the audio, too.
        security: What an offer may ask for; a line of browsers takes no plain RTP. Without ``none``, nothing goes
            unencrypted, and our own offers have keys.
    """

    options: MediaOptions
    codecs: tuple[str, ...]
    ticker: Ticker
    clock: Clock
    latching: bool = True
    silence_limit: float = 20.0
    hold_limit: float = 900.0
    hears_tones: bool = False
    security: tuple[Security, ...] = ("none", "sdes", "dtls")


class CallMedia:
    """See the module's docstring. `close` it in any case.

    Args:
        post: Takes audio, keys and marks.
        lost: Told, once, that the media are gone, and why.
        toward: Address the signalling comes from; media go the same way where the peer names no address.
    """

    def __init__(
        self, settings: MediaSettings, *, post: Callable[[LegEvent], None], lost: Callable[[str], None], toward: str
    ) -> None:
        self._settings = settings
        self._post = post
        self._lost = lost
        self._toward = toward
        self._has_warned = False  # of an address that is not the peer's
        self._negotiation = Negotiation(
            settings.codecs, session_id=1 + secrets.randbelow(1 << 31), security=settings.security
        )
        self._pending: AgreedAudio | None = None  # of an offer that has no answer yet
        self._udp: UdpPath | None = None
        self._webrtc: WebRtcPath | None = None
        self._local: LocalMedia | None = None
        self._keys = OwnKeys()
        self._srtp: Srtp | None = None
        self._codecs: dict[str, Codec] = {}  # by name; they remember what was heard last
        self._types: frozenset[int] = frozenset()  # of all offers so far: a packet may be on its way for some time
        self._session: MediaSession | None = None
        self._before: CallMedia | None = None  # whose session is ours, and goes by its path still
        self.hears_tones = settings.hears_tones
        self.format = NATIVE[settings.codecs[0].lower()]
        """What the leg carries, for the whole call; another codec on the wire is converted."""

    # --- offer and answer ------------------------------------------------------------------------------------------
    def read_offer(self, body: bytes) -> None:
        """Take the peer's first offer.

        Raises:
            SdpError: see `Negotiation.read_offer`.
        """
        self._pending = self._negotiation.read_offer(body)
        if self._before is None:
            self.format = NATIVE[self._pending.codec.name.lower()]

    @property
    def takes_digits(self) -> bool:
        """Whether the peer's offer has telephone events; not known where it made none."""
        agreed = self._pending or self._negotiation.agreed
        return agreed is not None and agreed.event is not None

    @property
    def security(self) -> Security | None:
        """How the media are protected; None where the peer has not said anything yet."""
        agreed = self._pending or self._negotiation.agreed
        return agreed.security if agreed is not None else None

    async def open(self) -> None:
        """Open the sockets that were agreed on; where we are to offer: for WebRTC, if nothing else may be, else plain
        ones. Calling it twice is harmless.

        Raises:
            PathFailed: there are none to be had.
        """
        if self._local is not None:
            return
        agreed = self._pending
        if (agreed.security == "dtls") if agreed is not None else self._settings.security == ("dtls",):
            path, now = await webrtc_path(), self._settings.clock.wall()
            mux = agreed is None or agreed.rtcp_mux
            self._webrtc = path(self._settings.options, now=now, controlling=agreed is None, rtcp_mux=mux)
            self._local = LocalMedia.of(await self._webrtc.open())
            return
        toward = self._place_of(agreed) if agreed is not None and agreed.peer.address else self._toward
        self._udp = UdpPath(
            self._settings.options,
            is_ipv6=":" in toward,
            latching=self._settings.latching,
            clock=self._settings.clock,
        )
        there = await self._udp.open(toward)
        self._local = LocalMedia(address=there.address, port=there.port, rtcp_port=there.rtcp_port)

    def answer(self) -> bytes:
        """Our answer to the offer that was read last."""
        assert self._pending is not None, "there is an offer"
        answer = self._negotiation.answer(self._keyed(self._pending))
        self._pending = None
        return answer

    def offer(self) -> bytes:
        """Our offer, where the peer made none, or asks for one."""
        agreed, local = self._negotiation.agreed, self._opened
        if agreed is None and local.ice is None and "none" not in self._settings.security:
            local = replace(local, crypto=self._keys.for_offer())
        elif agreed is not None:
            local = self._keyed(agreed)
        return self._negotiation.offer(local, agreed.direction if agreed else "sendrecv")

    def read_answer(self, body: bytes) -> None:
        """Take the peer's answer to our offer.

        Raises:
            SdpError: see `Negotiation.read_answer`.
        """
        agreed = self._negotiation.read_answer(body)
        if agreed.crypto is not None:
            self._keys.answered(agreed.crypto)

    def _keyed(self, agreed: AgreedAudio) -> LocalMedia:
        """Our media, with our key where the peer has one."""
        if agreed.crypto is None:
            return self._opened
        return replace(self._opened, crypto=(self._keys.for_answer(agreed.crypto),))

    @property
    def _opened(self) -> LocalMedia:
        if self._local is None:
            raise LocalProtocolError("the media are not open")
        return self._local

    @property
    def _agreed(self) -> AgreedAudio:
        if self._negotiation.agreed is None:
            raise LocalProtocolError("nothing was agreed on")
        return self._negotiation.agreed

    # --- carrying --------------------------------------------------------------------------------------------------
    async def connect(self) -> MediaSession:
        """Let audio flow, once offer and answer are exchanged. Calling it again returns the same session.

        Raises:
            PathFailed: no way was found to a WebRTC peer.
        """
        if self._session is not None and self._before is None:
            return self._session
        agreed = self._agreed
        path = await self._connected(agreed)
        if self._session is not None:
            before, self._before = self._before, None
            self._session.move(path, self._terms(agreed))
            if before is not None:
                await before.close()
            return self._session
        self._session = MediaSession(
            path,
            self._terms(agreed),
            origin=_origin(),
            ticker=self._settings.ticker,
            post=self._post,
            lost=self._lost,
            clock=self._settings.clock,
            lookahead=LOOKAHEAD,
            silence_limit=self._settings.silence_limit,
            hold_limit=self._settings.hold_limit,
        )
        self._session.start()
        return self._session

    async def _connected(self, agreed: AgreedAudio) -> MediaPath:
        if self._webrtc is not None:
            remote = agreed.remote_ice
            if remote is None:
                raise PathFailed("the peer's description lacks ICE or a fingerprint")
            await self._webrtc.connect(remote)
            return self._webrtc
        assert self._udp is not None, "one of the two is open"
        self._aim(self._udp, agreed)
        return self._udp

    def carry_on(self, before: CallMedia) -> None:
        """Take the place of another call's media, before any offer is read: its audio is ours, in its format, and goes
        the way it went until `connect`. The other ones are closed with these."""
        self.format, self._before = before.format, before

    def take_over(self) -> None:
        """The session of the call before is ours from now on, as soon as nothing can hinder that any more."""
        if self._before is not None:
            self._session, self._before._session = self._before._session, None

    @property
    def session(self) -> MediaSession | None:
        """Unset until `connect` has returned."""
        return self._session

    @property
    def is_held(self) -> bool:
        """The peer does not listen."""
        agreed = self._negotiation.agreed
        return agreed is not None and agreed.is_held

    def change(self, body: bytes) -> bytes:
        """Take a later offer: hold, another address, another codec. Returns our answer.

        Raises:
            SdpError: with what it cannot be; everything stays as it was then.
        """
        before = self._agreed
        offered = self._negotiation.read_offer(body)
        is_other_path = (offered.security == "dtls") != (self._webrtc is not None)
        if is_other_path or offered.restarts_ice(before) or offered.restarts_dtls(before):
            raise SdpError("the media path cannot be changed within a call", status=488)
        answer = self._negotiation.answer(self._keyed(offered))
        self.apply()
        return answer

    def apply(self) -> None:
        """Go on as was agreed last."""
        agreed = self._agreed
        if self._udp is not None:
            self._aim(self._udp, agreed)
        if self._session is not None:
            self._session.agree(self._terms(agreed))

    def _aim(self, udp: UdpPath, agreed: AgreedAudio) -> None:
        self._types |= _types_of(agreed)
        udp.aim(replace(_remote_of(agreed, self._types), address=self._place_of(agreed)))
        udp.secure(self._shield(agreed))

    def _place_of(self, agreed: AgreedAudio) -> str:
        """Where the peer's audio is, as far as we know; told the first time, where the peer has said something else."""
        named = agreed.peer.address
        if not self._settings.latching or not is_misnamed(named, self._toward):
            return named
        if not self._has_warned:
            self._has_warned = True
            warn(named, self._toward)
        return self._toward

    def _shield(self, agreed: AgreedAudio) -> Srtp | None:
        """SRTP by the keys of both; the same object as long as there is any."""
        theirs = agreed.crypto
        ours = self._keys.matching(theirs) if theirs is not None else None
        if theirs is None or ours is None:
            self._srtp = None
        elif self._srtp is None:
            from gateway.transports.media.srtp import Srtp

            self._srtp = Srtp(ours, theirs)
        else:
            self._srtp.change(ours, theirs, self._settings.clock.now())
        return self._srtp

    def _codec(self, name: str) -> Codec:
        key = name.lower()
        if key not in self._codecs:
            self._codecs[key] = live_codec(key, self.format)
        return self._codecs[key]

    def _terms(self, agreed: AgreedAudio) -> MediaTerms:
        event = agreed.event
        return MediaTerms(
            codec=self._codec(agreed.codec.name),
            payload_type=agreed.codec.payload_type,
            others={entry.payload_type: partial(self._codec, entry.name) for entry in agreed.others},
            event_type=event.payload_type if event else None,
            event_clock=event.clock_rate if event else 8000,
            sending=agreed.direction in ("sendrecv", "sendonly"),
            receiving=not agreed.is_held,
        )

    async def close(self) -> None:
        """Give everything back. Calling it twice is harmless."""
        if self._session is not None:
            await self._session.close()
        for path in (self._udp, self._webrtc, self._before if self._session is not None else None):
            if path is not None:
                await path.close()


async def webrtc_path() -> type[WebRtcPath]:
    """The class; in a thread the first time: aiortc takes a third of a second, for which all other calls would be
    silent."""
    known: type[WebRtcPath] | None = getattr(sys.modules.get(_WEBRTC), "WebRtcPath", None)
    if known is not None:
        return known
    module = await asyncio.to_thread(importlib.import_module, _WEBRTC)
    loaded: type[WebRtcPath] = module.WebRtcPath
    return loaded


def _types_of(agreed: AgreedAudio) -> frozenset[int]:
    """Payload types that the peer may send; comfort noise too."""
    formats = [agreed.codec, *agreed.others, *([agreed.event] if agreed.event else [])]
    formats += [entry for entry in agreed.peer.formats if entry.name.lower() == "cn"]
    return frozenset(entry.payload_type for entry in formats)


def _remote_of(agreed: AgreedAudio, payload_types: frozenset[int]) -> RemoteUdp:
    return RemoteUdp(
        address=agreed.peer.address,
        port=agreed.peer.port,
        rtcp_port=agreed.peer.rtcp_port,
        payload_types=payload_types,
        rtcp_mux=agreed.rtcp_mux,
    )


def _origin() -> MediaOrigin:
    return MediaOrigin(
        ssrc=secrets.randbits(32),
        sequence=secrets.randbits(15),
        timestamp=secrets.randbits(32),
        cname=secrets.token_hex(8),
    )
