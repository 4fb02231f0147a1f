"""Mails reach a real mail server: encrypted, logged in, told apart by their Message-ID; refusals are understood."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from config.jobs import MailSection
from gateway.actions import Record
from gateway.errors import VendorRejected, VendorUnavailable
from gateway.interfaces import AfterCallJob
from gateway.jobs.job import JobRefused
from gateway.jobs.mail import MailPerformer
from tests.fakes.clock import ManualClock
from tests.fakes.mailbox import Mailbox, Security, mailbox

CALL = {
    "call_id": "c1",
    "caller": "+33612345678",
    "number": "+33123456789",
    "started_at": "2026-11-21T09:30:05.123+00:00",
    "seconds": 61.7,
    "exchange": [
        {"caller": "", "bot": "Hello.", "bot_cut": False},
        {"caller": "Where are\nyou?", "bot": "In Lyon, at", "bot_cut": True},
    ],
}


def job(**data: Any) -> AfterCallJob:
    return AfterCallJob(key="c1-a1", kind="email", data={"to": "ops@example.com", **data}, call=CALL)


def performer(box: Mailbox, security: Security = "none", **given: Any) -> MailPerformer:
    settings = {"host": "localhost", "port": box.port, "security": security, "sender": "bot@example.com", **given}
    section = MailSection.model_validate(settings)
    return MailPerformer(lambda: section, ManualClock(), box.trust)


@pytest.mark.asyncio
async def test_a_mail_arrives_as_it_was_meant(tmp_path: Path) -> None:
    async with mailbox(tmp_path) as box:
        assert await performer(box).perform(job(subject="Zoë  rang\r\nBcc: x@example.com", body="Line 1\nÄ 🙂")) == ()
    (mail,) = box.mails
    assert mail["From"] == "bot@example.com"
    assert mail["To"] == "ops@example.com"
    assert mail["Subject"] == "Zoë rang Bcc: x@example.com"
    assert mail["Bcc"] is None
    assert mail["Message-ID"] == "<c1-a1@example.com>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content().splitlines() == ["Line 1", "Ä 🙂"]
    assert box.envelopes == [["ops@example.com"]]


@pytest.mark.asyncio
async def test_the_transcript_is_who_said_what(tmp_path: Path) -> None:
    async with mailbox(tmp_path) as box:
        await performer(box).perform(job(transcript=True, body="Please call back."))
    (mail,) = box.mails
    assert mail["Subject"] == "Call c1"
    assert mail.get_content().splitlines() == [
        "Please call back.",
        "",
        "Call c1 from +33612345678 to +33123456789",
        "2026-11-21 09:30:05 UTC, 62 s",
        "",
        "Bot: Hello.",
        "Caller: Where are you?",
        "Bot: In Lyon, at [interrupted]",
    ]


@pytest.mark.parametrize("security", ["starttls", "tls"])
@pytest.mark.asyncio
async def test_passwords_travel_encrypted_only(tmp_path: Path, security: Security) -> None:
    login = None if security == "tls" else ("bot", "s3cret")
    given = {} if login is None else {"username": "bot", "password": "s3cret"}
    async with mailbox(tmp_path, security, login=login) as box:
        await performer(box, security, **given).perform(job(body="x"))
        assert len(box.mails) == 1


@pytest.mark.asyncio
async def test_a_server_nobody_vouches_for_gets_nothing(tmp_path: Path) -> None:
    async with mailbox(tmp_path, "starttls") as box:
        box.trust = None
        with pytest.raises(VendorUnavailable):
            await performer(box, "starttls").perform(job(body="x"))
        assert box.mails == []


@pytest.mark.asyncio
async def test_a_server_without_starttls_gets_nothing(tmp_path: Path) -> None:
    async with mailbox(tmp_path) as box:
        with pytest.raises(VendorUnavailable):
            await performer(box, "starttls").perform(job(body="x"))
        assert box.mails == []


@pytest.mark.asyncio
async def test_a_wrong_password_is_a_refusal(tmp_path: Path) -> None:
    async with mailbox(tmp_path, "starttls", login=("bot", "s3cret")) as box:
        with pytest.raises(VendorRejected) as refused:
            await performer(box, "starttls", username="bot", password="wrong").perform(job(body="x"))
    assert "wrong" not in str(refused.value)


@pytest.mark.parametrize(
    ("reply", "error"),
    [("451 try later", VendorUnavailable), ("552 too large", VendorRejected), ("421 closing", VendorUnavailable)],
)
@pytest.mark.asyncio
async def test_a_reply_says_whether_to_come_again(tmp_path: Path, reply: str, error: type[Exception]) -> None:
    async with mailbox(tmp_path, replies=[reply]) as box:
        with pytest.raises(error):
            await performer(box).perform(job(body="x"))
        await performer(box).perform(job(body="x"))
        assert [mail["Message-ID"] for mail in box.mails] == ["<c1-a1@example.com>"]


@pytest.mark.asyncio
async def test_a_recipient_of_several_who_is_refused_is_noted(tmp_path: Path) -> None:
    async with mailbox(tmp_path, recipients={"gone@example.com": "550 no such user"}) as box:
        found = await performer(box).perform(job(to=["gone@example.com", "ops@example.com"], body="x"))
        assert found == [Record(kind="event", data={"mail": "refused", "recipients": 1})]
        assert box.envelopes == [["ops@example.com"]]


@pytest.mark.parametrize(("reply", "error"), [("550 no such user", VendorRejected), ("450 busy", VendorUnavailable)])
@pytest.mark.asyncio
async def test_a_mail_that_nobody_takes_was_not_sent(tmp_path: Path, reply: str, error: type[Exception]) -> None:
    async with mailbox(tmp_path, recipients={"ops@example.com": reply}) as box:
        with pytest.raises(error) as refused:
            await performer(box).perform(job(body="x"))
    assert "ops@" not in str(refused.value)


@pytest.mark.asyncio
async def test_a_server_that_is_not_there_may_be_later(tmp_path: Path) -> None:
    async with mailbox(tmp_path) as box:
        pass
    with pytest.raises(VendorUnavailable):
        await performer(box).perform(job(body="x"))


@pytest.mark.parametrize(
    "to",
    [
        None,
        "",
        [],
        7,
        "nobody",
        "a@b@c",
        "x y@example.com",
        "a@example.com\nb@example.com",
        "a@evil.example",
        ["ok"] * 21,
    ],
)
@pytest.mark.asyncio
async def test_who_may_not_be_mailed_is_not(tmp_path: Path, to: Any) -> None:
    async with mailbox(tmp_path) as box:
        with pytest.raises(JobRefused):
            await performer(box, recipients=["*@EXAMPLE.com"]).perform(job(to=to, body="x"))
        assert box.mails == []


@pytest.mark.asyncio
async def test_without_a_mail_server_mails_are_refused() -> None:
    with pytest.raises(JobRefused):
        await MailPerformer(lambda: None, ManualClock()).perform(job(body="x"))
