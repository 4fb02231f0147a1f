"""Google Cloud's other side: Speech-to-Text v1 and v2 and Text-to-Speech, over gRPC on this machine.

Messages and services are those of the API's published descriptions, as google-cloud-speech 2.41 and
google-cloud-texttospeech 2.38 hold them (November 2026); limits from the quotas page (docs.cloud.google.com/
speech-to-text/docs/quotas); statuses from google/rpc/code.proto. Time is the time
of the audio that was received. It knows nothing of the gateway's adapter.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Self

import grpc
from google.cloud import speech_v1, speech_v2, texttospeech_v1

from audio.codecs import g711
from audio.format import AudioFormat, Encoding
from gateway.speech.scripted.signal import spoken_pcm
from tests.emulators.google_listening import Listening, Recognition, Said
from tests.emulators.google_rules import (
    SPOKEN_AS,
    VOICES,
    is_known,
    words,
    wrong_audio,
    wrong_opening,
    wrong_speech,
    wrong_stream,
)

SPEECH_AUDIENCE = "https://speech.googleapis.com/"
VOICES_AUDIENCE = "https://texttospeech.googleapis.com/"
LONGEST = 305.0
HANDLERS = ("rpc_task", "HandleExceptions")
STOPS_WITHIN = 5.0
MAX_AUDIO = {"v1": 25_600, "v2": 15 * 1024}
_WAV_TAGS = {Encoding.L16: 1, Encoding.PCMA: 6, Encoding.PCMU: 7}


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What goes wrong. Codes are names of `grpc.StatusCode`."""

    refuse: str = ""
    """Every request, with this code."""
    break_after: float | None = None
    """Recognition: seconds of audio after which a stream ends with UNAVAILABLE."""
    end_after: float | None = None
    """Recognition: seconds of audio after which a stream ends as if all were well."""
    stall_after: float | None = None
    """Recognition: seconds of audio after which nothing is read and nothing is said."""
    hold_final: bool = False
    """Recognition: nothing is said after the client's end until `GoogleEmulator.released`."""
    break_at_end: bool = False
    """Recognition: a stream that the client ends is answered with UNAVAILABLE."""
    garbage: bool = False
    """Answers are no messages."""
    stall_speech_after: int | None = None
    """Synthesis: bytes of audio after which nothing more comes; 0 for an answer that comes whole."""
    break_speech_after: int | None = None
    """Synthesis, streamed: bytes after which it ends with UNAVAILABLE."""
    wrong_rate: bool = False
    cut: bool = False
    """Synthesis: the WAV file is shorter than its header says."""
    empty: bool = False


@dataclass(slots=True)
class Synthesis:
    """A request as it came; ``input`` of a streamed one is the second message's."""

    request: Any
    input: Any = None
    sent: int = 0
    closed_at: float | None = None
    closed: asyncio.Event = field(default_factory=asyncio.Event)


