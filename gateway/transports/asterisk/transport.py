"""An `asterisk` line: its media socket, the channels it dials, and who calls whom.

Identity never comes from the query string: chan_websocket keeps `v(...)` parameters on an object that later calls
share, so that a call without any arrives with those of another.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence

import structlog

from gateway.errors import LocalProtocolError, VendorUnavailable
from gateway.events import CallInfo
from gateway.interfaces import Leg
from gateway.routes import SocketRoute, Webhook
from gateway.transports.absence import Absences
from gateway.transports.asterisk.leg import AsteriskLeg
from gateway.transports.asterisk.protocol import AsteriskProtocol, MediaStarted
from gateway.transports.asterisk.settings import AsteriskLine
from gateway.transports.asterisk.switchboard import CALL, STATUS, Switchboard
from gateway.transports.asterisk.transfer import ChannelReturn, WayOut
from gateway.transports.auth import authenticator
from gateway.transports.dialled import dial
from gateway.transports.door import Offer, Rejoined, SocketDoor
from gateway.transports.sockets import LineContext, MediaSocket, Upgrade

SUBPROTOCOL = "media"
CONNECTION_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")
MAX_NUMBER_LENGTH = 64

log = structlog.get_logger(__name__)


class AsteriskTransport:
    """One configured line of chan_websocket."""

    Section = AsteriskLine

    def __init__(self, name: str, settings: AsteriskLine, context: LineContext) -> None:
        assert settings.auth is not None  # the settings see to it
        self._name = name
        self._settings = settings
        self._context = context
        self._absences: Absences[ChannelReturn] = Absences()
        self._switchboard = Switchboard(name, settings.manager) if settings.manager is not None else None
        self._calls: asyncio.TaskGroup | None = None
        self._offer: Offer | None = None
        self._door = SocketDoor(
            line=name,
            authenticate=authenticator(settings.auth, settings.path, context),
            begin=self._begin_accepted,
            start_timeout=settings.start_timeout,
            subprotocol=SUBPROTOCOL,
        )
        self.routes: Sequence[Webhook | SocketRoute] = (
            SocketRoute(path=settings.path, app=self._door),
            SocketRoute(path=settings.path.rstrip("/") + "/{number}", app=self._door),
        )

    async def serve(self, offer: Offer) -> None:
        async with asyncio.TaskGroup() as calls:
            self._calls, self._offer = calls, offer
            try:
                await self._door.serve(offer)
            finally:
                self._calls = self._offer = None

    async def connect(
        self, connection_id: str, caller: str = "", called: str = "", custom: Mapping[str, str] | None = None
    ) -> str:
        """Take a channel that waits for us: `Dial(WebSocket/INCOMING/...)`, or an ARI external media channel.

        Args:
            connection_id: Its MEDIA_WEBSOCKET_CONNECTION_ID.
            caller, called, custom: What is known of the call; what is empty comes from the channel's variables.
        Returns:
            The id of the call, which goes on by itself.
        Raises:
            LocalProtocolError: the line has no `dial`, or the id cannot be one.
            VendorRejected: Asterisk knows no such channel (404), or has connected it already (409).
            VendorUnavailable: Asterisk cannot be reached or does not start; or the line does not take calls.
        """
        if self._settings.dial is None:
            raise LocalProtocolError("the line's settings name no Asterisk to dial")
        if not CONNECTION_ID.fullmatch(connection_id):
            raise LocalProtocolError("not a connection id")
        calls, offer = self._calls, self._offer
        if calls is None or offer is None:
            raise VendorUnavailable("the line does not take calls", vendor=self._name, operation="connect")
        socket = await dial(
            f"{self._settings.dial}/media/{connection_id}",
            line=self._name,
            subprotocol=SUBPROTOCOL,
            timeout=self._settings.dial_timeout,
            headers={},
        )
        fields = self._settings.fields
        given = {**(custom or {}), fields.from_[0]: caller, fields.to[0]: called}
        begun = await self._door.welcome(socket, self._begin(socket, {k: v for k, v in given.items() if v}))
        if begun is None:
            raise VendorUnavailable("the channel did not start", vendor=self._name, operation="connect")
        call_id = begun.call_id if isinstance(begun, Rejoined) else begun.info.call_id
        calls.create_task(self._conduct(begun, call_id, socket, offer))
        return call_id

    async def _conduct(self, begun: Leg | Rejoined, call_id: str, socket: MediaSocket, offer: Offer) -> None:
        try:
            await self._door.conduct(begun, socket, offer)
        except Exception:  # the edge of a call we dialled: it must not take its neighbours in the group along
            log.exception("call broken off", line=self._name, call_id=call_id)

    async def _begin_accepted(self, socket: MediaSocket, upgrade: Upgrade) -> AsteriskLeg | Rejoined:
        number = upgrade.path.rpartition(f"{self._settings.path.rstrip('/')}/")[2].strip("/")
        is_number = upgrade.path.rstrip("/") != self._settings.path and 0 < len(number) <= MAX_NUMBER_LENGTH
        return await self._begin(socket, {}, path_number=number if is_number else "")

    async def _begin(
        self, socket: MediaSocket, given: Mapping[str, str], *, path_number: str = ""
    ) -> AsteriskLeg | Rejoined:
        """Read MEDIA_START. What we were ``given`` counts before channel variables, and these before the path."""
        protocol = AsteriskProtocol()
        while not isinstance(started := protocol.receive(await socket.receive()), MediaStarted):
            pass
        data = {**started.variables, **given}
        if data.get(CALL):
            back = ChannelReturn(
                call_id=data[CALL], socket=socket, protocol=protocol, started=started, status=data.get(STATUS, "")
            )
            rejoined = self._absences.rejoin(back)
            log.info("caller came back", line=self._name, call_id=back.call_id, status=back.status[:40])
            return rejoined
        caller, called, custom = self._settings.identity(data, self._context.country)
        if not called and path_number:
            _, called, _ = self._settings.identity({self._settings.fields.to[0]: path_number}, self._context.country)
        info = CallInfo(
            call_id=self._context.new_id(),
            leg_id=started.channel_id,
            line=self._name,
            caller=caller,
            called=called,
            custom=custom,
        )
        log.info("channel started", line=self._name, call_id=info.call_id, channel=started.channel_id)
        return AsteriskLeg(socket, protocol, started, info, self._way_out(custom))

    def _way_out(self, custom: Mapping[str, str]) -> WayOut | None:
        """How this call's caller can be sent elsewhere, if he can."""
        if self._switchboard is None or self._settings.manager is None:
            return None
        channel = custom.get(self._settings.manager.channel, "")
        return WayOut(switchboard=self._switchboard, absences=self._absences, channel=channel) if channel else None
