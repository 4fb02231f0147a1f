"""The emulator is honest: Microsoft's own SDK (1.53) speaks to it, without our adapter; its voices by plain HTTP.

The SDK's own synthesizer uses another, WebSocket protocol; the REST interface is used as its page shows it.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import azure.cognitiveservices.speech as sdk
import httpx
import pytest

from audio.codecs import g711
from audio.format import Encoding
from gateway.speech.scripted.signal import spoken_pcm
from tests.emulators.azure_speech import KEY, AzureEmulator, Faults, Said
from tests.recordings import recording, transcripts

NAME = "agent-pass"
WITHIN = 20.0
FORMATS = {
    Encoding.PCMU: (sdk.audio.AudioStreamWaveFormat.MULAW, 8),
    Encoding.PCMA: (sdk.audio.AudioStreamWaveFormat.ALAW, 8),
    Encoding.L16: (sdk.audio.AudioStreamWaveFormat.PCM, 16),
}
MARKUP = (
    '<speak version="1.0" xmlns="http://www.w3.org/2001/10/synthesis" xml:lang="fr-FR">'
    '<voice name="fr-FR-DeniseNeural">Bonjour.</voice></speak>'
)
HEADERS = {
    "Ocp-Apim-Subscription-Key": KEY,
    "Content-Type": "application/ssml+xml",
    "X-Microsoft-OutputFormat": "raw-8khz-8bit-mono-mulaw",
    "User-Agent": "test",
}


def recognize(
    url: str,
    audio: bytes,
    encoding: Encoding = Encoding.PCMU,
    key: str = KEY,
    hints: tuple[str, ...] = (),
    pause_ms: int | None = None,
) -> list[tuple[str, Any]]:
    """What the SDK tells of a recording, as a programme without asyncio uses it; takes as long as it takes."""
    kind, bits = FORMATS[encoding]
    source = sdk.audio.PushAudioInputStream(sdk.audio.AudioStreamFormat(8000, bits, 1, wave_stream_format=kind))
    config = sdk.SpeechConfig(subscription=key, host=url.replace("http", "ws"))
    config.output_format = sdk.OutputFormat.Detailed
    if pause_ms is not None:
        config.set_property(sdk.PropertyId.Speech_SegmentationSilenceTimeoutMs, str(pause_ms))
    recognizer = sdk.SpeechRecognizer(config, sdk.audio.AudioConfig(stream=source), language="en-US")
    grammar = sdk.PhraseListGrammar.from_recognizer(recognizer)
    for hint in hints:
        grammar.addPhrase(hint)
    told: list[tuple[str, Any]] = []
    is_over = threading.Event()

    def stopped(_: Any) -> None:
        is_over.set()

    recognizer.recognizing.connect(lambda event: told.append(("partial", event.result.text)))
    recognizer.recognized.connect(lambda event: told.append((event.result.reason.name, event.result.text)))
    recognizer.speech_start_detected.connect(lambda event: told.append(("started", event.offset)))
    recognizer.canceled.connect(lambda event: told.append(("canceled", event.cancellation_details.code.name)))
    recognizer.session_stopped.connect(stopped)
    recognizer.start_continuous_recognition_async().get()
    for start in range(0, len(audio), 800):
        source.write(audio[start : start + 800])
    source.close()
    assert is_over.wait(WITHIN)
    return told


@pytest.mark.asyncio
@pytest.mark.recordings
@pytest.mark.parametrize("encoding", FORMATS)
async def test_the_sdk_hears_what_was_said(encoding: Encoding) -> None:
    text, pcm = transcripts("en")[NAME], recording("en", NAME)
    audio = pcm if encoding is Encoding.L16 else g711.encode(pcm, encoding)
    emulator = AzureEmulator(known={text: pcm})
    async with emulator.serve() as url:
        told = await asyncio.to_thread(recognize, url, audio, encoding, hints=("facturation",))
        async with asyncio.timeout(WITHIN):
            await emulator.sessions[0].closed.wait()
    assert told[0][0] == "started"
    assert told[1:3] == [("partial", text.split()[0]), ("RecognizedSpeech", text)]
    assert told[-1] == ("canceled", "NoError")
    (session,) = emulator.sessions
    assert bytes(session.audio) == audio
    assert session.has_ended
    assert session.query["language"] == "en-US"
    assert session.context["dgi"]["Groups"][0]["Items"] == [{"Text": "facturation"}]


@pytest.mark.asyncio
@pytest.mark.recordings
async def test_a_pause_ends_an_utterance() -> None:
    text, pcm = transcripts("en")[NAME], recording("en", NAME)
    audio = g711.encode(pcm + bytes(2 * 8000), Encoding.PCMU)
    emulator = AzureEmulator(known={text: pcm})
    async with emulator.serve() as url:
        told = await asyncio.to_thread(recognize, url, audio, pause_ms=400)
    assert [text for kind, text in told if kind == "RecognizedSpeech"] == [text]


@pytest.mark.asyncio
async def test_two_finals_and_one_that_was_not_understood() -> None:
    script = (Said(text="One.", after=0.1), Said(status="NoMatch", after=0.2), Said(text="Two."))
    async with AzureEmulator(script=script).serve() as url:
        told = await asyncio.to_thread(recognize, url, b"\xff" * 2400)
    finals = [entry for entry in told if entry[0] in ("RecognizedSpeech", "NoMatch")]
    assert finals == [("RecognizedSpeech", "One."), ("NoMatch", ""), ("RecognizedSpeech", "Two.")]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("key", "faults", "code"),
    [
        ("0" * 32, Faults(), "AuthenticationFailure"),
        (KEY, Faults(status=429), "TooManyRequests"),
        (KEY, Faults(close_after=0.1), "ServiceError"),
    ],
)
async def test_faults_reach_the_sdk_as_its_own_codes(key: str, faults: Faults, code: str) -> None:
    async with AzureEmulator(script=(), faults=faults).serve() as url:
        told = await asyncio.to_thread(recognize, url, b"\xff" * 2400, key=key)
    assert told[-1] == ("canceled", code)


@pytest.mark.asyncio
async def test_voices_speak_as_the_page_says() -> None:
    emulator = AzureEmulator()
    async with emulator.serve() as url, httpx.AsyncClient(base_url=url) as http:
        answer = await http.post("/cognitiveservices/v1", content=MARKUP.encode(), headers=HEADERS)
        listed = await http.get("/cognitiveservices/voices/list", headers=HEADERS)
    assert answer.status_code == 200
    assert answer.content == g711.encode(spoken_pcm("Bonjour.", 8000), Encoding.PCMU)
    assert {"fr-FR-DeniseNeural"} < {voice["ShortName"] for voice in listed.json()}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("headers", "markup", "status"),
    [
        ({"Ocp-Apim-Subscription-Key": "0"}, MARKUP, 401),
        ({"Content-Type": "text/plain"}, MARKUP, 400),
        ({"X-Microsoft-OutputFormat": "raw"}, MARKUP, 400),
        ({"User-Agent": ""}, MARKUP, 400),
        ({}, "<speak>", 400),
        ({}, MARKUP.replace("Denise", "Nobody"), 400),
        ({}, MARKUP.replace("Bonjour.", "<blink>x</blink>"), 400),
    ],
)
async def test_what_is_wrong_is_refused(headers: dict[str, str], markup: str, status: int) -> None:
    async with AzureEmulator().serve() as url, httpx.AsyncClient(base_url=url) as http:
        answer = await http.post("/cognitiveservices/v1", content=markup.encode(), headers=HEADERS | headers)
    assert answer.status_code == status
