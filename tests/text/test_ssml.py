from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.text.clean import Notes
from gateway.text.speakable import speakable
from gateway.text.ssml import ALLOWED, MAX_DEPTH, Malformed, narrowed, parse, segments


def spoken(text: str, **options):
    return speakable(text, "ssml", "en-GB", **options)


def test_a_pause_is_kept() -> None:
    result = spoken('<speak>Hi<break time="500ms"/>you</speak>')
    assert result.text == '<speak>Hi<break time="500ms"/>you</speak>'
    assert result.plain == "Hi you"
    assert result.ssml
    assert segments(result.text) == ["Hi", 0.5, "you"]


@pytest.mark.parametrize("name", sorted(set(ALLOWED) - {"break", "sub"}))
def test_allowed_elements_keep_their_known_attributes(name: str) -> None:
    attribute = ALLOWED[name][0]
    markup = f'<speak>a <{name} {attribute}="x" onclick="y">b</{name}> c</speak>'
    assert spoken(markup).text == f'<speak>a <{name} {attribute}="x">b</{name}> c</speak>'


@pytest.mark.parametrize(
    ("inner", "kept", "plain"),
    [
        ('<amazon:effect name="whispered">psst</amazon:effect>', "psst", "psst"),
        ('<mstts:express-as style="sad">oh</mstts:express-as>', "oh", "oh"),
        ('<sub alias="World Wide Web">W3C</sub>', '<sub alias="World Wide Web">W3C</sub>', "World Wide Web"),
        ("<sub>W3C</sub>", "W3C", "W3C"),
        ("<p>One</p><p>two.</p><s>Three</s>", "<p>One</p><p>two.</p><s>Three</s>", "One. two. Three"),
        ("<metadata><x>hidden</x></metadata>seen<mark name='m'/>", "seen", "seen"),
        ("Tom & Jerry&nbsp;&eacute; &lt; 3", "Tom &amp; Jerry é &lt; 3", "Tom & Jerry é < 3"),
        ("<![CDATA[a < b]]>", "a &lt; b", "a < b"),
        ("Hi 🎉 {name}!", "Hi !", "Hi !"),
        ("<SAY-AS interpret-as='digits'>12</SAY-AS>", '<say-as interpret-as="digits">12</say-as>', "12"),
        ("see https://x.example/a now", "see now", "see now"),
    ],
)
def test_content_is_cleaned(inner: str, kept: str, plain: str) -> None:
    result = spoken(f"<speak>{inner}</speak>")
    assert result.text == f"<speak>{kept}</speak>"
    assert result.plain == plain


@pytest.mark.parametrize(
    ("attributes", "kept", "seconds"),
    [
        ('time="1.5s"', ' time="1500ms"', 1.5),
        ('time="90s"', ' time="10000ms"', 10.0),
        ('time="soon"', "", 0.4),
        ('strength="strong"', ' strength="strong"', 0.7),
        ('strength="loud"', "", 0.4),
        ("", "", 0.4),
    ],
)
def test_breaks_are_bounded(attributes: str, kept: str, seconds: float) -> None:
    result = spoken(f"<speak>a<break {attributes}/>b</speak>")
    assert result.text == f"<speak>a<break{kept}/>b</speak>"
    assert segments(result.text) == ["a", seconds, "b"]


def test_a_recording_needs_permission() -> None:
    markup = '<speak>Hi <audio src="https://x.example/a.mp3"><desc>d</desc>a bell</audio></speak>'
    assert spoken(markup).text == "<speak>Hi a bell</speak>"
    assert spoken(markup).warnings
    allowed = spoken(markup, audio_policy=lambda url: url.startswith("https://x.example/"))
    assert allowed.text == '<speak>Hi <audio src="https://x.example/a.mp3">a bell</audio></speak>'
    assert not allowed.warnings


def test_the_language_of_the_root_is_kept() -> None:
    markup = '<?xml version="1.0" encoding="UTF-16"?><speak version="1.1" xml:lang="nl-BE">Hallo</speak>'
    assert spoken(markup).text == '<speak xml:lang="nl-BE">Hallo</speak>'


BOMB = '<!DOCTYPE s [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><speak>&b;</speak>'
EXTERNAL = '<!DOCTYPE s [<!ENTITY x SYSTEM "file:///etc/passwd">]><speak>&x;</speak>'


