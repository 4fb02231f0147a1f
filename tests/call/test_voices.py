"""Which voice and recognizer are in force, as the record tells it."""

from __future__ import annotations

from gateway.actions import RecognizerChoice, SetSpeech, SynthesizerChoice
from tests.fakes.playbook import Playbook

WISH = SetSpeech(
    language="fr-FR", synthesizer=SynthesizerChoice(voice="marie"), recognizer=RecognizerChoice(hints=("oui",))
)


def test_settings_are_noted_when_they_change_and_not_when_they_are_repeated() -> None:
    play = Playbook()
    play.begin()
    wishes = [
        WISH,
        WISH,
        SetSpeech(recognizer=WISH.recognizer),
        SetSpeech(synthesizer=SynthesizerChoice(voice="jean")),
        WISH,
        SetSpeech(synthesizer=SynthesizerChoice()),
        SetSpeech(synthesizer=SynthesizerChoice()),
    ]
    for number, wish in enumerate(wishes):
        play.reply(wish, turn=None, done=False, at=1.0 + number)
    notes = play.every.kept("speech_settings")
    assert [note["asked"] for note in notes] == [
        {"language": "fr-FR", "synthesizer": {"voice": "marie"}, "recognizer": {"hints": ("oui",)}},
        {"synthesizer": {"voice": "jean"}},
        {"language": "fr-FR", "synthesizer": {"voice": "marie"}, "recognizer": {"hints": ("oui",)}},
        {"synthesizer": {}},
    ]
    assert [note["used"]["synthesizer"]["voice"] for note in notes] == ["marie", "jean", "marie", None]


def test_a_language_alone_is_noted_too() -> None:
    play = Playbook()
    play.begin()
    for number, language in enumerate(["fr-FR", "fr-FR", "de-DE"]):
        play.reply(SetSpeech(language=language), turn=None, done=False, at=1.0 + number)
    assert [note["used"] for note in play.every.kept("speech_settings")] == [
        {"language": "fr-FR"},
        {"language": "de-DE"},
    ]
