from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.actions import MenuOption
from gateway.text.catalogue import Catalogue
from gateway.text.language import LANGUAGES
from gateway.text.lexicon import lexicon
from gateway.text.menu import GROUP, MORE_KEY, group_asked_for, groups, match, phrases, spoken_menu
from gateway.text.numerals import number_words


def options(*labels: str) -> tuple[MenuOption, ...]:
    return tuple(MenuOption(id=f"id-{place}", label=label) for place, label in enumerate(labels, 1))


DESKS = (
    MenuOption(id="sales", label="Sales"),
    MenuOption(id="help", label="Technical support", aliases=("help desk",)),
    MenuOption(id="hours", label="Opening hours"),
    MenuOption(id="x-4", label="I want to change my address", aliases=("moving house",)),
)


def chosen(said: str, language: str = "en-GB", of: tuple[MenuOption, ...] = DESKS) -> str | None:
    _, keys = spoken_menu(None, of, language)
    return match(of, keys, said, language=language)


# --- reading out ---------------------------------------------------------------------------------------------------
def test_a_menu_is_read_out() -> None:
    text, keys = spoken_menu("How can I <b>help</b>? 😀", options("Sales", "Support"), "en-GB")
    assert text == "How can I help? For Sales, say Sales or press 1. For Support, say Support or press 2."
    assert keys == {"1": "id-1", "2": "id-2"}


@pytest.mark.parametrize(
    ("language", "line"),
    [
        ("en", "For Taxi, say Taxi or press 1."),
        ("fr", "Pour Taxi, dites Taxi ou tapez 1."),
        ("fr-CA", "Pour Taxi, dites Taxi ou faites le 1."),
        ("de", "Für Taxi sagen Sie Taxi oder drücken Sie die 1."),
        ("nl", "Voor Taxi zegt u Taxi of toetst u 1."),
        ("es", "Para Taxi, diga Taxi o pulse 1."),
        ("it", "Per Taxi, dica Taxi o prema 1."),
        ("pt", "Para Taxi, diga Taxi ou prima 1."),
        ("pt-BR", "Para Taxi, diga Taxi ou tecle 1."),
    ],
)
def test_every_language_has_its_own_wording(language: str, line: str) -> None:
    assert spoken_menu(None, options("Taxi"), language)[0] == line


def test_labels_are_made_speakable_and_long_ones_read_as_sentences() -> None:
    text, _ = spoken_menu("Choose", options("**Tea** ☕", "I want to talk to a person."), "en")
    assert text == "Choose. For Tea, say Tea or press 1. Say or press 2: I want to talk to a person."


def test_descriptions_follow_their_label() -> None:
    text, _ = spoken_menu(None, (MenuOption(id="a", label="Sales", description="new orders."),), "en")
    assert text == "For Sales, say Sales or press 1: new orders."


def test_yes_and_no_are_one_question() -> None:
    text, keys = spoken_menu("D'accord ?", options("Non", "Oui"), "fr")
    assert text == "D'accord ? Dites Oui ou tapez 2, ou bien dites Non ou tapez 1."
    assert keys == {"1": "id-1", "2": "id-2"}


def test_more_than_nine_options_need_two_keys() -> None:
    many = options(*(f"City {place}" for place in range(1, 13)))
    text, keys = spoken_menu(None, many, "en", max_digits=2)
    assert list(keys) == [f"{place:02d}" for place in range(1, 13)]
    assert "press 0 1." in text
    assert match(many, keys, digits="12") == "id-12"
    assert match(many, keys, digits="3") == match(many, keys, digits="03#") == "id-3"
    text, keys = spoken_menu(None, many, "en", group=2)
    assert list(keys) == list("123456789")
    assert text.startswith("For City 11, say City 11. For City 12, say City 12.")
    assert match(many, keys, "city twelve") == "id-12"


def test_an_operators_wording_is_used() -> None:
    words = Catalogue.for_language("en").with_words({"menu_option": "{key} for {label}."})
    assert spoken_menu(None, options("Tea"), "en", words)[0] == "1 for Tea."


# --- long menus ----------------------------------------------------------------------------------------------------
CITIES = options(*(f"City {place}" for place in range(1, 13)))


