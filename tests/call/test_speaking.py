"""What the caller hears, in which words, what of it can be interrupted, and the account of what was heard."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from config.call import NumberSettings
from gateway.actions import Listen, Menu, MenuOption, Pause, Play, Say, SetSpeech
from gateway.call.commands import Command, Recording, Silence, StartPrompt, StopPlayout, Tone
from gateway.call.conversation import Conversation
from gateway.call.facts import CallSetup, State
from gateway.caller_events import PlaybackDone
from gateway.events import (
    BotFailed,
    CallAnswered,
    CallInfo,
    CallOffered,
    DigitPressed,
    PromptEnded,
    PromptStarted,
    SpeechStarted,
    SpeechSustained,
    VendorFailed,
)
from gateway.interfaces import BackendCapabilities
from gateway.speech_interfaces import Utterance
from gateway.text.catalogue import Catalogue
from tests.fakes.playbook import Commands, Playbook

ENGLISH, FRENCH = Catalogue.for_language("en-GB"), Catalogue.for_language("fr-FR")


def contents(commands: Commands) -> list[Any]:
    return [command.content for command in commands if isinstance(command, StartPrompt)]


def says(action: Any, *, turn: int = 0, **number: Any) -> Playbook:
    """The bot answers with an action, at the beginning of the call or to the caller's first turn."""
    play = Playbook(number=number)
    if turn:
        play.greet()
        play.speak("hello", at=play.now + 1)
    else:
        play.begin()
    play.reply(action)
    play.start_prompt()
    return play


def is_interruptible(play: Playbook) -> bool:
    pressed: list[Command] = play(DigitPressed(digit="1"), at=play.now + 1)
    return StopPlayout() in pressed


# --- prompts -------------------------------------------------------------------------------------------------------
def test_a_recording_is_played_with_the_text_to_be_spoken_in_its_place() -> None:
    play = Playbook(number={"synthesizer": {"voice": "amy"}})
    play.begin()
    asked = play.reply(Play(url="https://example.com/a.wav", alt_text="Good morning"), Play(path="b.wav"))
    first, second = contents(asked)
    assert first.url == "https://example.com/a.wav"
    assert first.alternative == Utterance(text="Good morning", plain="Good morning", language="en-GB", voice="amy")
    assert second == Recording(path="b.wav")


def test_a_pause_is_silence_or_a_soft_tone() -> None:
    play = Playbook()
    play.begin()
    assert contents(play.reply(Pause(seconds=2), Pause(seconds=3, filler="soft"))) == [
        Silence(seconds=2),
        Tone(name="wait", seconds=3),
    ]


def test_what_has_no_words_starts_no_prompt() -> None:
    play = Playbook()
    play.begin()
    assert play.reply(Say(text="  "), Say(text="Hello"), Say(text="")).prompts == ["Hello"]


def test_links_and_what_cannot_be_spoken_are_kept() -> None:
    play = Playbook()
    play.begin()
    said = play.reply(Say(text="See https://example.com/a now."))
    assert said.prompts == ["See the web page now."]
    assert said.kept("link") == [{"url": "https://example.com/a"}]


def test_markup_that_is_broken_is_spoken_without_it_and_warned_of() -> None:
    play = Playbook()
    play.begin()
    said = play.reply(Say(text="<speak>Hello <break</speak>", format="ssml"))
    (warning,) = said.kept("warning")
    assert warning["what"] == "text"


def test_a_piece_in_another_language_and_voice_is_spoken_so() -> None:
    play = Playbook()
    play.begin()
    (content,) = contents(play.reply(Say(text="Bonjour", language="fr-FR", voice="marie")))
    assert (content.language, content.voice) == ("fr-FR", "marie")


def test_a_streamed_text_is_cut_by_the_rules_of_its_own_language() -> None:
    play = Playbook()
    play.begin()
    said = play.reply(Say(text="Das ist z. B. gut. Und", more=True, language="de-DE"), done=False)
    assert said.prompts == ["Das ist z. B. gut."]


def test_a_menu_is_read_out_unless_the_caller_knows_it() -> None:
    options = (MenuOption(id="r", label="red"), MenuOption(id="g", label="green"))
    play = Playbook()
    play.begin()
    (text,) = play.reply(Menu(menu_id="m", options=options, prompt="Which colour?")).prompts
    assert text.startswith("Which colour?")
    assert "green" in text
    play = Playbook()
    play.begin()
    assert play.reply(Menu(menu_id="m", options=options, aloud=False)).prompts == []
    assert play.press("2", at=1.0).sent[0].option_id == "g"


