"""FAQ files: what is checked before they are sent, how they are sent, and how their end is awaited."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.backends.haptik.client import HaptikApi
from gateway.backends.haptik.faq import DEFAULT_HEADER, read_steps, state_of
from gateway.backends.haptik.upload import follow
from gateway.errors import VendorError, VendorRejected
from gateway.kit.http import failure_kind
from gateway.lab.haptik import LabHaptik
from gateway.lab.haptik_side import COLUMNS, FAQ, FAQ_STATUS
from gateway.lab.server import LabReply, json_reply
from tests.fakes.haptik import VECTORS, HaptikCall, bot_settings, haptik_call

FAQS = VECTORS["faq"]
TASK = FAQS["create_response"]["body"]["task_id"]
HEADER = ",".join(DEFAULT_HEADER)
GOOD = (
    f'{HEADER}\nhours,opening hours|when are you open,"We are open from nine to five.<m>Every day."\nplace,where,Here\n'
)
DONE = "all steps have been created successfully"


def api_of(call: HaptikCall) -> HaptikApi:
    return call.backend._api


# --- the file ------------------------------------------------------------------------------------------------------
def test_hp12_h7_several_questions_and_answers_of_a_step() -> None:
    assert list(DEFAULT_HEADER) == COLUMNS
    steps, problems = read_steps(GOOD.encode())
    assert problems == []
    assert steps[0].questions == ("opening hours", "when are you open")
    assert steps[0].answers == ("We are open from nine to five.", "Every day.")
    assert [step.name for step in steps] == ["hours", "place"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "the columns must be|no steps"),
        (HEADER, "no steps"),
        ("a,b,c\nx,y,z", "line 1: the columns must be"),
        (f"{HEADER}\nx,y,z\nx,a,b", "line 3: node_name 'x' is there twice"),
        (f"{HEADER}\n,y,z", "line 2: node_name is blank"),
        (f"{HEADER}\nx, ,z", "line 2: a question is blank"),
        (f"{HEADER}\nx,a||b,z", "line 2: a question is blank"),
        (f"{HEADER}\nx,y,a<m>", "line 2: an answer is blank"),
        (f"{HEADER}\nx|z,y,a", r"line 2: node_name holds \|"),
        (f"{HEADER}\nx,y<m>,a", "line 2: a question holds <m>"),
        (f"{HEADER}\nx,y", "line 2: 2 columns"),
        (f'{HEADER}\nx,"y"z,a', "line 2: "),
        (f'{HEADER}\nx,"y,a', "line 2: "),
    ],
)
def test_hp12_hp16_what_is_wrong_is_said_with_its_line(content: str, problem: str) -> None:
    _, problems = read_steps(content.encode())
    assert any(re.search(problem, found) for found in problems), problems


def test_hp12_the_file_is_utf8_with_or_without_a_mark() -> None:
    assert read_steps(b"\xef\xbb\xbf" + GOOD.encode())[1] == []
    assert read_steps(f"{HEADER}\r\nx,café,ça va\r\n".encode())[0][0].answers == ("ça va",)
    assert "not UTF-8" in read_steps(f"{HEADER}\nx,café,a".encode("latin-1"))[1][0]


@given(st.binary(max_size=200))
def test_hp12_any_bytes_are_read_or_refused(content: bytes) -> None:
    steps, problems = read_steps(content)
    assert steps or problems


# --- the requests --------------------------------------------------------------------------------------------------
@pytest.mark.asyncio
async def test_h7_hp13_hp01_the_file_goes_as_a_form_and_the_task_comes_back() -> None:
    async with haptik_call(FAQS["create_response"]) as call:
        assert await api_of(call).upload_faq("acme", "faq.csv", GOOD.encode()) == TASK
    (request,) = call.server.requests
    assert (request.method, request.path) == ("POST", FAQ)
    assert request.headers["authorization"] == "Bearer lab-token"
    assert request.headers["client-id"] == "lab-client"
    kind = request.headers["content-type"]
    assert kind.startswith("multipart/form-data; boundary=")
    parts = BytesParser().parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + request.body).get_payload()
    fields = {part.get_param("name", header="content-disposition"): part for part in parts}  # type: ignore[union-attr]  # a multipart message has parts
    assert set(fields) == {"domain_name", "csv_file"}
    assert fields["domain_name"].get_payload(decode=True) == b"acme"  # type: ignore[union-attr]  # a multipart message has parts
    assert fields["csv_file"].get_payload(decode=True) == GOOD.encode()  # type: ignore[union-attr]  # a multipart message has parts
    assert fields["csv_file"].get_filename() == "faq.csv"  # type: ignore[union-attr]  # a multipart message has parts


@pytest.mark.asyncio
@pytest.mark.parametrize(("status", "kind"), [(400, "protocol"), (401, "auth"), (403, "auth")])
@pytest.mark.parametrize("body", [FAQS["error"], {}], ids=["words", "bare"])
async def test_hp14_h7_a_refused_upload_is_not_tried_again(status: int, kind: str, body: dict[str, Any]) -> None:
    async with haptik_call(json_reply(body, status)) as call:
        with pytest.raises(VendorRejected) as caught:
            await api_of(call).upload_faq("acme", "faq.csv", GOOD.encode())
    assert failure_kind(caught.value) == kind
    assert ("invalid doman" in str(caught.value)) is bool(body)
    assert len(call.server.requests) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize("body", [b"<html>", b"{}", b'{"success": true, "body": {}}', b'{"success": false}'])
async def test_hp13_an_upload_without_a_task_is_an_error(body: bytes) -> None:
    async with haptik_call(LabReply(body=body)) as call:
        with pytest.raises(VendorError):
            await api_of(call).upload_faq("acme", "faq.csv", GOOD.encode())
    assert len(call.server.requests) == 1


def status(words: str, **changed: Any) -> dict[str, Any]:
    sample = FAQS["status_response"]
    return {**sample, "body": {"status": words}, **changed}


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (FAQS["status_response"], "done"),
        (status("Success"), "done"),
        (status("In Progress"), "running"),
        (status("PENDING"), "running"),
        (status("Error while creating step x"), "failed"),
        (status("KeyError exception"), "failed"),
        (status("failed"), "failed"),
        (status("unsuccessful"), "failed"),
        (status("success", success=False), "failed"),
        (status("In Progress", error="boom"), "failed"),
        (status("queued"), "unclear"),
        ({}, "unclear"),
        ([], "unclear"),
    ],
    ids=str,
)
def test_h7_hp15_the_three_kinds_of_status(answer: Any, state: str) -> None:
    assert state_of(answer)[0] == state


async def states(*answers: Any) -> tuple[list[str], list[float], list[str]]:
    """What an upload's status comes to, the waits in between, and the paths that were asked."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async with haptik_call(*answers) as call:
        seen = [state async for state, _ in follow(api_of(call).faq_status, TASK, now=lambda: sum(waits), sleep=sleep)]
    return seen, waits, [request.path for request in call.server.requests]


