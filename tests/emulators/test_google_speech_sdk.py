"""The emulator is honest: Google's own clients (speech 2.41, texttospeech 2.38) speak to it, without our adapter."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from google.api_core import exceptions
from google.auth.transport.grpc import AuthMetadataPlugin
from google.auth.transport.requests import Request
from google.cloud import speech_v1, speech_v2, texttospeech_v1
from google.oauth2 import service_account

from audio.codecs import g711
from audio.format import Encoding
from gateway.speech.scripted.signal import spoken_pcm
from tests.emulators.google_listening import Said
from tests.emulators.google_rules import PROJECT, account_key
from tests.emulators.google_speech import Faults, GoogleEmulator
from tests.recordings import recording, transcripts

NAME = "agent-pass"
RECOGNIZER = f"projects/{PROJECT}/locations/global/recognizers/_"
V1 = {"encoding": "MULAW", "sample_rate_hertz": 8000, "language_code": "en-US"}
V2 = {
    "explicit_decoding_config": {"encoding": "ALAW", "sample_rate_hertz": 8000, "audio_channel_count": 1},
    "language_codes": ["en-US"],
    "model": "telephony",
}


@asynccontextmanager
async def client(kind: Any, emulator: GoogleEmulator, host: str, key: str | None = None) -> AsyncIterator[Any]:
    """One of Google's clients with an account's key; "local" credentials let it send that over a plain connection."""
    account = service_account.Credentials.from_service_account_info(
        json.loads(key or account_key()), always_use_jwt_access=True
    )
    calls = grpc.metadata_call_credentials(AuthMetadataPlugin(account, Request(), default_host=host))
    secure = grpc.composite_channel_credentials(grpc.local_channel_credentials(), calls)
    async with grpc.aio.secure_channel(emulator.address, secure) as channel:
        yield kind(transport=kind.get_transport_class("grpc_asyncio")(channel=channel))


def speech(package: Any, emulator: GoogleEmulator, key: str | None = None) -> Any:
    return client(package.SpeechAsyncClient, emulator, "speech.googleapis.com", key)


def voices(emulator: GoogleEmulator) -> Any:
    return client(texttospeech_v1.TextToSpeechAsyncClient, emulator, "texttospeech.googleapis.com")


async def v1_requests(
    pieces: list[bytes], config: dict[str, Any] | None = None, *, over: asyncio.Event | None = None, **streaming: Any
) -> AsyncIterator[speech_v1.StreamingRecognizeRequest]:
    asked = {"config": V1 | (config or {}), **streaming}
    yield speech_v1.StreamingRecognizeRequest({"streaming_config": asked})
    for piece in pieces:
        yield speech_v1.StreamingRecognizeRequest(audio_content=piece)
    if over is not None:
        await over.wait()


async def paced(emulator: GoogleEmulator, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """One after the other, until the stream is closed: gRPC's client forgets what it was told if it goes on writing."""
    sent = 0
    async for request in requests:
        yield request
        if not await emulator.heard(sent):
            return
        sent += 1


async def results_of(google: Any, requests: AsyncIterator[Any]) -> list[Any]:
    """Every result; the client's own retrying would hide the first error."""
    answers = await google.streaming_recognize(requests=requests, retry=None)
    return [result async for answer in answers for result in answer.results]


async def fail_with(
    google: Any,
    error: type[Exception],
    pieces: list[bytes],
    config: dict[str, Any] | None = None,
    match: str | None = None,
) -> None:
    """Send so much, and wait; a client that went on writing might miss why it was refused."""
    over = asyncio.Event()
    try:
        with pytest.raises(error, match=match):
            await results_of(google, v1_requests(pieces, config, over=over))
    finally:
        over.set()


def cut(data: bytes, size: int = 800) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@pytest.mark.asyncio
@pytest.mark.recordings
async def test_version_1_hears_what_was_said() -> None:
    text = transcripts("en")[NAME]
    audio = g711.encode(recording("en", NAME), Encoding.PCMU)
    async with GoogleEmulator(known={text: recording("en", NAME)}) as emulator, speech(speech_v1, emulator) as google:
        results = await results_of(google, v1_requests(cut(audio), interim_results=True))
    assert [result.is_final for result in results] == [False, True]
    assert results[-1].alternatives[0].transcript == text
    assert bytes(emulator.recognitions[0].audio) == audio
    assert emulator.recognitions[0].is_half_closed


