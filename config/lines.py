"""Lines: how calls reach us. Each transport adds its own keys by a subclass of `LineSection`, in its own folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from config.base import Section, one_or_many
from config.numbers import normalise, normalise_caller


def _or_else(other: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
    """Let a block's JSON Schema say what may stand in its place."""

    def change(schema: dict[str, Any]) -> None:
        block = dict(schema)
        schema.clear()
        schema["anyOf"] = [block, other]

    return change


class BasicAuth(Section):
    """HTTP Basic (RFC 7617), as Asterisk and most PBXs send it with the WebSocket upgrade."""

    username: str = Field(min_length=1)
    """User name the peer sends."""
    password: SecretStr
    """Password the peer sends."""


class BearerAuth(Section):
    """A fixed token in the Authorization header (RFC 6750)."""

    model_config = ConfigDict(json_schema_extra=_or_else({"type": "string", "format": "password"}))

    token: SecretStr
    """The token the peer sends."""

    @model_validator(mode="before")
    @classmethod
    def _bare_token(cls, data: Any) -> Any:
        return {"token": data} if isinstance(data, str | SecretStr) else data


class DigestAuth(Section):
    """HTTP Digest as SIP uses it (RFC 3261 section 22)."""

    realm: str = Field(min_length=1)
    """Realm of the challenge."""
    users: dict[str, SecretStr] = Field(min_length=1)
    """User names to passwords."""


class AuthSection(Section):
    """How peers of a line prove who they are. Exactly one way; `none` must be said, it is never the default."""

    model_config = ConfigDict(json_schema_extra=_or_else({"const": "none"}))

    basic: BasicAuth | None = None
    """User name and password with the WebSocket upgrade."""
    bearer: BearerAuth | None = None
    """A token with the WebSocket upgrade; the token alone may stand here."""
    digest: DigestAuth | None = None
    """SIP digest: realm and users."""
    twilio_signature: SecretStr | None = None
    """Auth token of the Twilio account; every webhook and every media socket is signed with it."""
    none: bool = False
    """Anybody may call. Written as `auth: none`."""

    @model_validator(mode="before")
    @classmethod
    def _words(cls, data: Any) -> Any:
        if not isinstance(data, str):
            return data
        if data.strip().lower() != "none":
            raise PydanticCustomError("auth", "says basic, bearer, digest, twilio_signature, or the word none")
        return {"none": True}

    @model_validator(mode="after")
    def _exactly_one(self) -> AuthSection:
        named = [name for name in type(self).model_fields if getattr(self, name)]
        if len(named) != 1:
            found = " and ".join(named) or "nothing"
            raise PydanticCustomError("auth", f"needs exactly one way, and names {found}; an open line says `none`")
        return self

    @property
    def kind(self) -> str:
        """The way that is set: `basic`, `bearer`, ..., or `none`."""
        return next(name for name in type(self).model_fields if getattr(self, name))


class FieldsSection(Section):
    """Names under which the line passes who calls whom, first match wins; upper and lower case are one."""

    from_: Annotated[tuple[str, ...], BeforeValidator(one_or_many)] = Field(
        default=("from", "caller", "callerid"), alias="from"
    )
    """Names of the calling number."""
    to: Annotated[tuple[str, ...], BeforeValidator(one_or_many)] = ("to", "called", "dnid", "did", "exten")
    """Names of the called number."""


def _path(value: str | None) -> str | None:
    if value is None:
        return None
    if not value.startswith("/") or any(c in value for c in "?# \\") or "//" in value:
        raise PydanticCustomError("path", "is a path of its own such as /media/pbx, without query")
    return value.rstrip("/") or "/"


SocketPath = Annotated[str, AfterValidator(_path)]
"""A path as `LineSection.path` takes it, for transports that always have one and give it a default."""


class LineSection(Section):
    """Where calls come in. The transport's own keys stand beside these."""

    transport: str
    """The protocol: a transport's name, such as `asterisk`, `twilio` or `sip`."""
    path: Annotated[str | None, AfterValidator(_path)] = None
    """Path of the line's socket on the shared port; a line with a path needs `auth`."""
    auth: AuthSection | None = None
    """How the peer proves who it is, before the upgrade is accepted."""
    fields: FieldsSection = FieldsSection()
    """Names of the caller and the called number in the line's call data; all other data goes to the bot."""
    country: str | None = Field(default=None, pattern=r"^\+?[1-9][0-9]{0,2}$")
    """Calling code of the numbers this line writes in national form, such as `33`. Unset: the server's `country`."""

    @model_validator(mode="after")
    def _says_who_may_call(self) -> LineSection:
        if self.path is not None and self.proof is None:
            raise PydanticCustomError("auth", "has a path and therefore needs `auth`; an open line says `auth: none`")
        return self

    @property
    def listens(self) -> tuple[str, ...]:
        """Sockets of the line's own, besides `path`, such as ``udp:0.0.0.0:5060``."""
        return ()

    @property
    def can_transfer(self) -> bool:
        """Whether the gateway can send this line's callers elsewhere."""
        return False

    @property
    def attended_hindrance(self) -> str | None:
        """Why the gateway cannot call the target of a transfer before it sends a caller of this line there; None where
        it can."""
        return "transfers are blind there"

    def faults(self, now: datetime) -> Iterator[tuple[Literal["error", "warning"], str, str]]:
        """What `talkpath check` finds beyond the settings themselves, such as files that cannot be read: severity, the
        line's key (``tls.key``), and a sentence."""
        yield from ()

    @property
    def proof(self) -> str | None:
        """How callers prove who they are, in a word for operators; None: not at all."""
        return self.auth.kind if self.auth else None

    def identity(self, data: Mapping[str, str], country: str | None = None) -> tuple[str, str, dict[str, str]]:
        """Read caller, called number and the rest from a line's call data.

        Args:
            data: Names and values as the peer sent them.
            country: The server's calling code, for lines that set none.
        Returns:
            The caller, normalised, empty when withheld or absent; the called number, normalised, empty when absent;
            everything that neither came from.
        """
        by_name = {name.lower(): name for name in reversed(list(data))}
        caller = _first(self.fields.from_, by_name, data)
        called = _first(self.fields.to, by_name, data)
        code = self.country or country
        rest = {name: value for name, value in data.items() if name not in (caller, called)}
        return (
            normalise_caller(data[caller], code) if caller else "",
            normalise(data[called], code) if called else "",
            rest,
        )


def _first(names: tuple[str, ...], by_name: Mapping[str, str], data: Mapping[str, str]) -> str | None:
    """The key of the first alias that has a value; one that is there but empty counts when nothing better is."""
    present = [by_name[name.lower()] for name in names if name.lower() in by_name]
    return next((key for key in present if data[key].strip()), present[0] if present else None)
