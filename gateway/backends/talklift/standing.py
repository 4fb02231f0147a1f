"""Where a call stands in its modules: which is under way, which question is open, what the caller's next words are.

`runner` moves it from module to module, `slots` from question to question, and `steering` where the backend wants it.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from gateway.actions import Listen, Record, Release
from gateway.backends.talklift.fields import Answer, Setting
from gateway.backends.talklift.outputs import Button, Mode, Output, listen
from gateway.backends.talklift.protocol import IdKind, SlotState, StoryState
from gateway.backends.talklift.settings import ModuleSection, TalkliftBotSection
from gateway.backends.talklift.words import Words
from gateway.events import CallInfo


@dataclass(slots=True, kw_only=True)
class Standing:
    """One call's.

    Attributes:
        ids: Gives numbers for states.
        clock: The time of day, with its zone.
        since: When the gateway started, for slots without dates.
        stories: Every module that was begun, by its state's id.
        current: The slot whose answer is wanted.
        candidate: Its answer, while it is read back or checked.
        invalid: Answers in a row that were worth nothing.
        buttons: What the backend has offered to choose from, by option.
        has_backend_spoken: Since it was asked about the slot.
        mark: Of the timer that is wanted; what others leave behind comes too late.
        chain: Modules in a row without a question.
    """

    settings: TalkliftBotSection
    call: CallInfo
    session: int
    ids: Callable[[IdKind], int]
    clock: Callable[[], datetime.datetime]
    since: datetime.datetime
    words: Words = field(init=False)
    mode: Mode = Mode.MENU
    story: StoryState | None = None
    stories: dict[int, StoryState] = field(default_factory=dict)
    current: SlotState | None = None
    candidate: Answer | None = None
    invalid: int = 0
    buttons: dict[str, Button] = field(default_factory=dict)
    has_backend_spoken: bool = False
    mark: int = 0
    chain: int = 0

    def __post_init__(self) -> None:
        self.words = Words(self.call.language, self.settings.texts)
        self.since = self.since.astimezone(ZoneInfo(self.settings.timezone))

    def begin(self, module: ModuleSection) -> StoryState:
        """A module is under way; one that was before is left as it is."""
        settings = self.settings
        story = StoryState.begin(
            module, session=self.session, org=settings.org, project=settings.project, ids=self.ids, at=self.now()
        )
        self.story = self.stories[story.id] = story
        self.buttons, self.current = {}, None
        return story

    def open(self, state: SlotState) -> None:
        """A slot's answer is wanted."""
        if self.current is not state:
            self.invalid = 0
        self.chain = 0
        self.current, self.mode, self.candidate, self.buttons = state, Mode.ASKING, None, {}
        state.waiting_response = True
        self.touch()

    def fill(self, state: SlotState, data: str) -> None:
        """A slot is done."""
        state.is_done, state.waiting_response, state.data = True, False, data
        self.current = self.candidate = None
        self.touch()

    def give_up(self, why: str) -> list[Output]:
        """The modules are over; the number's fallback has the caller."""
        self.mode, self.current = Mode.OVER, None
        return [Record(kind="event", data={"module_given_up": why}), Release()]

    def is_invalid_once_more(self) -> bool:
        """Count an answer that is worth nothing; True: that was the last that is forgiven."""
        self.invalid += 1
        return self.invalid >= self.settings.max_retries

    def listen(self) -> Listen:
        """Go on listening for whatever is wanted."""
        return listen(self.current.slot if self.current is not None else None, self.settings.max_retries)

    def now(self) -> datetime.datetime:
        return self.clock().astimezone(ZoneInfo(self.settings.timezone))

    def touch(self) -> None:
        if self.story is not None:
            self.story.updated_at = self.now()

    def setting(self) -> Setting:
        """What an answer is read by."""
        settings = self.settings
        return Setting(
            words=self.words,
            today=self.now().date(),
            caller=self.call.caller,
            country=settings.country,
            date_format=settings.date_format,
        )
