"""A speech engine for Talkpath in one file: `python engine.py`, then see README.md beside it.

Replace `say` and `understand` by your own engine's; the rest is the contract (docs/speech/custom.md).
"""

import json
import math
import struct
from collections.abc import Callable, Iterable

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

KEY = "change-me"
Say = Callable[[str, str, int], Iterable[bytes]]
Understand = Callable[[bytes, int, dict], str]


def say(text: str, voice: str, rate: int) -> Iterable[bytes]:
    """16-bit little-endian samples, a piece at a time. Here: a tone for each letter."""
    for letter in text:
        pitch = 200 + 25 * (ord(letter) % 32)
        tone = (math.sin(2 * math.pi * pitch * n / rate) for n in range(rate * 6 // 100))
        yield b"".join(struct.pack("<h", round(4000 * sample)) for sample in tone)


def understand(pcm: bytes, rate: int, start: dict) -> str:
    """What is said in 16-bit little-endian samples. Here: how long somebody spoke, or nothing."""
    samples = struct.unpack(f"<{len(pcm) // 2}h", pcm)
    loud = sum(abs(sample) > 300 for sample in samples)
    return f"{loud / rate:.1f} seconds of sound" if loud > rate / 10 else ""


def engine(say: Say = say, understand: Understand = understand, key: str = KEY) -> Starlette:
    """The engine as a web application."""

    async def speak(request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {key}":
            return Response(status_code=401)
        asked = await request.json()
        rate = asked["sampleRateHz"]
        sound = say(asked["text"], asked.get("voice", ""), rate)
        return StreamingResponse(sound, media_type=f"audio/l16;rate={rate}")

    async def listen(socket: WebSocket) -> None:
        if socket.headers.get("authorization") != f"Bearer {key}":
            return await socket.close()  # before `accept`: the client gets 403
        await socket.accept()
        try:
            while True:  # one turn after another
                start, pcm = json.loads(await socket.receive_text()), b""
                while (message := await socket.receive()).get("bytes") is not None:
                    pcm += message["bytes"]  # an engine that streams reads on here, and sends is_final: false
                if message["type"] == "websocket.disconnect":
                    return  # the caller hung up; nobody waits for the rest
                text = understand(pcm, start["sampleRateHz"], start)  # what came was {"type": "stop"}
                alternatives = [{"transcript": text, "confidence": 0.9}]
                await socket.send_json({"type": "transcription", "is_final": True, "alternatives": alternatives})
                await socket.send_json({"type": "done"})
        except WebSocketDisconnect:
            pass

    return Starlette(routes=[Route("/speak", speak, methods=["POST"]), WebSocketRoute("/listen", listen)])


if __name__ == "__main__":
    uvicorn.run(engine(), port=8900)
