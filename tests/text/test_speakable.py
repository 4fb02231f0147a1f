from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.text.speakable import MAX_CHARS, Speakable, detect, norm, speakable


def said(text: str, **options: object) -> Speakable:
    return speakable(text, detect(text), "en-GB", **options)


@pytest.mark.parametrize(
    ("text", "format"),
    [
        ("<speak>Hi</speak>", "ssml"),
        ('  <?xml version="1.0"?>\n<speak version="1.1">Hi</speak> ', "ssml"),
        ('<!DOCTYPE s [<!ENTITY a "b">]><speak>&a;</speak>', "ssml"),
        ("Say <speak>Hi</speak>", "markdown"),
        ("<speaker>Hi</speaker>", "markdown"),
        ("<b>Hi</b> &amp; bye", "html"),
        ("Hi<br/>there", "html"),
        ("5 < 6 and 7 > 2", "markdown"),
        ("**Hi**", "markdown"),
        ("", "markdown"),
    ],
)
def test_the_format_is_found(text: str, format: str) -> None:
    assert detect(text) == format


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("<b>Hi</b> &amp; bye", "Hi & bye"),
        ("Hello<br>World", "Hello. World"),
        ("<p>One.</p><p>Two</p>", "One. Two"),
        ("<ul>\n  <li>tea</li>\n  <li>milk,</li>\n <li>rice</li></ul>", "tea. milk. rice"),
        ("Go <a href='https://x.example/a'>there</a>!", "Go there!"),
        ("<script>alert('x')</script>Hi<style>b{}</style><!-- no -->", "Hi"),
        ("<table><tr><td>Mon</td><td>9</td></tr><tr><td>Tue</td><td>10</td></tr></table>", "Mon, 9. Tue, 10"),
        ("<i>5 &lt; 6</i> &copy; caf&eacute;&nbsp;&#233;", "5 < 6 © café é"),
        ("<p title='a > b'>Hi</p>", "Hi"),
        ("**Hi** <br> _there_", "Hi. there"),
        ("<b>unclosed", "unclosed"),
    ],
)
def test_html_becomes_sentences(text: str, plain: str) -> None:
    assert said(text) == Speakable(plain, plain, links=said(text).links)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("# Welcome\nto us", "Welcome. to us"),
        (
            "a **bold**, *soft*, __strong__, _slanted_, ~~gone~~ and `code` word",
            "a bold, soft, strong, slanted, gone and code word",
        ),
        ("***both*** and un**believ**able", "both and unbelievable"),
        ("We sell:\n\n- tea\n- milk\n* rice", "We sell: tea. milk. rice"),
        ("1. one\n2. two", "1. one. 2. two"),
        ("A line that\ngoes on.\nA new one\nAnd another", "A line that goes on. A new one. And another"),
        ("> quoted\n\n---\nend", "quoted. end"),
        ("```python\nx = 1\n```", "x = 1"),
        ("| Day | Time |\n|:----|-----:|\n| Mon | 9 |\n| Tue | |", "Day: Mon, Time: 9. Day: Tue"),
        ("2*3*4 = 24, snake_case, 2 * 3", "2*3*4 = 24, snake_case, 2 * 3"),
        (r"\*not emphasis\*", "*not emphasis*"),
        ("- [x] done\n- [ ] open", "done. open"),
        ("![a cat](https://x.example/c.png) sits", "a cat sits"),
        ("see [the docs][1]\n\n[1]: https://x.example", "see the docs"),
        ("R&D, AT&T, Tom &amp; Jerry", "R&D, AT&T, Tom & Jerry"),
        ("**Hello. How", "Hello. How"),
    ],
)
def test_markdown_becomes_sentences(text: str, plain: str) -> None:
    assert said(text).plain == plain
    assert speakable(text, "plain", "en").plain == plain


def test_plain_text_keeps_its_angle_brackets() -> None:
    assert speakable("<b> is a tag", "plain", "en").plain == "<b> is a tag"


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Great 👍🏽 job 🎉!", "Great job !"),
        ("1️⃣ tea 2️⃣ milk", "1 tea 2 milk"),
        ("👨‍👩‍👧 ⭐ ✅ → 🇫🇷 ok", "ok"),
        ("20 °C, 5 €, ©, ½", "20 °C, 5 €, ©, ½"),
        ("Fine :-) thanks ;)", "Fine thanks"),
        ("zero\u200bwidth, soft\u00adhyphen, bell\x07, nul\x00", "zerowidth, softhyphen, bell, nul"),
        ("a \u00a0 b\t\r\n c", "a b c"),
        ("\ud800lone", "lone"),
        ("??", "??"),
        (" \n ", ""),
    ],
)
def test_what_cannot_be_said_goes(text: str, plain: str) -> None:
    assert said(text).plain == plain