# --- the gateway's own words ---------------------------------------------------------------------------------------
def test_the_gateway_speaks_the_language_the_caller_is_spoken_to() -> None:
    play = Playbook(number={"words": {"apology": "Oops."}})
    play.greet()
    play.speak("hello", at=3.0)
    assert play(BotFailed(turn=1)).prompts == ["Oops."]
    play.play_out()
    play.reply(SetSpeech(language="fr-FR"), turn=None)
    play.speak("bonjour", at=play.now + 1)
    assert play(BotFailed(turn=2)).prompts == [FRENCH.say("apology")]


def test_the_numbers_own_words_are_said_in_every_variety_of_its_language() -> None:
    play = Playbook(number={"language": "en-GB", "words": {"apology": "Oops."}})
    play.greet("Hello", SetSpeech(language="en-US"))
    play.speak("hello", at=4.0)
    assert play(BotFailed(turn=1)).prompts == ["Oops."]


def test_of_several_wordings_the_first_is_said_where_nothing_is_repeated() -> None:
    play = Playbook(words={"en": {"apology": ("First.", "Second.")}})
    play.greet()
    play.speak("hello", at=3.0)
    assert play(BotFailed(turn=1)).prompts == ["First."]


def test_fillers_take_turns_and_do_not_begin_anew_with_each_wait() -> None:
    play = Playbook(number={"filler_after": 1.5, "filler_every": 8, "answer_timeout": 25})
    play.greet()
    play.speak("hello", at=3.0)
    since, heard = play.now, []
    for due in (1.5, 9.5, 17.5):
        assert play.until(since + due - 0.01).prompts == []
        heard += play.until(since + due).prompts
        play.play_out(seconds=1.0)
    assert heard == [ENGLISH.say("filler", variant=n) for n in range(3)]
    play.reply("Here it is")
    play.play_out()
    play.speak("and then?", at=play.now + 1)
    assert play.until(play.now + 1.6).prompts == [ENGLISH.say("filler", variant=3)]


def test_a_caller_who_is_let_in_late_hears_no_filler_at_once() -> None:
    play = Playbook(number={"filler_after": 1.5})
    play(CallOffered())
    play(CallAnswered(), at=10.0)
    assert play.until(11.49).prompts == []
    assert len(play.until(11.5).prompts) == 1


def test_a_bot_that_does_not_answer_is_given_up_on_time_to_more_decimals_than_the_clock_has() -> None:
    play = Playbook(number={"answer_timeout": 3.0000004, "filler_after": 60})
    play.greet()
    play.speak("hello", at=3.0)
    since = play.now
    assert play.until(since + 2.99).prompts == []
    assert play.until(since + 3.01).prompts == [ENGLISH.say("apology")]


# --- what can be interrupted ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("action", "turn", "exempt", "expected"),
    [
        (Say(text="Hello"), 0, ["waiting"], True),
        (Say(text="Hello", interruptible=False), 0, ["waiting"], False),
        (Say(text="Hello"), 0, ["greeting"], False),
        (Say(text="Hello"), 1, ["greeting"], True),
        (Say(text="Wait", role="waiting"), 1, ["waiting"], False),
        (Say(text="Wait", role="waiting"), 1, [], True),
        (Say(text="Wait", role="waiting"), 0, ["greeting"], True),
        (Play(path="a.wav"), 0, [], True),
        (Play(path="a.wav", interruptible=False), 1, [], False),
        (Play(path="a.wav"), 0, ["greeting"], False),
        (Play(path="a.wav"), 1, ["greeting"], True),
        (Pause(seconds=5), 1, [], True),
        (Pause(seconds=5, interruptible=False), 1, [], False),
    ],
)
def test_what_can_be_interrupted(action: Any, turn: int, exempt: list[str], expected: bool) -> None:
    assert is_interruptible(says(action, turn=turn, barge_in={"exempt": exempt})) is expected


def test_an_apology_is_heard_to_its_end() -> None:
    play = Playbook()
    play.greet()
    play.speak("hello", at=3.0)
    play(BotFailed(turn=1))
    play.start_prompt()
    assert not is_interruptible(play)


def test_protection_is_of_the_beginning_not_of_every_sentence() -> None:
    play = Playbook(number={"barge_in": {"protect": 2}})
    play.begin()
    play.reply("One.", "Two.", at=0.1)
    one, two = play.outstanding
    play(PromptStarted(prompt_id=one), at=1.0)
    play(PromptEnded(prompt_id=one, result="played", seconds=1.9, heard_text="One."), at=2.9)
    play(PromptStarted(prompt_id=two), at=2.9)
    play.press("1", at=3.0).expect(StopPlayout())


def test_a_prompt_that_is_not_ours_any_more_is_not_audible() -> None:
    play = Playbook(number={"thinking_input": "barge_in"})
    play.begin()
    play.reply("One.", at=0.1)
    assert play(PromptStarted(prompt_id=99), at=0.2) == []
    play.press("1", at=1.0).refuse(StopPlayout)
    assert play(PromptEnded(prompt_id=99, result="failed"), at=1.1) == []


