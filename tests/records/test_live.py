"""What the bot is just saying, for whoever watches the call."""

from __future__ import annotations

from gateway.call.commands import StartPrompt
from gateway.events import DigitPressed, PromptEnded, PromptStarted
from gateway.records.live import MAX_PROMPTS, Saying
from gateway.speech_interfaces import Utterance


def start(number: int, utterance: Utterance) -> StartPrompt:
    return StartPrompt(prompt_id=number, content=utterance)


def test_it_is_shown_from_its_first_audio_to_its_end() -> None:
    saying = Saying()
    commands = [
        start(1, Utterance(text="Hello.")),
        start(2, Utterance(text="<speak>Bye.</speak>", plain="Bye.", ssml=True)),
    ]
    saying.observe(0.0, DigitPressed(digit="1"), commands)
    assert saying.text == ""
    saying.observe(0.1, PromptStarted(prompt_id=1), [])
    assert saying.text == "Hello."
    saying.observe(0.9, PromptEnded(prompt_id=1, result="played"), [])
    assert saying.text == ""
    saying.observe(1.0, PromptStarted(prompt_id=2), [])
    assert saying.text == "Bye."
    saying.observe(1.1, PromptEnded(prompt_id=2, result="stopped"), [])
    assert saying.text == ""


def test_what_nobody_may_keep_is_not_shown() -> None:
    saying = Saying()
    saying.observe(0.0, PromptStarted(prompt_id=1), [start(1, Utterance(text="Your PIN is 1234.", sensitive=True))])
    assert saying.text == ""


def test_what_waits_has_a_bound() -> None:
    saying = Saying()
    saying.observe(
        0.0, DigitPressed(digit="1"), [start(number, Utterance(text="x")) for number in range(2 * MAX_PROMPTS)]
    )
    assert len(saying._texts) == MAX_PROMPTS
