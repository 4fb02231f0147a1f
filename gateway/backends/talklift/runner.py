"""A project's modules by voice: which one begins, what the caller's words mean at the moment, what follows. No I/O.

What is to be done comes out as values: actions for the call, webhooks to deliver, timers to arm. The opposite side,
which does them, is `chat`; a module's questions are in `slots`, what the backend asks for by REST in `steering`.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable

from gateway.actions import Hangup, PostCall, Record, Say, Transfer
from gateway.backends.talklift.fields import is_keyed
from gateway.backends.talklift.outputs import Arm, Button, Deliver, Mode, Output, module_menu, read_back, say
from gateway.backends.talklift.protocol import IdKind, module_event
from gateway.backends.talklift.settings import ModuleSection, TalkliftBotSection
from gateway.backends.talklift.slots import Slots
from gateway.backends.talklift.standing import Standing
from gateway.events import CallInfo

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
        self.standing = Standing(settings=settings, call=call, session=session, ids=ids, clock=clock, since=since)
        self.slots = Slots(self.standing, self._finish)
        self._settings = settings
        self._words = self.standing.words

    # --- beginning -------------------------------------------------------------------------------------------------
    def start(self) -> list[Output]:
        settings = self._settings
        greeting: list[Output] = [say(settings.greeting)] if settings.greeting else []
        if settings.start == "menu" and len(settings.modules) > 1:
            return [*greeting, *self._ask_module()]
        first = settings.modules[0] if settings.start == "menu" else settings.module(settings.start)
        assert first is not None  # checked when the configuration was read
        return [*greeting, *self._begin(first)]

    def _ask_module(self) -> list[Output]:
        """The menu of modules."""
        at = self.standing
        at.mode, at.current, at.buttons, at.invalid = Mode.MENU, None, {}, 0
        return [say(self._words.say("which_module")), *self._menu()]

    def _menu(self) -> list[Output]:
        return module_menu(self._settings.modules, self._settings.max_retries)

    def _begin(self, module: ModuleSection) -> list[Output]:
        """Start a module; one that was under way is left as it is."""
        at = self.standing
        at.chain += 1
        if at.chain > LONGEST_CHAIN:
            return at.give_up("modules lead in a circle without a question")
        story = at.begin(module)
        outputs: list[Output] = [say(text) for text in module.responses]
        if self._settings.partial_webhook and module.slots:
            data = {"job": "partial", "story_state": story.id, "key": f"{at.call.call_id}-{story.id}"}
            outputs += [PostCall(kind="backend", data=data), story.progress()]
        return [*outputs, *self.slots.advance()]

    # --- what the caller says --------------------------------------------------------------------------------------
    def heard(self, said: str, *, by_key: bool = False) -> list[Output]:
        """The caller's words, or the label of the option he has chosen."""
        at = self.standing
        if at.mode is Mode.OVER:
            return []
        steered = self._steered(said, by_key=by_key)
        if steered is not None:
            return steered
        match at.mode, at.current, at.candidate:
            case Mode.CONFIRMING, state, candidate if state is not None and candidate is not None:
                return self.slots.confirmed(state, candidate, said)
            case Mode.ASKING, state, _ if state is not None:
                return self.slots.answered(state, said)
            case Mode.VALIDATING, _, _:
                return self._patience()
            case _:
                return self._picked(said)

    def chosen(self, menu_id: str, option_id: str, label: str) -> list[Output]:
        """An option of a menu: a module, a button of the backend's, or a slot's choice."""
        button = self.standing.buttons.get(option_id) if menu_id.startswith("message-") else None
        if button is not None:
            return self._pressed(button)
        return self.heard(option_id if menu_id == "modules" else label)

    def _steered(self, said: str, *, by_key: bool) -> list[Output] | None:
        """What the caller can ask for beside an answer: the operator, the question again, the one before."""
        at, operator = self.standing, self._settings.operator
        asked = at.current if at.mode is Mode.ASKING else None
        if by_key:
            wanted = operator is not None and said == operator.key and not (asked and is_keyed(asked.slot))
        else:
            wanted = operator is not None and self._words.means("operator", said, *operator.phrases)
        if wanted and operator is not None:
            return [say(self._words.say("transfer")), Transfer(transfer_id="operator", target=operator.target)]
        if asked is not None and not by_key:
            if self._words.means("repeat", said):
                return self.slots.ask(asked)
            if self._settings.allow_back and self._words.means("back", said):
                return self.slots.back(asked)
        return None

    def _patience(self) -> list[Output]:
        """The backend is still checking."""
        return [Say(text=self._words.say("one_moment"), role="waiting"), self.standing.listen()]

    def _picked(self, said: str) -> list[Output]:
        """Outside of slots: a module's name or trigger."""
        at, module = self.standing, self._settings.module(said)
        if module is not None:
            return self._begin(module)
        if at.mode is Mode.CLOSING:
            return [at.listen()]
        if at.is_invalid_once_more():
            return at.give_up("no module was chosen")
        return [say(self._words.say("invalid_choice")), *self._menu()]

    def _pressed(self, button: Button) -> list[Output]:
        """A postback: its payload names a module; else its title is the answer to the slot that waits."""
        at, module = self.standing, self._settings.module(button.payload)
        if module is not None:
            return self._begin(module)
        if at.mode in (Mode.ASKING, Mode.CONFIRMING) and at.current is not None:
            at.mode = Mode.ASKING
            return self.slots.answered(at.current, button.title)
        return [at.listen()]

    # --- what does not come ----------------------------------------------------------------------------------------
    def silence(self) -> list[Output]:
        """The caller has said nothing to the last repetition."""
        match self.standing.mode:
            case Mode.VALIDATING:
                return self._patience()
            case Mode.CLOSING:
                return self._go_on()
            case Mode.OVER:
                return []
            case _:
                return self.standing.give_up("the caller says nothing")

    def transfer_failed(self) -> list[Output]:
        """The operator was not reached: back to where the caller was."""
        at, sorry = self.standing, say(self._words.say("transfer_failed"))
        match at.mode:
            case Mode.ASKING if at.current is not None:
                return self.slots.ask(at.current, sorry)
            case Mode.CONFIRMING if at.candidate is not None and at.current is not None:
                return [sorry, *read_back(at.candidate, at.current.slot, self._words, self._settings.max_retries)]
            case Mode.MENU:
                return [sorry, *self._ask_module()]
            case _:
                return [sorry, at.listen()]

    # --- the end of a module ---------------------------------------------------------------------------------------
    def _finish(self) -> list[Output]:
        at, story = self.standing, self.standing.story
        assert story is not None
        story.is_complete = True
        at.mode, at.current = Mode.CLOSING, None
        at.touch()
        at.mark += 1
        body, key = module_event(story), f"{at.call.call_id}-{story.id}"
        kept: list[Output] = [Record(kind="variables", data={"story_state": story.masked(), "complete": True})]
        if not story.holds_secrets:  # what is stored for later would be written down
            kept.append(PostCall(kind="backend", data={"job": "module", "key": key, "body": body}))
        closing = [say(text) for text in story.module.closing]
        wait = Arm(name="after", seconds=self._settings.post_module_wait, mark=at.mark)
        return [*kept, Deliver(body=body, key=key), *closing, wait]

    def waited(self, mark: int) -> list[Output]:
        """The time for the backend to say something more is over; a menu it has sent gets the caller's time."""
        at = self.standing
        if mark != at.mark or at.mode is not Mode.CLOSING or at.buttons:
            return []
        return self._go_on()

    def _go_on(self) -> list[Output]:
        """What comes after a module."""
        at = self.standing
        assert at.story is not None
        then = at.story.module.then
        if then == "menu":
            return self._ask_module()
        following = None if then == "hangup" else self._settings.module(then)
        if following is not None:
            return self._begin(following)
        at.mode = Mode.OVER
        return [Hangup(reason="module complete")]
