"""The hands of a session: the parts of one call, wired up, and each command given to the part that performs it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import assert_never

from audio.framing import Timeline
from config.call import FallbackRecognizerSection
from gateway.call.botline import BotLine
from gateway.call.caller_audio import CallerAudio
from gateway.call.commands import (
    AbandonTurn,
    Answer,
    CloseEar,
    CloseLeg,
    Command,
    EndCall,
    FinishUtterance,
    KeepRecord,
    OpenEar,
    PausePlayout,
    ResumePlayout,
    Ring,
    SendDigitsToCaller,
    SendToBot,
    StartPrompt,
    StopPlayout,
    TransferCall,
)
from gateway.call.ears import Ears
from gateway.call.guard import Helpers
from gateway.call.legline import LegLine
from gateway.call.mouth import Mouth
from gateway.call.narrator import Narrator, ReadTranscripts
from gateway.call.rendering import Renderer
from gateway.call.services import Services, Speech
from gateway.call.troubles import Troubles
from gateway.caller_events import UserMedia
from gateway.events import CallEvent
from gateway.interfaces import Leg
from gateway.speech_interfaces import ListenSettings

MESSAGE_ASKED = "message_asked"
"""The record by which it says that the bot is to have the sound of what the caller says next."""
RECORDING_STARTED = "recording_started"
"""The record by which the conversation says that the caller knows, and the recording may begin."""


class Performer:
    """Performs commands, none of which waits."""

    def __init__(
        self,
        leg: Leg,
        bot: BotLine,
        speech: Speech,
        services: Services,
        helpers: Helpers,
        post: Callable[[CallEvent], None],
        now: Callable[[], float],
    ) -> None:
        able = leg.capabilities
        timeline = Timeline(able.format, wire_pts=True)
        self._helpers = helpers
        self._bot = bot
        self._put_message = services.put_message
        self._texts = ReadTranscripts(post, now)
        troubles = Troubles(post)
        ears = Ears(
            able.format,
            lambda settings, source: speech.listen(
                settings,
                source,
                troubles.recognizer,
                fallback=_recognizers_behind(services, settings),
                on_use=services.on_use,
                final_within=services.final_within,
            ),
            services.speech_only,
            post,
            timeline.time_of,
            reports_speech=services.detector is None,
        )
        self._ears = self._texts if able.hears_text else ears
        renderer = Renderer(able.format, speech, services, troubles)
        mouth = Mouth(leg, renderer, post, now, track=services.recorder is not None)
        self._mouth = Narrator(leg, post, now) if able.speaks_text else mouth
        self._audio = CallerAudio(able.format, services, timeline, ears, post, mouth.heard)
        if services.canceller is not None:
            mouth.watcher = self._audio
        self._leg = LegLine(leg, self._audio, self._mouth, self._texts.take, post, now)

    def start(self) -> None:
        self._mouth.start_helpers(self._helpers)
        self._leg.start(self._helpers)
        self._bot.start(self._helpers)

    def close(self) -> None:
        self._audio.close()

    def perform(self, command: Command) -> None:
        match command:
            case StartPrompt():
                self._mouth.start(command.prompt_id, command.content)
            case StopPlayout():
                self._mouth.stop()
            case PausePlayout():
                self._mouth.pause()
            case ResumePlayout():
                self._mouth.resume()
            case OpenEar():
                self._audio.ask(command.settings)
                self._ears.open(command.stream, command.settings, command.since, self._helpers)
            case FinishUtterance():
                self._ears.finish(command.stream)
            case CloseEar():
                self._ears.close(command.stream)
            case SendToBot(event=UserMedia() as media):
                self._bot.send(self._with_sound(media))
            case SendToBot():
                self._bot.send(command.event)
            case AbandonTurn():
                self._bot.abandon(command.turn)
            case Answer():
                self._leg.answer()
            case Ring():
                self._leg.ring(early_media=command.early_media)
            case TransferCall():
                self._leg.transfer(command.target)
            case SendDigitsToCaller():
                self._leg.send_digits(command.digits)
            case CloseLeg():
                self._leg.hang_up(command.reason)
            case KeepRecord():
                if command.kind == RECORDING_STARTED:
                    self._audio.start_recording()
                elif command.kind == MESSAGE_ASKED:
                    self._audio.keep_message(command.data["longest"])
            case EndCall():
                pass  # the session's own
            case _:
                assert_never(command)

    def _with_sound(self, media: UserMedia) -> UserMedia:
        """The caller's message with the address at which its sound is to be had."""
        if self._put_message is None or media.started_at is None or media.ended_at is None:
            return media
        wav = self._audio.message(media.started_at, media.ended_at)
        return dataclasses.replace(media, url=self._put_message(wav), size=len(wav))


def _recognizers_behind(services: Services, settings: ListenSettings) -> list[FallbackRecognizerSection]:
    """Who stands in. The recognizer that is asked first is not asked again."""
    first = (settings.vendor, settings.model)
    return [it for it in services.fallback_recognizers if (it.vendor, it.model) != first]
