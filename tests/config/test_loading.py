"""From files to settings, and everything that is wrong reported at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.errors import ConfigError, ConfigErrors
from config.loading import load
from config.plugins import PluginSections
from tests.fakes.config_sections import PLUGINS, USABLE, CarrierLine, ChatBot, CloudSpeech, PbxLine, load_text

WHOLE = """
server:   {host: 0.0.0.0, port: 8080, public_url: "https://voice.example.com/", max_calls: 200,
           api_token: "${API_TOKEN}", trusted_proxies: [10.0.0.0/8]}
lines:
  pbx:    {transport: pbx, path: /media/pbx, auth: {basic: {username: pbx, password: "${PBX_PASSWORD}"}}}
  cloud:  {transport: carrier, path: /media/cloud, auth: {twilio_signature: "${AUTH_TOKEN}"}}
bots:
  reception: {backend: chat, url: "https://bot.example.com/api/{company}/{bot_id}/{channel}"}
speech:
  cloud: {api_key: "${KEY}"}
defaults:
  language: fr-FR
  recognizer:  {vendor: local}
  synthesizer: {vendor: local}
profiles:
  sales: {no_input: {retries: 1}}
numbers:
  "+33123456789":
    bot: reception
    recognizer:  {vendor: local, hints: ["oui", "non"]}
    synthesizer: {vendor: cloud, voice: "…", fallback: [{vendor: local}]}
    no_input:    {timeout: 7, retries: 2, prompts: ["Pardon ?"], then: hangup}
    barge_in:    {by: [speech, digits], min_speech: 0.25}
    fallback:    {say: "Un conseiller va vous répondre.", transfer: "sip:100@pbx"}
    transfer:    {allow: ["sip:*@pbx", "+33"], ring: 25}
    follow:      {speech: all, vendors: {acme-tts: cloud}, voices: {marie: "21m00Tcm4TlvDq8ikWAM"}}
    recording:   {mode: off, announce: "…"}
  "+3312345*": {profile: sales}
