"""The base of every settings model: frozen, strict about unknown keys, documented by its field docstrings."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, SecretStr, ValidationInfo, field_validator, model_validator

SECRET_FILE_PREFIX = "file:"
MAX_SECRET_BYTES = 64 * 1024

Network = IPv4Network | IPv6Network


class Section(BaseModel):
    """A block of configuration.

    Unknown keys are errors. The string literal below a field becomes its description in the JSON Schema and in
    `docs/configuration.md`; it says the unit and the effect. A `SecretStr` field may name a file instead
    (``file:/run/secrets/token``); an empty secret counts as none, so that ``${TOKEN:-}`` never lets anybody in.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        validate_default=True,
        validate_by_name=True,
        validate_by_alias=True,
        coerce_numbers_to_str=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _empty_block(cls, data: Any) -> Any:
        """A key with nothing but comments below it is an empty block."""
        return {} if data is None else data

    @field_validator("*", mode="after")
    @classmethod
    def _read_secret(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, SecretStr):
            return _secret(value, optional=_accepts_none(cls, info.field_name))
        if isinstance(value, dict) and any(isinstance(item, SecretStr) for item in value.values()):
            return {k: _secret(v, optional=False) if isinstance(v, SecretStr) else v for k, v in value.items()}
        if isinstance(value, tuple) and any(isinstance(item, SecretStr) for item in value):
            return tuple(_secret(v, optional=False) if isinstance(v, SecretStr) else v for v in value)
        return value


def _accepts_none(section: type[BaseModel], name: str | None) -> bool:
    return name is not None and NoneType in get_args(section.model_fields[name].annotation)


def _secret(value: SecretStr, *, optional: bool) -> SecretStr | None:
    text = value.get_secret_value()
    if text.startswith(SECRET_FILE_PREFIX):
        text = _file_text(Path(text.removeprefix(SECRET_FILE_PREFIX)).expanduser())
    if text:
        return SecretStr(text)
    if optional:
        return None
    raise ValueError("the secret is empty")


def _file_text(path: Path) -> str:
    if not path.is_absolute():
        raise ValueError(f"a secret's file is named by its whole path, and {str(path)!r} is not one")
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SECRET_BYTES + 1)
    except OSError as error:
        raise ValueError(f"the secret's file {str(path)!r} cannot be read: {error.strerror}") from None
    if len(content) > MAX_SECRET_BYTES:
        raise ValueError(f"the secret's file {str(path)!r} is longer than {MAX_SECRET_BYTES} bytes")
    try:
        return content.decode().strip("\r\n")
    except UnicodeDecodeError:
        raise ValueError(f"the secret's file {str(path)!r} is not UTF-8 text") from None


def one_or_many(value: object) -> object:
    """A list may be written as its only member, and an empty one as nothing at all."""
    if value is None or value is False:
        return []
    return value if isinstance(value, list | tuple | set | frozenset) else [value]


Networks = Annotated[tuple[Network, ...], BeforeValidator(one_or_many)]
"""IP networks (`10.0.0.0/8`) or single addresses."""