def test_a_menu_of_nine_is_read_out_at_once() -> None:
    nine = CITIES[:9]
    assert groups(nine) == [nine]
    text, _ = spoken_menu("Where to?", nine, "en")
    assert text.endswith("For City 9, say City 9 or press 9.")
    assert group_asked_for(nine, 0, "more") is None
    assert group_asked_for(nine, 0, digits=MORE_KEY) is None


def test_a_longer_menu_is_read_out_five_at_a_time() -> None:
    said = [spoken_menu("Where to?", CITIES, "en", max_digits=2, group=group)[0] for group in range(3)]
    assert said == [
        "Where to? For City 1, say City 1 or press 0 1. For City 2, say City 2 or press 0 2. "
        "For City 3, say City 3 or press 0 3. For City 4, say City 4 or press 0 4. "
        "For City 5, say City 5 or press 0 5. For more, say more or press star.",
        "For City 6, say City 6 or press 0 6. For City 7, say City 7 or press 0 7. "
        "For City 8, say City 8 or press 0 8. For City 9, say City 9 or press 0 9. "
        "For City 10, say City 10 or press 1 0. For more, say more or press star.",
        "For City 11, say City 11 or press 1 1. For City 12, say City 12 or press 1 2. "
        "To hear them again, say repeat or press star.",
    ]


@given(st.integers(0, 30))
def test_every_option_is_in_one_group_in_its_order(count: int) -> None:
    menu = options(*map(str, range(count)))
    read = groups(menu)
    assert [option for group in read for option in group] == list(menu)
    assert all(len(group) <= GROUP for group in read) or len(read) == 1


def test_the_prompt_is_said_before_the_first_group_only() -> None:
    assert not spoken_menu("Where to?", CITIES, "en", group=1)[0].startswith("Where")


@pytest.mark.parametrize(
    ("group", "said", "asked"),
    [
        (None, "more", 0),
        (0, "more", 1),
        (1, "More options, please!", 2),
        (2, "more", 0),
        (1, "repeat", 0),
        (2, "again please", 0),
        (0, "no more", None),
        (0, "city five", None),
        (0, "", None),
    ],
)
def test_a_caller_asks_for_the_next_group_or_the_first(group: int | None, said: str, asked: int | None) -> None:
    assert group_asked_for(CITIES, group, said) == asked


@pytest.mark.parametrize(("group", "asked"), [(None, 0), (0, 1), (2, 0)])
def test_the_star_key_goes_on_as_the_word_does(group: int | None, asked: int) -> None:
    assert group_asked_for(CITIES, group, digits="*") == asked
    assert group_asked_for(CITIES, group, "more", digits="1") is None


def test_an_option_that_is_called_more_is_that_option() -> None:
    menu = (*CITIES, MenuOption(id="m", label="More"), MenuOption(id="i", label="More information"))
    assert group_asked_for(menu, 0, "more") is None
    assert group_asked_for((*CITIES, menu[-1]), 0, "more") == 1


def test_an_option_can_be_named_before_it_was_read_out() -> None:
    _, keys = spoken_menu(None, CITIES, "en", max_digits=2)
    assert match(CITIES, keys, "city twelve", group=0) == "id-12"
    assert match(CITIES, keys, "number seven", group=0) == "id-7"
    assert match(CITIES, keys, digits="12", group=0) == "id-12"


@pytest.mark.parametrize(
    ("group", "said", "option"),
    [
        (0, "the second one", "id-2"),
        (1, "the second one", "id-7"),
        (1, "the fifth", "id-10"),
        (1, "the eleventh", "id-11"),
        (1, "the last one", "id-10"),
        (2, "the last one", "id-12"),
        (None, "the last one", "id-12"),
        (None, "the seventh", "id-7"),
        (0, "the thirteenth", None),
    ],
)
def test_places_are_counted_among_what_was_just_heard(group: int | None, said: str, option: str | None) -> None:
    stops = options(*"ABCDEFGHIJKL")
    _, keys = spoken_menu(None, stops, "en", max_digits=2)
    assert match(stops, keys, said, group=group) == option


