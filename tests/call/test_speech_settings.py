"""Which voice speaks and which recognizer listens: the number's settings, the bot's wishes, what a question adds."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.actions import Listen, Menu, MenuOption, RecognizerChoice, Say, SetSpeech, SynthesizerChoice
from gateway.call.commands import CloseLeg, FinishUtterance, OpenEar, StartPrompt, StopPlayout
from gateway.events import SpeechStarted, SpeechStopped
from gateway.speech_interfaces import ListenSettings, RecognizerCapabilities, Utterance
from tests.fakes.playbook import Commands, Playbook

OWN: dict[str, Any] = {
    "language": "en-GB",
    "synthesizer": {"vendor": "acme", "voice": "amy", "model": "m1", "options": {"speed": 1}},
    "recognizer": {"vendor": "acme", "model": "r1", "hints": ["Acme"], "options": {"tier": "a"}},
}


def call(**number: Any) -> Playbook:
    """A number with settings of its own, and two vendors of each kind."""
    play = Playbook(
        number={**OWN, **number},
        others={"acme": RecognizerCapabilities(), "better": RecognizerCapabilities()},
        synthesizers=("acme", "better"),
    )
    play.begin()
    return play


def spoken(play: Playbook, *wishes: SetSpeech, **say: Any) -> Utterance:
    """How the bot's words are spoken after its wishes."""
    said = play.reply(*wishes, Say(**{"text": "Hello", **say}), turn=None)
    content = next(command.content for command in said if isinstance(command, StartPrompt))
    assert isinstance(content, Utterance)
    return content


def opened(commands: Commands) -> ListenSettings:
    return [command.settings for command in commands if isinstance(command, OpenEar)][-1]


def heard(play: Playbook, *actions: Any) -> ListenSettings:
    """How the caller is heard after what the bot did."""
    play.reply("Hello", *actions, turn=None)
    play.play_out()
    return opened(play.every)


def settings(play: Playbook) -> dict[str, Any]:
    return play.every.kept("speech_settings")[-1]


# --- the voice -------------------------------------------------------------------------------------------------------
def test_the_numbers_own_voice_speaks() -> None:
    assert spoken(call()) == Utterance(
        text="Hello", plain="Hello", vendor="acme", language="en-GB", voice="amy", model="m1", options={"speed": 1}
    )


def test_a_wish_for_another_vendor_leaves_nothing_of_the_numbers_own() -> None:
    wish = SetSpeech(synthesizer=SynthesizerChoice(vendor="better"))
    assert spoken(call(), wish) == Utterance(text="Hello", plain="Hello", vendor="better", language="en-GB")


def test_a_wish_for_a_voice_keeps_the_rest() -> None:
    wish = SynthesizerChoice(voice="brian", model="m2", options={"pitch": 2})
    assert spoken(call(), SetSpeech(synthesizer=wish)) == Utterance(
        text="Hello",
        plain="Hello",
        vendor="acme",
        language="en-GB",
        voice="brian",
        model="m2",
        options={"speed": 1, "pitch": 2},
    )


def test_an_empty_wish_goes_back_to_the_numbers_own() -> None:
    play = call()
    spoken(play, SetSpeech(synthesizer=SynthesizerChoice(vendor="better", voice="brian")))
    assert spoken(play).vendor == "better"
    assert spoken(play, SetSpeech(recognizer=RecognizerChoice())).vendor == "better"
    assert spoken(play, SetSpeech(synthesizer=SynthesizerChoice())).voice == "amy"


def test_a_voice_of_another_language_does_not_speak_this_one() -> None:
    play = call()
    french = spoken(play, SetSpeech(language="fr-FR"))
    assert (french.language, french.voice, french.model) == ("fr-FR", None, "m1")
    assert spoken(play, SetSpeech(language="en-GB")).voice == "amy"
    assert spoken(play, language="fr-FR").voice is None


def test_a_voice_for_the_numbers_own_spoken_language_speaks_it() -> None:
    synthesizer = {**OWN["synthesizer"], "language": "en-US"}
    play = call(synthesizer=synthesizer)
    assert (spoken(play).language, spoken(play).voice) == ("en-US", "amy")
    assert spoken(play, language="en-GB").voice is None
    french = spoken(play, SetSpeech(language="fr-FR"))
    assert (french.language, french.voice) == ("fr-FR", None)


def test_a_wish_for_a_voices_language_beats_the_conversations() -> None:
    wish = SetSpeech(language="fr-FR", synthesizer=SynthesizerChoice(language="de-DE"))
    play = call()
    assert spoken(play, wish).language == "de-DE"
    assert spoken(play, language="it-IT").language == "it-IT"


def test_the_operators_names_stand_for_the_vendors_own() -> None:
    follow = {"vendors": {"premium": "better"}, "voices": {"nice": "Joanna-Neural"}}
    wish = SetSpeech(synthesizer=SynthesizerChoice(vendor="premium", voice="nice"))
    said = spoken(call(follow=follow), wish)
    assert (said.vendor, said.voice) == ("better", "Joanna-Neural")
    assert spoken(call(follow=follow), voice="nice").voice == "Joanna-Neural"


