"""A module run by voice: asked, heard, read back, validated here and by the backend, slot after slot. Does no I/O.

What is to be done comes out as values: actions for the call, webhooks to deliver, timers to arm. The opposite side,
which does them, is `chat`; what the backend asks for by REST comes in through `steering`.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from zoneinfo import ZoneInfo

from gateway.actions import Hangup, PostCall, Record, Release, Say, SendLink, Transfer
from gateway.backends.talklift.fields import Answer, Invalid, Setting, is_keyed, is_read_back, read, type_of
from gateway.backends.talklift.outputs import (
    Arm,
    Button,
    Deliver,
    Mode,
    Output,
    listen,
    module_menu,
    question,
    read_back,
    say,
)
from gateway.backends.talklift.protocol import IdKind, SlotState, StoryState, module_event, slot_event
from gateway.backends.talklift.settings import ModuleSection, TalkliftBotSection
from gateway.backends.talklift.words import Words
from gateway.events import CallInfo
from gateway.text.speakable import detect
from gateway.text.yesno import yes_or_no

LONGEST_CHAIN = 20  # modules without a question in a row; more is a circle in the configuration


class Runner:
    """One call's modules.

    Args:
        ids: Gives numbers for states.
        clock: The time of day, with its zone.
        since: When the gateway started, for slots without dates.
    """

    def __init__(
        self,
        settings: TalkliftBotSection,
        call: CallInfo,
        session: int,
        *,
        ids: Callable[[IdKind], int],
        clock: Callable[[], datetime.datetime],
        since: datetime.datetime,
    ) -> None:
        self.settings = settings
        self.call = call
        self.session = session
        self.words = Words(call.language, settings.texts)
        self._ids = ids
        self._clock = clock
        self._zone = ZoneInfo(settings.timezone)
        self._since = since.astimezone(self._zone)
        self.story: StoryState | None = None
        self.current: SlotState | None = None
        self.candidate: Answer | None = None
        self.mode = Mode.MENU
        self.invalid = 0
        self.buttons: dict[str, Button] = {}
        self.has_backend_spoken = False
        self.mark = 0
        self._chain = 0
        self.stories: dict[int, StoryState] = {}

    # --- beginning -------------------------------------------------------------------------------------------------
    def start(self) -> list[Output]:
        settings = self.settings
        greeting: list[Output] = [say(settings.greeting)] if settings.greeting else []
        if settings.start == "menu" and len(settings.modules) > 1:
            return [*greeting, *self.ask_module()]
        first = settings.modules[0] if settings.start == "menu" else settings.module(settings.start)
        assert first is not None  # checked when the configuration was read
        return [*greeting, *self.begin(first)]

    def ask_module(self) -> list[Output]:
        """The menu of modules."""
        self.mode, self.current, self.buttons = Mode.MENU, None, {}
        self.invalid = 0
        return [say(self.words.say("which_module")), *module_menu(self.settings.modules, self._retries)]

    def begin(self, module: ModuleSection) -> list[Output]:
        """Start a module; one that was under way is left as it is."""
        self._chain += 1
        if self._chain > LONGEST_CHAIN:
            return self.fall_back("modules lead in a circle without a question")
        now = self.now()
        self.story = StoryState.begin(
            module,
            session=self.session,
            org=self.settings.org,
            project=self.settings.project,
            ids=self._ids,
            at=now,
        )
        self.stories[self.story.id] = self.story
        self.buttons, self.current = {}, None
        outputs: list[Output] = [say(text) for text in module.responses]
        if self.settings.partial_webhook and module.slots:
            data = {"job": "partial", "story_state": self.story.id, "key": f"{self.call.call_id}-{self.story.id}"}
            outputs += [PostCall(kind="backend", data=data), self._progress()]
        return [*outputs, *self.advance()]

    # --- slots -----------------------------------------------------------------------------------------------------
    def advance(self) -> list[Output]:
        """On to the next slot that is to be asked, or to the module's end."""
        assert self.story is not None
        outputs: list[Output] = []
        for state in self.story.states:
            if state.is_done or not self.story.is_shown(state):
                continue
            if type_of(state.slot) != "media":
                return [*outputs, *self.ask(state)]
            done = self._media(state)
            if done is None:
                return [*outputs, *self.fall_back("a slot wants what a telephone cannot give")]
            outputs += done
        return [*outputs, *self._finish()]

    def _media(self, state: SlotState) -> list[Output] | None:
        """A file, a picture, a place: a link to a page that takes it, or nothing; None: neither is allowed."""
        settings = self.settings
        if settings.media_slots == "fallback":
            return None
        if settings.media_slots == "skip" or settings.media_link is None:
            return [Record(kind="event", data={"slot_skipped": state.slot.label})]
        link = settings.media_link.replace("{session}", str(self.session)).replace("{slot}", str(state.slot.id))
        self._fill(state, link)
        return [say(self.words.say("link_follows")), SendLink(url=link, text=state.slot.label)]

    def ask(self, state: SlotState, *before: Output) -> list[Output]:
        """Ask a slot's question."""
        if self.current is not state:
            self.invalid = 0
        self._chain = 0
        self.current, self.mode, self.candidate, self.buttons = state, Mode.ASKING, None, {}
        state.waiting_response = True
        self._touch()
        return [*before, *question(state.slot, state.id, self._retries)]

    # --- what the caller says --------------------------------------------------------------------------------------
    def heard(self, said: str, *, by_key: bool = False) -> list[Output]:
        """The caller's words, or the label of the option he has chosen."""
        if self.mode is Mode.OVER:
            return []
        steered = self._steered(said, by_key=by_key)
        if steered is not None:
            return steered
        match self.mode:
            case Mode.CONFIRMING:
                return self._confirmed(said)
            case Mode.VALIDATING:
                return [
                    Say(text=self.words.say("one_moment"), role="waiting"),
                    listen(self.current.slot if self.current else None, self._retries),
                ]
            case Mode.ASKING:
                return self._answered(said)
            case _:
                return self._picked(said)

    def chosen(self, menu_id: str, option_id: str, label: str) -> list[Output]:
        """An option of a menu: a module, a button of the backend's, or a slot's choice."""
        button = self.buttons.get(option_id) if menu_id.startswith("message-") else None
        if button is not None:
            return self._pressed(button)
        if menu_id == "modules":
            label = option_id
        return self.heard(label)

    def _steered(self, said: str, *, by_key: bool) -> list[Output] | None:
        operator = self.settings.operator
        question = self.current.slot if self.current is not None and self.mode is Mode.ASKING else None
        if by_key:
            wanted = operator is not None and said == operator.key and not (question and is_keyed(question))
        else:
            wanted = operator is not None and self.words.means("operator", said, *operator.phrases)
        if wanted and operator is not None:
            return [say(self.words.say("transfer")), Transfer(transfer_id="operator", target=operator.target)]
        if self.mode is Mode.ASKING and self.current is not None and not by_key:
            if self.words.means("repeat", said):
                return self.ask(self.current)
            if self.settings.allow_back and self.words.means("back", said):
                return self._back(self.current)
        return None

    def _back(self, state: SlotState) -> list[Output]:
        """Open the answer before this one again."""
        assert self.story is not None
        earlier = [each for each in self.story.states[: self.story.states.index(state)] if each.is_done]
        state.waiting_response = False
        if not earlier:
            return self.ask(state)
        earlier[-1].is_done = False
        return self.ask(earlier[-1])

    def _answered(self, said: str) -> list[Output]:
        state = self.current
        assert state is not None
        found = read(state.slot, said, self._setting())
        if isinstance(found, Invalid):
            return self._refused(state, found.complaint)
        if is_read_back(state.slot, self.settings.confirm):
            self.mode, self.candidate = Mode.CONFIRMING, found
            return read_back(found, state.slot, self.words, self._retries)
        return self._accepted(state, found.data)

    def _confirmed(self, said: str) -> list[Output]:
        state, candidate = self.current, self.candidate
        assert state is not None
        assert candidate is not None
        verdict = {"1": True, "2": False}.get(said.strip(), yes_or_no(said, self.words.language))
        if verdict:
            return self._accepted(state, candidate.data)
        if verdict is None:
            self.invalid += 1
            if self.invalid >= self._retries:
                return self.fall_back("no answer was confirmed")
            return read_back(candidate, state.slot, self.words, self._retries)
        return self._again(state)

    def _refused(self, state: SlotState, complaint: str) -> list[Output]:
        """Not valid: say so, and ask again, up to the limit."""
        message = state.slot.validation_message or self.words.say(complaint)
        return self._again(state, Say(text=message, format=detect(message), interruptible=False, role="agent"))

    def _again(self, state: SlotState, *before: Output) -> list[Output]:
        self.invalid += 1
        if self.invalid >= self._retries:
            return [*before, *self.fall_back("no valid answer")]
        return self.ask(state, *before)

    def _accepted(self, state: SlotState, data: str) -> list[Output]:
        """Valid here; the backend may have to agree."""
        assert self.story is not None
        if not state.slot.validate_with_webhook:
            return self.done(state, data)
        self.mode, self.candidate, self.has_backend_spoken = Mode.VALIDATING, Answer(data, data), False
        self.mark += 1
        state.waiting_response = True
        self._touch()
        body = slot_event(self.story, state, data, self._since)
        key = f"{self.call.call_id}-{state.id}-{self.mark}"
        return [
            Deliver(body=body, key=key, slot_state=state.id, mark=self.mark),
            Arm(name="validation", seconds=self.settings.validation_timeout, mark=self.mark),
        ]

    def done(self, state: SlotState, data: str) -> list[Output]:
        """A slot is complete: on to the next."""
        self._fill(state, data)
        outputs: list[Output] = []
        if self.settings.partial_webhook and self.story is not None:
            outputs.append(self._progress())
        return [*outputs, *self.advance()]

    def _progress(self) -> Record:
        """How far the module has come, for the event of one that is left in the middle."""
        assert self.story is not None
        return Record(kind="variables", data={"story_state": self.story.masked()})

    def _fill(self, state: SlotState, data: str) -> None:
        state.is_done, state.waiting_response, state.data = True, False, data
        self.current = self.candidate = None
        self._touch()

    # --- what does not come ----------------------------------------------------------------------------------------
    def silence(self) -> list[Output]:
        """The caller has said nothing to the last repetition."""
        match self.mode:
            case Mode.VALIDATING:
                return [
                    Say(text=self.words.say("one_moment"), role="waiting"),
                    listen(self.current.slot if self.current else None, self._retries),
                ]
            case Mode.CLOSING:
                return self.go_on()
            case Mode.OVER:
                return []
            case _:
                return self.fall_back("the caller says nothing")

    def unchecked(self, mark: int) -> list[Output]:
        """The backend was not reached, or has not updated the slot in time. Nothing is taken for granted."""
        state, candidate = self.current, self.candidate
        if mark != self.mark or self.mode is not Mode.VALIDATING or state is None or candidate is None:
            return []
        note = Record(kind="event", data={"slot_not_checked": state.slot.label})
        if self.settings.on_validation_failure == "accept":
            return [note, *self.done(state, candidate.data)]
        state.unchecked += 1
        sorry = say(self.words.say("not_checked"))
        if state.unchecked > 1:
            return [note, sorry, *self.fall_back("the backend checks nothing")]
        return self.ask(state, note, sorry)

    def transfer_failed(self) -> list[Output]:
        """The operator was not reached."""
        sorry = say(self.words.say("transfer_failed"))
        match self.mode:
            case Mode.ASKING if self.current is not None:
                return self.ask(self.current, sorry)
            case Mode.CONFIRMING if self.candidate is not None and self.current is not None:
                return [sorry, *read_back(self.candidate, self.current.slot, self.words, self._retries)]
            case Mode.MENU:
                return [sorry, *self.ask_module()]
            case _:
                return [sorry, listen(self.current.slot if self.current else None, self._retries)]

    def fall_back(self, why: str) -> list[Output]:
        self.mode, self.current = Mode.OVER, None
        return [Record(kind="event", data={"module_given_up": why}), Release()]

    # --- the end of a module ---------------------------------------------------------------------------------------
    def _finish(self) -> list[Output]:
        story = self.story
        assert story is not None
        story.is_complete = True
        self.mode, self.current = Mode.CLOSING, None
        self._touch()
        self.mark += 1
        body, key = module_event(story), f"{self.call.call_id}-{story.id}"
        kept: list[Output] = [Record(kind="variables", data={"story_state": story.masked(), "complete": True})]
        if not story.holds_secrets:  # what is stored for later would be written down
            kept.append(PostCall(kind="backend", data={"job": "module", "key": key, "body": body}))
        closing = [say(text) for text in story.module.closing]
        wait = Arm(name="after", seconds=self.settings.post_module_wait, mark=self.mark)
        return [*kept, Deliver(body=body, key=key), *closing, wait]

    def waited(self, mark: int) -> list[Output]:
        """The time for the backend to say something more is over; a menu it has sent gets the caller's time."""
        if mark != self.mark or self.mode is not Mode.CLOSING or self.buttons:
            return []
        return self.go_on()

    def go_on(self) -> list[Output]:
        """What comes after a module."""
        assert self.story is not None
        then = self.story.module.then
        if then == "menu":
            return self.ask_module()
        following = None if then == "hangup" else self.settings.module(then)
        if following is not None:
            return self.begin(following)
        self.mode = Mode.OVER
        return [Hangup(reason="module complete")]

    def _picked(self, said: str) -> list[Output]:
        """Outside of slots: a module's name or trigger."""
        module = self.settings.module(said)
        if module is not None:
            return self.begin(module)
        if self.mode is Mode.CLOSING:
            return [listen(self.current.slot if self.current else None, self._retries)]
        self.invalid += 1
        if self.invalid >= self._retries:
            return self.fall_back("no module was chosen")
        return [say(self.words.say("invalid_choice")), *module_menu(self.settings.modules, self._retries)]

    def _pressed(self, button: Button) -> list[Output]:
        """A postback: its payload names a module; else its title is the answer to the slot that waits."""
        module = self.settings.module(button.payload)
        if module is not None:
            return self.begin(module)
        if self.mode in (Mode.ASKING, Mode.CONFIRMING):
            self.mode = Mode.ASKING
            return self._answered(button.title)
        return [listen(self.current.slot if self.current else None, self._retries)]

    # --- small -----------------------------------------------------------------------------------------------------
    @property
    def _retries(self) -> int:
        return self.settings.max_retries

    def now(self) -> datetime.datetime:
        return self._clock().astimezone(self._zone)

    def _touch(self) -> None:
        if self.story is not None:
            self.story.updated_at = self.now()

    def _setting(self) -> Setting:
        settings = self.settings
        return Setting(
            words=self.words,
            today=self.now().date(),
            caller=self.call.caller,
            country=settings.country,
            date_format=settings.date_format,
        )
