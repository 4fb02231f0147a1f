"""What calls need late is loaded by the lines that expect such calls, and by no others."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from gateway.transports.media.warming import WEBRTC, WIDE_CODECS, needed

LINE = """
import asyncio, sys, threading

by_main_thread = {}

class Watch:
    @staticmethod
    def find_spec(name, path=None, target=None):
        by_main_thread.setdefault(name, threading.current_thread() is threading.main_thread())

sys.meta_path.insert(0, Watch)
from gateway.transports.sip.settings import SipLine
from gateway.transports.sip.transport import SipTransport
from gateway.transports.sockets import LineContext

async def serve(settings):
    line = SipTransport("line", SipLine.model_validate(settings), LineContext(new_id=lambda: "call"))
    serving = asyncio.create_task(line.serve(None))
    await asyncio.sleep(0)
    while any(task.get_name() == "load media" for task in asyncio.all_tasks()):
        await asyncio.sleep(0.01)
    serving.cancel()
    await asyncio.wait([serving])

asyncio.run(serve(%r))
print([name in sys.modules for name in ("aiortc", "av")], by_main_thread.get("aiortc"), by_main_thread.get("av"))
"""
TRUNK = {"listen": "udp:127.0.0.1:0", "allow": "127.0.0.1"}


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        (TRUNK, "[False, False] None None"),
        ({**TRUNK, "codecs": ["opus", "PCMA"]}, "[False, True] None False"),
        ({"path": "/sip", "auth": "none"}, "[True, True] False False"),
        ({"registrations": [{"registrar": "wss://127.0.0.1:1/", "aor": "sip:a@b"}]}, "[True, True] False False"),
        ({"registrations": [{"registrar": "ws://127.0.0.1:1/", "aor": "sip:a@b"}]}, "[False, False] None None"),
    ],
    ids=["trunk", "trunk with Opus", "browsers", "by TLS", "plain"],
)
def test_a_line_loads_what_it_expects_beside_the_loop(settings: dict[str, Any], found: str) -> None:
    done = subprocess.run([sys.executable, "-c", LINE % settings], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1:] == [found], done.stderr


@pytest.mark.parametrize(
    ("codecs", "webrtc", "modules"),
    [
        (["PCMA", "PCMU"], False, ()),
        (["PCMA", "G722"], False, (WIDE_CODECS,)),
        (["pcmu"], True, (WEBRTC,)),
        (["opus"], True, (WEBRTC, WIDE_CODECS)),
    ],
)
def test_what_is_needed(codecs: list[str], webrtc: bool, modules: tuple[str, ...]) -> None:
    assert needed(codecs, expects_webrtc=webrtc) == modules