# --- the recognizer --------------------------------------------------------------------------------------------------
def test_the_numbers_own_recognizer_listens() -> None:
    assert heard(call()) == ListenSettings(
        vendor="acme", language="en-GB", hints=("Acme",), model="r1", options={"tier": "a"}
    )


def test_a_wish_for_another_recognizer_leaves_nothing_of_the_numbers_own_but_hints() -> None:
    wish = RecognizerChoice(vendor="better", options={"x": 1})
    listened = heard(call(), SetSpeech(recognizer=wish))
    assert listened == ListenSettings(vendor="better", language="en-GB", hints=("Acme",), options={"x": 1})


def test_a_wish_for_a_model_keeps_the_rest() -> None:
    wish = RecognizerChoice(model="r2", hints=("Bolt",), language="en-US", options={"tier": "b"})
    listened = heard(call(), SetSpeech(recognizer=wish))
    assert listened == ListenSettings(
        vendor="acme", language="en-US", hints=("Bolt",), model="r2", options={"tier": "b"}
    )


def test_a_questions_own_hints_go_before() -> None:
    wish = SetSpeech(recognizer=RecognizerChoice(hints=("Bolt",)))
    assert heard(call(), wish, Listen(hints=("Case",))).hints == ("Case",)


def test_the_operators_names_stand_for_recognizers_too() -> None:
    wish = SetSpeech(recognizer=RecognizerChoice(vendor="premium"))
    assert heard(call(follow={"vendors": {"premium": "better"}}), wish).vendor == "better"


def test_who_listens_hears_the_language_of_the_conversation() -> None:
    play = call(recognizer={**OWN["recognizer"], "language": "en-IN"})
    assert heard(play).language == "en-IN"
    assert heard(play, SetSpeech(language="fr-FR")).language == "fr-FR"
    assert heard(play, SetSpeech(recognizer=RecognizerChoice(language="de-DE"))).language == "de-DE"


def test_a_menu_and_a_kind_of_question_tell_the_recognizer_what_to_expect() -> None:
    options = (MenuOption(id="r", label="crimson"), MenuOption(id="g", label="green"))
    phrases = heard(call(), Menu(menu_id="m", options=options)).phrases
    assert "crimson" in phrases
    yesno = heard(call(), Listen(kind="yesno"))
    assert yesno.kind == "yesno"
    assert "yes" in yesno.phrases
    assert "crimson" not in yesno.phrases
    assert heard(call()).phrases == ()


def test_a_sensitive_question_is_one_for_the_recognizer_as_well() -> None:
    assert heard(call(), Listen(sensitive=True)).sensitive
    assert not heard(call()).sensitive


# --- how far the bot's wishes rule -----------------------------------------------------------------------------------
WISH = SetSpeech(
    language="fr-FR",
    synthesizer=SynthesizerChoice(vendor="better", voice="marie"),
    recognizer=RecognizerChoice(vendor="better", end_silence=2.0),
)


def test_a_number_that_follows_in_nothing_keeps_its_own() -> None:
    play = call(follow={"speech": "none"})
    said = spoken(play, WISH)
    assert (said.vendor, said.voice, said.language) == ("acme", "amy", "en-GB")
    play.play_out()
    assert (opened(play.every).vendor, opened(play.every).end_silence) == ("acme", 0.8)
    assert settings(play)["follow"] == "none"


def test_a_number_that_follows_in_the_language_keeps_its_vendors() -> None:
    play = call(follow={"speech": "language"})
    said = spoken(play, WISH)
    assert (said.vendor, said.voice, said.language) == ("acme", None, "fr-FR")
    play.play_out()
    assert (opened(play.every).vendor, opened(play.every).language) == ("acme", "fr-FR")
    assert opened(play.every).end_silence == 0.8
    assert play.every.kept("warning") == []


def test_a_number_that_follows_in_everything_says_what_was_asked_and_what_is_used() -> None:
    play = call()
    spoken(play, WISH)
    assert settings(play) == {
        "follow": "all",
        "asked": {
            "language": "fr-FR",
            "synthesizer": {"vendor": "better", "voice": "marie"},
            "recognizer": {"vendor": "better", "end_silence": 2.0},
        },
        "used": {
            "language": "fr-FR",
            "synthesizer": {"vendor": "better", "voice": "marie", "language": "fr-FR"},
            "recognizer": {"vendor": "better", "language": "fr-FR"},
        },
    }


def test_what_was_not_asked_for_is_not_reported() -> None:
    play = call()
    spoken(play, SetSpeech(synthesizer=SynthesizerChoice(voice="brian", options={"key": "secret"})))
    assert settings(play) == {
        "follow": "all",
        "asked": {"synthesizer": {"voice": "brian"}},
        "used": {
            "language": "en-GB",
            "synthesizer": {"vendor": "acme", "voice": "brian", "language": "en-GB"},
        },
    }