@pytest.mark.asyncio
async def test_h7_hp15_in_progress_twice_then_success() -> None:
    seen, waits, paths = await states(status("In Progress"), status("In Progress"), FAQS["status_response"])
    assert seen == ["running", "running", "done"]
    assert waits == [3.0, 3.0]
    assert paths == [f"{FAQ_STATUS}{TASK}/"] * 3


@pytest.mark.asyncio
async def test_h7_hp15_an_errors_text_is_a_failure() -> None:
    seen, _, _ = await states(status("In Progress"), status("Exception: step 3"))
    assert seen == ["running", "failed"]


@pytest.mark.asyncio
async def test_hp15_what_nobody_knows_is_asked_three_times() -> None:
    seen, _, _ = await states(*[status("queued")] * 5)
    assert seen == ["running", "running", "failed"]
    seen, _, _ = await states(
        status("a"), status("b"), status("a"), status("In Progress"), status("a"), status("success")
    )
    assert seen == ["running"] * 5 + ["done"]


@pytest.mark.asyncio
async def test_hp15_it_is_asked_less_often_after_a_while_and_given_up_in_the_end() -> None:
    seen, waits, _ = await states(*[status("In Progress")] * 120)
    assert seen[-1] == "failed"
    assert set(seen[:-1]) == {"running"}
    assert waits[:11] == [*[3.0] * 10, 10.0]
    assert 880 < sum(waits) <= 900