@pytest.mark.parametrize(
    ("text", "plain", "count"),
    [
        ("Hello {name}, welcome", "Hello, welcome", 1),
        ("Hello {{ user.name }}!", "Hello !", 1),
        ("Dear $first_name, your {order[0]} is ${state}.", "Dear, your is.", 3),
        ("It costs $5, 5 $, $ 5, US$5 or 5 $US", "It costs $5, 5 $, $ 5, US$5 or 5 $US", 0),
        ('Send {"a": 1} or {}', 'Send {"a": 1} or {}', 0),
    ],
)
def test_placeholders_go_and_prices_stay(text: str, plain: str, count: int) -> None:
    result = said(text)
    assert result.plain == plain
    assert len(result.warnings) == count
    assert all("placeholder" in warning for warning in result.warnings)


@pytest.mark.parametrize(
    ("text", "dropped", "replaced", "links"),
    [
        ("See https://x.example/a_b_c?d=1.", "See.", "See the page.", ("https://x.example/a_b_c?d=1",)),
        ("Look (www.x.example) here", "Look here", "Look (the page) here", ("www.x.example",)),
        ("[our site](https://x.example/a(b)) helps", "our site helps", "our site helps", ("https://x.example/a(b)",)),
        ("[https://x.example](https://x.example)", "", "the page", ("https://x.example",)),
        ("<https://x.example>, <a@x.example>", ", a@x.example", "the page, a@x.example", ("https://x.example",)),
        (
            "<a href='https://y.example?a=1&amp;b=2'>www.y.example</a>",
            "",
            "the page",
            ("https://y.example?a=1&b=2", "www.y.example"),
        ),
        ("[top](#top) and [call](tel:+331)", "top and call", "top and call", ()),
        ("mail mailto:a@x.example now", "mail a@x.example now", "mail a@x.example now", ()),
        ("http://x.example http://x.example", "", "the page the page", ("http://x.example",)),
    ],
)
def test_web_addresses_are_not_read_out(text: str, dropped: str, replaced: str, links: tuple[str, ...]) -> None:
    assert said(text).plain == dropped
    result = said(text, url_phrase="the page")
    assert result.plain == replaced
    assert result.links == links


def test_a_long_text_ends_with_a_sentence() -> None:
    result = said("This is a sentence. " * 1000)
    assert MAX_CHARS - 40 < len(result.plain) <= MAX_CHARS
    assert result.plain.endswith("sentence.")
    assert result.warnings
    assert said("word " * 30, max_chars=22).plain == "word word word word"
    assert len(said("x" * 50_000).plain) <= MAX_CHARS


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("<b>Bonjour</b>  à tous", "bonjour à TOUS"),
        ("<speak>Hi<break/> you</speak>", "Hi  you"),
        ("Hi.<br>You", "Hi. **You**"),
        ("<speak>Hi</speak> tail", "Hi tail"),
    ],
)
def test_prompts_that_sound_alike_compare_equal(one: str, other: str) -> None:
    assert norm(one) == norm(other) != ""


def test_prompts_that_differ_compare_different() -> None:
    assert norm("No.") != norm("I do not know, one moment.")
    assert norm("") == norm("<p> </p>") == ""


pieces = st.lists(
    st.sampled_from(
        [
            "<b>",
            "</b>",
            "<br>",
            "<speak>",
            "</speak>",
            "**",
            "*",
            "_",
            "`",
            "[a](",
            ")",
            "https://x.example/",
            "{x}",
            "{{",
            "}}",
            "$v",
            "&amp;",
            "&",
            "<!--",
            "<a href='",
            ">",
            "|",
            "\n",
            "- ",
            "# ",
            "1. ",
            "🎉",
            " ",
            "word",
            "Été",
            ".",
            "!",
        ]
    )
    | st.text(max_size=5),
    max_size=40,
).map("".join)


@given(pieces, st.sampled_from(["plain", "markdown", "html", "ssml"]))
def test_any_text_gives_clean_words(text: str, format) -> None:
    result = speakable(text, format, "fr")
    norm(text)
    assert not re.search(r"[\x00-\x1f\x7f]|\s\s|^\s|\s$", result.plain)
    if result.ssml:
        assert result.text.startswith("<speak")
        again = speakable(result.text, "ssml", "fr")
        assert again.text == result.text
    else:
        assert result.text == result.plain


@given(st.text(alphabet=st.characters(categories=["Ll", "Lu"], max_codepoint=0x17F), min_size=1, max_size=8))
def test_words_are_never_lost(word: str) -> None:
    assert word in speakable(f"<p>Say <b>{word}</b> {{x}} now 🎉</p>", "html", "en").plain