"""
ENVIRONMENT = {"API_TOKEN": "t", "PBX_PASSWORD": "p", "AUTH_TOKEN": "a", "KEY": "k"}


def reported(folder: Path, text: str, env: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigErrors) as raised:
        load_text(folder, text, env)
    return [str(problem).replace(f"{folder}/talkpath.yaml:", "") for problem in raised.value.problems]


def test_the_whole_contract(tmp_path: Path) -> None:
    settings = load_text(tmp_path, WHOLE, ENVIRONMENT)
    assert settings.server.public_url == "https://voice.example.com"
    assert [str(network) for network in settings.server.trusted_proxies] == ["10.0.0.0/8"]
    assert isinstance(settings.lines["pbx"], PbxLine)
    assert isinstance(settings.lines["cloud"], CarrierLine)
    assert isinstance(settings.bots["reception"], ChatBot)
    assert isinstance(settings.speech["cloud"], CloudSpeech)
    number = settings.number_for("0033 1 23 45 67 89")
    assert number is not None
    assert (number.number, number.bot, number.language) == ("+33123456789", "reception", "fr-FR")
    assert number.recognizer.hints == ("oui", "non")
    assert number.recording.mode == "off"
    assert number.no_input.then == "hangup"
    prefixed = settings.number_for("sip:+33123450000@pbx;user=phone")
    assert prefixed is not None
    assert (prefixed.number, prefixed.profile, prefixed.no_input.retries) == ("+3312345*", "sales", 1)
    assert prefixed.bot == "reception"
    assert settings.number_for("+44123") is None


def test_built_in_defaults(tmp_path: Path) -> None:
    number = load_text(tmp_path, USABLE + "numbers: {'*':}").number_for("100")
    assert number is not None
    assert (number.no_input.timeout, number.no_input.retries, number.no_input.then) == (7, 2, "idle")
    assert number.barge_in.by == ("speech", "digits")
    assert (number.barge_in.min_speech, number.barge_in.protect) == (0.25, 0.3)
    assert (number.barge_in.min_words, number.barge_in.confirm_within) == (0, 0)
    assert (number.filler_after, number.filler_every, number.answer_timeout) == (1.5, 8, 30)
    assert (number.batch_gap, number.transcript_timeout, number.digits.interdigit_timeout) == (0.7, 2, 3)
    assert (number.max_length, number.idle_limit, number.transfer.ring) == (30, 30, 25)
    assert (number.end_silence.free, number.end_silence.digits, number.end_silence.email) == (0.8, 1.5, 2)


def test_an_empty_configuration_refuses_every_call(tmp_path: Path) -> None:
    settings = load_text(tmp_path, "")
    assert settings.number_for("100") is None
    assert list(settings.speech) == ["local"]


def test_bare_numbers_as_keys(tmp_path: Path) -> None:
    text = USABLE + "numbers:\n  +33123456789: {}\n  0044123456789: {}\n  100: {}\n  0123: {}\n  *98: {}\n"
    with pytest.raises(ConfigErrors):  # in YAML, a bare * begins an alias
        load_text(tmp_path, text)
    settings = load_text(tmp_path, text.replace("*98", "'*98'"))
    assert list(settings.numbers) == ["+33123456789", "+44123456789", "100", "0123", "*98"]


def test_words_where_words_are_expected(tmp_path: Path) -> None:
    text = (
        USABLE
        + "numbers: {'*': {barge_in: {by: off}, digits: {term_char: off}, recording: {mode: on}, words: {n: no}}}"
    )
    number = load_text(tmp_path, text + "\nrecords: {journal: off}").number_for("1")
    assert number is not None
    assert number.barge_in.by == ()
    assert number.digits.term_char == "off"
    assert number.recording.mode == "on"
    assert number.words == {"n": "no"}


def test_one_item_for_a_list(tmp_path: Path) -> None:
    text = USABLE + "numbers: {'*': {barge_in: {by: digits}, transfer: {allow: +33}, fallback: {transfer: +33123}}}"
    number = load_text(tmp_path, text + "\nserver: {trusted_proxies: 10.0.0.1}").number_for("1")
    assert number is not None
    assert number.barge_in.by == ("digits",)
    assert number.transfer.allow == ("+33",)


def test_numbers_where_text_is_expected(tmp_path: Path) -> None:
    text = USABLE + "numbers: {'*': {fallback: {transfer: 100}, transfer: {allow: [100]}, recognizer: {hints: [1, 2]}}}"
    number = load_text(tmp_path, text).number_for("1")
    assert number is not None
    assert number.fallback.transfer == "100"
    assert number.recognizer.hints == ("1", "2")


def test_numbers_from_the_environment(tmp_path: Path) -> None:
    settings = load_text(tmp_path, "server: {port: '${PORT}', max_calls: '${CALLS:-7}'}", {"PORT": "99"})
    assert (settings.server.port, settings.server.max_calls) == (99, 7)


def test_free_options_keep_their_types(tmp_path: Path) -> None:
    text = USABLE + "numbers: {'*': {synthesizer: {options: {stability: 0.5, speed: 2, on: true, deep: {a: [1]}}}}}"
    number = load_text(tmp_path, text).number_for("1")
    assert number is not None
    assert number.synthesizer.options == {"stability": 0.5, "speed": 2, "on": True, "deep": {"a": [1]}}


def test_the_country_of_the_server_rules_national_forms(tmp_path: Path) -> None:
    settings = load_text(tmp_path, USABLE + "server: {country: 33}\nnumbers: {'0123456789': , '0456*': }")
    assert list(settings.numbers) == ["+33123456789", "+33456*"]
    assert settings.number_for("0123456789") is settings.numbers["+33123456789"]
    assert settings.number_for("+33456000000") is settings.numbers["+33456*"]


def test_loading_again_leaves_the_old_settings_alone(tmp_path: Path) -> None:
    old = load_text(tmp_path, WHOLE, ENVIRONMENT)
    before = old.model_dump()
    with pytest.raises(ConfigErrors):
        load_text(tmp_path, WHOLE.replace("retries: 1", "retries: many"), ENVIRONMENT)
    new = load_text(tmp_path, WHOLE.replace("retries: 1", "retries: 5"), ENVIRONMENT)
    assert old.model_dump() == before
    assert new.numbers["+3312345*"].no_input.retries == 5


# --- what is wrong -------------------------------------------------------------------------------------------------
def test_every_problem_is_reported_at_once(tmp_path: Path) -> None:
    text = """\
server: {porrt: 80, api_token: "${NOPE}", trusted_proxies: [10.0.0.0/40]}
lins: {}
lines:
  pbx: {transport: pbx2, path: /m}
  two: {transport: pbx, path: /m}
  three: {transport: pbx, path: /m, auth: {basic: {username: x}}}
  four: {transport: pbx, path: /m, auth: off}
  five: {transport: pbx, path: /m, auth: none, codec: alow}
bots:
  a: {backend: chat}
  b:
profiles:
  sales: {profile: x, no_imput: {retries: 1}}
  hr: {no_input: {retries: 11, then: hang-up}}
