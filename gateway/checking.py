"""What `talkpath check` looks at: the configuration's own contradictions, and what its plug-ins have to say."""

from __future__ import annotations

from config.contradictions import Abilities
from config.lint import lint
from config.references import Finding
from config.settings import Settings
from gateway.kit.http import HttpClient
from gateway.plugins import Plugins, installed

CANNOT_TRANSFER = ("twilio", "asterisk")


async def examine(settings: Settings, plugins: Plugins | None = None) -> list[Finding]:
    """Everything that is wrong or doubtful, errors first. Opens no socket."""
    known = plugins or installed()
    findings = lint(settings, Abilities(cannot_transfer=CANNOT_TRANSFER))
    async with HttpClient() as http:
        for name, section in settings.bots.items():
            backend = known.backends[section.backend](name, section, http)
            for problem in await backend.check():
                path = ("bots", name, *([problem.field] if problem.field else []))
                findings.append(Finding(problem.severity, path, problem.text))
    return sorted(findings, key=lambda finding: finding.severity != "error")
