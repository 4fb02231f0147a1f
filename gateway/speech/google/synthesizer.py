"""Speaking through Text-to-Speech: whole answers, or audio as it is made by the voices that can."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from audio.format import L16_8K, L16_16K, PCMA_8K, PCMU_8K
from audio.frame import Frame
from gateway.errors import VendorReplyInvalid
from gateway.kit.closing import closing
from gateway.kit.options import read_options
from gateway.speech.google.client import Api, GoogleClients
from gateway.speech.google.options import GoogleSpeakOptions
from gateway.speech.google.speaking import (
    NotSpeech,
    audio_of,
    has_words,
    is_streamed,
    streamed_requests,
    whole_request,
)
from gateway.speech_interfaces import SpokenFrame, SynthesizerCapabilities, Utterance, VoiceInfo

ANSWER_WITHIN = 20.0
"""Seconds for a whole answer, or a whole stream; who waits for the first audio has a shorter patience."""
PIECE = 0.2
"""Seconds of audio at a time, of an answer that comes whole."""
FORMATS = (PCMU_8K, PCMA_8K, L16_8K, L16_16K)


class GoogleSynthesizer:
    """See `gateway.speech_interfaces.Synthesizer`; also lists its voices."""

    def __init__(self, clients: GoogleClients) -> None:
        self._clients = clients
        self.capabilities = SynthesizerCapabilities(ssml=True, word_times=False, streams=True, formats=FORMATS)

    async def speak(self, utterance: Utterance) -> AsyncIterator[SpokenFrame]:
        """Audio in the utterance's format. Raises VendorError."""
        if not has_words(utterance):
            return
        format = utterance.format or FORMATS[0]
        options = read_options(GoogleSpeakOptions, utterance.options, self._clients.vendor)
        api = await self._clients.synthesis()
        speaking = self._streamed if is_streamed(utterance, options) else self._whole
        position, rest = 0, b""
        async with closing(speaking(api, utterance, options)) as pieces:
            async for piece in pieces:
                data = rest + piece
                whole = len(data) - len(data) % format.encoding.bytes_per_sample
                data, rest = data[:whole], data[whole:]
                if data:
                    frame = Frame(data, format, position)
                    position = frame.end_samples
                    yield SpokenFrame(frame)
        if not position:
            raise self._invalid("there is no audio")

    async def voices(self) -> Sequence[VoiceInfo]:
        """Every voice Google offers. Raises VendorError."""
        api = await self._clients.synthesis()
        with self._clients.translated("voices"):
            answer = await api.calls.list_voices(api.package.ListVoicesRequest(), timeout=ANSWER_WITHIN)
        if answer is None:
            raise self._invalid("not a message")
        return [
            VoiceInfo(
                name=voice.name,
                languages=tuple(voice.language_codes),
                about=f"{voice.ssml_gender.name.lower()}, {voice.natural_sample_rate_hertz} Hz",
            )
            for voice in answer.voices
        ]

    async def _whole(self, api: Api, utterance: Utterance, options: GoogleSpeakOptions) -> AsyncIterator[bytes]:
        format = utterance.format or FORMATS[0]
        with self._clients.translated("speak", sensitive=True):
            request = api.package.SynthesizeSpeechRequest(whole_request(utterance, options))
            answer = await api.calls.synthesize_speech(request, timeout=ANSWER_WITHIN)
        if answer is None:  # so gRPC reads what is no message
            raise self._invalid("not a message")
        try:
            data = audio_of(answer.audio_content, format)
        except NotSpeech as error:
            raise self._invalid(str(error)) from error
        size = format.size(PIECE)
        for start in range(0, len(data), size):
            yield data[start : start + size]

    async def _streamed(self, api: Api, utterance: Utterance, options: GoogleSpeakOptions) -> AsyncIterator[bytes]:
        with self._clients.translated("speak", sensitive=True):
            call = api.calls.streaming_synthesize(timeout=ANSWER_WITHIN)
            try:
                for message in streamed_requests(utterance, options):
                    await call.write(api.package.StreamingSynthesizeRequest(message))
                await call.done_writing()
                async for answer in call:
                    if answer is None:
                        raise self._invalid("not a message")
                    yield answer.audio_content
            finally:
                call.cancel()

    def _invalid(self, reason: str) -> VendorReplyInvalid:
        return VendorReplyInvalid(reason, vendor=self._clients.vendor, operation="speak")
