"""Speaking through ``POST /audio/speech``: raw samples at 24 kHz, given on while they come."""

from __future__ import annotations

from collections.abc import AsyncIterator

from audio.format import AudioFormat, Encoding
from gateway.kit.closing import closing
from gateway.kit.http import HttpClient, Timeouts
from gateway.kit.http_speech import spoken_by_http
from gateway.kit.options import read_options
from gateway.speech.openai.options import SpeakOptions
from gateway.speech.openai.protocol import speech_request
from gateway.speech.openai.recognizer import bearer
from gateway.speech.openai.settings import OpenAiSpeechSection
from gateway.speech_interfaces import SpokenFrame, SynthesizerCapabilities, Utterance


class OpenAiSynthesizer:
    """One request for each text; connections are kept by the HTTP client."""

    def __init__(self, vendor: str, settings: OpenAiSpeechSection, http: HttpClient) -> None:
        self._vendor = vendor
        self._settings = settings
        self._http = http
        self._format = AudioFormat(Encoding.L16, settings.speak_rate)
        self.capabilities = SynthesizerCapabilities(formats=(self._format,))

    async def speak(self, utterance: Utterance) -> AsyncIterator[SpokenFrame]:
        """Raises VendorError. A text without a word makes no request: the API refuses it."""
        if not utterance.text.strip():
            return
        options = read_options(SpeakOptions, utterance.options, self._vendor)
        speech = spoken_by_http(
            self._http,
            self._vendor,
            f"{self._settings.base}/audio/speech",
            speech_request(utterance, options, self._settings),
            headers=bearer(self._settings),
            formats=self.capabilities.formats,
            unsaid=self._format,
            timeout=Timeouts(total=self._settings.timeout),
        )
        async with closing(speech) as frames:
            async for frame in frames:
                yield frame