@pytest.mark.parametrize("language", [*LANGUAGES, "fr-CA", "pt-BR"])
def test_the_words_that_lead_on_are_suggested_listened_for_and_understood(language: str) -> None:
    known = lexicon(language)
    first, *_, last = (spoken_menu(None, CITIES, language, group=group)[0] for group in range(3))
    assert known.more[0] in first
    assert known.again[0] in last
    assert {*known.more, *known.again} <= set(phrases(CITIES, language))
    assert {group_asked_for(CITIES, 1, word, language=language) for word in known.more} == {2}
    assert {group_asked_for(CITIES, 1, word, language=language) for word in known.again} == {0}
    assert not {*known.more, *known.again} & set(phrases(CITIES[:9], language))


# --- keys ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("digits", "option"), [("1", "sales"), ("4#", "x-4"), ("5", None), ("", None), ("*", None), ("²", None)]
)
def test_keys_choose(digits: str, option: str | None) -> None:
    _, keys = spoken_menu(None, DESKS, "en")
    assert match(DESKS, keys, digits=digits) == option


def test_a_menu_without_options_is_harmless() -> None:
    assert spoken_menu("Hello", (), "en") == ("Hello.", {})
    assert match((), {}, "the last one", "1") is None
    assert phrases((), "en") == []


def test_keys_beat_speech() -> None:
    _, keys = spoken_menu(None, DESKS, "en")
    assert match(DESKS, keys, spoken="sales", digits="3") == "hours"
    assert match(DESKS, keys, spoken="sales", digits="9") == "sales"


# --- speech --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("said", "option"),
    [
        ("Sales", "sales"),
        ("sales, please!", "sales"),
        ("I'd like to talk to sales please", "sales"),
        ("help desk", "help"),
        ("uh, the technical support", "help"),
        ("support", "help"),
        ("tecnical suport", "help"),
        ("opening ours", "hours"),
        ("moving house", "x-4"),
        ("change address", "x-4"),
        ("one", "sales"),
        ("two please", "help"),
        ("number two", "help"),
        ("option number 3", "hours"),
        ("press four", "x-4"),
        ("I'll take number one", "sales"),
        ("the second one", "help"),
        ("third", "hours"),
        ("the 2nd", "help"),
        ("the last one please", "x-4"),
        ("not sales, technical support", "help"),
    ],
)
def test_callers_say_it_in_many_ways(said: str, option: str) -> None:
    assert chosen(said) == option


@pytest.mark.parametrize(
    "said",
    [
        "",
        "hello",
        "what do you mean",
        "sales or technical support",
        "the first or the second",
        "not sales",
        "one second please",
        "that one",
        "five",
        "I have two questions",
        "one or two",
        "I want",
        "the",
    ],
)
def test_nothing_is_guessed(said: str) -> None:
    assert chosen(said) is None


@pytest.mark.parametrize(
    ("language", "said", "place"),
    [
        ("fr", "la deuxième", 2),
        ("fr", "le premier s'il vous plaît", 1),
        ("fr", "deux", 2),
        ("fr", "le numéro trois", 3),
        ("fr", "un", 1),
        ("fr", "la dernière", 3),
        ("fr", "une seconde", None),
        ("de", "die letzte", 3),
        ("de", "das zweite bitte", 2),
        ("de", "die Nummer eins", 1),
        ("de", "drei", 3),
        ("nl", "de tweede", 2),
        ("nl", "nummer drie", 3),
        ("nl", "de laatste graag", 3),
        ("es", "la segunda", 2),
        ("es", "opción tres", 3),
        ("es", "el último", 3),
        ("es", "un segundo", None),
        ("it", "il secondo", 2),
        ("it", "l'ultima", 3),
        ("it", "due", 2),
        ("pt", "a segunda opção", 2),
        ("pt", "número três", 3),
        ("pt", "o último", 3),
    ],
)
def test_numbers_and_places_in_every_language(language: str, said: str, place: int | None) -> None:
    three = options("Amsterdam", "Bruxelles", "Copenhague")
    assert chosen(said, language, three) == (None if place is None else f"id-{place}")


