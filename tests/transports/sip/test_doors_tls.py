"""The door of TLS: real handshakes on loopback, virtual time. What it shares with TCP is in `test_doors_tcp`."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import structlog

from config.base import Network
from gateway.errors import ConfigError
from gateway.transports.sip.settings import Listening, TlsSection
from gateway.transports.sip.tcp import FIRST_MESSAGE_WITHIN, HANDSHAKE_WITHIN, MAX_OPENING, TcpDoor
from gateway.transports.sip.tls import LOOK_EVERY, ServerIdentity, faults
from tests.fakes.certificates import Authority, Files
from tests.fakes.clock import ManualClock
from tests.fakes.sip_hall import LOOPBACK, OK, OPTIONS, WITHIN, RecordingHall, open_door, tokens
from tests.fakes.virtual_loop import elapsed, virtual_time

HERE = Listening("tls", LOOPBACK, 0)
TRUNKS: Sequence[Network] = [ip_network("127.0.0.1/32")]
OTHERS: Sequence[Network] = [ip_network("192.0.2.0/24")]


class Scene:
    """A door, its hall, and who may knock."""

    def __init__(self, door: TcpDoor, hall: RecordingHall, authority: Authority) -> None:
        self.door = door
        self.hall = hall
        self.authority = authority
        self._writers: list[asyncio.StreamWriter] = []

    def trusting(self, own: Files | None = None) -> ssl.SSLContext:
        """What a peer believes; ``own``: what it shows."""
        context = ssl.create_default_context(cafile=self.authority.file)
        if own is not None:
            context.load_cert_chain(own.certificate, own.key)
        return context

    async def connect(
        self, context: ssl.SSLContext | None, host: str = LOOPBACK
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection; by plain TCP without a context."""
        reader, writer = await asyncio.open_connection(host, self.door.port, ssl=context)
        self._writers.append(writer)
        return reader, writer

    async def close(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)


@asynccontextmanager
async def scene(
    folder: Path, allow: Sequence[Network] = TRUNKS, *, client_ca: Path | None = None, **kwargs: Any
) -> AsyncIterator[Scene]:
    authority = Authority(folder)
    files = authority.signs()
    section = TlsSection(certificate=files.certificate, key=files.key, client_ca=client_ca)
    clock = kwargs.get("clock") or ManualClock()
    identity = ServerIdentity(section, line="trunk", clock=clock)
    door = TcpDoor(HERE, allow, line="trunk", tokens=tokens(), identity=identity, **{"is_open": False, **kwargs})
    made = Scene(door, RecordingHall(), authority)
    async with open_door(door, made.hall):
        try:
            yield made
        finally:
            await made.close()


async def is_closed(reader: asyncio.StreamReader) -> bool:
    try:
        async with asyncio.timeout(WITHIN):
            return await reader.read(1) == b""
    except OSError:
        return True


async def disbelieve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Shake hands as who knows none of our authorities, and say so, which asyncio's own client may have no time for."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname=LOOPBACK)
    while True:
        try:
            client.do_handshake()
        except ssl.SSLWantReadError:
            writer.write(outgoing.read())
            async with asyncio.timeout(WITHIN):
                incoming.write(await reader.read(1 << 16))
        except ssl.SSLCertVerificationError:
            writer.write(outgoing.read())
            assert await is_closed(reader)
            return


def refusals(logs: Sequence[Any]) -> list[tuple[str, int]]:
    return [(it["reason"], it["times"]) for it in logs if it["event"] == "TLS handshake refused"]