# --- the account ---------------------------------------------------------------------------------------------------
def test_one_stretch_of_speech_is_one_account() -> None:
    play = Playbook()
    play.begin()
    play.reply("One.", Pause(seconds=1), "Two.", at=0.1)
    one, gap, two = play.outstanding
    play(PromptStarted(prompt_id=one), at=0.2)
    play(PromptEnded(prompt_id=one, result="played", seconds=1.0004, heard_text="One."), at=1.2)
    play(PromptEnded(prompt_id=gap, result="played", seconds=1.0), at=2.2)
    ended = play(PromptEnded(prompt_id=two, result="played", seconds=1.0, heard_text="Two."), at=3.2)
    assert ended.sent == [PlaybackDone(turn=0, complete=True, played=3.0, heard_text="One. Two.")]


def test_what_comes_while_the_bot_still_speaks_belongs_to_the_same_account() -> None:
    play = Playbook()
    play.begin()
    play.reply("One.", "Two.", done=False, at=0.1)
    one, _ = play.outstanding
    play(PromptStarted(prompt_id=one), at=0.2)
    play(PromptEnded(prompt_id=one, result="played", seconds=1.0, heard_text="One."), at=1.2)
    play.reply("Three.", at=1.5)
    assert play.play_out().sent == [PlaybackDone(turn=0, complete=True, played=3.0, heard_text="One. Two. Three.")]


def test_what_could_not_be_spoken_was_not_heard() -> None:
    play = Playbook()
    play.begin()
    play.reply("One.", "Two.", "Three.", at=0.1)
    one, two, three = play.outstanding
    play(PromptEnded(prompt_id=one, result="played", seconds=1.0, heard_text="One."), at=1.0)
    play(PromptEnded(prompt_id=two, result="failed", seconds=0.5, heard_text="Tw"), at=1.5)
    ended = play(PromptEnded(prompt_id=three, result="played", seconds=1.0, heard_text="Three."), at=2.5)
    assert ended.sent == [PlaybackDone(turn=0, complete=False, played=2.5, heard_text="One. Tw Three.")]
    assert play.every.prompts == ["One.", "Two.", "Three."]  # half a sentence needs no apology


def test_the_gateways_own_words_are_none_of_the_bots() -> None:
    play = Playbook(number={"filler_after": 1.5})
    play.greet()
    play.speak("hello", at=3.0)
    play.until(play.now + 1.5)
    assert play.play_out().sent == []
    play.until(play.now + 8.1)
    play.reply("Here it is")
    (done,) = play.play_out().sent
    assert (done.turn, done.heard_text) == (1, "Here it is")


def test_an_unasked_word_gives_the_caller_his_time_again() -> None:
    play = Playbook(number={"no_input": {"timeout": 7}})
    play.greet()
    play.reply("By the way", turn=None, at=play.now + 5)
    play.play_out()
    assert play.until(play.now + 6.9).prompts == []
    assert play.until(play.now + 0.2).prompts == ["Welcome", "By the way"]


def test_a_new_answer_takes_the_place_of_the_one_before_it() -> None:
    play = Playbook(number={"no_input": {"timeout": 7}})
    play.greet()
    play.speak("hello", at=play.now + 1)
    play.reply("Yes?")
    play.play_out()
    assert play.until(play.now + 7.1).prompts == ["Yes?"]


# --- prompts that fail ---------------------------------------------------------------------------------------------
def fail(play: Playbook, *, result: str = "failed") -> Commands:
    """The first outstanding prompt ends without a sound."""
    prompt_id = next(iter(play.outstanding))
    return play(PromptEnded(prompt_id=prompt_id, result=result), at=play.now + 0.1)  # type: ignore[arg-type]  # one of a table of tests


def test_a_sentence_that_nothing_can_speak_is_apologised_for_once() -> None:
    play = Playbook()
    play.begin()
    play.reply("One.", "Two.", at=0.1)
    failed = fail(play)
    assert failed.prompts == [ENGLISH.say("apology")]
    assert failed.kept("warning") == [{"what": "prompt_failed", "role": "answer"}]
    assert fail(play).prompts == []


def test_the_third_in_a_row_that_nothing_can_speak_is_the_fallback() -> None:
    play = Playbook(number={"fallback": {"say": "Please call later."}})
    play.begin()
    play.reply("One.", at=0.1)
    fail(play)
    assert fail(play).prompts == []  # the apology, for which nobody apologises
    assert play.state is State.LISTENING
    play.reply("Two.", turn=None)
    assert fail(play).prompts == ["Please call later."]
    assert fail(play).prompts == []
    assert play.state is State.ENDING


