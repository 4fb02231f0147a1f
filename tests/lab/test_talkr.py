"""The lab's TALKR bot, asked by clients written after the vendor's own samples, and by ones that do it wrong."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from gateway.lab.talkr import LabTalkr, main
from gateway.lab.talkr_bot import BOTS, answer

HEADERS = {"Content-Type": "application/json", "X-Talkr-Query": "1"}


@asynccontextmanager
async def lab_and_client(**settings: Any) -> AsyncIterator[tuple[LabTalkr, httpx.AsyncClient]]:
    async with LabTalkr(slow=0.0, **settings) as lab, httpx.AsyncClient(base_url=lab.server.url) as client:
        yield lab, client


class Client:
    """What the vendor's samples do, on one channel."""

    def __init__(self, client: httpx.AsyncClient, path: str = "/api/acme/42/telephony") -> None:
        self._client = client
        self._path = path
        self.session = self.tracking = ""

    async def start(self) -> dict[str, Any]:
        return self._keep(await self._client.post(self._path, json={}, headers=HEADERS))

    async def say(self, text: str) -> dict[str, Any]:
        return self._keep(await self.post(text))

    async def post(self, text: str) -> httpx.Response:
        body = {"message": text, "session": self.session, "tracking": self.tracking}
        return await self._client.post(self._path, json={**body, "variables": {"userresponse": text}}, headers=HEADERS)

    def _keep(self, answer: httpx.Response) -> dict[str, Any]:
        data: dict[str, Any] = answer.json()
        self.session = data["session"]
        self.tracking = data["data"]["responses"][0]["tracking"]
        return data


@pytest.mark.asyncio
async def test_tk14_tk15_tk32_the_python_sample():
    async with lab_and_client() as (_, http):
        client = Client(http)
        first = await client.start()
        assert first["code"] == 200
        assert first["variables"]["bot_answer"] == first["data"]["messages"][0]["content"] == BOTS["en"].greeting
        second = await client.say("how does talkr work?")
        assert second["session"] == first["session"]
        assert second["variables"]["bot_answer"] == BOTS["en"].unknown


@pytest.mark.asyncio
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_the_curl_sample():
    async with lab_and_client() as (lab, _):
        url = lab.url.format(company="acme", bot_id=42, channel="web")

        async def curl(*data: str) -> dict[str, Any]:
            process = await asyncio.create_subprocess_exec(
                *["curl", "-s", "--noproxy", "*", "-X", "POST", url, "-H", "Content-Type: application/json"],
                *["-H", "X-Talkr-Query: 1", *data],
                stdout=asyncio.subprocess.PIPE,
            )
            async with asyncio.timeout(20):
                out, _ = await process.communicate()
            answer: dict[str, Any] = json.loads(out)
            return answer

        first = await curl("-d", "{}")
        turn = {"message": "hours", "session": first["session"], "tracking": first["data"]["responses"][0]["tracking"]}
        second = await curl("-d", json.dumps({**turn, "variables": {"userresponse": "hours"}}))
    assert second["variables"]["bot_answer"].startswith("We are open")


@pytest.mark.asyncio
@pytest.mark.parametrize("body", [b"", b"{}", b"  ", b" {} "])
async def test_tk08_an_empty_body_and_an_empty_object_start_a_conversation(body: bytes):
    async with lab_and_client() as (_, http):
        answer = await http.post("/api/acme/42/telephony", content=body, headers=HEADERS)
    assert answer.json()["variables"]["bot_answer"] == BOTS["en"].greeting


@pytest.mark.asyncio
async def test_tk34_both_channels_differ_only_in_the_phone_settings():
    async with lab_and_client() as (_, http):
        phone = await Client(http).start()
        web = await Client(http, "/api/acme/42/web").start()
    extra = {"speech_recognizer", "retries", "hangup_no_response"}
    assert phone["data"].keys() - web["data"].keys() == extra
    assert phone.keys() == web.keys()


@pytest.mark.asyncio
async def test_tk05_the_query_header_is_not_asked_for():
    async with lab_and_client() as (_, http):
        for channel in ("web", "telephony"):
            answer = await http.post(f"/api/acme/42/{channel}", json={})
            assert answer.status_code == 200


@pytest.mark.asyncio
async def test_the_conversation_is_where_the_tracking_says():
    async with lab_and_client() as (_, http):
        client = Client(http)
        menu = await client.start()
        code = await client.say("password")
        assert code["data"]["object_id"] != menu["data"]["object_id"]
        assert (await client.say("12"))["variables"]["bot_answer"] == BOTS["en"].code_again
        assert "1 2 3 4" in (await client.say("1234"))["variables"]["bot_answer"]
        client.tracking = code["data"]["object_id"]
        assert "9 9 9 9" in (await client.say("9999"))["variables"]["bot_answer"]


@pytest.mark.asyncio
async def test_what_the_telephony_channel_adds():
    async with lab_and_client() as (_, http):
        client = Client(http)
        await client.start()
        slow = await client.say("information about your last call")
        voice = await client.say("another voice")
        french = await client.say("speak french")
        end = await client.say("au revoir")
    assert slow["data"]["has_background_text"] == 1
    assert slow["data"]["messages"][0]["content"] != slow["variables"]["bot_answer"]
    assert voice["data"]["speech_synthesis"]["voice"]
    assert french["language"] == {"name": "French", "slug": "FR"}
    assert french["data"]["speech_synthesis"] == {"language": "fr-FR"}
    assert "au revoir" in french["data"]["speech_recognizer"]["hints"]
    assert (end["data"]["retries"], end["data"]["hangup_no_response"]) == (0, 1)


