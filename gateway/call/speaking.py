"""The bot's side of the conversation: prompts handed to the playout, and what became of them."""

from __future__ import annotations

import itertools
from typing import Literal

from gateway.actions import Menu, Pause, Play, Say
from gateway.call.commands import Content, Recording, SendToBot, Silence, StartPrompt, StopPlayout, Tone
from gateway.call.facts import Facts, Prompt, Stretch
from gateway.call.question import Question
from gateway.call.voices import SpeechInForce
from gateway.caller_events import PlaybackDone
from gateway.events import PromptEnded, PromptStarted
from gateway.text import menu as menus
from gateway.text.catalogue import Catalogue
from gateway.text.language import base
from gateway.text.speakable import SentenceCutter, Speakable, speakable

Role = Literal["answer", "waiting", "agent", "system"]
STOP_WAIT = 1.0  # s the playout has to report what was heard; then as if nothing was


class Speaking:
    """Turns what is to be said into prompts, in order, and keeps the account of what was heard."""

    def __init__(self, facts: Facts, speech: SpeechInForce, question: Question) -> None:
        self.facts = facts
        self.speech = speech
        self.question = question
        self._stream: tuple[SentenceCutter, Say] | None = None
        """A text that comes in pieces: what cuts it into sentences, and the newest piece."""
        self._filler = itertools.count()

    # --- saying ----------------------------------------------------------------------------------------------------
    def say(self, say: Say, turn: int) -> None:
        """A bot's words. Streamed pieces are cut into sentences, each a prompt of its own."""
        if say.more or self.is_streaming:
            self._say_streamed(say, turn)
        else:
            self._say_text(say.text, say, turn)

    @property
    def is_streaming(self) -> bool:
        """A text comes in pieces, and more of it is expected."""
        return self._stream is not None

    def drop_stream(self) -> None:
        """Forget what is left of a streamed text."""
        self._stream = None

    def end_stream(self, turn: int) -> None:
        """Say what is left of a streamed text."""
        if self._stream is not None:
            cutter, say = self._stream
            self._stream = None
            for sentence in cutter.flush():
                self._say_text(sentence, say, turn)

    def _say_streamed(self, say: Say, turn: int) -> None:
        cutter = self._stream[0] if self._stream else SentenceCutter(say.language or self.speech.spoken_language)
        self._stream = cutter, say
        for sentence in cutter.push(say.text):
            self._say_text(sentence, say, turn)
        if not say.more:
            self.end_stream(turn)

    def _say_text(self, text: str, say: Say, turn: int) -> None:
        link = self.words("link")
        spoken = speakable(text, say.format, say.language or self.speech.spoken_language, url_phrase=link)
        self._note(spoken)
        if not spoken.text.strip():
            return
        utterance = self.speech.utterance(
            spoken.text, spoken.plain, ssml=spoken.ssml, language=say.language, voice=say.voice
        )
        self._start(utterance, turn, say.role, say.interruptible and not self._is_exempt(say.role, turn))

    def _note(self, spoken: Speakable) -> None:
        for link in spoken.links:
            self.facts.keep("link", url=link)
        for warning in spoken.warnings:
            self.facts.keep("warning", what="text", detail=warning)

    def play(self, play: Play, turn: int) -> None:
        alternative = None
        if play.alt_text:
            alternative = self.speech.utterance(play.alt_text, play.alt_text, ssml=False, language=None, voice=None)
        content = Recording(url=play.url, path=play.path, alternative=alternative)
        self._start(content, turn, "answer", play.interruptible and not self._is_exempt("answer", turn))

    def pause(self, pause: Pause, turn: int) -> None:
        soft = pause.filler == "soft"
        content = Tone(name="wait", seconds=pause.seconds) if soft else Silence(seconds=pause.seconds)
        self._start(content, turn, "answer", pause.interruptible)

    def ask(self, menu: Menu, turn: int, *, aloud: bool) -> None:
        """Read a menu out, or the first of its groups, and remember its keys."""
        text, keys = self._menu_in_words(menu, 0)
        self.question.menu, self.question.keys, self.question.group = menu, keys, None
        if aloud:
            self.question.group = 0
            self.say(Say(text=text), turn)

    def read_on(self, group: int, turn: int) -> None:
        """Read a group of the open menu out. It alone is what is repeated on silence."""
        assert self.question.menu is not None
        text, _ = self._menu_in_words(self.question.menu, group)
        self.question.group = group
        self.facts.answer.clear()
        self.say(Say(text=text), turn)

    def _menu_in_words(self, menu: Menu, group: int) -> tuple[str, dict[str, str]]:
        return menus.spoken_menu(
            menu.prompt,
            menu.options,
            self.speech.spoken_language,
            self._catalogue,
            max_digits=menu.max_digits,
            group=group,
        )

    # --- the gateway's own words -----------------------------------------------------------------------------------
    def own(self, name: str, *, interruptible: bool = False) -> None:
        """One of the gateway's own sentences, in the language the caller is spoken to."""
        self.own_text(self.words(name), interruptible=interruptible)

    def own_text(self, text: str, *, interruptible: bool = False) -> None:
        self._say_text(text, Say(text=text, role="system", interruptible=interruptible), self.facts.turn)

    def filler(self) -> None:
        self.own_text(self.words("filler", variant=next(self._filler)))

    def words(self, name: str, *, variant: int = 0) -> str:
        return self._catalogue.say(name, variant=variant)

    @property
    def _catalogue(self) -> Catalogue:
        """The words of the language the caller is spoken to. The number's own are in the number's language."""
        catalogue = Catalogue.for_language(self.speech.spoken_language, self.facts.setup.words)
        own = self.facts.number
        is_own_language = base(self.speech.spoken_language) == base(own.language)
        return catalogue.with_words(own.words) if is_own_language else catalogue

    def repeat(self) -> bool:
        """Say the last answer again; False when there is nothing to repeat."""
        for content, interruptible in list(self.facts.answer):
            self._start(content, self.facts.turn, "agent", interruptible)
        return bool(self.facts.answer)

    # --- the account -----------------------------------------------------------------------------------------------
    def _is_exempt(self, role: Role, turn: int) -> bool:
        exempt = self.facts.number.barge_in.exempt
        return (role == "waiting" and "waiting" in exempt) or (turn == 0 and "greeting" in exempt and role == "answer")

    def _start(self, content: Content, turn: int, role: Role, interruptible: bool) -> None:
        facts = self.facts
        prompt_id = facts.next_prompt
        facts.next_prompt += 1
        facts.prompts[prompt_id] = Prompt(content=content, turn=turn, role=role, interruptible=interruptible)
        facts.listen_since = None
        if facts.stretch is None:
            facts.stretch = Stretch(turn=turn)
        if role != "system":
            facts.stretch.by_bot = True
            facts.idle_since = None
        if role == "answer":
            if facts.answer_turn != turn:
                facts.answer_turn = turn
                facts.answer.clear()
            if facts.answer or not isinstance(content, Silence):  # the gap after a waiting message is not the answer's
                facts.answer.append((content, interruptible))
        facts.emit(StartPrompt(prompt_id=prompt_id, content=content))

    def prompt_started(self, event: PromptStarted) -> None:
        if event.prompt_id in self.facts.prompts and self._stretch.since is None:
            self._stretch.since = self.facts.now

    def prompt_ended(self, event: PromptEnded) -> Prompt | None:
        """Book a prompt's end. Returns the prompt, or None for one that is no longer ours."""
        prompt = self.facts.prompts.pop(event.prompt_id, None)
        if prompt is None:
            return None
        stretch = self._stretch
        stretch.seconds += event.seconds
        if event.heard_text and prompt.role != "system":
            stretch.heard.append(event.heard_text)
        stretch.stopped = stretch.stopped or event.result == "stopped"
        stretch.failed = stretch.failed or event.result == "failed"
        if event.result == "stopped":
            self.facts.caller.interrupted = True
        elif event.result == "played":
            self.facts.mute = 0
        return prompt

    @property
    def _stretch(self) -> Stretch:
        """The stretch of speech that what is outstanding belongs to."""
        assert self.facts.stretch is not None
        return self.facts.stretch

    def close_stretch(self) -> None:
        """Nothing is outstanding any more: tell the bot what was heard."""
        facts, stretch = self.facts, self._stretch
        facts.stop_at = facts.paused_at = None
        facts.stretch = None
        if not stretch.by_bot or facts.fell_back:
            return
        complete = not stretch.stopped and not stretch.failed
        heard = " ".join(stretch.heard)
        done = PlaybackDone(turn=stretch.turn, complete=complete, played=round(stretch.seconds, 3), heard_text=heard)
        facts.emit(SendToBot(event=done))

    def stop(self) -> None:
        """Stop everything that is outstanding, and wait for the reports."""
        facts = self.facts
        facts.paused_at = None
        if facts.prompts and facts.stop_at is None:
            facts.stop_at = facts.now
            facts.is_mute = False  # what is stopped is no longer paused
            facts.emit(StopPlayout())

    def give_up_reports(self) -> None:
        """The playout owes reports and does not give them: as if nothing was heard."""
        for prompt_id in list(self.facts.prompts):
            self.prompt_ended(PromptEnded(prompt_id=prompt_id, result="stopped"))

    @property
    def prompt_age(self) -> float | None:
        stretch = self.facts.stretch
        return None if stretch is None or stretch.since is None else self.facts.now - stretch.since

    @property
    def current(self) -> Prompt | None:
        """The prompt that plays, or will next."""
        return next(iter(self.facts.prompts.values()), None)