@pytest.mark.asyncio
async def test_hp15_a_wrong_token_ends_the_waiting() -> None:
    with pytest.raises(VendorRejected):
        await states(json_reply({"error_message": "Unauthorized Access or invalid token"}, 401))


# --- the command ---------------------------------------------------------------------------------------------------
async def talkpath(folder: Path, *arguments: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "gateway", "haptik", *arguments]
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    return await process.wait(), out.decode()


def written(folder: Path, lab: LabHaptik, content: str, **bot: Any) -> None:
    """A configuration of one bot, and a FAQ file beside it."""
    configuration = {
        "lines": {"pbx": {"transport": "asterisk", "auth": "none"}},
        "bots": {"shop": bot_settings(lab.url, **bot)},
        "numbers": {"600": {"bot": "shop"}},
    }
    (folder / "talkpath.yaml").write_text(json.dumps(configuration))
    (folder / "faq.csv").write_text(content)


@pytest.mark.asyncio
async def test_h7_hp12_hp13_hp15_hp16_push_replaces_a_domains_faq_once_it_is_confirmed(tmp_path: Path) -> None:
    async with LabHaptik() as lab:
        lab.account.polls = 0
        lab.account.steps["acme"] = {"old": True, "hours": True}
        written(tmp_path, lab, GOOD, faq={"domain": "acme"})
        code, out = await talkpath(tmp_path, "faq", "push", "faq.csv")
        assert (code, lab.requests) == (1, [])
        assert "2 steps replace the whole FAQ of the domain 'acme'. Go on? Say --yes" in out
        code, out = await talkpath(tmp_path, "faq", "push", "faq.csv", "--wait", "--yes")
        assert code == 0, out
        assert f"done: {DONE}" in out
        assert lab.account.steps["acme"] == {"old": False, "hours": True, "place": True}


@pytest.mark.asyncio
async def test_hp12_hp14_push_sends_nothing_that_is_wrong_and_says_what_haptik_refuses(tmp_path: Path) -> None:
    async with LabHaptik() as lab:
        written(tmp_path, lab, f"{HEADER}\nx,y,z\nx,,z\n")
        code, out = await talkpath(tmp_path, "faq", "push", "faq.csv", "--yes", "--domain", "acme")
        assert (code, lab.requests) == (1, [])
        assert out.splitlines() == [
            "faq.csv: line 3: node_name 'x' is there twice",
            "faq.csv: line 3: a question is blank",
        ]
        (tmp_path / "faq.csv").write_text(GOOD)
        code, out = await talkpath(tmp_path, "faq", "push", "faq.csv", "--yes", "--domain", "other")
        assert (code, out.splitlines()) == (1, ["talkpath: shop: faq create: invalid doman"])


@pytest.mark.asyncio
async def test_hp07_hp15_status_and_history_from_the_command_line(tmp_path: Path) -> None:
    async with LabHaptik() as lab:
        written(tmp_path, lab, GOOD)
        lab.account.tasks["t1"] = ["In Progress", "Error: no"]
        assert await talkpath(tmp_path, "faq", "status", "t1") == (0, "running: In Progress\n")
        assert await talkpath(tmp_path, "faq", "status", "t1", "--bot", "shop") == (1, "failed: Error: no\n")
        code, out = await talkpath(tmp_path, "history", "1", "--user-name", "nobody")
        assert code == 1
        assert "the user has not sent a message yet" in out
        assert (await talkpath(tmp_path, "faq", "check", "faq.csv")) == (
            0,
            "2 steps with 3 questions; nothing is wrong with the file.\n",
        )