@pytest.mark.parametrize(
    ("language", "said", "place"),
    [
        ("en", "yes", 1),
        ("en", "yeah sure", 1),
        ("en", "of course not", 2),
        ("en", "yes no", None),
        ("en", "the first", 1),
        ("en", "two", 2),
        ("en", "maybe", None),
    ],
)
def test_yes_and_no_menus_understand_more_than_their_labels(language: str, said: str, place: int | None) -> None:
    assert chosen(said, language, options("Yes", "No")) == (None if place is None else f"id-{place}")


def test_a_number_in_a_label_is_not_a_key() -> None:
    rooms = options("1 room", "3 rooms", "2 rooms")
    assert chosen("three rooms", of=rooms) == "id-2"
    assert chosen("number three", of=rooms) == "id-3"
    assert chosen("three", of=rooms) is None
    assert chosen("one", of=rooms) == "id-1"


def test_accents_case_and_compounds_do_not_matter() -> None:
    french = options("Réclamation", "Été indien", "Rendez-vous")
    assert chosen("reclamation", "fr", french) == "id-1"
    assert chosen("L'ÉTÉ INDIEN", "fr", french) == "id-2"
    assert chosen("un rendez vous", "fr", french) == "id-3"
    assert chosen("ein und zwanzig", "de", options("20", "21")) == "id-2"


def test_the_longest_label_counts_and_twins_do_not() -> None:
    nested = options("Berlin", "Berlin Mitte", "Merlin")
    assert chosen("to berlin mitte please", of=nested) == "id-2"
    assert chosen("berlin", of=nested) == "id-1"
    assert chosen("perlin", of=nested) is None
    twins = options("Tea", "Tea")
    assert chosen("tea", of=twins) is None
    assert chosen("the second", of=twins) == "id-2"


def test_single_letters_are_not_found_in_sentences() -> None:
    letters = options("A", "B", "C")
    assert chosen("I want a pizza", of=letters) is None
    assert chosen("B", of=letters) == "id-2"
    assert chosen("option C", of=letters) == "id-3"


def test_an_id_that_is_a_word_is_an_alias() -> None:
    both = (MenuOption(id="billing", label="Invoices"), MenuOption(id="b2", label="Orders"))
    assert chosen("billing", of=both) == "billing"
    assert chosen("b2", of=both) is None


# --- a closed grammar ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("language", LANGUAGES)
def test_everything_worth_listening_for_is_understood(language: str) -> None:
    menu = (MenuOption(id="a", label="Rotterdam 3"), MenuOption(id="b", label="Zürich", aliases=("Zurigo",)))
    _, keys = spoken_menu(None, menu, language)
    heard = phrases(menu, language)
    assert {"Zürich", "Zurigo"} <= set(heard)
    assert not any(char.isdigit() or char in ".,!?" for phrase in heard for char in phrase)
    assert {match(menu, keys, phrase, language=language) for phrase in heard} == {"a", "b"}
    assert len({phrase.casefold() for phrase in heard}) == len(heard) < 20


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_yes_or_no_grammar_is_understood(language: str) -> None:
    known = lexicon(language)
    menu = options(known.yes[0], known.no[0])
    _, keys = spoken_menu(None, menu, language)
    heard = phrases(menu, language)
    assert set(known.yes_heard) <= {phrase.casefold() for phrase in heard} | set(heard)
    assert None not in {match(menu, keys, phrase, language=language) for phrase in heard}


@given(
    st.lists(st.text(max_size=12), min_size=1, max_size=12),
    st.text(max_size=30),
    st.sampled_from(LANGUAGES),
)
def test_any_labels_and_any_speech_are_harmless(labels: list[str], said: str, language: str) -> None:
    menu = options(*labels)
    _, keys = spoken_menu(said, menu, language, max_digits=2)
    assert match(menu, keys, said, said, language) in {None, *(option.id for option in menu)}
    phrases(menu, language)


@given(st.sampled_from(LANGUAGES), st.integers(2, 9), st.data())
def test_the_number_of_a_choice_is_its_key(language: str, count: int, data) -> None:
    menu = options(*("Kxyz" + "w" * place * 5 for place in range(count)))
    _, keys = spoken_menu(None, menu, language)
    place = data.draw(st.integers(1, count))
    assert match(menu, keys, number_words(place, language), language=language) == f"id-{place}"
