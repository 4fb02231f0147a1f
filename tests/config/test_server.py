"""The server's address, its public face, and the blocks beside it."""

from __future__ import annotations

import pytest

from config.server import LoggingSection, ServerSection


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [("127.0.0.1", True), ("127.3.2.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False)],
)
def test_who_can_reach_the_port(host: str, is_loopback: bool) -> None:
    assert ServerSection(host=host).is_loopback is is_loopback


def test_a_host_name_may_be_anybody() -> None:
    assert not ServerSection(host="voice.example.com").is_loopback


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("https://voice.example.com", "https://voice.example.com"),
        ("https://voice.example.com/", "https://voice.example.com"),
        ("http://10.0.0.1:8080/bots/", "http://10.0.0.1:8080/bots"),
        ("https://[2001:db8::1]:8443/x", "https://[2001:db8::1]:8443/x"),
        ("", None),
        (None, None),
    ],
)
def test_public_addresses(written: str | None, kept: str | None) -> None:
    assert ServerSection.model_validate({"public_url": written}).public_url == kept


@pytest.mark.parametrize(
    "written",
    [
        "voice.example.com",
        "wss://voice",
        "https://",
        "https://u@host",
        "https://h/?x",
        "https://h#x",
        "https://h:99999",
    ],
)
def test_what_is_no_public_address(written: str) -> None:
    with pytest.raises(ValueError, match="must be an http"):
        ServerSection(public_url=written)


@pytest.mark.parametrize(("written", "kept"), [("", ""), ("/", ""), ("/talkpath", "/talkpath"), ("/a/b/", "/a/b")])
def test_prefixes(written: str, kept: str) -> None:
    assert ServerSection(prefix=written).prefix == kept


def test_a_prefix_is_a_path() -> None:
    with pytest.raises(ValueError, match="must be a path"):
        ServerSection(prefix="talkpath")


def test_levels_in_any_case() -> None:
    assert LoggingSection.model_validate({"level": "WARNING"}).level == "warning"
