"""OpenAI's messages, as plain data."""

from __future__ import annotations

import json

import pytest

from audio.format import L16_8K, PCMA_8K, PCMU_8K, AudioFormat, Encoding
from gateway.errors import VendorReplyInvalid, VendorUnavailable
from gateway.events import Transcript
from gateway.kit.options import understood
from gateway.speech.openai.options import ListenOptions, SpeakOptions
from gateway.speech.openai.protocol import MAX_PROMPT, speech_request, transcript_in, transcription, upload_fields
from gateway.speech.openai.realtime import RealtimeTurn
from gateway.speech.openai.settings import OpenAiSpeechSection
from gateway.speech_interfaces import ListenSettings, SpeechHeard, Utterance
from gateway.tuning import Prosody, Tuning

SECTION = OpenAiSpeechSection()
DELTA = "conversation.item.input_audio_transcription.delta"
COMPLETED = "conversation.item.input_audio_transcription.completed"


def turn(settings: ListenSettings | None = None, model: str = "gpt-live-transcribe", **options: object) -> RealtimeTurn:
    found, problems = understood(ListenOptions, options)
    assert problems == []
    return RealtimeTurn("openai", settings or ListenSettings(), found, PCMU_8K, model, True)


@pytest.mark.parametrize(
    ("format", "named"),
    [
        (PCMU_8K, {"type": "audio/pcmu"}),
        (PCMA_8K, {"type": "audio/pcma"}),
        (AudioFormat(Encoding.L16, 24000), {"type": "audio/pcm", "rate": 24000}),
    ],
)
def test_a_session_opens_with_its_format_and_model(format: AudioFormat, named: dict[str, object]) -> None:
    settings = ListenSettings(language="fr-FR", phrases=("oui", "non"), hints=("non", "facturation"))
    opening = RealtimeTurn("openai", settings, ListenOptions(), format, "gpt-live-transcribe", True).opening()
    told = {"model": "gpt-live-transcribe", "languages": ["fr"], "keywords": ["oui", "non", "facturation"]}
    sound = {"format": named, "noise_reduction": None, "transcription": told, "turn_detection": None}
    assert [json.loads(message) for message in opening] == [
        {"type": "session.update", "session": {"type": "transcription", "audio": {"input": sound}}}
    ]


def test_jambonz_writes_the_options_as_objects() -> None:
    options, problems = understood(
        ListenOptions,
        {
            "openaiOptions": {
                "model": "gpt-4o-transcribe",
                "input_audio_noise_reduction": {"type": "near_field"},
                "turn_detection": {"type": "server_vad", "threshold": 0.6},
            }
        },
    )
    assert problems == []
    assert (options.model, options.noise_reduction) == ("gpt-4o-transcribe", "near_field")
    assert options.turn_detection == {"type": "server_vad", "threshold": 0.6}


def test_an_unknown_option_is_told_with_the_nearest_one() -> None:
    options, problems = understood(SpeakOptions, {"instruction": "x", "speed": 9})
    assert options == SpeakOptions()
    assert "instructions" in problems[0]
    assert "speed" in problems[1]


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("gpt-transcribe", {"languages": ["en"], "keywords": ["Acme"]}),
        ("whisper-1", {"language": "en", "prompt": "Acme"}),
        ("gpt-realtime-whisper", {"language": "en"}),
    ],
)
def test_hints_go_where_a_model_takes_them(model: str, told: dict[str, object]) -> None:
    settings = ListenSettings(language="en-GB", hints=("Acme",), model=model)
    assert transcription(settings, ListenOptions(), "other") == {"model": model, **told}


def test_a_prompt_made_of_hints_ends_with_a_whole_word() -> None:
    prompt = transcription(ListenSettings(hints=tuple(f"word{i}" for i in range(999))), ListenOptions(), "whisper-1")
    assert 0.9 * MAX_PROMPT < len(prompt["prompt"]) <= MAX_PROMPT
    assert prompt["prompt"].split(", ")[-1].startswith("word")


def test_several_languages_leave_an_older_model_to_find_out() -> None:
    settings = ListenSettings(language="en-GB", tuning=Tuning(alt_languages=("fr-FR",)))
    assert transcription(settings, ListenOptions(), "whisper-1") == {"model": "whisper-1"}


