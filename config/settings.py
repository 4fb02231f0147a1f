"""The root of the configuration: all that an operator may write, checked and merged. `loading` makes it from files."""

from __future__ import annotations

from functools import cached_property

from pydantic import Field, PrivateAttr, SerializeAsAny

from config.base import Section
from config.bots import BotSection
from config.call import CallSection, NumberSettings
from config.jobs import HookSection, JobsSection, MailSection
from config.lines import LineSection
from config.numbers import NumberTable, normalise
from config.origins import Origins
from config.prompts import PromptsSection
from config.server import LoggingSection, MediaSection, RecordsSection, ServerSection


class ProfileSection(CallSection):
    """What stands under `defaults` and in a profile: the conduct of calls, and which bot answers them."""

    bot: str | None = None
    """A name under `bots`. Unset everywhere: the only bot there is."""


class NumberSection(ProfileSection):
    """What an operator writes under a number. All else is inherited: built-in defaults, `defaults`, profile, number."""

    profile: str | None = None
    """A name under `profiles`, from which this number inherits."""


class Settings(Section):
    """A whole configuration, which never changes: a reload makes another one, and running calls keep theirs."""

    server: ServerSection = ServerSection()
    lines: dict[str, SerializeAsAny[LineSection]] = Field(default_factory=dict)
    """How calls reach us, by a name of the operator's."""
    bots: dict[str, SerializeAsAny[BotSection]] = Field(default_factory=dict)
    """Who answers, by a name of the operator's."""
    speech: dict[str, SerializeAsAny[Section]] = Field(default_factory=dict)
    """Speech vendors: one entry each for credentials, endpoint and limits. `local` needs none."""
    prompts: PromptsSection = PromptsSection()
    defaults: ProfileSection = ProfileSection()
    """What every number inherits."""
    profiles: dict[str, ProfileSection] = Field(default_factory=dict)
    """Named sets of settings that a number inherits before its own. A profile inherits from `defaults` alone."""
    numbers: dict[str, NumberSettings] = Field(default_factory=dict)
    """Called numbers, prefixes that end in `*`, or `*`: the longest match rules the call. As normalised keys."""
    hooks: dict[str, HookSection] = Field(default_factory=dict)
    """Services of the operator's, by name: told of links (`link_hook`), and of what bots dispatch after a call."""
    jobs: JobsSection = JobsSection()
    mail: MailSection | None = None
    """The mail server for what bots ask to have mailed after a call. Unset: nothing is mailed."""
    records: RecordsSection = RecordsSection()
    logging: LoggingSection = LoggingSection()
    media: MediaSection = MediaSection()

    _origins: Origins = PrivateAttr(default_factory=Origins)

    @property
    def origins(self) -> Origins:
        """Where every effective setting was written; empty where nobody loaded it from files."""
        return self._origins

    def number_for(self, called: str) -> NumberSettings | None:
        """The settings that rule a call to this number, in whatever form it is written; None: refuse the call."""
        return self._table.find(normalise(called, self.server.country))

    @cached_property
    def _table(self) -> NumberTable[NumberSettings]:
        return NumberTable(self.numbers)
