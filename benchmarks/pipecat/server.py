"""Pipecat conducting the same call as the gateway: runs in its own environment, with nothing of ours imported.

Twilio serializer, Silero voice detection, and services that talk to `benchmarks.stubs` over the same sockets: audio to
the recognizer in messages of 100 ms, the TALKR bot over HTTP, speech from the synthesizer's WebSocket. What a voice
detector says interrupts the bot. Every connection is one pipeline, as in Pipecat's own telephony examples.

python server.py --stubs PORT
"""

from __future__ import annotations

import argparse
import asyncio
import audioop
import json
import sys
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import uvicorn
import uvloop
from fastapi import FastAPI, WebSocket
from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADParams
from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    Frame,
    StartFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.audio.vad_processor import VADProcessor
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.services.settings import STTSettings, TTSSettings
from pipecat.services.stt_service import STTService
from pipecat.services.tts_service import TTSService
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.workers.runner import WorkerRunner
from websockets.asyncio.client import connect

RATE = 8000
MESSAGE = 1600  # bytes of 16-bit samples in 100 ms
END_SILENCE = 0.8  # as the gateway's `end_silence.free`
MIN_SPEECH = 0.25  # as its `barge_in.min_speech`


class BenchRecognizer(STTService):
    """Streams mu-law to the stub; the end of speech asks for the text."""

    def __init__(self, url: str) -> None:
        super().__init__(sample_rate=RATE, ttfs_p99_latency=0.1, settings=STTSettings(model=None, language=None))
        self._url = url
        self._pending = b""
        self._stream = 0

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        self._socket = await connect(f"{self._url}/stt", compression=None, ping_interval=None)
        self._reading = asyncio.create_task(self._read())
        await self._begin()

    async def _begin(self) -> None:
        self._stream += 1
        await self._socket.send(json.dumps({"type": "start", "stream": self._stream}))

    async def run_stt(self, audio: bytes) -> AsyncIterator[Frame | None]:
        self._pending += audio
        if len(self._pending) >= MESSAGE:
            await self._flush()
        yield None

    async def _flush(self) -> None:
        data, self._pending = self._pending, b""
        if data:
            await self._socket.send(audioop.lin2ulaw(data, 2))

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, VADUserStoppedSpeakingFrame):
            await self._flush()
            await self._socket.send(json.dumps({"type": "finish", "stream": self._stream}))
        elif isinstance(frame, EndFrame | CancelFrame):
            self._reading.cancel()
            await self._socket.close()

    async def _read(self) -> None:
        async for message in self._socket:
            result = json.loads(message)
            if result["type"] == "final":
                await self._begin()
                if result["text"]:
                    await self.push_frame(TranscriptionFrame(result["text"], "", ""))


class TalkrBot(FrameProcessor):
    """Asks the bot what to say, and lets the caller's voice interrupt it."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        super().__init__()
        self._http = http
        self._url = f"{url}/api/acme/1/telephony"
        self._session = ""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)
        if isinstance(frame, StartFrame):
            await self._ask({})
        elif isinstance(frame, TranscriptionFrame):
            said = frame.text
            variables = {"userresponse": said}
            await self._ask({"message": said, "session": self._session, "tracking": "1", "variables": variables})
        elif isinstance(frame, VADUserStartedSpeakingFrame) and direction is FrameDirection.DOWNSTREAM:
            await self.broadcast_interruption()

    async def _ask(self, body: dict[str, Any]) -> None:
        async with self._http.post(self._url, json=body) as answer:
            reply = await answer.json()
        self._session = reply["session"]
        await self.push_frame(TTSSpeakFrame(reply["variables"]["bot_answer"]))


class BenchSynthesizer(TTSService):
    """Speech from the stub, over one socket per call."""

    def __init__(self, url: str) -> None:
        super().__init__(
            sample_rate=RATE,
            push_start_frame=True,
            push_stop_frames=True,
            stop_frame_timeout_s=0.2,
            settings=TTSSettings(model=None, voice=None, language=None),
        )
        self._url = url

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        self._socket = await connect(f"{self._url}/tts", compression=None, ping_interval=None)

    async def run_tts(self, text: str, context_id: str) -> AsyncIterator[Frame | None]:
        await self._socket.send(json.dumps({"type": "speak", "text": text}))
        while isinstance(message := await self._socket.recv(), bytes):
            yield TTSAudioRawFrame(audioop.ulaw2lin(message, 2), RATE, 1, context_id=context_id)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, EndFrame | CancelFrame):
            await self._socket.close()


class Bots:
    """Conducts calls."""

    def __init__(self, stubs: int) -> None:
        self._stubs = stubs
        self._http: aiohttp.ClientSession | None = None

    async def conduct(self, socket: WebSocket) -> None:
        """One call, until its socket is closed."""
        await socket.accept()
        while (message := json.loads(await socket.receive_text()))["event"] != "start":
            pass
        if self._http is None:
            self._http = aiohttp.ClientSession()
        serializer = TwilioFrameSerializer(
            message["start"]["streamSid"], params=TwilioFrameSerializer.InputParams(auto_hang_up=False)
        )
        transport = FastAPIWebsocketTransport(
            socket, FastAPIWebsocketParams(audio_in_enabled=True, audio_out_enabled=True, serializer=serializer)
        )
        detector = SileroVADAnalyzer(sample_rate=RATE, params=VADParams(start_secs=MIN_SPEECH, stop_secs=END_SILENCE))
        url = f"127.0.0.1:{self._stubs}"
        pipeline = Pipeline(
            [
                transport.input(),
                VADProcessor(vad_analyzer=detector),
                BenchRecognizer(f"ws://{url}"),
                TalkrBot(self._http, f"http://{url}"),
                BenchSynthesizer(f"ws://{url}"),
                transport.output(),
            ]
        )
        params = PipelineParams(audio_in_sample_rate=RATE, audio_out_sample_rate=RATE)
        worker = PipelineWorker(pipeline, params=params, enable_rtvi=False, enable_turn_tracking=False)

        @transport.event_handler("on_client_disconnected")
        async def gone(_: Any, __: Any) -> None:
            await worker.cancel()

        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(worker)
        await runner.run()


async def serve(stubs: int) -> None:
    app = FastAPI()
    app.add_api_websocket_route("/media", Bots(stubs).conduct)
    config = uvicorn.Config(app, host="127.0.0.1", port=0, access_log=False, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    print(json.dumps({"port": server.servers[0].sockets[0].getsockname()[1], "path": "/media"}), flush=True)
    await server.main_loop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--stubs", type=int, required=True)
    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    uvloop.run(serve(parser.parse_args().stubs))
