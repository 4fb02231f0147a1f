"""Google's clients of one account: loaded on first use, one warm connection for each endpoint, errors translated.

The clients' packages are an extra and take a second to load, so nothing here imports them before they are needed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from gateway.errors import ConfigError, VendorError, VendorRejected, VendorUnavailable
from gateway.speech.google.protocol import Version
from gateway.speech.google.settings import GoogleSpeechSection

CONNECT_WITHIN = 3.0
IDLE_MS = 60_000
"""A connection that nobody has used for so long is closed."""
MAX_MESSAGE_BYTES = 16 << 20
"""Of an answer: a minute of linear sound at 24 kHz is 3 MB."""
MAX_SAID = 200
"""Characters of Google's own words on why it refused."""
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
SPEECH = "speech.googleapis.com"
VOICES = "texttospeech.googleapis.com"

_REFUSALS = {
    "INVALID_ARGUMENT": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "FAILED_PRECONDITION": 400,
    "UNIMPLEMENTED": 501,
}
"""Codes of google/rpc/code.proto that will not go away by trying again, with the HTTP status that file gives them."""
_OUTAGES = {"RESOURCE_EXHAUSTED": 429, "UNAVAILABLE": 503, "DEADLINE_EXCEEDED": 504, "INTERNAL": 500, "UNKNOWN": 500}
_EXPLAINED = frozenset({"UNAUTHENTICATED", "PERMISSION_DENIED", "NOT_FOUND", "RESOURCE_EXHAUSTED"})
"""Of these Google's own words are told; others may repeat what somebody said."""


class Sdk:
    """The modules of Google's clients that are used here.

    Raises:
        ConfigError: they are not installed.
    """

    def __init__(self, vendor: str) -> None:
        try:
            self.grpc: Any = import_module("grpc")
            self.aio: Any = import_module("grpc.aio")
            self.auth: Any = import_module("google.auth")
            self.auth_errors: Any = import_module("google.auth.exceptions")
            self.auth_grpc: Any = import_module("google.auth.transport.grpc")
            self.auth_requests: Any = import_module("google.auth.transport.requests")
            self.service_account: Any = import_module("google.oauth2.service_account")
            self.speech: Mapping[Version, Any] = {
                "v1": import_module("google.cloud.speech_v1"),
                "v2": import_module("google.cloud.speech_v2"),
            }
            self.voices: Any = import_module("google.cloud.texttospeech_v1")
        except ImportError as error:
            raise ConfigError(
                f"speech.{vendor} needs Google's client: pip install 'talkpath[google]'", field=f"speech.{vendor}"
            ) from error


@dataclass(frozen=True, slots=True)
class Api:
    """One of Google's services.

    Attributes:
        calls: Its transport, which has every method as the API names it. The client around it is not used: it waits
            for the first answer before a stream can be written to, and tries again by its own lights.
        package: Has the classes of its messages.
    """

    calls: Any
    package: Any


