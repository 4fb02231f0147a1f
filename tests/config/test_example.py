"""The shipped example loads with the real plug-ins, and nothing in it is a mistake."""

from __future__ import annotations

from pathlib import Path

from config.lint import lint
from config.loading import load
from config.plugins import PluginSections
from gateway.backends.talkr.settings import TalkrBotSection
from gateway.speech.local.settings import LocalSpeechSection
from gateway.transports.browser.settings import BrowserLine
from gateway.transports.twilio.settings import TwilioLine

EXAMPLE = Path(__file__).resolve().parents[2] / "config" / "example.yaml"
PLUGINS = PluginSections(
    transports={"twilio": TwilioLine, "browser": BrowserLine},
    backends={"talkr": TalkrBotSection},
    speech={"local": LocalSpeechSection},
)


def test_the_example_answers_calls_without_any_account() -> None:
    settings = load(EXAMPLE, PLUGINS, {})
    assert lint(settings) == []
    assert settings.server.is_loopback
    exact, prefixed, other = (settings.number_for(called) for called in ("00441632960000", "+441632960123", "100"))
    assert exact is not None
    assert prefixed is not None
    assert other is not None
    assert (exact.number, prefixed.number, other.number) == ("+441632960000", "+4416329601*", "*")
    assert (prefixed.no_input.timeout, prefixed.barge_in.by) == (12, ("digits",))


def test_port_and_bot_can_be_chosen_from_outside() -> None:
    settings = load(EXAMPLE, PLUGINS, {"TALKPATH_PORT": "9999", "TALKR_URL": "http://127.0.0.1:1"})
    bot = settings.bots["demo"]
    assert settings.server.port == 9999
    assert isinstance(bot, TalkrBotSection)
    assert bot.url.startswith("http://127.0.0.1:1/api/")
