"""Microsoft's Speech SDK: loaded on first use, set up for one stream, let go of in a thread.

The SDK is native code with threads of its own: whatever it reports comes from one of those, and letting go of it may
wait for the network, up to 10 s when the service does not answer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from audio.format import AudioFormat, Encoding
from gateway.errors import ConfigError
from gateway.speech.azure.options import AzureListenOptions
from gateway.speech.azure.protocol import TICKS, languages_of, phrase_weight, phrases_of, segmentation_ms
from gateway.speech.azure.settings import AzureSpeechSection
from gateway.speech_interfaces import ListenSettings

_LET_GO: deque[Any] = deque(maxlen=32)
"""What belonged to the streams that were let go of last. The SDK (1.53) hands its threads bare pointers to such objects
(`interop._unpack_context`), so a report that is under way while they are freed brings the whole process down: they are
freed when so many others have followed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """What the SDK says, in plain values.

    Attributes:
        kind: ``connected``, ``disconnected``, ``partial``, ``final``, ``started`` and ``stopped`` (speech), ``failed``
            or ``over``.
        at: Seconds of the audio, of ``started`` and ``stopped``.
        detail: The result's JSON; of ``failed`` the name of the SDK's error code.
    """

    kind: str
    text: str = ""
    at: float = 0.0
    detail: str = ""
    language: str | None = None


def load(vendor: str) -> Any:
    """The SDK's module. Raises ConfigError where it is not installed."""
    try:
        return import_module("azure.cognitiveservices.speech")
    except ImportError as error:
        raise ConfigError(
            f"speech.{vendor} needs Microsoft's Speech SDK: pip install 'talkpath[azure]'", field=f"speech.{vendor}"
        ) from error


class SdkStream:
    """A recognizer of the SDK that has been started, and what feeds it.

    Args:
        report: Called in the SDK's threads.
    """

    def __init__(
        self,
        sdk: Any,
        section: AzureSpeechSection,
        settings: ListenSettings,
        options: AzureListenOptions,
        format: AudioFormat,
        report: Callable[[Reported], None],
    ) -> None:
        self._report = report
        self._is_over = False
        self._input = sdk.audio.PushAudioInputStream(_wave_format(sdk, format))
        config = _config(sdk, section, settings, options)
        languages = languages_of(settings)
        several = len(languages) > 1
        spoken = (
            {
                "auto_detect_source_language_config": sdk.languageconfig.AutoDetectSourceLanguageConfig(
                    languages=languages
                )
            }
            if several
            else {"language": languages[0]}
        )
        audio = sdk.audio.AudioConfig(stream=self._input)
        self._recognizer = sdk.SpeechRecognizer(speech_config=config, audio_config=audio, **spoken)
        self._hint(sdk, settings)
        self._connection = sdk.Connection.from_recognizer(self._recognizer)
        self._listen(sdk, several)
        self._starting = self._recognizer.start_continuous_recognition_async()

    def write(self, data: bytes) -> None:
        self._input.write(data)

    def end(self) -> None:
        """No more audio comes: what is left is recognized, then ``over`` is reported."""
        self._input.close()

    def leave(self) -> None:
        """Close the connection, and leave everything to be freed; takes the time it takes."""
        self._input.close()
        if not self._is_over:  # stopping what has ended by itself would wait for 10 s
            self._recognizer.stop_continuous_recognition_async().get()
        with suppress(RuntimeError):  # it has been closed
            self._connection.close()
        for signal in (*self._signals(), self._connection.connected, self._connection.disconnected):
            signal.disconnect_all()
        _LET_GO.append((self._connection, self._recognizer, self._starting, self._input))
        del self._connection, self._recognizer, self._starting, self._input

    def _signals(self) -> tuple[Any, ...]:
        found = self._recognizer
        return (
            found.recognizing,
            found.recognized,
            found.canceled,
            found.session_stopped,
            found.speech_start_detected,
            found.speech_end_detected,
        )

    def _hint(self, sdk: Any, settings: ListenSettings) -> None:
        phrases = phrases_of(settings)
        if not phrases:
            return
        grammar = sdk.PhraseListGrammar.from_recognizer(self._recognizer)
        for phrase in phrases:
            grammar.addPhrase(phrase)
        weight = phrase_weight(settings)
        if weight is not None:
            grammar.setWeight(weight)

    def _listen(self, sdk: Any, several: bool) -> None:
        """Let the SDK's threads report. Nothing here may raise: it would be lost in native code."""
        report, reasons = self._report, sdk.ResultReason

        def final(event: Any) -> None:
            if event.result.reason == reasons.RecognizedSpeech:
                found = sdk.AutoDetectSourceLanguageResult(event.result).language if several else None
                report(Reported(kind="final", text=event.result.text, detail=event.result.json, language=found))

        def canceled(event: Any) -> None:
            details = event.cancellation_details
            if details.reason == sdk.CancellationReason.Error:
                report(Reported(kind="failed", detail=details.code.name))

        def stopped(_: Any) -> None:
            self._is_over = True
            report(Reported(kind="over"))

        found = self._recognizer
        found.recognizing.connect(lambda event: report(Reported(kind="partial", text=event.result.text)))
        found.recognized.connect(final)
        found.canceled.connect(canceled)
        found.session_stopped.connect(stopped)
        found.speech_start_detected.connect(lambda event: report(Reported(kind="started", at=event.offset / TICKS)))
        found.speech_end_detected.connect(lambda event: report(Reported(kind="stopped", at=event.offset / TICKS)))
        self._connection.connected.connect(lambda _: report(Reported(kind="connected")))
        self._connection.disconnected.connect(lambda _: report(Reported(kind="disconnected")))