@pytest.mark.asyncio
async def test_two_callers_do_not_meet():
    async with lab_and_client() as (_, http):
        one, other = Client(http), Client(http)
        await one.start()
        await other.start()
        await one.say("speak french")
        assert (await other.say("hours"))["language"]["slug"] == "EN"
        assert one.session != other.session


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("/api/acme/41/telephony", b"{}", HEADERS, 404),
        ("/api/other/42/telephony", b"{}", HEADERS, 404),
        ("/api/acme/42/sms", b"{}", HEADERS, 404),
        ("/", b"{}", HEADERS, 404),
        ("/api/acme/42/telephony", b"{}", {"Content-Type": "text/plain"}, 400),
        ("/api/acme/42/telephony", b"{", HEADERS, 400),
        ("/api/acme/42/telephony", b"[1]", HEADERS, 400),
        ("/api/acme/42/telephony", b'{"message": "hi"}', HEADERS, 400),
        ("/api/acme/42/telephony", b'{"message":"a","session":"s","tracking":"t","variables":{}}', HEADERS, 400),
        ("/api/acme/42/telephony", b'{"message":"a","session":"s","tracking":"t","variables":[]}', HEADERS, 400),
        ("/api/acme/42/telephony", b'{"message":"a","session":3,"tracking":"t","variables":{"userresponse":"a"}}',
         HEADERS, 400),
    ],
)  # fmt: skip
async def test_tk29_mistakes_are_refused(path: str, body: bytes, headers: dict[str, str], status: int):
    async with lab_and_client() as (_, http):
        answer = await http.post(path, content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, status)


@pytest.mark.asyncio
@pytest.mark.parametrize("expiry", ["400", "404", "new", "error"])
async def test_tk31_how_a_session_expires(expiry: str):
    async with lab_and_client(expiry=expiry) as (lab, http):
        client = Client(http)
        await client.start()
        lab.expire()
        answer = await client.post("hours")
    data = answer.json()
    if expiry in ("400", "404"):
        assert (answer.status_code, data["code"]) == (int(expiry), int(expiry))
    elif expiry == "new":
        assert data["session"] not in ("", client.session)
        assert data["variables"]["bot_answer"].startswith("We are open")
    else:
        assert "session" in data["variables"]["error"]


@pytest.mark.asyncio
async def test_tk31_sessions_expire_by_themselves():
    async with lab_and_client(session_ttl=0.0) as (_, http):
        client = Client(http)
        await client.start()
        assert (await client.post("hours")).status_code == 400


@pytest.mark.asyncio
async def test_tk30_a_fault_script_and_the_request_log():
    async with lab_and_client(faults="500*2,429:3,code:404,garbage") as (lab, http):
        answers = [await http.post("/api/acme/42/telephony", json={}, headers=HEADERS) for _ in range(6)]
        assert [answer.status_code for answer in answers] == [500, 500, 429, 200, 200, 200]
        assert answers[2].headers["retry-after"] == "3"
        assert answers[3].json()["code"] == 404
        with pytest.raises(ValueError):
            answers[4].json()
        assert answers[5].json()["code"] == 200
        times = [request.at for request in lab.requests]
        assert len(times) == 6
        assert times == sorted(times)


@pytest.mark.asyncio
async def test_a_fault_for_one_request():
    async with lab_and_client() as (_, http):
        by_header = await http.post("/api/acme/42/web", json={}, headers={**HEADERS, "X-Lab-Fault": "503"})
        by_query = await http.post("/api/acme/42/web?fault=502", json={}, headers=HEADERS)
        unknown = await http.post("/api/acme/42/web?fault=gremlin", json={}, headers=HEADERS)
    assert (by_header.status_code, by_query.status_code, unknown.status_code) == (503, 502, 400)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_every_phrase_is_understood(language: str):
    bot = BOTS[language]
    for topic in bot.topics:
        for phrase in topic.hears:
            assert answer(f"Euh, {phrase.upper()}!", block="menu", language=language, last="x").topic == topic.name


@pytest.mark.parametrize("language", ["en", "fr"])
def test_silence_and_strange_words_have_an_answer(language: str):
    assert answer("", block="menu", language=language, last="").says == BOTS[language].again
    assert answer("hoursglass", block="menu", language=language, last="").says == BOTS[language].unknown
    assert answer(BOTS[language].topics[9].hears[0], block="menu", language=language, last="Encore.").says == "Encore."


@pytest.mark.asyncio
async def test_as_a_program():
    program = "import sys; from gateway.lab.talkr import main; sys.exit(main(sys.argv[1:]))"
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-c", program, "--port", "0", "--bot", "7=fr"], stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            line = (await process.stdout.readline()).decode()
            url = line.split()[-1].format(company="acme", bot_id=7, channel="telephony")
            async with httpx.AsyncClient() as http:
                answer = await http.post(url, json={}, headers=HEADERS)
    finally:
        process.terminate()
        await process.communicate()
    assert answer.json()["variables"]["bot_answer"] == BOTS["fr"].greeting


@pytest.mark.parametrize("argv", [["--faults", "gremlin"], ["--bot", "7=tlh"], ["--expiry", "never"]])
def test_mistyped_arguments(argv: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(argv)
    assert "usage" in capsys.readouterr().err


def test_a_port_that_is_taken_is_said(capsys: pytest.CaptureFixture[str]):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["--port", str(taken.getsockname()[1])]) == 1
    assert "cannot listen" in capsys.readouterr().err