class GoogleEmulator:
    """A server while it is entered.

    Args:
        known: Recordings (L16 at 8 kHz) by what is said in them, for streams that have no script.
        script: What every stream is answered, instead of hearing.
        longest: Seconds of audio that a stream may have.

    Attributes:
        sounds: What a text sounds like at a rate, L16.
        recognitions: Streams of recognition that were opened, in order.
        syntheses: Likewise requests for speech.
        peers: The addresses that asked: one for each connection.
        began: Set when audio, or a request for speech, has arrived.
    """

    def __init__(
        self,
        *,
        known: Mapping[str, bytes] | None = None,
        script: tuple[Said, ...] | None = None,
        faults: Faults | None = None,
        longest: float = LONGEST,
    ) -> None:
        self.known = dict(known or {})
        self.script = script
        self.faults = faults or Faults()
        self.longest = longest
        self.sounds: Callable[[str, int], bytes] = spoken_pcm
        self.recognitions: list[Recognition] = []
        self.syntheses: list[Synthesis] = []
        self.began = asyncio.Event()
        self.released = asyncio.Event()
        self.peers: set[str] = set()
        self._moved = asyncio.Event()
        self._port = 0

    async def __aenter__(self) -> Self:
        self._server = grpc.aio.server()
        self._server.add_generic_rpc_handlers(self._handlers())
        self._port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.vanish()
        handling = [task for task in asyncio.all_tasks() if task.get_name().startswith(HANDLERS)]
        if handling:  # stopping does not wait for the handlers it has cancelled
            await asyncio.wait(handling, timeout=STOPS_WITHIN)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    async def heard(self, messages: int) -> bool:
        """Wait until the first stream has heard so many pieces of audio, or is over; whether it still goes on."""
        while not self.recognitions or not self._is_through(messages):
            self._moved.clear()
            await self._moved.wait()
        return not self.recognitions[0].closed.is_set()

    async def opened(self, streams: int) -> None:
        """Wait until so many streams have been opened."""
        while len(self.recognitions) < streams:
            self._moved.clear()
            await self._moved.wait()

    def _is_through(self, messages: int) -> bool:
        return self.recognitions[0].messages >= messages or self.recognitions[0].closed.is_set()

    async def vanish(self) -> None:
        """Stop at once, in the middle of whatever goes on."""
        self.released.set()
        await self._server.stop(None)

    def _handlers(self) -> tuple[grpc.GenericRpcHandler, ...]:
        v1, v2, voices = speech_v1, speech_v2, texttospeech_v1
        return (
            grpc.method_handlers_generic_handler(
                "google.cloud.speech.v1.Speech",
                {
                    "StreamingRecognize": self._streams(
                        self._recognize_v1, v1.StreamingRecognizeRequest, v1.StreamingRecognizeResponse
                    )
                },
            ),
            grpc.method_handlers_generic_handler(
                "google.cloud.speech.v2.Speech",
                {
                    "StreamingRecognize": self._streams(
                        self._recognize_v2, v2.StreamingRecognizeRequest, v2.StreamingRecognizeResponse
                    )
                },
            ),
            grpc.method_handlers_generic_handler(
                "google.cloud.texttospeech.v1.TextToSpeech",
                {
                    "SynthesizeSpeech": grpc.unary_unary_rpc_method_handler(
                        self._synthesize,
                        voices.SynthesizeSpeechRequest.deserialize,
                        self._written(voices.SynthesizeSpeechResponse),
                    ),
                    "StreamingSynthesize": self._streams(
                        self._stream_speech, voices.StreamingSynthesizeRequest, voices.StreamingSynthesizeResponse
                    ),
                    "ListVoices": grpc.unary_unary_rpc_method_handler(
                        self._list_voices,
                        voices.ListVoicesRequest.deserialize,
                        self._written(voices.ListVoicesResponse),
                    ),
                },
            ),
        )

    def _streams(self, handle: Any, request: Any, response: Any) -> Any:
        return grpc.stream_stream_rpc_method_handler(handle, request.deserialize, self._written(response))

    def _written(self, response: Any) -> Any:
        return lambda message: b"\xff\xff\xff\xff" if self.faults.garbage else response.serialize(message)

    # --- recognition ------------------------------------------------------------------------------------------------
    async def _recognize_v1(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        async with aclosing(self._recognize("v1", requests, context)) as responses:
            async for response in responses:
                yield response

    async def _recognize_v2(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        async with aclosing(self._recognize("v2", requests, context)) as responses:
            async for response in responses:
                yield response

    async def _recognize(self, version: str, requests: AsyncIterator[Any], context: Any) -> AsyncGenerator[Any, None]:
        opening = await anext(aiter(requests), None)
        await self._admit(context, SPEECH_AUDIENCE)
        wrong = wrong_opening(version, opening)
        if wrong:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, wrong)
        taken = Recognition(version, opening)
        self.recognitions.append(taken)
        self._moved.set()
        try:
            listening = Listening(taken, self.script, self.known, self.faults.end_after)
            async for request in requests:
                audio = request.audio_content if version == "v1" else request.audio
                if not audio or len(audio) > MAX_AUDIO[version]:
                    await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "Audio chunk can be of a limited size.")
                taken.audio += audio
                self.began.set()
                await self._fail_in_time(context, listening.seconds)
                for response in listening.reached():
                    yield response
                if listening.is_over:
                    return
                taken.messages += 1
                self._moved.set()
            taken.is_half_closed = True
            if self.faults.hold_final:
                await self.released.wait()
            if self.faults.break_at_end:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "The service is currently unavailable.")
            for response in listening.end():
                yield response
        finally:
            taken.closed_at = asyncio.get_running_loop().time()
            taken.closed.set()
            self._moved.set()

    async def _fail_in_time(self, context: Any, seconds: float) -> None:
        faults = self.faults
        if faults.break_after is not None and seconds >= faults.break_after:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "The service is currently unavailable.")
        if faults.stall_after is not None and seconds >= faults.stall_after:
            await self.released.wait()
        if seconds > self.longest:
            said = f"Exceeded maximum allowed stream duration of {self.longest:.0f} seconds."
            await context.abort(grpc.StatusCode.OUT_OF_RANGE, said)

    # --- synthesis --------------------------------------------------------------------------------------------------
    async def _synthesize(self, request: Any, context: Any) -> Any:
        await self._admit(context, VOICES_AUDIENCE)
        taken = Synthesis(request)
        self.syntheses.append(taken)
        self.began.set()
        try:
            wrong = wrong_speech(request.input, request.voice) or wrong_audio(request.audio_config)
            if wrong:
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, wrong)
            if self.faults.stall_speech_after is not None:
                await self.released.wait()
            content = self._content(request)
            taken.sent = len(content)
            return texttospeech_v1.SynthesizeSpeechResponse(audio_content=content)
        finally:
            taken.closed_at = asyncio.get_running_loop().time()
            taken.closed.set()

    def _content(self, request: Any) -> bytes:
        if self.faults.empty:
            return b""
        config = request.audio_config
        format = AudioFormat(SPOKEN_AS[config.audio_encoding.name], config.sample_rate_hertz or 24_000)
        samples = self._encoded(words(request.input), format)
        rate = 2 * format.rate if self.faults.wrong_rate else format.rate
        file = _wav(samples, _WAV_TAGS[format.encoding], rate, format.encoding.bytes_per_sample)
        return file[: len(file) // 2] if self.faults.cut else file

    async def _stream_speech(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        opening = await anext(aiter(requests), None)
        if self.faults.refuse:
            await _to_the_end(requests)
        await self._admit(context, VOICES_AUDIENCE)
        taken = Synthesis(opening)
        self.syntheses.append(taken)
        self.began.set()
        try:
            wrong = wrong_stream(opening)
            if wrong:
                await _to_the_end(requests)
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, wrong)
            config = opening.streaming_config.streaming_audio_config
            format = AudioFormat(SPOKEN_AS[config.audio_encoding.name], config.sample_rate_hertz or 24_000)
            async for request in requests:
                taken.input = request.input
                async for piece in self._pieces(request.input.text, format, taken, context):
                    yield texttospeech_v1.StreamingSynthesizeResponse(audio_content=piece)
        finally:
            taken.closed_at = asyncio.get_running_loop().time()
            taken.closed.set()

    async def _pieces(self, text: str, format: AudioFormat, taken: Synthesis, context: Any) -> AsyncIterator[bytes]:
        """Pieces of an odd number of bytes, so that samples are torn apart."""
        data = b"" if self.faults.empty else self._encoded(text, format)
        for start in range(0, len(data), 1601):
            faults = self.faults
            if faults.stall_speech_after is not None and taken.sent >= faults.stall_speech_after:
                await self.released.wait()
            if faults.break_speech_after is not None and taken.sent >= faults.break_speech_after:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "The service is currently unavailable.")
            piece = data[start : start + 1601]
            taken.sent += len(piece)
            yield piece
        if self.faults.break_speech_after is not None and taken.sent >= self.faults.break_speech_after:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "The service is currently unavailable.")

    def _encoded(self, text: str, format: AudioFormat) -> bytes:
        pcm = self.sounds(text, format.rate)
        return pcm if format.encoding is Encoding.L16 else g711.encode(pcm, format.encoding)

    async def _list_voices(self, request: Any, context: Any) -> Any:
        await self._admit(context, VOICES_AUDIENCE)
        voices = [
            {
                "name": name,
                "language_codes": [name[:5]],
                "ssml_gender": "FEMALE",
                "natural_sample_rate_hertz": 24_000,
            }
            for name in VOICES
            if name.startswith(request.language_code)
        ]
        return texttospeech_v1.ListVoicesResponse(voices=voices)

    async def _admit(self, context: Any, audience: str) -> None:
        """The token is looked at as Google does: whose, for which service, signed by their key, not run out."""
        self.peers.add(context.peer())
        told = dict(context.invocation_metadata()).get("authorization", "")
        if not is_known(told.removeprefix("Bearer "), audience):
            said = "Request had invalid authentication credentials. Expected OAuth 2 access token."
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, said)
        if self.faults.refuse:
            await context.abort(grpc.StatusCode[self.faults.refuse], f"Refused: {self.faults.refuse}.")


async def _to_the_end(requests: AsyncIterator[Any]) -> None:
    """Before a refusal: one that overtakes a message of the client's reaches it as INTERNAL, by a race in its gRPC."""
    async for _ in requests:
        pass


def _wav(samples: bytes, tag: int, rate: int, width: int) -> bytes:
    """A WAV file with a chunk that nobody asked for before the audio, as files may have."""
    described = struct.pack("<HHIIHH", tag, 1, rate, rate * width, width, 8 * width)
    chunks = [(b"fmt ", described), (b"LIST", b"INFO"), (b"data", samples)]
    body = b"".join(name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for name, data in chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body