@virtual_time
async def test_messages_come_in_and_are_answered(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        reader, writer = await at.connect(at.trusting())
        writer.write(OPTIONS[:20])
        writer.write(OPTIONS[20:] + b"\r\n\r\n")
        await at.hall.until_received()
        flow = at.hall.opened[0]
        host, port = writer.get_extra_info("sockname")
        assert (flow.transport, flow.peer, flow.local) == ("tls", f"{host}:{port}", f"127.0.0.1:{at.door.port}")
        assert str(flow.via("z9hG4bKx")).startswith("SIP/2.0/TLS 127.0.0.1:")
        assert str(flow.contact("bot")) == f"sip:bot@127.0.0.1:{at.door.port};transport=tls"
        assert str(flow.contact("bot").as_secure()) == f"sips:bot@127.0.0.1:{at.door.port}"
        assert at.hall.send(flow, OK)
        async with asyncio.timeout(WITHIN):
            assert await reader.readexactly(2 + len(OK)) == b"\r\n" + OK
        version = writer.get_extra_info("ssl_object").version()
        assert version in ("TLSv1.2", "TLSv1.3")
        writer.close()
        await at.hall.until_closed()


@virtual_time
async def test_old_versions_are_refused(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as logs:
        async with scene(tmp_path) as at:
            context = at.trusting()
            with pytest.warns(DeprecationWarning, match="TLSv1_1 is deprecated"):
                context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
            context.set_ciphers("ALL:@SECLEVEL=0")
            with pytest.raises(OSError):  # an alert, or the end: whichever is read first
                await at.connect(context)
            assert at.hall.opened == []
    assert refusals(logs) == [("unsupported protocol", 1)]


@virtual_time
async def test_a_peer_that_does_not_believe_us_is_named_with_its_reason(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as logs:
        async with scene(tmp_path) as at:
            for _ in range(3):
                await disbelieve(*await at.connect(None))
            await at.connect(at.trusting())
    assert refusals(logs) == [("the peer does not believe our certificate (alert unknown ca)", 1)]


@pytest.mark.parametrize("said", [OPTIONS, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"], ids=["SIP", "HTTP"])
@virtual_time
async def test_a_peer_that_speaks_no_tls(said: bytes, tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as logs:
        async with scene(tmp_path) as at:
            reader, writer = await at.connect(None)
            writer.write(said)
            assert await is_closed(reader)
            assert at.hall.opened == []
    assert refusals(logs) == [("the peer does not speak TLS", 1)]


@virtual_time
async def test_who_is_not_allowed_sees_no_certificate(tmp_path: Path) -> None:
    async with scene(tmp_path, OTHERS) as at:
        with pytest.raises(OSError):  # whatever the system says
            await at.connect(at.trusting())
        assert (at.door.refused, at.hall.opened) == (1, [])


@virtual_time
async def test_a_handshake_has_to_end_and_so_has_the_wait_for_the_first_message(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as logs:
        async with scene(tmp_path) as at:
            began = elapsed()
            reader, _ = await at.connect(None)
            async with asyncio.timeout(2 * HANDSHAKE_WITHIN):
                assert await reader.read() == b""
            assert elapsed() - began == pytest.approx(HANDSHAKE_WITHIN, abs=0.1)
            began = elapsed()
            reader, _ = await at.connect(at.trusting())
            async with asyncio.timeout(2 * FIRST_MESSAGE_WITHIN):
                assert await reader.read() == b""
            assert elapsed() - began == pytest.approx(FIRST_MESSAGE_WITHIN, abs=0.1)
    assert refusals(logs) == [("it took too long", 1)]


@virtual_time
async def test_handshakes_that_do_not_end_cannot_pile_up(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        slow = [await at.connect(None) for _ in range(MAX_OPENING)]
        with pytest.raises(OSError):
            await at.connect(at.trusting())
        for reader, _ in slow:
            async with asyncio.timeout(2 * HANDSHAKE_WITHIN):
                await reader.read()
        await at.connect(at.trusting())
        await at.hall.until(lambda: len(at.hall.opened) == 1)


@virtual_time
async def test_connections_and_handshakes_share_one_bound(tmp_path: Path) -> None:
    async with scene(tmp_path, max_connections=2) as at:
        await at.connect(at.trusting())
        await at.connect(None)
        with pytest.raises(OSError):
            await at.connect(at.trusting())


@virtual_time
async def test_a_peer_shows_a_certificate_where_it_has_to(tmp_path: Path) -> None:
    (tmp_path / "trunks").mkdir()
    trunks = Authority(tmp_path / "trunks", "trunks")
    with structlog.testing.capture_logs() as logs:
        async with scene(tmp_path, OTHERS, client_ca=trunks.file, is_open=True) as at:
            for shown in (None, at.authority.signs("stranger")):
                reader, _ = await at.connect(at.trusting(shown))  # in TLS 1.3, the refusal comes after the handshake
                assert await is_closed(reader)
            assert at.hall.opened == []
            _, writer = await at.connect(at.trusting(trunks.signs("pbx")))
            writer.write(OPTIONS)
            await at.hall.until_received()
    ((first, _),) = refusals(logs)
    assert first == "the peer shows no certificate, and `client_ca` asks for one"


# --- the certificate -----------------------------------------------------------------------------------------------
def serial(writer: asyncio.StreamWriter) -> str:
    return str(writer.get_extra_info("ssl_object").getpeercert()["serialNumber"])


@virtual_time
async def test_a_renewed_certificate_is_shown_without_a_restart(tmp_path: Path) -> None:
    clock = ManualClock()
    async with scene(tmp_path, clock=clock) as at:
        _, first = await at.connect(at.trusting())
        at.authority.signs()  # in place of the old one
        _, soon = await at.connect(at.trusting())
        clock.advance(LOOK_EVERY)
        _, later = await at.connect(at.trusting())
        assert serial(first) == serial(soon) != serial(later)
        first.write(OPTIONS)
        await at.hall.until_received()  # who is connected stays connected


@virtual_time
async def test_a_certificate_that_cannot_be_used_leaves_the_old_one(tmp_path: Path) -> None:
    clock = ManualClock()
    with structlog.testing.capture_logs() as logs:
        async with scene(tmp_path, clock=clock) as at:
            _, first = await at.connect(at.trusting())
            key = (tmp_path / "server.key").read_bytes()
            at.authority.signs()
            new_key = (tmp_path / "server.key").read_bytes()
            (tmp_path / "server.key").write_bytes(key)  # half of a renewal
            for _ in range(2):
                clock.advance(LOOK_EVERY)
                _, then = await at.connect(at.trusting())
                assert serial(then) == serial(first)
            (tmp_path / "server.key").write_bytes(new_key)
            clock.advance(LOOK_EVERY)
            _, last = await at.connect(at.trusting())
            assert serial(last) != serial(first)
    errors = [it["reason"] for it in logs if it["log_level"] == "error"]
    assert len(errors) == 1, "it is said once"
    assert "does not belong" in errors[0]


@pytest.mark.parametrize(("days", "warnings"), [(40, 0), (13, 3), (-1, 3)])
def test_a_certificate_that_nobody_renews_is_told_of_once_a_day(tmp_path: Path, days: int, warnings: int) -> None:
    clock = ManualClock()
    begins, ends = clock.wall() - datetime.timedelta(60), clock.wall() + datetime.timedelta(days)
    files = Authority(tmp_path).signs(begins=begins, ends=ends)
    with structlog.testing.capture_logs() as logs:
        section = TlsSection(certificate=files.certificate, key=files.key)
        identity = ServerIdentity(section, line="trunk", clock=clock)
        for _ in range(3 * 24):
            clock.advance(3600)
            identity.context()
    assert [it["valid_until"] for it in logs if it["log_level"] == "warning"] == [
        ends.isoformat(timespec="seconds")
    ] * warnings


def test_what_can_be_wrong_with_the_files(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    good, other = authority.signs("good"), authority.signs("other")
    locked = authority.signs("locked", passphrase="secret")
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    both = tmp_path / "both.pem"
    both.write_bytes(good.certificate.read_bytes() + good.key.read_bytes())
    now = datetime.datetime.now(datetime.UTC)
    missing = tmp_path / "missing.pem"

    def found(certificate: Path, key: Path | None = None, client_ca: Path | None = None) -> list[tuple[str, str, str]]:
        return list(faults(TlsSection(certificate=certificate, key=key, client_ca=client_ca), now))

    assert found(good.certificate, good.key, authority.file) == []
    assert found(both) == []
    (error,) = found(missing, good.key)
    assert error == ("error", "tls.certificate", f"{missing} cannot be read: no such file or directory")
    (error,) = found(good.certificate, tmp_path)
    assert error == ("error", "tls.key", f"{tmp_path} cannot be read: is a directory")
    for values, field, text in (
        ((empty, good.key), "tls.certificate", "holds no certificate in PEM"),
        ((good.certificate, empty), "tls.key", "holds no private key in PEM"),
        ((good.certificate,), "tls.certificate", "holds no private key in PEM"),
        ((good.certificate, other.key), "tls.key", "does not belong to"),
        ((locked.certificate, locked.key), "tls.key", "is encrypted; write the key without a passphrase"),
        ((good.certificate, good.key, empty), "tls.client_ca", "holds no certificate in PEM"),
    ):
        ((severity, where, said),) = found(*values)
        assert (severity, where) == ("error", field)
        assert text in said
        with pytest.raises(ConfigError, match=f"^{field}: "):
            ServerIdentity(
                TlsSection(**dict(zip(("certificate", "key", "client_ca"), values, strict=False))),
                line="",
                clock=ManualClock(),
            )


@pytest.mark.parametrize(
    ("begins", "ends", "text"),
    [(-10, -1, "has expired on"), (-10, 13, "expires on"), (1, 90, "is valid only from"), (-10, 15, None)],
)
def test_a_certificate_of_another_time_is_a_warning(tmp_path: Path, begins: int, ends: int, text: str | None) -> None:
    now = datetime.datetime.now(datetime.UTC)
    files = Authority(tmp_path).signs(begins=now + datetime.timedelta(begins), ends=now + datetime.timedelta(ends))
    found = list(faults(TlsSection(certificate=files.certificate, key=files.key), now))
    assert [severity for severity, _, _ in found] == (["warning"] if text else [])
    assert all(text and text in said for _, _, said in found)