class GoogleClients:
    """Everything that connects to Google for one entry under `speech`.

    Args:
        connect_within: Seconds for a connection.
    """

    def __init__(self, vendor: str, settings: GoogleSpeechSection, *, connect_within: float = CONNECT_WITHIN) -> None:
        self._connect_within = connect_within
        self.vendor = vendor
        self._settings = settings
        self._sdk: Sdk | None = None
        self._credentials: Any = None
        self._project: str | None = None
        self._channels: dict[str, Any] = {}
        self._apis: dict[str, Api] = {}
        self._loading = asyncio.Lock()

    @property
    def project(self) -> str | None:
        """Of the settings, else of the credentials; these are known once `load` is through."""
        return self._settings.project or self._project

    async def load(self) -> Sdk:
        """The packages and the credentials, which are looked up once.

        Raises:
            ConfigError: a package is missing, or there are no credentials.
        """
        async with self._loading:
            if self._sdk is None:
                sdk = await asyncio.to_thread(Sdk, self.vendor)
                self._credentials, self._project = await asyncio.to_thread(self._find_credentials, sdk)
                self._sdk = sdk
        return self._sdk

    async def recognition(self, version: Version) -> Api:
        """Speech-to-Text, connected. Raises VendorUnavailable, and VendorRejected where it cannot be used at all."""
        sdk = await self._loaded("listen")
        channel = await self._connected(sdk, _located(SPEECH, self._settings.location), SPEECH, "listen")
        if version not in self._apis:
            package = sdk.speech[version]
            self._apis[version] = Api(_transport(package.SpeechAsyncClient, channel), package)
        return self._apis[version]

    async def synthesis(self) -> Api:
        """Text-to-Speech, connected. Raises as `recognition`."""
        sdk = await self._loaded("speak")
        channel = await self._connected(sdk, _located(VOICES, self._settings.voice_location), VOICES, "speak")
        if VOICES not in self._apis:
            self._apis[VOICES] = Api(_transport(sdk.voices.TextToSpeechAsyncClient, channel), sdk.voices)
        return self._apis[VOICES]

    async def close(self) -> None:
        """Close every connection."""
        channels, self._channels = self._channels, {}
        self._apis.clear()
        for channel in channels.values():
            await channel.close()

    @contextmanager
    def translated(self, operation: str, *, sensitive: bool = False) -> Iterator[None]:
        """Make VendorErrors of what Google's clients raise in the block."""
        if self._sdk is None:  # nothing of theirs can be raised yet
            yield
            return
        sdk = self._sdk
        try:
            yield
        except sdk.aio.AioRpcError as error:
            raise self._error(error.code().name, error.details() or "", operation, sensitive=sensitive) from error
        except sdk.auth_errors.GoogleAuthError as error:
            raise self._error("UNAVAILABLE", "", operation, sensitive=sensitive) from error

    def failure(self, code: int, operation: str) -> VendorError:
        """The error for a code of google/rpc/code.proto that came inside an answer."""
        codes = self._sdk.grpc.StatusCode if self._sdk is not None else ()
        name = next((each.name for each in codes if each.value[0] == code), "UNKNOWN")
        return self._error(name, "", operation, sensitive=True)

    def _error(self, code: str, said: str, operation: str, *, sensitive: bool) -> VendorError:
        words = " ".join(said.split())[:MAX_SAID] if code in _EXPLAINED and not sensitive else ""
        reason = f"{code}: {words}" if words else code
        if code in _REFUSALS:
            return VendorRejected(reason, vendor=self.vendor, operation=operation, status=_REFUSALS[code])
        return VendorUnavailable(reason, vendor=self.vendor, operation=operation, status=_OUTAGES.get(code))

    async def _loaded(self, operation: str) -> Sdk:
        try:
            return await self.load()
        except ConfigError as error:  # during a call it is the vendor that cannot be used
            raise VendorRejected(error.reason, vendor=self.vendor, operation=operation) from error

    async def _connected(self, sdk: Sdk, host: str, audience: str, operation: str) -> Any:
        """The endpoint's channel, once it is connected."""
        target = host if self._settings.url is None else self._settings.url.rstrip("/").partition("://")[2]
        key = f"{target} for {audience}"
        if key not in self._channels:
            self._channels[key] = self._channel(sdk, target, audience)
        channel, state = self._channels[key], sdk.grpc.ChannelConnectivity
        try:
            async with asyncio.timeout(self._connect_within):
                while (now := channel.get_state(try_to_connect=True)) != state.READY:
                    if now in (state.TRANSIENT_FAILURE, state.SHUTDOWN):
                        raise VendorUnavailable("no connection", vendor=self.vendor, operation=operation)
                    await channel.wait_for_state_change(now)
        except TimeoutError as error:
            raise VendorUnavailable("no connection in time", vendor=self.vendor, operation=operation) from error
        return channel

    def _channel(self, sdk: Sdk, target: str, audience: str) -> Any:
        """Encrypted, but to this machine; every call carries the credentials either way."""
        is_local = (self._settings.url or "").startswith("http://")
        secure: Callable[[], Any] = sdk.grpc.local_channel_credentials if is_local else sdk.grpc.ssl_channel_credentials
        found = self._credentials
        if hasattr(found, "with_always_use_jwt_access"):
            # A token signed here, without asking for one. It names the service, and credentials keep one token: each
            # service has a copy of its own.
            found = found.with_always_use_jwt_access(True)
        plugin = sdk.auth_grpc.AuthMetadataPlugin(found, sdk.auth_requests.Request(), default_host=audience)
        credentials = sdk.grpc.composite_channel_credentials(secure(), sdk.grpc.metadata_call_credentials(plugin))
        options = (
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            ("grpc.client_idle_timeout_ms", IDLE_MS),
        )
        return sdk.aio.secure_channel(target, credentials, options=options)

    def _find_credentials(self, sdk: Sdk) -> tuple[Any, str | None]:
        """From the settings, else what the machine has; looking for the latter may ask a metadata server."""
        try:
            if self._settings.credentials is not None:
                key = json.loads(self._settings.credentials.get_secret_value())
                found, project = sdk.service_account.Credentials.from_service_account_info(key), key.get("project_id")
            else:
                found, project = sdk.auth.default(default_scopes=[SCOPE])
        except (ValueError, sdk.auth_errors.GoogleAuthError) as error:
            raise ConfigError(
                f"speech.{self.vendor} has no usable credentials: set `credentials` or GOOGLE_APPLICATION_CREDENTIALS",
                field=f"speech.{self.vendor}.credentials",
            ) from error
        if self._settings.quota_project is not None:
            found = found.with_quota_project(self._settings.quota_project)
        return found, project


def _transport(client: Any, channel: Any) -> Any:
    return client.get_transport_class("grpc_asyncio")(channel=channel)


def _located(host: str, location: str) -> str:
    return host if location == "global" else f"{location}-{host}"
