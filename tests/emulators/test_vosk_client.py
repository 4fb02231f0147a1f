"""The emulator is honest: the exchange of the server's published sample client, ``websocket/test.py``, works with it.

There is no client library; the sample takes turns, so that a wrong number of answers would leave it waiting.
"""

from __future__ import annotations

import asyncio
import json

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedOK

from gateway.speech.scripted.signal import spoken_pcm
from tests.emulators.vosk import VoskEmulator

WORDS = "Good morning to all of you."


@pytest.mark.asyncio
async def test_the_sample_client_gets_its_text() -> None:
    pcm = spoken_pcm(WORDS, 8000)
    answers = []
    async with asyncio.timeout(30), VoskEmulator({WORDS: pcm}).serve() as address, connect(address) as server:
        await server.send('{ "config" : { "sample_rate" : 8000, "words" : 1 } }')
        for start in range(0, len(pcm), 3200):
            await server.send(pcm[start : start + 3200])
            answers.append(json.loads(await server.recv()))
        await server.send('{"eof" : 1}')
        final = json.loads(await server.recv())
        with pytest.raises(ConnectionClosedOK):
            await server.recv()
    assert final["text"] == "good morning to all of you"
    assert [word["word"] for word in final["result"]] == final["text"].split()
    assert answers[-1] == {"partial": "good morning"}
