"""What webhooks, hooks and links send over the wire, where they may send it, and what an answer means."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from config.bots import BotSection
from config.jobs import HookSection, WebhooksSection
from gateway.actions import Record
from gateway.errors import VendorRejected, VendorUnavailable
from gateway.interfaces import AfterCallJob, BackendCapabilities
from gateway.jobs.addresses import addresses_in, begins_with, is_http, may_be_mailed, same_origin
from gateway.jobs.errand import BackendPerformer
from gateway.jobs.hooks import AddonPerformer, Hooks, LinkPerformer
from gateway.jobs.job import JobRefused
from gateway.jobs.webhook import WebhookPerformer
from gateway.kit.http import HttpClient, VendorBusy
from gateway.lab.server import LabReply, LabRequest, LabServer
from tests.fakes.clock import ManualClock

CALL = {"call_id": "c1", "caller": "+33612345678", "number": "+33123456789", "bot": "reception", "exchange": ["hello"]}


def job(kind: str = "webhook", **data: Any) -> AfterCallJob:
    return AfterCallJob(key="c1-a1", kind=kind, data=data, call=CALL)


class Sink:
    """A service on loopback that answers as it is told."""

    def __init__(self, reply: LabReply | None = None) -> None:
        self.reply = reply or LabReply()
        self.server = LabServer(self._handle)

    async def _handle(self, request: LabRequest) -> LabReply:
        return self.reply

    @property
    def only(self) -> LabRequest:
        (request,) = self.server.requests
        return request


async def webhook(sink: Sink, rules: Mapping[str, Any] | None = None, written: Sequence[str] = (), **data: Any) -> None:
    """Has a webhook performed; by default the sink is allowed."""
    async with sink.server, HttpClient() as http:
        given = {"allow": [sink.server.url]} if rules is None else rules
        told = json.loads(json.dumps(given).replace("SINK", sink.server.url))
        section = WebhooksSection.model_validate(told)
        addresses = [address.replace("SINK", sink.server.url) for address in written]
        performer = WebhookPerformer(http, lambda: section, lambda bot: addresses if bot == "reception" else [])
        await performer.perform(job(**{"url": sink.server.url + "/calls?x=1", **data}))


# --- webhooks ------------------------------------------------------------------------------------------------------
@pytest.mark.asyncio
async def test_a_webhook_is_a_post_of_json_with_its_key() -> None:
    sink = Sink()
    await webhook(sink, body={"text": "Zoë \ud83d"}, headers={"X-Kind": "call"})
    assert (sink.only.method, sink.only.path, sink.only.query) == ("POST", "/calls", {"x": "1"})
    assert sink.only.json() == {"text": "Zoë \ud83d"}
    assert sink.only.headers["content-type"] == "application/json"
    assert sink.only.headers["idempotency-key"] == "c1-a1"
    assert sink.only.headers["x-kind"] == "call"
    assert "authorization" not in sink.only.headers


@pytest.mark.asyncio
async def test_a_text_is_sent_as_it_is() -> None:
    sink = Sink()
    await webhook(sink, body="a=1&b=ü", headers={"Content-Type": "application/x-www-form-urlencoded"}, method="put")
    assert (sink.only.method, sink.only.body) == ("PUT", "a=1&b=ü".encode())
    assert sink.only.headers["content-type"] == "application/x-www-form-urlencoded"


CREDENTIALS = {"crm": {"username": "bot", "password": "s3cret", "urls": ["SINK/calls"]}}
ELSEWHERE = {"crm": {**CREDENTIALS["crm"], "urls": ["SINK/x"]}}


@pytest.mark.asyncio
async def test_a_bot_names_credentials_it_does_not_know() -> None:
    sink = Sink()
    await webhook(sink, {"allow": ["SINK"], "credentials": CREDENTIALS}, basic_auth="crm")
    assert sink.only.headers["authorization"] == "Basic Ym90OnMzY3JldA=="


@pytest.mark.parametrize(
    ("rules", "data"),
    [
        ({}, {}),
        ({"allow": ["https://crm.example.com"]}, {}),
        ({"allow": ["SINK/other"]}, {}),
        ({"allow": ["SINK"]}, {"url": "ftp://x.example/"}),
        ({"allow": ["SINK"]}, {"url": None}),
        ({"allow": ["SINK"]}, {"method": "DELETE"}),
        ({"allow": ["SINK"]}, {"headers": {"Host": "x"}}),
        ({"allow": ["SINK"]}, {"headers": {"Idempotency-Key": "x"}}),
        ({"allow": ["SINK"]}, {"headers": {"x": 1}}),
        ({"allow": ["SINK"]}, {"basic_auth": "crm"}),
        (
            {"allow": ["SINK"], "credentials": {"crm": {**CREDENTIALS["crm"], "urls": ["SINK/x"]}}},
            {"basic_auth": "crm"},
        ),
    ],
)
@pytest.mark.asyncio
async def test_what_the_operator_has_not_allowed_is_refused_before_anything_is_sent(
    rules: dict[str, Any], data: dict[str, Any]
) -> None:
    sink = Sink()
    with pytest.raises(JobRefused) as refused:
        await webhook(sink, rules, **data)
    assert not sink.server.requests
    assert "127.0.0.1" not in str(refused.value)


@pytest.mark.asyncio
async def test_where_the_operator_has_written_it_under_the_bot_it_needs_no_leave() -> None:
    sink = Sink()
    await webhook(sink, {}, written=["SINK/api/v1"])
    assert sink.only.path == "/calls"


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, VendorRejected), (302, VendorRejected), (401, VendorRejected), (503, VendorUnavailable), (429, VendorBusy)],
)
@pytest.mark.asyncio
async def test_a_status_says_whether_to_come_again(status: int, error: type[Exception]) -> None:
    headers = {"retry-after": "9", "location": "https://elsewhere.example"}
    with pytest.raises(error) as failed:
        await webhook(Sink(LabReply(status=status, headers=headers)))
    assert getattr(failed.value, "retry_after", 9) == 9


@pytest.mark.asyncio
async def test_a_service_that_drops_the_connection_may_take_it_later() -> None:
    with pytest.raises(VendorUnavailable):
        await webhook(Sink(LabReply(drop=True)))


# --- hooks ---------------------------------------------------------------------------------------------------------
HOOKS: dict[str, dict[str, Any]] = {
    "sms": {"url": "URL/sms", "secret": "whisper"},
    "crm": {"url": "URL/crm", "headers": {"X-Api-Key": "k"}, "basic_auth": {"username": "u", "password": "p"}},
}


async def told(kind: str, sink: Sink, **data: Any) -> None:
    async with sink.server, HttpClient() as http:
        sections = {
            name: HookSection.model_validate({**hook, "url": hook["url"].replace("URL", sink.server.url)})
            for name, hook in HOOKS.items()
        }
        hooks = Hooks(http, lambda: sections, ManualClock())
        performer = LinkPerformer(hooks) if kind == "link" else AddonPerformer(hooks)
        assert await performer.perform(job(kind, **data)) == ()


@pytest.mark.asyncio
async def test_a_link_hook_learns_whom_to_send_what_signed_and_with_its_key() -> None:
    sink = Sink()
    await told("link", sink, url="https://acme.example/w", text="The way", hook="sms", policy="hook")
    body = sink.only.json()
    assert (body["event"], body["key"], body["url"], body["text"]) == (
        "link",
        "c1-a1",
        "https://acme.example/w",
        "The way",
    )
    assert (body["to"], body["call"]["number"], "exchange" in body["call"]) == ("+33612345678", "+33123456789", False)
    at = sink.only.headers["x-talkpath-timestamp"]
    wanted = hmac.new(b"whisper", at.encode() + b"." + sink.only.body, hashlib.sha256).hexdigest()
    assert sink.only.headers["x-talkpath-signature"] == f"sha256={wanted}"
    assert at == str(int(ManualClock().wall().timestamp()))
    assert sink.only.headers["idempotency-key"] == "c1-a1"


@pytest.mark.parametrize("url", ["javascript:alert(1)", "tel:+33123", "https://user:pw@acme.example/", "", None, "x"])
@pytest.mark.asyncio
async def test_only_web_addresses_are_links(url: Any) -> None:
    sink = Sink()
    with pytest.raises(JobRefused):
        await told("link", sink, url=url, hook="sms")
    assert not sink.server.requests


@pytest.mark.parametrize("key", ["hook", "name", "addon", "addon_type", "type"])
@pytest.mark.asyncio
async def test_a_dispatch_reaches_the_hook_it_names_with_the_call(key: str) -> None:
    sink = Sink()
    await told("addon", sink, **{key: "crm", "ticket": 7})
    body = sink.only.json()
    assert (sink.only.path, body["event"], body["addon"], body["call"]) == ("/crm", "addon", "crm", CALL)
    assert body["data"] == {key: "crm", "ticket": 7}
    assert sink.only.headers["x-api-key"] == "k"
    assert sink.only.headers["authorization"] == "Basic dTpw"
    assert "x-talkpath-signature" not in sink.only.headers


@pytest.mark.asyncio
async def test_a_dispatch_that_asks_for_it_comes_with_what_was_said() -> None:
    sink = Sink()
    call = {**CALL, "exchange": [{"caller": "Hello?", "bot": ""}]}
    async with sink.server, HttpClient() as http:
        section = HookSection(url=sink.server.url)
        performer = AddonPerformer(Hooks(http, lambda: {"crm": section}, ManualClock()))
        await performer.perform(
            AfterCallJob(key="k", kind="addon", data={"hook": "crm", "transcript": True}, call=call)
        )
    assert "Caller: Hello?" in sink.only.json()["transcript"]


@pytest.mark.asyncio
async def test_a_hook_nobody_has_configured_is_refused() -> None:
    with pytest.raises(JobRefused):
        await told("addon", Sink(), name="nobody")


@pytest.mark.asyncio
async def test_a_hook_that_fails_says_whether_to_come_again() -> None:
    with pytest.raises(VendorUnavailable):
        await told("addon", Sink(LabReply(status=500)), name="crm")


# --- errands of the bot's platform ---------------------------------------------------------------------------------
class Platform:
    """A backend that has something to do after calls."""

    capabilities = BackendCapabilities()
    routes = ()

    def __init__(self) -> None:
        self.asked: list[AfterCallJob] = []

    async def after_call(self, job: AfterCallJob) -> Sequence[Record]:
        self.asked.append(job)
        return [Record(kind="note", data={"history": []})]


@pytest.mark.asyncio
async def test_an_errand_is_done_by_the_backend_of_its_bot() -> None:
    platform: Any = Platform()
    found = await BackendPerformer(lambda: {"reception": platform}).perform(job("backend", job="history"))
    assert found == [Record(kind="note", data={"history": []})]
    assert [asked.data for asked in platform.asked] == [{"job": "history"}]


@pytest.mark.parametrize("backends", [{}, {"reception": object()}])
@pytest.mark.asyncio
async def test_an_errand_nobody_can_do_is_refused(backends: Any) -> None:
    with pytest.raises(JobRefused):
        await BackendPerformer(lambda: backends).perform(job("backend"))


# --- addresses -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("url", "is_below"),
    [
        ("https://a.example/x", True),
        ("https://a.example/x/", True),
        ("https://a.example/x/y?z=1#f", True),
        ("https://A.EXAMPLE:443/x", True),
        ("https://a.example./x", True),
        ("https://a.example/xy", False),
        ("https://a.example/", False),
        ("https://a.example/x/../y", False),
        ("https://a.example/x/%2e%2e/y", False),
        ("https://a.example/x\\..\\y", False),
        ("https://a.example.evil/x", False),
        ("https://a.example@evil/x", False),
        ("https://a.example:8443/x", False),
        ("http://a.example/x", False),
        ("https://a.example:port/x", False),
        ("https:///x", False),
        ("https://a.example/x y", False),
        ("", False),
    ],
)
def test_an_address_is_below_another_by_its_parts(url: str, is_below: bool) -> None:
    assert begins_with(url, "https://a.example/x") is is_below


def test_a_whole_host_is_a_beginning() -> None:
    assert begins_with("https://a.example/any?x", "https://a.example")
    assert not begins_with("https://a.example.evil/any", "https://a.example")


def test_same_origin_compares_scheme_host_and_port() -> None:
    assert same_origin("https://a.example/x", ["http://b", "https://a.example/y"])
    assert not same_origin("http://a.example/x", ["https://a.example/y"])
    assert not same_origin("nonsense", ["nonsense"])


def test_every_address_an_operator_wrote_under_a_bot_is_found() -> None:
    class Nested(BotSection):
        url: str
        webhooks: dict[str, tuple[str, ...]]

    section = Nested(backend="x", url="https://a", webhooks={"w": ("http://b", "no address")})
    assert list(addresses_in(section)) == ["https://a", "http://b"]
    assert list(addresses_in(None)) == []


def test_what_is_a_web_address() -> None:
    assert is_http("https://a.example/x")
    assert not any(is_http(url) for url in ("https://u@a.example", "mailto:x@y", "//a.example", "https://", "x"))


def test_mail_patterns() -> None:
    assert may_be_mailed("Ops@Example.com", ["*@example.COM"])
    assert may_be_mailed("x@y", ["*"])
    assert not may_be_mailed("ops@example.com.evil", ["*@example.com"])
    assert not may_be_mailed("ops@example.com", [])