@pytest.mark.asyncio
@pytest.mark.recordings
async def test_version_2_hears_what_was_said() -> None:
    text = transcripts("en")[NAME]
    audio = g711.encode(recording("en", NAME), Encoding.PCMA)

    async def requests() -> AsyncIterator[speech_v2.StreamingRecognizeRequest]:
        yield speech_v2.StreamingRecognizeRequest(recognizer=RECOGNIZER, streaming_config={"config": V2})
        for piece in cut(audio):
            yield speech_v2.StreamingRecognizeRequest(audio=piece)

    async with GoogleEmulator(known={text: recording("en", NAME)}) as emulator, speech(speech_v2, emulator) as google:
        results = await results_of(google, requests())
    assert [result.alternatives[0].transcript for result in results] == [text]


@pytest.mark.asyncio
@pytest.mark.recordings
async def test_speech_that_starts_and_stops_is_told_and_a_timeout_ends_the_stream() -> None:
    text = transcripts("en")[NAME]
    silence = bytes(2 * 8000)
    audio = g711.encode(recording("en", NAME) + silence * 2, Encoding.PCMU)
    asked = {
        "enable_voice_activity_events": True,
        "voice_activity_timeout": {"speech_end_timeout": timedelta(seconds=0.5)},
    }
    async with GoogleEmulator(known={text: recording("en", NAME)}) as emulator, speech(speech_v1, emulator) as google:
        requests = paced(emulator, v1_requests(cut(audio), **asked))
        answers = [answer async for answer in await google.streaming_recognize(requests=requests)]
    events = [answer.speech_event_type.name for answer in answers if answer.speech_event_type]
    assert events[0] == "SPEECH_ACTIVITY_BEGIN"
    assert events[-2:] == ["SPEECH_ACTIVITY_END", "SPEECH_ACTIVITY_TIMEOUT"]
    assert answers[-1].results[0].alternatives[0].transcript == text
    assert not emulator.recognitions[0].is_half_closed


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("config", "word"),
    [
        ({"language_code": "french"}, "language"),
        ({"encoding": "ENCODING_UNSPECIFIED"}, "encoding"),
        ({"sample_rate_hertz": 4000}, "rate"),
        ({"model": "telegraphy"}, "model"),
        ({"speech_contexts": [{"phrases": ["x" * 101]}]}, "phrase"),
        ({"speech_contexts": [{"phrases": ["x"], "boost": 30.0}]}, "boost"),
    ],
)
async def test_a_wrong_first_message_is_refused(config: dict[str, Any], word: str) -> None:
    async with GoogleEmulator() as emulator, speech(speech_v1, emulator) as google:
        await fail_with(google, exceptions.InvalidArgument, [], config, match=word)
    assert emulator.recognitions == []


@pytest.mark.asyncio
async def test_a_foreign_key_is_refused() -> None:
    foreign = account_key(rsa.generate_private_key(65537, 2048))
    async with GoogleEmulator() as emulator, speech(speech_v1, emulator, foreign) as google:
        await fail_with(google, exceptions.Unauthenticated, [])


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("faults", "error"),
    [
        (Faults(refuse="RESOURCE_EXHAUSTED"), exceptions.ResourceExhausted),
        (Faults(break_after=0.1), exceptions.ServiceUnavailable),
    ],
)
async def test_faults_reach_the_client_as_its_own_errors(faults: Faults, error: type[Exception]) -> None:
    emulator = GoogleEmulator(script=(Said(text="hello"),), faults=faults)
    async with emulator, speech(speech_v1, emulator) as google:
        pieces = [] if faults.refuse else [b"\xff" * 800]
        await fail_with(google, error, pieces)


@pytest.mark.asyncio
async def test_garbage_is_no_message_to_the_client() -> None:
    emulator = GoogleEmulator(script=(Said(text="hello"),), faults=Faults(garbage=True))
    async with emulator, speech(speech_v1, emulator) as google:
        answers = await google.streaming_recognize(requests=v1_requests([b"\xff" * 800]), retry=None)
        assert [answer async for answer in answers] == [None]


