"""The survey at the end of a conversation: two questions, answered by key or by voice, for Haptik's feedback.

Source: Haptik's public documentation of the messaging API, "Log feedback from user" (November 2026). It takes one
answer an hour, whether the question was answered and a rating from 1 to 5, both of them.
"""

from __future__ import annotations

from typing import Any

from gateway.actions import Action, Listen, Menu, MenuOption, PostCall, Say
from gateway.backends.haptik.settings import SurveySection
from gateway.backends.haptik.words import Words

BEST = 5  # ratings go from 1 to here
MOST_MISSES = 2  # answers that are none, to one question
_PREFIX = "survey-"


class Survey:
    """One call's.

    Args:
        auth_id: Whose feedback it is.
    """

    def __init__(self, settings: SurveySection, words: Words, auth_id: str) -> None:
        self._settings = settings
        self._words = words
        self._auth_id = auth_id
        self._left: list[str] = []
        self._misses = 0
        self._answers: dict[str, Any] = {}
        self._was_held = False

    @property
    def is_open(self) -> bool:
        """Whether a question waits for an answer."""
        return bool(self._left)

    def is_due(self, *, was_with_agent: bool) -> bool:
        """Whether it is held after this conversation; once in a call."""
        return not self._was_held and (
            self._settings.after == "any" or (self._settings.after == "agent" and was_with_agent)
        )

    def begin(self) -> tuple[Action, ...]:
        """The first question."""
        self._was_held = True
        self._left, self._answers = ["resolved", "rating"], {}
        return self.ask()

    def ask(self) -> tuple[Action, ...]:
        """The question that waits."""
        name = self._left[0]
        asked = self._words.say(f"survey_{name}")
        menu = Menu(menu_id=_PREFIX + name, options=self._options(name), aloud=name == "resolved")
        listen = Listen(no_input_prompts=(asked,), no_input_retries=1, on_exhausted="event")
        return (Say(text=asked), menu, listen)

    def _options(self, name: str) -> tuple[MenuOption, ...]:
        if name == "resolved":
            return tuple(MenuOption(id=answer, label=self._words.say(answer)) for answer in ("yes", "no"))
        return tuple(MenuOption(id=str(rating), label=str(rating)) for rating in range(1, BEST + 1))

    def is_asked(self, menu_id: str) -> bool:
        """Whether a menu is the question that waits."""
        return self.is_open and menu_id == _PREFIX + self._left[0]

    def chosen(self, option_id: str) -> tuple[Action, ...]:
        """An answer: the next question, or thanks and the feedback, sent when the call is over."""
        name, self._misses = self._left.pop(0), 0
        self._answers[name] = option_id == "yes" if name == "resolved" else int(option_id)
        if self._left:
            return self.ask()
        job = {"job": "feedback", "auth_id": self._auth_id, **self._answers}
        return (PostCall(kind="backend", data=job), Say(text=self._words.say("survey_thanks")))

    def missed(self) -> tuple[Action, ...]:
        """Something else was said: the question once more, then no more questions."""
        self._misses += 1
        return self.ask() if self._misses < MOST_MISSES else self.close()

    def close(self) -> tuple[Action, ...]:
        """The caller does not answer: half a survey is none."""
        self._left = []
        return ()