@pytest.mark.parametrize(
    "text",
    [
        "<speak>bad <b>markup</speak>",
        "<speak>bad",
        "<speak>bad</speak> tail",
        "<voice>bad</voice>",
        "<speak>" + "<s>" * MAX_DEPTH + "bad" + "</s>" * MAX_DEPTH + "</speak>",
        BOMB,
        EXTERNAL,
    ],
)
def test_what_is_malformed_is_said_plainly(text: str) -> None:
    with pytest.raises(Malformed):
        parse(text, Notes())
    result = spoken(text)
    assert not result.ssml
    assert any("malformed" in warning for warning in result.warnings)
    assert "<" not in result.plain
    assert "bad" in result.plain or "ENTITY" in text
    assert len(result.plain) < 40


def test_a_pause_alone_is_still_markup() -> None:
    assert spoken('<speak><break time="1s"/></speak>').text == '<speak><break time="1000ms"/></speak>'
    assert spoken("<speak> </speak>").text == ""
    assert not spoken("<speak/>").ssml


def test_markup_that_is_too_long_is_said_without_it() -> None:
    result = spoken("<speak>" + "<s>A sentence.</s>" * 600 + "</speak>")
    assert not result.ssml
    assert result.plain.startswith("A sentence.")
    huge = spoken("<speak>" + "<s>A sentence.</s>" * 3000 + "</speak>")
    assert not huge.ssml
    assert huge.plain.endswith("sentence.")


@given(st.text(max_size=60))
def test_any_content_is_escaped(content: str) -> None:
    result = spoken(f"<speak>{content}</speak>")
    if result.ssml:
        parse(result.text, Notes())


# --- for a vendor that understands less ----------------------------------------------------------------------------
LITTLE = {"break": ("time",), "prosody": ("rate",)}


@pytest.mark.parametrize(
    ("markup", "kept"),
    [
        ("<speak>plain</speak>", "<speak>plain</speak>"),
        ('<speak xml:lang="fr-FR">oui</speak>', '<speak xml:lang="fr-FR">oui</speak>'),
        ('<speak>a<break time="1s"/>b</speak>', '<speak>a<break time="1s"/>b</speak>'),
        ('<speak>a<break strength="weak"/>b</speak>', "<speak>a<break/>b</speak>"),
        ('<speak><prosody rate="1" pitch="x">a</prosody></speak>', '<speak><prosody rate="1">a</prosody></speak>'),
        ('<speak><say-as interpret-as="date">1.2.</say-as></speak>', "<speak>1.2.</speak>"),
        ("<speak>one<p>two</p>three</speak>", "<speak>one two three</speak>"),
        ('<speak><sub alias="doctor">Dr</sub> No</speak>', "<speak>doctor No</speak>"),
        ('<speak><sub alias="a"><emphasis>b</emphasis></sub>c</speak>', "<speak>ac</speak>"),
        ("<speak>fish &amp; &lt;chips&gt;</speak>", "<speak>fish &amp; &lt;chips&gt;</speak>"),
        ('<speak><voice name="a&quot;b">c</voice></speak>', "<speak>c</speak>"),
    ],
)  # fmt: skip
def test_what_a_vendor_does_not_understand_gives_way_to_its_content(markup: str, kept: str) -> None:
    assert narrowed(markup, LITTLE) == kept


def test_what_it_does_understand_stays_as_it_is() -> None:
    markup = '<speak><sub alias="doctor">Dr</sub> <emphasis level="strong">No</emphasis></speak>'
    assert narrowed(markup, ALLOWED) == markup


@given(st.text(max_size=60))
def test_markup_that_was_read_can_always_be_narrowed_to_words(content: str) -> None:
    result = spoken(f"<speak><p>{content}</p><break/></speak>")
    if result.ssml:
        assert re.fullmatch(r"<speak>[^<>]*</speak>|<speak/>", narrowed(result.text, {}))


@pytest.mark.parametrize("markup", ["<speak>", "no markup", "<!DOCTYPE a><speak>a</speak>"])
def test_what_is_no_clean_markup_is_refused(markup: str) -> None:
    with pytest.raises(Malformed):
        narrowed(markup, LITTLE)
