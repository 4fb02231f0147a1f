"""Speaking through Azure's REST interface: samples in the line's own format, given on while they come."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence

from audio.format import L16_8K, L16_16K, PCMA_8K, PCMU_8K
from audio.frame import Frame
from gateway.errors import VendorRejected, VendorReplyInvalid
from gateway.kit.http import HttpClient, Timeouts, check_status, status_error
from gateway.kit.options import read_options
from gateway.speech.azure.options import AzureSpeakOptions
from gateway.speech.azure.protocol import has_words, output_format, speech_markup, speech_path
from gateway.speech.azure.settings import AzureSpeechSection
from gateway.speech_interfaces import SpokenFrame, SynthesizerCapabilities, Utterance, VoiceInfo

FORMATS = (PCMU_8K, PCMA_8K, L16_8K, L16_16K)
TIMEOUTS = Timeouts(total=15.0)
MAX_SPEECH_BYTES = 20 << 20
"""Of one text; Azure makes at most ten minutes."""
MAX_VOICES_BYTES = 8 << 20
AGENT = "talkpath"
"""A User-Agent is required."""


class AzureSynthesizer:
    """See `gateway.speech_interfaces.Synthesizer`; also lists its voices."""

    def __init__(self, vendor: str, settings: AzureSpeechSection, http: HttpClient | None) -> None:
        self._vendor = vendor
        self._settings = settings
        self._http = http
        self.capabilities = SynthesizerCapabilities(ssml=True, word_times=False, streams=True, formats=FORMATS)

    async def speak(self, utterance: Utterance) -> AsyncIterator[SpokenFrame]:
        """Audio in the utterance's format. Raises VendorError."""
        if not has_words(utterance):
            return
        format = utterance.format or FORMATS[0]
        options = read_options(AzureSpeakOptions, utterance.options, self._vendor)
        headers = {
            **self._headers(),
            "Content-Type": "application/ssml+xml",
            "X-Microsoft-OutputFormat": output_format(format),
        }
        async with self._client().stream(
            self._vendor,
            "POST",
            self._settings.speak_base + speech_path(options),
            operation="speak",
            content=speech_markup(utterance, options, self._settings.voice).encode(),
            headers=headers,
            timeout=TIMEOUTS,
            max_bytes=MAX_SPEECH_BYTES,
        ) as answer:
            request_id = answer.headers.get("x-requestid")
            error = status_error(
                answer.status, vendor=self._vendor, operation="speak", headers=answer.headers, request_id=request_id
            )
            if error is not None:
                raise error
            if not answer.headers.get("content-type", "audio/basic").startswith("audio/"):
                raise self._invalid("the answer is no audio", request_id)
            position, rest = 0, b""
            async for piece in answer.pieces:
                data = rest + piece
                whole = len(data) - len(data) % format.encoding.bytes_per_sample
                data, rest = data[:whole], data[whole:]
                if data:
                    frame = Frame(data, format, position)
                    position = frame.end_samples
                    yield SpokenFrame(frame)
            if not position:
                raise self._invalid("there is no audio", request_id)

    async def voices(self) -> Sequence[VoiceInfo]:
        """Every voice of the region. Raises VendorError."""
        answer = await self._client().request(
            self._vendor,
            "GET",
            self._settings.speak_base + "/cognitiveservices/voices/list",
            operation="voices",
            headers=self._headers(),
            max_bytes=MAX_VOICES_BYTES,
        )
        check_status(answer, vendor=self._vendor, operation="voices")
        try:
            return [
                VoiceInfo(
                    name=voice["ShortName"],
                    languages=(voice["Locale"], *voice.get("SecondaryLocaleList", ())),
                    about=", ".join((voice["Gender"].lower(), *voice.get("StyleList", ()))),
                )
                for voice in json.loads(answer.body)
            ]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise VendorReplyInvalid("no list of voices", vendor=self._vendor, operation="voices") from error

    def _headers(self) -> dict[str, str]:
        key = self._settings.api_key
        return {"User-Agent": AGENT, **({"Ocp-Apim-Subscription-Key": key.get_secret_value()} if key else {})}

    def _client(self) -> HttpClient:
        if self._http is None:
            raise VendorRejected("there is no HTTP client", vendor=self._vendor, operation="speak")
        return self._http

    def _invalid(self, reason: str, request_id: str | None) -> VendorReplyInvalid:
        return VendorReplyInvalid(reason, vendor=self._vendor, operation="speak", request_id=request_id)
