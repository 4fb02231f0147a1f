from __future__ import annotations

import re

import pytest
import yaml
from pydantic import ValidationError

from gateway.errors import ConfigError
from gateway.text.catalogue import Catalogue
from gateway.text.fold import fold
from gateway.text.language import DEFAULT_REGIONS, LANGUAGES, base, bcp47
from gateway.text.lexicon import Lexicon, lexicon, read_words

REGIONAL = ("en-US", "fr-CA", "pt-BR")
FIELD = re.compile(r"\{\w+\}")


@pytest.mark.parametrize(
    ("slug", "tag"),
    [
        ("FR", "fr-FR"),
        ("EN", "en-GB"),
        ("de", "de-DE"),
        ("PT", "pt-PT"),
        ("pt-br", "pt-BR"),
        ("pt_BR", "pt-BR"),
        (" nl-be ", "nl-BE"),
        ("es-419", "es-419"),
        ("zh-hans-cn", "zh-Hans-CN"),
        ("sv", "sv"),
        ("French", ""),
        ("", ""),
        ("../../etc", ""),
    ],
)
def test_slugs_become_tags(slug: str, tag: str) -> None:
    assert bcp47(slug) == tag


def test_the_region_of_a_slug_can_be_chosen() -> None:
    assert bcp47("EN", {"en": "US"}) == "en-US"
    assert bcp47("FR", {}) == "fr"
    assert base("pt_BR") == "pt"
    assert set(DEFAULT_REGIONS) == set(LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_everything(language: str) -> None:
    words = Catalogue.for_language(language)
    english = Catalogue.for_language("en")
    assert len(words.names()) > 20
    for name in words.names():
        for variant in words.variants(name):
            assert variant.strip() == variant != ""
            assert set(FIELD.findall(variant)) == set(FIELD.findall(english.say(name))), (language, name)
            assert language == "en" or variant not in english.variants(name), f"English left over in {language}: {name}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_missing_or_unknown_key_is_noticed(language: str) -> None:
    written = read_words(language)
    assert written is not None
    for name in written["sentences"]:
        partial = {key: text for key, text in written["sentences"].items() if key != name}
        with pytest.raises(ValidationError, match=name):
            Lexicon.model_validate({**written, "sentences": partial})
    with pytest.raises(ValidationError, match="salutation"):
        Lexicon.model_validate({**written, "salutation": "x"})


@pytest.mark.parametrize("tag", REGIONAL)
def test_a_region_says_only_what_differs(tag: str) -> None:
    regional, whole = Catalogue.for_language(tag), Catalogue.for_language(base(tag))
    differing = {name for name in whole.names() if regional.variants(name) != whole.variants(name)}
    written = read_words(tag)
    assert written is not None
    assert set(written) == {"sentences"}
    assert set(written["sentences"]) <= set(whole.names())
    assert differing == set(written["sentences"]) - {
        name for name in written["sentences"] if regional.variants(name) == whole.variants(name)
    }
    assert differing


@pytest.mark.parametrize("language", LANGUAGES)
def test_yes_is_never_no(language: str) -> None:
    known = lexicon(language)
    assert not {fold(phrase) for phrase in known.yes} & {fold(phrase) for phrase in known.no}


def test_an_unknown_language_speaks_english() -> None:
    assert Catalogue.for_language("fi-FI").say("goodbye") == Catalogue.for_language("en").say("goodbye")
    assert lexicon("xx").yes == lexicon("en").yes


def test_variants_are_said_in_turn() -> None:
    words = Catalogue.for_language("fr-FR")
    said = [words.say("filler", variant=turn) for turn in range(4)]
    assert len(set(said)) == 3
    assert said[3] == said[0]


def test_fields_are_filled_and_braces_in_values_stay() -> None:
    words = Catalogue.for_language("de")
    assert words.say("agent_joined", name="{value}") == "Sie sprechen jetzt mit {value}."
    assert words.say("goodbye", {"goodbye": "Tschüss {name}."}) == "Tschüss {name}."


def test_a_number_has_its_own_words() -> None:
    words = Catalogue.for_language("en")
    assert words.say("goodbye", {"goodbye": "Bye."}) == "Bye."
    assert words.say("goodbye", {"goodbye": ""}) == ""
    mine = words.with_words({"goodbye": "So long."})
    assert mine.say("goodbye") == "So long."
    assert words.say("goodbye") != "So long."


def test_an_unknown_sentence_is_refused_with_the_nearest_name() -> None:
    words = Catalogue.for_language("en")
    with pytest.raises(ConfigError, match="did you mean apology"):
        words.with_words({"apologie": "Oops"})
    with pytest.raises(KeyError):
        words.say("apologie")


def test_overrides_come_from_a_file(tmp_path) -> None:
    path = tmp_path / "words.yaml"
    path.write_text(
        yaml.safe_dump({"fr": {"goodbye": "Salut.", "apology": "Pardon !"}, "fr-CA": {"goodbye": "Bonjour."}}), "utf-8"
    )
    overrides = Catalogue.load_overrides(path)
    assert Catalogue.for_language("fr-CA", overrides).say("goodbye") == "Bonjour."
    assert Catalogue.for_language("fr-CA", overrides).say("apology") == "Pardon !"
    assert Catalogue.for_language("fr-BE", overrides).say("goodbye") == "Salut."
    assert Catalogue.for_language("de", overrides).say("goodbye") == Catalogue.for_language("de").say("goodbye")


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("fr: {goodby: x}", "did you mean goodbye"),
        ("fr: {goodbye: {a: b}}", "expected a sentence"),
        ("fr: {menu_option: 'Dites {key}, {lable}'}", "has no field {lable}"),
        ("french: {goodbye: x}", "no language tag"),
        ("fr: [a]", "expected a mapping"),
        ("[a]", "expected a mapping"),
        ("fr: {", "cannot be read"),
    ],
)
def test_wrong_overrides_are_refused(tmp_path, written: str, reason: str) -> None:
    path = tmp_path / "words.yaml"
    path.write_text(written, "utf-8")
    with pytest.raises(ConfigError, match=re.escape(reason)):
        Catalogue.load_overrides(path)


def test_every_sentence_that_can_be_overridden_is_described() -> None:
    described = [name for name in Catalogue.names() if Catalogue.describe(name)]
    assert {"apology", "filler", "menu_option"} <= set(described)