def test_an_uploads_own_prompt_and_temperature_are_fields() -> None:
    options = ListenOptions(prompt="A bank.", temperature=0.2)
    fields = upload_fields(transcription(ListenSettings(hints=("x",)), options, "whisper-1"), options)
    assert fields == [
        ("response_format", "json"),
        ("temperature", "0.2"),
        ("model", "whisper-1"),
        ("language", "en"),
        ("prompt", "A bank."),
    ]


@pytest.mark.parametrize(("rate", "speed"), [(9.0, 4.0), (0.01, 0.25), (1.5, 1.5)])
def test_the_pace_stays_within_what_the_api_takes(rate: float, speed: float) -> None:
    utterance = Utterance(text="<speak>Hi</speak>", plain="Hi", ssml=True, prosody=Prosody(rate=rate))
    request = speech_request(utterance, SpeakOptions(), SECTION)
    assert (request["speed"], request["input"]) == (speed, "Hi")
    assert speech_request(utterance, SpeakOptions(speed=2), SECTION)["speed"] == 2


def test_deltas_of_two_items_read_on_until_each_is_complete() -> None:
    live = turn()
    steps = [
        ({"type": DELTA, "item_id": "a", "delta": "Good "}, [("Good", False)]),
        ({"type": DELTA, "item_id": "b", "delta": "you."}, [("Good you.", False)]),
        ({"type": COMPLETED, "item_id": "a", "transcript": "Good morning"}, [("Good morning", True)]),
        ({"type": DELTA, "item_id": "a", "delta": "late"}, []),
        ({"type": COMPLETED, "item_id": "a", "transcript": "again"}, []),
        ({"type": COMPLETED, "item_id": "b", "transcript": " "}, []),
    ]
    for message, expected in steps:
        heard = [r for r in live.receive(json.dumps(message)) if isinstance(r, Transcript)]
        assert [(result.text, result.final) for result in heard] == expected
    list(live.finish())
    assert live.is_over


def test_a_turn_is_over_when_its_commit_is_answered_and_its_items_are_complete() -> None:
    live = turn()
    live.audio(bytes(800))
    assert [json.loads(message)["type"] for message in live.finish()] == ["input_audio_buffer.commit"]
    assert not live.is_over
    live.receive(json.dumps({"type": "input_audio_buffer.committed", "item_id": "a"}))
    assert not live.is_over
    live.receive(json.dumps({"type": COMPLETED, "item_id": "a", "transcript": ""}))
    assert live.is_over


def test_what_is_left_of_the_turn_before_is_not_of_this_one() -> None:
    live = RealtimeTurn(
        "openai", ListenSettings(), ListenOptions(), PCMU_8K, "gpt-live-transcribe", True, starts_at=2.5
    )
    assert [json.loads(message)["type"] for message in live.opening()] == ["input_audio_buffer.clear", "session.update"]
    for late in ({"type": DELTA, "item_id": "a", "delta": "and more"}, {"type": COMPLETED, "item_id": "a"}):
        assert live.receive(json.dumps(late)) == []
    live.receive(json.dumps({"type": "session.updated"}))
    started = {"type": "input_audio_buffer.speech_started", "audio_start_ms": 3000, "item_id": "b"}
    assert live.receive(json.dumps(started)) == [SpeechHeard(started=True, at=0.5)]
    list(live.finish())
    assert (live.is_over, live.is_clean) == (True, True)


def test_whoever_hangs_up_before_that_has_failed() -> None:
    with pytest.raises(VendorUnavailable):
        turn().closed()


@pytest.mark.parametrize("body", [b"", b"[]", b'{"text": 1}', b"\xff"])
def test_what_is_no_transcription_is_refused(body: bytes) -> None:
    with pytest.raises(VendorReplyInvalid):
        transcript_in(body, "openai")


def test_a_transcription_of_nothing_is_nothing() -> None:
    assert transcript_in(b'{"text": " "}', "openai") is None
    assert transcript_in(b'{"text": " Oui. ", "language": "fr"}', "openai") == Transcript(
        text="Oui.", final=True, language="fr"
    )


def test_uploads_are_in_the_rate_that_is_configured() -> None:
    assert L16_8K.rate == SECTION.listen_rate