@pytest.mark.asyncio
async def test_too_long_a_stream_is_ended() -> None:
    async with GoogleEmulator(script=(), longest=1.0) as emulator, speech(speech_v1, emulator) as google:
        await fail_with(google, exceptions.OutOfRange, [b"\xff" * 8000] * 2, match="maximum allowed stream duration")


@pytest.mark.asyncio
async def test_a_whole_answer_is_a_wav_file_of_the_encoding_that_was_asked_for() -> None:
    async with GoogleEmulator() as emulator, voices(emulator) as google:
        answer = await google.synthesize_speech(
            input={"text": "Bonjour."},
            voice={"language_code": "fr-FR", "name": "fr-FR-Wavenet-C"},
            audio_config={"audio_encoding": "MULAW", "sample_rate_hertz": 8000},
        )
    assert answer.audio_content[:4] == b"RIFF"
    assert answer.audio_content.endswith(g711.encode(spoken_pcm("Bonjour.", 8000), Encoding.PCMU))


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("ssml", "name"),
    [
        ("<speak><blink>no</blink></speak>", "fr-FR-Wavenet-C"),
        ('<speak><break time="1s"/>no</speak>', "fr-FR-Chirp3-HD-Kore"),
        ("<speak>no", "fr-FR-Wavenet-C"),
        ("<speak>no</speak>", "fr-FR-Nobody"),
    ],
)
async def test_markup_and_voices_it_does_not_know_are_refused(ssml: str, name: str) -> None:
    async with GoogleEmulator() as emulator, voices(emulator) as google:
        with pytest.raises(exceptions.InvalidArgument):
            await google.synthesize_speech(
                input={"ssml": ssml},
                voice={"language_code": "fr-FR", "name": name},
                audio_config={"audio_encoding": "MULAW", "sample_rate_hertz": 8000},
            )


@pytest.mark.asyncio
async def test_a_voice_that_streams_sends_samples_without_a_header() -> None:
    async def requests(name: str) -> AsyncIterator[texttospeech_v1.StreamingSynthesizeRequest]:
        audio = {"audio_encoding": "PCM", "sample_rate_hertz": 8000}
        config = {"voice": {"language_code": "fr-FR", "name": name}, "streaming_audio_config": audio}
        yield texttospeech_v1.StreamingSynthesizeRequest({"streaming_config": config})
        yield texttospeech_v1.StreamingSynthesizeRequest(input={"text": "Bonjour."})

    async with GoogleEmulator() as emulator, voices(emulator) as google:
        answers = await google.streaming_synthesize(requests=requests("fr-FR-Chirp3-HD-Kore"))
        pieces = [answer.audio_content async for answer in answers]
        with pytest.raises(exceptions.InvalidArgument, match="Chirp 3"):
            async for _ in await google.streaming_synthesize(requests=requests("fr-FR-Wavenet-C")):
                pass
    assert b"".join(pieces) == spoken_pcm("Bonjour.", 8000)
    assert len(pieces) > 1
    assert len(pieces[0]) % 2


@pytest.mark.asyncio
async def test_what_a_client_cancels_is_seen_at_once() -> None:
    script = (Said(text="hello", final=False, after=0.0),)
    async with GoogleEmulator(script=script) as emulator, speech(speech_v1, emulator) as google:
        over = asyncio.Event()
        answers = await google.streaming_recognize(
            requests=v1_requests([b"\xff" * 800], interim_results=True, over=over)
        )
        async with asyncio.timeout(10):
            await emulator.began.wait()
            answers.cancel()
            await emulator.recognitions[0].closed.wait()
        over.set()
    assert emulator.recognitions[0].closed_at is not None


@pytest.mark.asyncio
async def test_its_voices_are_listed() -> None:
    async with GoogleEmulator() as emulator, voices(emulator) as google:
        listed = await google.list_voices(language_code="fr-FR")
    assert {voice.name for voice in listed.voices} >= {"fr-FR-Chirp3-HD-Kore", "fr-FR-Wavenet-C"}