def test_a_sentence_that_was_heard_forgives_those_before_it_that_were_not() -> None:
    play = Playbook()
    play.greet()
    for _ in range(3):
        play.reply("One.", "Two.", turn=None)
        fail(play)
        fail(play)
        play.play_out()
    assert play.every.kept("fallback") == []


def test_a_pause_of_nothing_is_no_failure() -> None:
    play = Playbook()
    play.begin()
    play.reply(Pause(seconds=0), "Hello", at=0.1)
    assert fail(play, result="played").prompts == []
    assert play.every.kept("warning") == []


@pytest.mark.parametrize(("vendor", "names"), [("acme", {"vendor": "acme"}), ("", {})])
def test_a_vendor_that_was_stood_in_for_is_in_the_record_of_the_call(vendor: str, names: dict[str, str]) -> None:
    play = Playbook()
    play.greet()
    failed = play(VendorFailed(part="synthesizer", vendor=vendor, reason="timeout"))
    assert failed.prompts == []
    assert failed.kept("warning") == [{"what": "synthesizer_failed", **names, "detail": "timeout"}]


# --- recordings of the call ----------------------------------------------------------------------------------------
def recorded(announce: str | None) -> Playbook:
    return Playbook(number={"recording": {"mode": "on", "announce": announce}}, has_recording=True)


def test_the_recording_starts_when_its_announcement_was_heard() -> None:
    play = recorded("Recorded.")
    play.begin()
    play.reply("Welcome", at=0.1)
    announcement, welcome = play.outstanding
    play(PromptStarted(prompt_id=announcement), at=0.2)
    assert not is_interruptible(play)
    assert play(PromptEnded(prompt_id=announcement, result="played", seconds=1.0), at=2.0).kept("recording_started")
    assert not play(PromptEnded(prompt_id=welcome, result="played", seconds=1.0), at=3.0).kept("recording_started")


@pytest.mark.parametrize("announce", [None, " "])
def test_without_an_announcement_the_recording_starts_with_the_call(announce: str | None) -> None:
    play = recorded(announce)
    assert play.begin().kept("recording_started") == [{}]
    play.reply("Welcome", at=0.1)
    play.play_out()
    assert len(play.every.kept("recording_started")) == 1


def test_a_call_that_nobody_can_record_is_not_announced_as_recorded() -> None:
    number = NumberSettings.model_validate(
        {"number": "+331", "bot": "demo", "recording": {"mode": "on", "announce": "Recorded."}}
    )
    setup = CallSetup(number=number, info=CallInfo(call_id="call-1"), today=datetime.date(2026, 11, 21))
    conversation = Conversation(setup)
    conversation.handle(CallOffered(), 0.0)
    assert not any(isinstance(command, StartPrompt) for command in conversation.handle(CallAnswered(), 0.1))


def test_a_number_that_is_not_recorded_says_nothing_of_it() -> None:
    play = Playbook(number={"recording": {"mode": "off", "announce": "Recorded."}}, has_recording=True)
    play.greet()
    assert play.every.prompts == ["Welcome"]
    assert play.every.kept("recording_started") == []


# --- sensitive questions -------------------------------------------------------------------------------------------
def test_what_a_caller_answers_to_a_sensitive_question_must_not_be_written_down() -> None:
    play = Playbook()
    conversation = play.conversation
    play.greet("Your PIN?")
    assert not conversation.touched_sensitive
    play.reply(Listen(kind="digits", sensitive=True), turn=None)
    assert conversation.is_sensitive
    assert conversation.touched_sensitive
    play.press("12", at=play.now + 1)
    assert conversation.touched_sensitive
    play.press("#")  # the answer goes out, and the question is over
    assert conversation.touched_sensitive
    assert not conversation.is_sensitive
    play.reply("Thank you")
    assert not conversation.touched_sensitive


# --- thinking over --------------------------------------------------------------------------------------------------
def spoke_ahead(*actions: Any) -> Playbook:
    """The caller goes on talking while the bot thinks; then it answers."""
    play = Playbook(number={"thinking_input": "barge_in", "filler_after": 60}, backend=BackendCapabilities())
    play.greet()
    play.speak("one", at=3.0)
    play(SpeechStarted(at=5.0), at=5.1)
    play(SpeechSustained(at=5.3, voiced=0.3), at=5.3)
    play.reply(*actions, at=5.6)
    return play


def test_what_was_said_ahead_interrupts_an_answer_that_allows_it() -> None:
    spoke_ahead("Answer").start_prompt(at=5.7).expect(StopPlayout())
    spoke_ahead(Say(text="Answer", interruptible=False)).start_prompt(at=5.7).refuse(StopPlayout)


def test_a_prompt_that_starts_late_and_is_gone_interrupts_nothing() -> None:
    play = spoke_ahead()
    assert play(PromptStarted(prompt_id=1), at=5.7) == []
