"""The static prompts of a number are what its calls ask for."""

from __future__ import annotations

import pytest

from config.call import NumberSettings
from gateway.prompts.wording import static_prompts
from gateway.speech_interfaces import Utterance
from gateway.text.catalogue import Catalogue
from gateway.tuning import Prosody


def said(*also: str, **settings: object) -> dict[str, Utterance]:
    number = NumberSettings.model_validate({"number": "100", "bot": "reception", **settings})
    return {prompt.name: prompt.utterance for prompt in static_prompts(number, {}, also)}


def test_the_gateways_sentences_come_in_the_numbers_language_and_all_their_variants() -> None:
    spoken = said(language="fr-FR")
    french = Catalogue.for_language("fr-FR")
    assert spoken["apology"].plain == french.say("apology")
    assert spoken["filler.2"].plain == french.say("filler", variant=1)
    assert {utterance.language for utterance in spoken.values()} == {"fr-FR"}


def test_sentences_that_differ_from_call_to_call_are_none_of_them() -> None:
    spoken = said()
    assert not {"confirm", "menu_option", "agent_joined", "link"} & set(spoken)
    assert not any("{" in utterance.text for utterance in spoken.values())


def test_what_the_settings_say_is_there() -> None:
    spoken = said(
        words={"apology": "Oops. Again, please."},
        no_input={"prompts": ["Hello?", "Are you there?"], "goodbye": "Bye."},
        fallback={"say": "Somebody will call you."},
        recording={"announce": "We record."},
    )
    wanted = {
        "apology": "Oops. Again, please.",
        "no_input.prompts.1": "Hello?",
        "no_input.prompts.2": "Are you there?",
        "no_input.goodbye": "Bye.",
        "fallback.say": "Somebody will call you.",
        "recording.announce": "We record.",
    }
    assert {name: spoken[name].plain for name in wanted} == wanted


def test_a_sentence_the_operator_has_silenced_is_none() -> None:
    assert "apology" not in said(words={"apology": ""})


def test_all_that_makes_the_voice_is_asked_for() -> None:
    voice = {"vendor": "acme", "voice": "anna", "model": "m2", "language": "de-AT", "rate": 1.2}
    synthesizer = {**voice, "options": {"style": "calm"}}
    asked = said("Hello **you**.", language="de-DE", synthesizer=synthesizer)["also.1"]
    assert asked == Utterance(
        text="Hello you.",
        plain="Hello you.",
        vendor="acme",
        voice="anna",
        model="m2",
        language="de-AT",
        prosody=Prosody(rate=1.2),
        options={"style": "calm"},
    )


@pytest.mark.parametrize(("follow", "language"), [("all", "fr-FR"), ("language", "fr-FR"), ("none", "en-GB")])
def test_a_bot_that_switches_the_language_is_followed_as_far_as_the_number_does(follow: str, language: str) -> None:
    number = NumberSettings.model_validate({"number": "100", "bot": "reception", "follow": {"speech": follow}})
    spoken = {prompt.name: prompt.utterance for prompt in static_prompts(number, {}, (), "fr-FR")}
    assert {utterance.language for utterance in spoken.values()} == {language}
    assert spoken["apology"].plain == Catalogue.for_language(language).say("apology")


@pytest.mark.parametrize("also", [[""], ["   "], ["***"]])
def test_what_comes_out_silent_is_left_out(also: list[str]) -> None:
    assert "also.1" not in said(*also)
