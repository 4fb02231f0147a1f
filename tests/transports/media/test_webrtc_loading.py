"""aiortc is read from disk beside the loop: calls that are up must not wait for the first one by WebRTC."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import asyncio, sys, threading

readers = set()

class Watch:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "aiortc":
            readers.add(threading.current_thread() is threading.main_thread())

sys.meta_path.insert(0, Watch)
from gateway.transports.media.call_media import webrtc_path

assert "aiortc" not in sys.modules, "lines with plain RTP alone do without"
classes = [asyncio.run(webrtc_path()) for _ in range(2)]
print([its.__name__ for its in classes], readers)
"""


def test_it_is_loaded_once_it_is_needed_and_in_a_thread() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60)
    assert done.stdout.split("\n")[0] == "['WebRtcPath', 'WebRtcPath'] {False}", done.stderr
