"""The bot's word on voices, recognizers and their timers, obeyed on the very turn it arrives in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.speech_interfaces import ListenSettings, Utterance
from tests.fakes.callers import own_words, phone, typist
from tests.fakes.talkr import response, telephony
from tests.fakes.talkr_gateway import Gateway, talkr_gateway
from tests.fakes.virtual_loop import virtual_time

WAIT, ANSWER, AGAIN = "Please wait...", "Final bot response", "Sorry, what did you say?"
LONG_STORY = "this is a story that goes on and on and on until nobody knows any more how it began"
VENDORS = {
    "elevenlabs": {"voice": "VOICE_ID", "options": {"stability": 0.5, "use_speaker_boost": True}},
    "google": {"voice_name": "fr-FR-Wavenet-A", "google": {"speakingRate": 1.2, "pitch": -2}},
    "azure": {"voiceName": "fr-FR-DeniseNeural", "options": {"style": "cheerful", "styledegree": 1.5}},
}


def near(seconds: float, within: float = 0.002) -> Any:
    return pytest.approx(seconds, abs=within)


def heard_with(gateway: Gateway, vendor: str = "local") -> list[ListenSettings]:
    """What each recognition stream of a vendor was opened with."""
    return [stream.settings for stream in gateway.vendors[vendor].recognizer.streams]


def said_by(gateway: Gateway, vendor: str) -> list[Utterance]:
    return gateway.vendors[vendor].synthesizer.requests


def in_language(slug: str, text: str, **data: Any) -> dict[str, Any]:
    answer = response(messages=[], has_background_text=0, **data)
    return {**answer, "language": {"slug": slug}, "variables": {"bot_answer": text}}


# --- voices --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("vendor", VENDORS)
@virtual_time
async def test_g17_tk24_vendor_voice_and_options_reach_the_vendor(vendor: str, tmp_path: Path) -> None:
    wish = {"vendor": vendor, **VENDORS[vendor]}
    answer = response(speech_synthesis=wish)
    async with talkr_gateway(tmp_path, answer, speech={vendor: {}}) as gateway, phone(gateway) as caller:
        await caller.hears(AGAIN)
    assert caller.words == [WAIT, ANSWER, AGAIN]
    assert gateway.spoken_by(vendor) == [WAIT, ANSWER, AGAIN]
    assert gateway.spoken_by("local") == []
    options = wish.get("options") or wish[vendor]
    voice = next(value for key, value in wish.items() if key.startswith("voice"))
    for said in said_by(gateway, vendor):
        assert (said.voice, said.options, said.language) == (voice, options, "fr-FR")
    assert gateway.notes("warning") == []


@virtual_time
async def test_g17_tk24_tk25_the_documents_own_objects(tmp_path: Path) -> None:
    speech = {"elevenlabs": {}, "google": {}}
    async with talkr_gateway(tmp_path, telephony(), response(), speech=speech) as gateway, phone(gateway) as caller:
        await caller.hears(ANSWER)
        await caller.say("my words")
        await caller.hears(ANSWER)
    assert gateway.bot.bodies[1]["message"] == "my words"
    assert {(said.voice, said.options["stability"]) for said in said_by(gateway, "elevenlabs")} == {("VOICE_ID", 0.5)}
    assert {settings.language for settings in heard_with(gateway, "google")} == {"fr-FR"}
    assert heard_with(gateway, "local") == []


@pytest.mark.parametrize(
    ("named", "vendor"),
    [("Microsoft", "azure"), ("11labs", "elevenlabs"), ("eleven_labs", "elevenlabs"), ("google_cloud", "google")],
)
@virtual_time
async def test_tk24_vendors_by_their_other_names(named: str, vendor: str, tmp_path: Path) -> None:
    answer = response(speech_synthesis={"provider": named, "voice": "v"}, speech_recognizer={"vendor": named})
    async with talkr_gateway(tmp_path, answer, speech={vendor: {}}) as gateway, phone(gateway) as caller:
        await caller.hears(ANSWER)
    assert gateway.spoken_by(vendor) == [WAIT, ANSWER]
    assert len(heard_with(gateway, vendor)) == 1


@virtual_time
async def test_g16_tk24_an_unknown_vendor_costs_one_warning_and_nothing_else(tmp_path: Path) -> None:
    answer = response(speech_synthesis={"vendor": "acme-tts", "voice": "x", "options": {"stability": 1}})
    number = {"synthesizer": {"voice": "ours"}, "language": "fr-FR"}
    async with talkr_gateway(tmp_path, answer, answer, answer, number=number) as gateway, phone(gateway) as caller:
        for _ in range(2):
            await caller.hears(ANSWER)
            await caller.say("my words")
        await caller.hears(ANSWER)
    assert caller.words == [WAIT, ANSWER] * 3
    assert {(said.vendor, said.voice, said.language) for said in said_by(gateway, "local")} == {
        ("local", "ours", "fr-FR")
    }
    assert all(not said.options for said in said_by(gateway, "local"))
    assert gateway.notes("warning") == [{"what": "synthesizer_vendor_not_configured", "vendor": "acme-tts"}]


@virtual_time
async def test_g16_tk25_an_unknown_recognizer_costs_one_warning_and_its_timers_hold(tmp_path: Path) -> None:
    answer = response(speech_recognizer={"vendor": "acme-stt", "language": "de-DE", "timeout": 3})
    async with talkr_gateway(tmp_path, answer, answer) as gateway, phone(gateway) as caller:
        first = await caller.hears(ANSWER)
        again = await caller.hears(AGAIN)
        await caller.say("my words")
        await caller.hears(ANSWER)
    assert again.at - first.until == near(3.0)
    assert {settings.language for settings in heard_with(gateway)} == {"de-DE"}
    assert gateway.notes("warning") == [{"what": "recognizer_vendor_not_configured", "vendor": "acme-stt"}]


@virtual_time
async def test_tk24_a_vendor_that_fails_is_stood_in_for_by_the_numbers_own(tmp_path: Path) -> None:
    answer = response(speech_synthesis={"vendor": "elevenlabs", "voice": "VOICE_ID"})
    speech = {"elevenlabs": {"fail_speech_after": 0}, "google": {}}
    number = {"synthesizer": {"vendor": "google", "voice": "ours"}}
    parts = {"speech": speech, "number": number}
    async with talkr_gateway(tmp_path, answer, **parts) as gateway, phone(gateway) as caller:
        await caller.hears(AGAIN)
    assert caller.words == [WAIT, ANSWER, AGAIN]
    assert gateway.spoken_by("google") == [WAIT, ANSWER, AGAIN]
    assert {(said.voice, said.language) for said in said_by(gateway, "google")} == {("ours", "fr-FR")}
    assert gateway.record()["failed_turns"] == 0


@virtual_time
async def test_tk24_a_voice_that_fails_is_not_asked_again_for_the_same_words(tmp_path: Path) -> None:
    number = {"synthesizer": {"vendor": "google", "voice": "ours", "fallback": [{"vendor": "azure", "voice": "b"}]}}
    parts = {"speech": {"google": {"fail_speech_after": 0}, "azure": {}}, "number": {"language": "fr-FR", **number}}
    async with talkr_gateway(tmp_path, response(), **parts) as gateway, phone(gateway) as caller:
        await caller.hears(ANSWER)
    assert gateway.spoken_by("google") == gateway.spoken_by("azure") == [WAIT, ANSWER]


@virtual_time
async def test_tk24_a_setting_holds_until_it_changes_and_null_goes_back(tmp_path: Path) -> None:
    answers = [
        response(speech_synthesis={"vendor": "elevenlabs", "voice": "one"}),
        response(),
        response(speech_synthesis={"vendor": "elevenlabs", "voice": "two"}),
    ]
    back = response()
    back["data"]["speech_synthesis"] = None
    number = {"synthesizer": {"vendor": "google", "voice": "ours"}, "language": "fr-FR"}
    parts = {"number": number, "speech": {"elevenlabs": {}, "google": {}}}
    async with talkr_gateway(tmp_path, *answers, back, **parts) as gateway, typist(gateway) as caller:
        for _ in range(3):
            await caller.hears(ANSWER)
            await caller.say("my words")
        await caller.hears(ANSWER)
    used = [note["used"].get("synthesizer") for note in gateway.notes("speech_settings")]
    assert [(voice["vendor"], voice["voice"]) for voice in used] == [
        ("elevenlabs", "one"),
        ("elevenlabs", "two"),
        ("google", "ours"),
    ]
    prompts = [(step.vendor, step.voice) for step in _utterances(gateway) if step.plain == ANSWER]
    assert prompts == [("elevenlabs", "one"), ("elevenlabs", "one"), ("elevenlabs", "two"), ("google", "ours")]


def _utterances(gateway: Gateway) -> list[Utterance]:
    commands = [command for step in gateway.journals[-1] for command in step.commands]
    contents = [getattr(command, "content", None) for command in commands]
    return [content for content in contents if isinstance(content, Utterance)]


@virtual_time
async def test_tk24_the_operators_names_for_the_bots_vendor_and_voice(tmp_path: Path) -> None:
    answer = response(speech_synthesis={"vendor": "acme-tts", "voice": "marie"})
    number = {"follow": {"vendors": {"acme-tts": "elevenlabs"}, "voices": {"marie": "21m00"}}}
    parts = {"number": number, "speech": {"elevenlabs": {}}}
    async with talkr_gateway(tmp_path, answer, **parts) as gateway, phone(gateway) as caller:
        await caller.hears(ANSWER)
    assert {said.voice for said in said_by(gateway, "elevenlabs")} == {"21m00"}
    assert gateway.notes("warning") == []


@pytest.mark.parametrize(("follow", "language"), [("language", "fr-FR"), ("none", "en-GB")])
@virtual_time
async def test_tk24_tk25_tk26_a_number_may_follow_less(follow: str, language: str, tmp_path: Path) -> None:
    wish = {"vendor": "elevenlabs", "voice": "VOICE_ID"}
    answer = response(speech_synthesis=wish, speech_recognizer={"vendor": "elevenlabs", "timeout": 2})
    parts = {"number": {"follow": {"speech": follow}}, "speech": {"elevenlabs": {}}}
    async with talkr_gateway(tmp_path, answer, **parts) as gateway, phone(gateway) as caller:
        first = await caller.hears(ANSWER)
        again = await caller.hears(AGAIN)
    assert again.at - first.until == near(7.0)
    assert gateway.spoken_by("elevenlabs") == []
    assert {said.language for said in said_by(gateway, "local")} == {language}
    assert {settings.language for settings in heard_with(gateway)} == {language}


# --- language ------------------------------------------------------------------------------------------------------
@virtual_time
async def test_g3_tk26_the_language_rules_voice_recognizer_and_our_own_words(tmp_path: Path) -> None:
    async with talkr_gateway(tmp_path, response(), response(responses=[])) as gateway, phone(gateway) as caller:
        await caller.hears(ANSWER)
        await caller.say("my words")
        await caller.hears(ANSWER)
    assert {said.language for said in said_by(gateway, "local")} == {"fr-FR"}
    assert {settings.language for settings in heard_with(gateway)} == {"fr-FR"}


@virtual_time
async def test_tk26_the_language_changes_in_the_middle_of_a_call(tmp_path: Path) -> None:
    answers = in_language("FR", "Bonjour."), in_language("DE", "Guten Tag."), in_language("pt_BR", "Bom dia.")
    broken = {"session": "abc123...", "variables": {"error": "oops"}, "data": {}}
    async with talkr_gateway(tmp_path, *answers, broken) as gateway, phone(gateway) as caller:
        for text in ("Bonjour.", "Guten Tag.", "Bom dia."):
            await caller.hears(text)
            await caller.wait(0.2)
            await caller.say("my words")
        await caller.hears(own_words("apology", "pt-BR"))
    spoken = {said.plain: said.language for said in said_by(gateway, "local")}
    assert spoken == {
        "Bonjour.": "fr-FR",
        "Guten Tag.": "de-DE",
        "Bom dia.": "pt-BR",
        own_words("apology", "pt-BR"): "pt-BR",
    }
    streams = [settings.language for settings in heard_with(gateway)]
    assert list(dict.fromkeys(streams)) == ["fr-FR", "de-DE", "pt-BR"]


@pytest.mark.parametrize(
    ("own", "slug", "used"),
    [
        ("en-US", "EN", "en-US"),
        ("fr-FR", "EN", "en-GB"),
        ("fr-CA", "FR", "fr-CA"),
        ("en-GB", "nl", "nl-NL"),
        ("en-GB", "nl-BE", "nl-BE"),
    ],
)
@virtual_time
async def test_tk26_the_region_of_a_language_that_names_none(own: str, slug: str, used: str, tmp_path: Path) -> None:
    answer = in_language(slug, "Hello.")
    async with talkr_gateway(tmp_path, answer, number={"language": own}) as gateway, phone(gateway) as caller:
        await caller.hears("Hello.")
    assert [said.language for said in said_by(gateway, "local")] == [used]


@virtual_time
async def test_tk26_the_objects_own_languages_go_before(tmp_path: Path) -> None:
    answer = response(speech_synthesis={"language": "es"}, speech_recognizer={"language_code": "it-IT"})
    async with talkr_gateway(tmp_path, answer, response()) as gateway, phone(gateway) as caller:
        await caller.hears(ANSWER)
        await caller.say("my words")
        await caller.hears(ANSWER)
    assert {said.language for said in said_by(gateway, "local")} == {"es-ES"}
    assert {settings.language for settings in heard_with(gateway)} == {"it-IT"}


# --- timers --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("wish", "used"),
    [
        ({"timeout": 7}, 7.0),
        ({"timeout": 3}, 3.0),
        ({"no_input_timeout": "4"}, 4.0),
        ({"initialSpeechTimeoutMs": 2500}, 2.5),
        ({"start_timeout_ms": 1500}, 1.5),
        ({"initial_silence_timeout": 61}, 1.0),
        ({"timeout": 12000}, 12.0),
        ({"timeout": 60}, 30.0),
        ({"timeout": 0.1}, 1.0),
        ({"timeout": "soon", "start_timeout": 5}, 5.0),
        ({"timeout": 0}, 1.0),
    ],
    ids=str,
)
@virtual_time
async def test_tk25_the_start_timeout_is_obeyed_exactly(wish: dict[str, Any], used: float, tmp_path: Path) -> None:
    answer = response(speech_recognizer=wish)
    async with talkr_gateway(tmp_path, answer) as gateway, phone(gateway) as caller:
        first = await caller.hears(ANSWER)
        again = await caller.hears(AGAIN)
        second = await caller.hears(AGAIN)
    assert [again.at - first.until, second.at - again.until] == [near(used), near(used)]
    (timer,) = [note["speech_setting"]["start_timeout"] for note in gateway.notes("event") if "speech_setting" in note]
    assert timer["used"] == used
    assert timer["asked"] == wish[timer["key"]]


@pytest.mark.parametrize(
    ("wish", "used"),
    [
        ({"speech_timeout": 0.2}, 0.2),
        ({"speechTimeout": 200}, 0.2),
        ({"asrTimeout": 1.5}, 1.5),
        ({"end_silence_timeout": 2}, 2.0),
        ({"silence_timeout": 0.05}, 0.2),
        ({"end_timeout": 300}, 0.3),
        ({"speech_timeout": 30}, 5.0),
        ({}, 0.8),
    ],
    ids=str,
)
@virtual_time
async def test_tk25_the_end_silence_is_obeyed_exactly(wish: dict[str, Any], used: float, tmp_path: Path) -> None:
    answers = response(speech_recognizer=wish), response()
    async with talkr_gateway(tmp_path, *answers) as gateway, phone(gateway, steady=True) as caller:
        await caller.hears(ANSWER)
        await caller.wait(1)
        said = await caller.say("my words")
        sent = await gateway.asked(2) - caller.began
    assert sent - said.until == near(used, 0.021)  # one frame of 20 ms
    assert heard_with(gateway)[-1].end_silence == used
    timers = [note["speech_setting"] for note in gateway.notes("event") if "speech_setting" in note]
    assert [timer["end_silence"]["used"] for timer in timers] == ([used] if wish else [])


@pytest.mark.parametrize(
    ("wish", "used"),
    [({"max_duration": 3}, 3.0), ({"recognition_timeout": 2500}, 2.5), ({"max_speech_timeout": 1}, 2.0)],
    ids=str,
)
@virtual_time
async def test_tk25_the_longest_utterance_is_obeyed_exactly(wish: dict[str, Any], used: float, tmp_path: Path) -> None:
    speech = {"local": {"echo": False, "texts": ["a story"]}}
    # The story goes on after its longest utterance: what follows may be a turn of its own.
    answers = response(speech_recognizer=wish), response(), response()
    parts = {"speech": speech, "number": {"thinking_input": "drop", "barge_in": {"by": []}}}
    async with talkr_gateway(tmp_path, *answers, **parts) as gateway, phone(gateway, steady=True) as caller:
        await caller.hears(ANSWER)
        await caller.wait(1)
        said = await caller.say(LONG_STORY)
        sent = await gateway.asked(2) - caller.began
    assert said.until - said.at > 4
    assert sent - said.at == near(used, 0.021)
    assert gateway.bot.bodies[1]["message"] == "a story"


@virtual_time
async def test_tk25_timers_hold_until_they_change_and_null_goes_back(tmp_path: Path) -> None:
    last = response()
    last["data"]["speech_recognizer"] = None
    answers = response(speech_recognizer={"timeout": 3}), response(), response(speech_recognizer={}), last
    waits = []
    async with talkr_gateway(tmp_path, *answers) as gateway, typist(gateway) as caller:
        for turn in range(4):
            answer = await caller.hears(ANSWER)
            again = await caller.hears(AGAIN)
            waits.append(again.at - answer.until)
            if turn < 3:
                await caller.say("my words")
    assert waits == [near(3.0), near(3.0), near(7.0), near(7.0)]


@virtual_time
async def test_tk25_hints_and_options_reach_the_recognizer(tmp_path: Path) -> None:
    wish = {"vendor": "gcp", "hints": "oui, non", "model": "latest_long", "google": {"profanityFilter": True}}
    answer = response(speech_recognizer=wish)
    async with talkr_gateway(tmp_path, answer, speech={"google": {}}) as gateway, phone(gateway) as caller:
        await caller.hears(AGAIN)
    (settings,) = set(map(_essentials, heard_with(gateway, "google")))
    assert settings == ("fr-FR", ("oui", "non"), "latest_long", "{'profanityFilter': True}")


def _essentials(settings: ListenSettings) -> tuple[Any, ...]:
    return settings.language, settings.hints, settings.model, str(dict(settings.options))


@pytest.mark.parametrize("key", ["barge_in", "bargein"])
@virtual_time
async def test_tk25_the_bot_may_forbid_interruptions(key: str, tmp_path: Path) -> None:
    answer = response(messages=[], has_background_text=0, speech_recognizer={key: False})
    async with talkr_gateway(tmp_path, answer) as gateway, phone(gateway) as caller:
        await caller.begins_to_hear(ANSWER)
        await caller.wait(0.4)
        await caller.say("stop")
        await caller.hears(ANSWER)
        await caller.hears(AGAIN)
    assert caller.words == [ANSWER, AGAIN]
    assert gateway.record()["barge_ins"] == 0
