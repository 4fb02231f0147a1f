"""What `talkpath check` looks at: the configuration's own contradictions, and what its plug-ins have to say."""

from __future__ import annotations

from collections.abc import Mapping

from config.contradictions import Abilities
from config.lint import lint
from config.references import Finding
from config.settings import Settings
from gateway.kit.http import HttpClient
from gateway.plugins import Plugins, SpeechVendor, installed
from gateway.speech_check import SpeechCheck
from gateway.text.catalogue import Catalogue


def _abilities(vendors: Mapping[str, SpeechVendor]) -> Abilities:
    """What the configured recognizers can do, as they say themselves; none is started."""
    ears = {name: vendor.recognizer.capabilities for name, vendor in vendors.items() if vendor.recognizer is not None}
    return Abilities(
        without_partials=[name for name, can in ears.items() if not can.partials],
        needs_hints=[name for name, can in ears.items() if can.needs_hints],
        words=Catalogue.names(),
    )


async def examine(settings: Settings, plugins: Plugins | None = None) -> list[Finding]:
    """Everything that is wrong or doubtful, errors first. Opens no socket."""
    known = plugins or installed()
    speech = SpeechCheck(settings, known)
    findings = lint(settings, _abilities(speech.made), speech.of_number)
    async with HttpClient() as http:
        for name, section in settings.bots.items():
            backend = known.backends[section.backend](name, section, http)
            for problem in await backend.check():
                path = ("bots", name, *([problem.field] if problem.field else []))
                findings.append(Finding(problem.severity, path, problem.text))
    return sorted(findings, key=lambda finding: finding.severity != "error")
