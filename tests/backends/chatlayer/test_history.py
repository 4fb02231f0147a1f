"""The platform's own history: rows in order, as records of the call, and to find what never arrived."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.backends.chatlayer.history import MAX_RECORDED, Row, in_order, missed, parse_page, records_of
from gateway.backends.chatlayer.protocol import message_digest
from gateway.errors import RemoteProtocolError
from tests.fakes.chatlayer import VECTORS

WANTED = VECTORS["history_response"]


def row(text: str, actor: str = "bot", at: str = "") -> Row:
    return Row(id=text, actor=actor, created_at=at, is_intro=False, message={"text": text})


def body(value: Any) -> bytes:
    return json.dumps(value).encode()


def test_c9_cl15_five_rows_are_five_record_lines_in_order() -> None:
    page = parse_page(body({**WANTED, "rows": WANTED["rows"][::-1]}))
    assert page.count == 5
    records = records_of(page.rows)
    assert [record.kind for record in records] == ["conversation"] * 5
    assert [record.data["id"] for record in records] == [each["id"] for each in WANTED["rows"]]
    assert records[0].data["id"] == "5ddfffd8888c7bf11ebsss14"
    assert records[-1].data == {
        "id": "5dd6bfd89b23456111b21a18",
        "actor": "bot",
        "created_at": "2019-11-21T16:48:20.469Z",
        "is_intro": False,
        "text": "ok test123",
        "message": {"text": "ok test123"},
    }
    assert [record.data["text"] for record in records] == ["button text", "quick reply text", "title", "", "ok test123"]


def test_a_message_that_is_only_text_is_a_message() -> None:
    page = parse_page(body({"rows": [{"message": "Hi."}, {"message": 3}]}))
    assert [each.message for each in page.rows] == [{"text": "Hi."}, {}]


def test_cl15_an_introduction_is_marked() -> None:
    page = parse_page(body({"rows": [{"isIntro": True, "message": {"text": "Hi."}}]}))
    assert records_of(page.rows)[0].data["is_intro"] is True


@pytest.mark.parametrize("value", [[], {}, {"rows": None}, {"rows": {}}, 3, None])
def test_what_is_no_page_is_refused(value: Any) -> None:
    with pytest.raises(RemoteProtocolError, match="history"):
        parse_page(body(value))


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["id", "actor", "createdAt", "isIntro", "message"]),
            st.none()
            | st.text(max_size=5)
            | st.integers()
            | st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
        )
    )
)
def test_any_rows_can_be_read(rows: list[dict[str, Any]]) -> None:
    page = parse_page(body({"rows": rows, "count": "5"}))
    assert page.count is None
    assert len(records_of(page.rows)) == len(rows)


def test_rows_without_a_time_stay_with_their_neighbours() -> None:
    rows = [row("b", at="2026-01-01T10:00:02Z"), row("c"), row("a", at="2026-01-01T10:00:01"), row("x", at="soon")]
    assert [each.id for each in in_order(rows)] == ["a", "x", "b", "c"]


def test_of_a_conversation_that_goes_on_only_this_call_s_rows_are_kept() -> None:
    rows = [row("before", at="2026-01-01T09:59:00Z"), row("now", at="2026-01-01T09:59:55Z"), row("undated")]
    assert [each.data["id"] for each in records_of(rows, since="2026-01-01T11:00:00+01:00")] == ["now", "undated"]
    assert len(records_of(rows, since="")) == 3


def test_a_record_has_its_bound() -> None:
    rows = [row(str(place), at=f"2026-01-01T10:{place // 60:02d}:{place % 60:02d}Z") for place in range(400)]
    kept = records_of(rows)
    assert (len(kept), kept[-1].data["id"]) == (MAX_RECORDED, "399")


def test_what_was_missed_is_what_came_after_the_user_and_was_not_delivered() -> None:
    rows = [row("old"), row("hi", "user"), row("a"), row("b"), row("a")]
    delivered = Counter([message_digest({"text": "a"})])
    assert [each.id for each in missed(rows, delivered)] == ["b", "a"]
    assert [each.id for each in missed(rows[:2], Counter())] == []
    assert [each.id for each in missed([row("only")], Counter())] == ["only"]
    assert delivered == Counter([message_digest({"text": "a"})])


@pytest.mark.parametrize("actor", ["user", "customer", "", "agent"])
def test_c9_whoever_is_not_the_bot_is_the_user(actor: str) -> None:
    page = parse_page(body({"rows": [{"actor": actor, "message": {"text": "x"}}]}))
    assert not page.rows[0].is_bots
