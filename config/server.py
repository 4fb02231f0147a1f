"""The process and its one port, its logs, what it keeps, and what it may fetch."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from config.base import Networks, Section, one_or_many


def _public_url(value: str | None) -> str | None:
    """Scheme, host and an optional path, without a slash at the end."""
    if value is None or not value.strip():
        return None
    try:
        parts = urlsplit(value.strip())
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or "@" in parts.netloc or "?" in value or "#" in value:
        raise ValueError("must be an http(s) address such as https://voice.example.com, with or without a path")
    return value.strip().rstrip("/")


def _prefix(value: str) -> str:
    if value.strip("/") and (not value.startswith("/") or any(c in value for c in "?# \\")):
        raise ValueError("must be a path such as /talkpath")
    return value.rstrip("/")


class ServerSection(Section):
    """The one port that serves media sockets, vendor webhooks, API, metrics, health and console."""

    host: str = Field(default="127.0.0.1", min_length=1)
    """Address to listen on; `0.0.0.0` for all."""
    port: int = Field(default=8080, ge=0, le=65535)
    """Port to listen on; 0 takes a free one."""
    public_url: Annotated[str | None, AfterValidator(_public_url)] = None
    """Address under which carriers and vendors reach this server, with its path where a proxy adds one. It is what
    they sign and call back."""
    prefix: Annotated[str, AfterValidator(_prefix)] = ""
    """Path before every route, where the proxy in front passes it on instead of removing it."""
    max_calls: int = Field(default=200, ge=1)
    """Calls at once; further ones are refused as busy."""
    api_token: SecretStr | None = None
    """Token for API, metrics, reload and console. Unset: they answer this machine only."""
    trusted_proxies: Networks = ()
    """Proxies whose word about the peer's address and scheme is taken."""
    drain_timeout: float = Field(default=30.0, ge=0, le=86400)
    """After SIGTERM, time for running calls to finish."""
    vad: Literal["cascade", "webrtc"] = "cascade"
    """Voice detection: `cascade` judges by a small neural network, `webrtc` saves memory on tiny machines."""
    wording: Path | None = None
    """A YAML file with other wording of the gateway's own sentences: language, name, sentence (`talkpath words` lists
    the names). Looked for beside the configuration."""
    country: str | None = Field(default=None, pattern=r"^\+?[1-9][0-9]{0,2}$")
    """Calling code of numbers in national form, such as `33`. Unset: only international forms are recognized."""

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the port."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


class RecordsSection(Section):
    """What remains of a call."""

    directory: Path = Path("records")
    """Folder of journals, recordings and the database of call records."""
    journal: bool = True
    """Whether each call's journal is kept, from which it can be replayed."""
    database: SecretStr | None = None
    """SQLAlchemy address of the call records, password included. Unset: SQLite in `directory`."""
    retention_days: float = Field(default=30.0, ge=0)
    """Days after which records, journals and recordings are removed; 0 keeps them for ever."""


class LoggingSection(Section):
    """Structured logs on standard error."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value),
    ] = "info"
    """The least severe message that is written."""
    format: Literal["auto", "json", "console"] = "auto"
    """`json`, one object per line; `console`, for reading; `auto`: console on a terminal, else json."""
    pii: bool = False
    """Whether numbers, transcripts, replies and digits may appear, under keys that begin with `pii.`."""


class MediaSection(Section):
    """Audio that bots name by address. Only http and https, and no private targets unless allowed."""

    root: Path | None = None
    """Folder of recordings that bots name by path; nothing outside of it is played. Looked for beside the
    configuration. Unset: none are."""
    allow: Annotated[tuple[str, ...], BeforeValidator(one_or_many)] = ()
    """Hosts and networks that may be fetched from although they are private: `media.internal`, `10.1.0.0/16`."""
    max_bytes: int = Field(default=10 * 1024 * 1024, ge=1024, le=1 << 30)
    """Largest file."""
    timeout: float = Field(default=10.0, gt=0, le=120)
    """Longest fetch, redirects included."""
    max_redirects: int = Field(default=3, ge=0, le=10)
    """Redirects that are followed, each checked like the first address."""
