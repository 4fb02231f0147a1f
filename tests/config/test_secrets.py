"""Secrets: from the environment, from files, never empty, never shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from config.base import MAX_SECRET_BYTES, Section
from config.errors import ConfigErrors
from tests.fakes.config_sections import load_text


class Vault(Section):
    """Secrets in all shapes."""

    needed: SecretStr
    """One."""
    wanted: SecretStr | None = None
    """Perhaps one."""
    named: dict[str, SecretStr] = {}  # noqa: RUF012  # pydantic copies it
    """Some."""
    several: tuple[SecretStr, ...] = ()
    """A few."""


def test_a_file_in_every_shape(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t0ken\n")
    file = f"file:{tmp_path}/token"
    vault = Vault.model_validate(
        {"needed": file, "wanted": file, "named": {"a": file, "b": "plain"}, "several": [file]}
    )
    secrets = [vault.needed, vault.wanted, vault.named["a"], *vault.several]
    assert [secret.get_secret_value() for secret in secrets if secret] == ["t0ken"] * 4
    assert vault.named["b"].get_secret_value() == "plain"
    assert "t0ken" not in repr(vault) + str(vault.model_dump()) + vault.model_dump_json()


def test_an_empty_secret_is_none_or_an_error() -> None:
    assert Vault.model_validate({"needed": "x", "wanted": ""}).wanted is None
    for wrong in ({"needed": ""}, {"needed": "x", "named": {"a": ""}}, {"needed": "x", "several": [""]}):
        with pytest.raises(ValueError, match="the secret is empty"):
            Vault.model_validate(wrong)


def test_a_plain_text_may_begin_with_file(tmp_path: Path) -> None:
    settings = load_text(tmp_path, "defaults: {no_input: {goodbye: 'file:/etc/hostname'}}")
    assert settings.defaults.no_input.goodbye == "file:/etc/hostname"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "the secret is empty"),
        (b"\n", "the secret is empty"),
        (b"x" * (MAX_SECRET_BYTES + 1), "is longer than"),
        (b"\xff\xfe", "is not UTF-8 text"),
    ],
)
def test_files_that_hold_no_secret(tmp_path: Path, content: bytes | None, reason: str) -> None:
    if content is not None:
        (tmp_path / "token").write_bytes(content)
    with pytest.raises(ConfigErrors) as raised:
        load_text(tmp_path, f"speech:\n  cloud:\n    api_key: file:{tmp_path}/token\n")
    assert f"talkpath.yaml:3: speech.cloud.api_key: {'the secret' if 'empty' in reason else ''}" in str(raised.value)
    assert reason in str(raised.value)


def test_a_relative_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors, match=r"server\.api_token: a secret's file is named by its whole path"):
        load_text(tmp_path, "server: {api_token: 'file:token'}")


def test_an_empty_variable_never_lets_anybody_in(tmp_path: Path) -> None:
    text = "server: {api_token: '${T:-}'}\n"
    assert load_text(tmp_path, text).server.api_token is None
    with pytest.raises(ConfigErrors, match="the secret is empty"):
        load_text(tmp_path, "lines: {a: {transport: pbx, path: /m, auth: {basic: {username: u, password: '${T:-}'}}}}")
    with pytest.raises(ConfigErrors, match="needs exactly one way, and names nothing"):
        load_text(tmp_path, "lines: {a: {transport: pbx, path: /m, auth: {twilio_signature: '${T:-}'}}}")
    with pytest.raises(ConfigErrors, match="the secret is empty"):
        load_text(tmp_path, "lines: {a: {transport: pbx, path: /m, auth: {bearer: ''}}}")