def _wave_format(sdk: Any, format: AudioFormat) -> Any:
    kinds = sdk.audio.AudioStreamWaveFormat
    kind = {Encoding.PCMU: kinds.MULAW, Encoding.PCMA: kinds.ALAW, Encoding.L16: kinds.PCM}[format.encoding]
    return sdk.audio.AudioStreamFormat(
        samples_per_second=format.rate,
        bits_per_sample=8 * format.encoding.bytes_per_sample,
        channels=1,
        wave_stream_format=kind,
    )


def _config(sdk: Any, section: AzureSpeechSection, settings: ListenSettings, options: AzureListenOptions) -> Any:
    key = section.api_key.get_secret_value() if section.api_key is not None else None
    host = section.listen_host
    place = {"region": section.region} if host is None else {"host": host}
    config = sdk.SpeechConfig(subscription=key, **place)
    config.output_format = sdk.OutputFormat.Detailed
    endpoint_id = options.endpoint_id or settings.model or section.endpoint_id
    if endpoint_id:
        config.endpoint_id = endpoint_id
    if options.profanity or settings.tuning.profanity_filter is not None:
        masked = "Masked" if settings.tuning.profanity_filter else "Raw"
        config.set_profanity(sdk.ProfanityOption[options.profanity or masked])
    if options.audio_logging:
        config.enable_audio_logging()
    for name, value in _properties(settings, options).items():
        config.set_property(sdk.PropertyId[name], value)
    return config


def _properties(settings: ListenSettings, options: AzureListenOptions) -> dict[str, str]:
    """The SDK's properties, by their names."""
    mode = {"Continuous": "Continuous", "Atstart": "AtStart"}.get(options.language_id_mode or "")
    wanted = {
        "Speech_SegmentationSilenceTimeoutMs": segmentation_ms(settings, options.segmentation_silence_timeout_ms),
        "Speech_SegmentationMaximumTimeMs": options.segmentation_maximum_time_ms,
        "Speech_SegmentationStrategy": options.segmentation_strategy,
        "SpeechServiceConnection_InitialSilenceTimeoutMs": options.initial_silence_timeout_ms,
        "SpeechServiceConnection_LanguageIdMode": mode,
        "SpeechServiceResponse_PostProcessingOption": options.post_processing,
        "SpeechServiceResponse_StablePartialResultThreshold": options.stable_partial_threshold,
    }
    return {name: str(value) for name, value in wanted.items() if value is not None}
