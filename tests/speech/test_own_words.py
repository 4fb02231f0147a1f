"""The sentences that are spoken in advance."""

from __future__ import annotations

from config.call import NumberSettings
from gateway.speech.own_words import LAST_RESORT, sentences_of
from gateway.text.catalogue import Catalogue


def number(**given: object) -> NumberSettings:
    return NumberSettings.model_validate({"number": "*", "bot": "demo", **given})


def test_every_sentence_of_the_last_resort_is_there_once_per_language() -> None:
    numbers = [number(language="fr-FR"), number(language="fr-FR"), number(language="de-DE")]
    spoken = list(sentences_of(numbers, {}))
    keys = [(utterance.language, utterance.text) for utterance in spoken]
    assert len(keys) == len(set(keys))
    for language in ("fr-FR", "de-DE"):
        said = {utterance.text for utterance in spoken if utterance.language == language}
        for name in LAST_RESORT:
            assert set(Catalogue.for_language(language).variants(name)) <= said


def test_what_a_number_says_instead_is_there_too() -> None:
    own = number(language="en-GB", words={"apology": "Oops."}, fallback={"say": "Please call again."})
    said = {utterance.text for utterance in sentences_of([own], {})}
    assert {"Oops.", "Please call again."} <= said