numbers:
  "+33123456789": {bot: c, profile: sale, retries: 3}
  0033123456789: {bot: a, recording: {mode: on}, recording: {mode: off}}
  +3312: {bot: aa, synthesizer: {vendor: clout}, fallback: {transfer: 100}, transfer: {allow: [+33, pbx]}}
  "100": [a]
  "": {bot: a}
"""
    nothing = "matches nothing; write a prefix such as +33, an extension, or sip:*@host"
    assert reported(tmp_path, text) == [
        "1: server.api_token: the environment has no variable NOPE; `${NOPE:-…}` would give it a default",
        "1: server.porrt: unknown key; did you mean `port`?",
        "1: server.trusted_proxies.0: must be an address or a network such as 10.0.0.0/8",
        "2: lins: unknown block; did you mean `lines`?",
        "4: lines.pbx.transport: there is no transport 'pbx2'; did you mean `pbx`? (valid: carrier, pbx)",
        "5: lines.two: has a path and therefore needs `auth`; an open line says `auth: none`",
        "6: lines.three.auth.basic.password: is missing",
        "7: lines.four.auth: says basic, bearer, digest, twilio_signature, or the word none",
        "8: lines.five.codec: must be one of ulaw, alaw; did you mean `alaw`?",
        "10: bots.a.url: is missing",
        "11: bots.b: needs `backend`; valid: chat",
        "13: profiles.sales.no_imput: unknown key; did you mean `no_input`?",
        "13: profiles.sales.profile: a profile inherits from `defaults` alone, from no other",
        "14: profiles.hr.no_input.retries: should be less than or equal to 10",
        "14: profiles.hr.no_input.then: must be one of event, hangup, idle; did you mean `hangup`?",
        "16: numbers.+33123456789.bot: there is no bot 'c'; valid: a, b",
        "16: numbers.+33123456789.profile: there is no profile 'sale'; did you mean `sales`?",
        "16: numbers.+33123456789.retries: unknown key; did you mean `no_input.retries`?",
        "17: numbers.0033123456789: is the same number as '+33123456789'",
        "17: numbers.0033123456789.recording: is set twice; first in line 17",
        "18: numbers.+3312.bot: there is no bot 'aa'; did you mean `a`?",
        "18: numbers.+3312.fallback.transfer: '100' is not matched by `transfer.allow`, which has +33, pbx",
        "18: numbers.+3312.synthesizer.vendor: nothing under `speech` is called 'clout'; valid: local",
        f"18: numbers.+3312.transfer.allow.1: 'pbx' {nothing}",
        "19: numbers.100: must be a block of keys",
        "20: numbers.: is not a number, a prefix that ends in *, or *",
    ]


def test_an_inherited_mistake_is_reported_once_where_it_is_written(tmp_path: Path) -> None:
    text = (
        USABLE + "defaults:\n  recognizer:\n    vendor: clod\nspeech: {cloud: {api_key: k}}\nnumbers: {'1': , '2': }\n"
    )
    assert reported(tmp_path, text) == [
        "6: numbers.1.recognizer.vendor: nothing under `speech` is called 'clod'; did you mean `cloud`?",
    ]


def test_every_recognizer_behind_the_first_is_looked_up(tmp_path: Path) -> None:
    fallback = "[{vendor: cloud}, {vendor: clod}]"
    text = f"{USABLE}speech: {{cloud: {{api_key: k}}}}\nnumbers: {{'1': {{recognizer: {{fallback: {fallback}}}}}}}\n"
    assert reported(tmp_path, text) == [
        "5: numbers.1.recognizer.fallback.1.vendor: nothing under `speech` is called 'clod'; did you mean `cloud`?",
    ]


def test_a_number_needs_a_bot_where_there_are_several(tmp_path: Path) -> None:
    two = "bots: {a: {backend: chat, url: x}, b: {backend: chat, url: x}}\nnumbers: {'1': {}}\n"
    assert reported(tmp_path, two) == ["2: numbers.1: needs `bot`, one of a, b"]
    assert reported(tmp_path, "numbers: {'1': {}}") == ["1: numbers.1: needs `bot`, and there is none under `bots`"]
    assert load_text(tmp_path, two + "defaults: {bot: b}").numbers["1"].bot == "b"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("speech: {clod: {api_key: k}}", "speech.clod: there is no engine 'clod'; did you mean `cloud`?"),
        ("speech: {second: {engine: clod}}", "speech.second.engine: there is no engine 'clod'"),
        ("speech: {cloud: {}}", "speech.cloud.api_key: is missing"),
        ("speech: {cloud: {api_key: ''}}", "speech.cloud.api_key: the secret is empty"),
        ("speech: [cloud]", "speech: must be a block of named entries"),
        ("speech: {cloud: key}", "speech.cloud: must be a block of keys"),
        ("server: 8080", "server: must be a block of keys"),
        ("server: {public_url: voice.example.com}", "server.public_url: must be an http(s) address"),
        ("server: {public_url: 'https://u:p@host'}", "server.public_url: must be an http(s) address"),
        ("server: {country: FR}", "server.country: "),
        ("server: {vad: webrt}", "server.vad: must be one of cascade, webrtc; did you mean `webrtc`?"),
        ("server: {drain_timeout: -1}", "server.drain_timeout: should be greater than or equal to 0"),
        ("defaults: yes", "defaults: must be a block of keys"),
        ("lines: {x: {}}", "lines.x: needs `transport`; valid: carrier, pbx"),
        ("lines: {x: {transport: pbx, path: media, auth: none}}", "lines.x.path: is a path of its own"),
        ("lines: {x: {transport: pbx, path: /api/x, auth: none}}", "lines.x.path: /api/x is the gateway's own"),
        ("lines: {x: {transport: pbx, path: /, auth: none}}", "lines.x.path: / is the gateway's own"),
        ("lines: {x: {transport: pbx, auth: {}}}", "lines.x.auth: needs exactly one way, and names nothing"),
        (
            "lines: {x: {transport: pbx, auth: {none: true, bearer: t}}}",
            "lines.x.auth: needs exactly one way, and names",
        ),
        ("lines: {x: {transport: pbx, auth: open}}", "lines.x.auth: says basic, bearer"),
        ("logging: {level: loud}", "logging.level: must be one of debug, info, warning, error"),
        ("defaults: {barge_in: {by: [speech, keys]}}", "defaults.barge_in.by.1: must be one of speech, digits"),
        (
            "defaults: {synthesizer: {fallback: [{vendr: x}]}}",
            "defaults.synthesizer.fallback.0.vendr: unknown key; did you",
        ),
        ("defaults: {hear_during_prompt: 7}", "defaults.hear_during_prompt"),
        ("zzz: 1", "zzz: unknown block; valid: "),
    ],
)
def test_problems_name_key_and_remedy(tmp_path: Path, text: str, problem: str) -> None:
    assert [line for line in reported(tmp_path, text) if line.startswith(f"1: {problem}")]


def test_two_lines_may_not_share_a_path(tmp_path: Path) -> None:
    text = "lines:\n  a: {transport: pbx, path: /m/, auth: none}\n  b: {transport: carrier, path: /m, auth: none}\n"
    assert reported(tmp_path, text) == ["3: lines.b.path: /m is the path of the line 'a' already"]


def test_without_plugins_the_error_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("bots: {a: {backend: chat}}")
    with pytest.raises(ConfigErrors, match=r"there is no backend 'chat' \(valid: none is installed\)"):
        load(tmp_path / "a.yaml", PluginSections(), {})


def test_the_errors_are_one_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        load_text(tmp_path, "server: {porrt: 1}\nzzz: 1\n")
    assert raised.value.field == "server.porrt"
    assert raised.value.line == 1
    assert len(raised.value.problems) == 2
    assert str(raised.value).count("\n") == 1
    assert ConfigError("x").problems[0].reason == "x"


def test_no_problem_shows_a_value_of_a_secret(tmp_path: Path) -> None:
    text = """
    server: {api_token: [s3cret], port: s3cret}
    lines: {pbx: {transport: pbx, path: /m, auth: {basic: {username: u, password: {x: s3cret}}, bearer: s3cret}}}
    speech: {cloud: {api_key: [s3cret], extra: s3cret}}
    """
    with pytest.raises(ConfigErrors) as raised:
        load_text(tmp_path, text)
    assert "s3cret" not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None


def test_another_account_with_one_vendor(tmp_path: Path) -> None:
    settings = load_text(tmp_path, "speech: {cloud: {api_key: a}, second: {engine: cloud, api_key: b, url: 'ws://h'}}")
    assert isinstance(settings.speech["second"], CloudSpeech)
    assert settings.speech["second"].url == "ws://h"


def test_a_folder(tmp_path: Path) -> None:
    (tmp_path / "1.yaml").write_text(USABLE)
    (tmp_path / "2.yaml").write_text("numbers: {'*': {}}")
    assert load(tmp_path, PLUGINS, {}).number_for("1") is not None