def test_a_wish_for_a_recognizer_says_nothing_of_the_voice() -> None:
    play = call()
    spoken(play, SetSpeech(recognizer=RecognizerChoice(vendor="better")))
    assert settings(play) == {
        "follow": "all",
        "asked": {"recognizer": {"vendor": "better"}},
        "used": {"language": "en-GB", "recognizer": {"vendor": "better", "language": "en-GB"}},
    }


def test_a_wish_that_is_repeated_is_noted_once_and_one_that_changes_again() -> None:
    play = call()
    brian = SetSpeech(synthesizer=SynthesizerChoice(voice="brian"))
    for wish in (brian, brian, SetSpeech(language="en-GB"), SetSpeech(synthesizer=SynthesizerChoice()), brian):
        spoken(play, wish)
    noted = [kept["asked"] for kept in play.every.kept("speech_settings")]
    assert noted == [{"synthesizer": {"voice": "brian"}}, {"synthesizer": {}}, {"synthesizer": {"voice": "brian"}}]


def test_a_wish_for_a_voice_nobody_has_configured_costs_one_warning_and_keeps_the_language() -> None:
    play = call()
    wish = SetSpeech(synthesizer=SynthesizerChoice(vendor="nobody", voice="x", language="fr-FR"))
    for _ in range(2):
        said = spoken(play, wish)
    assert (said.vendor, said.voice, said.language) == ("acme", None, "fr-FR")
    assert play.every.kept("warning") == [{"what": "synthesizer_vendor_not_configured", "vendor": "nobody"}]


def test_a_wish_for_a_recognizer_nobody_has_configured_keeps_its_timers() -> None:
    play = call()
    wish = RecognizerChoice(
        vendor="nobody", model="x", hints=("Bolt",), end_silence=2.0, max_length=9.0, options={"x": 1}
    )
    listened = heard(play, SetSpeech(recognizer=wish))
    assert listened == ListenSettings(
        vendor="acme",
        language="en-GB",
        hints=("Bolt",),
        model="r1",
        options={"tier": "a"},
        end_silence=2.0,
        max_length=9.0,
    )
    assert play.every.kept("warning") == [{"what": "recognizer_vendor_not_configured", "vendor": "nobody"}]


def test_the_two_kinds_of_vendor_are_warned_of_apart() -> None:
    play = call()
    spoken(
        play,
        SetSpeech(synthesizer=SynthesizerChoice(vendor="nobody"), recognizer=RecognizerChoice(vendor="nobody")),
    )
    assert len(play.every.kept("warning")) == 2


# --- timers, and what may interrupt ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("wish", "listen", "seconds"),
    [(None, None, 7.0), (4.0, None, 4.0), (4.0, 3.0, 3.0), (None, 3.0, 3.0)],
)
def test_the_time_to_speak_is_the_questions_else_the_bots_else_the_numbers(
    wish: float | None, listen: float | None, seconds: float
) -> None:
    play = call(no_input={"retries": 0, "then": "hangup"})
    play.reply("Hello", SetSpeech(recognizer=RecognizerChoice(start_timeout=wish)), Listen(start_timeout=listen))
    play.play_out()
    began = play.now
    play.until(began + seconds - 0.01).refuse(CloseLeg)
    play.until(began + seconds).expect(CloseLeg(reason="no_input"))


@pytest.mark.parametrize(
    ("kind", "wish", "listen", "seconds"),
    [("free", None, None, 0.8), ("phone", None, None, 2.0), ("free", 1.5, None, 1.5), ("free", 1.5, 0.5, 0.5)],
)
def test_the_end_silence_is_the_questions_else_the_bots_else_the_numbers(
    kind: Any, wish: float | None, listen: float | None, seconds: float
) -> None:
    play = call()
    play.reply("Hello", SetSpeech(recognizer=RecognizerChoice(end_silence=wish)), Listen(kind=kind, end_silence=listen))
    play.play_out()
    play(SpeechStarted(at=5.0), at=5.1)
    play(SpeechStopped(at=6.0), at=6.1)
    play.until(6.0 + seconds - 0.01).refuse(FinishUtterance)
    play.until(6.0 + seconds).expect(FinishUtterance)


def test_an_end_silence_in_more_decimals_than_the_clock_has_passes_as_well() -> None:
    play = call()
    play.reply("Hello", Listen(end_silence=0.5000004))
    play.play_out()
    play(SpeechStarted(at=5.0), at=5.1)
    play(SpeechStopped(at=6.0), at=6.1)
    play.until(6.51).expect(FinishUtterance)


@pytest.mark.parametrize(
    ("wish", "listen", "interrupts"),
    [(None, None, True), (False, None, False), (False, True, True), (True, False, False)],
)
def test_what_the_question_says_of_interruptions_goes_before_what_the_bot_says(
    wish: bool | None, listen: bool | None, interrupts: bool
) -> None:
    play = call()
    play.reply(SetSpeech(recognizer=RecognizerChoice(barge_in=wish)), Listen(barge_in=listen), "A question")
    play.start_prompt()
    pressed = play.press("1", at=play.now + 1)
    assert (StopPlayout() in pressed) is interrupts
