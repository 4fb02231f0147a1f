"""What `talkpath check` looks at: the configuration's own contradictions, and what its plug-ins have to say."""

from __future__ import annotations

from config.contradictions import Abilities
from config.lint import lint
from config.references import Finding
from config.settings import Settings
from config.speech import engine_of
from gateway.kit.http import HttpClient
from gateway.plugins import Plugins, installed
from gateway.text.catalogue import Catalogue


def _abilities(settings: Settings, plugins: Plugins) -> Abilities:
    """What the configured recognizers can do, as their classes say; none is started."""
    without_partials, needs_hints = [], []
    for name, section in settings.speech.items():
        recognizer = plugins.speech[engine_of(name, section)](name, section, None).recognizer
        if recognizer is not None and not recognizer.capabilities.partials:
            without_partials.append(name)
        if recognizer is not None and recognizer.capabilities.needs_hints:
            needs_hints.append(name)
    return Abilities(
        without_partials=without_partials,
        needs_hints=needs_hints,
        words=Catalogue.names(),
    )


async def examine(settings: Settings, plugins: Plugins | None = None) -> list[Finding]:
    """Everything that is wrong or doubtful, errors first. Opens no socket."""
    known = plugins or installed()
    findings = lint(settings, _abilities(settings, known))
    async with HttpClient() as http:
        for name, section in settings.bots.items():
            backend = known.backends[section.backend](name, section, http)
            for problem in await backend.check():
                path = ("bots", name, *([problem.field] if problem.field else []))
                findings.append(Finding(problem.severity, path, problem.text))
    return sorted(findings, key=lambda finding: finding.severity != "error")
