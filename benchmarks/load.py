"""The load generator: many simulated callers over real WebSockets, in one thread and one process of its own.

No event loop and no task per call: one ticker serves all calls, a fifth of them every 4 ms, so that they are spread
as real calls are; `epoll` says which socket has something to hear. It obeys one JSON object a line on standard input:

``{"calls": N, "rate": R}``  hold N calls, at most R new ones a second; a call that has ended is replaced
``{"life": S}``              calls hang up after so many seconds
``{"window": true}``         begin to measure
``{"report": true}``         answer with the figures since then, as one line

python -m benchmarks.load --port PORT --path PATH [--echo] [--no-marks]
"""

from __future__ import annotations

import argparse
import dataclasses
import errno
import json
import os
import resource
import select
import socket
import time
from typing import Any

from benchmarks import wire
from benchmarks.callers import PTIME, Caller, EchoCaller, Window

GROUPS = 5
INTERRUPTS = 5
"""One call of so many interrupts."""
CHECKS = 10
"""One call of so many is compared with what was said."""
MAX_UNSENT = 1 << 20
READ_BYTES = 1 << 16


class Line:
    """The socket of one call."""

    def __init__(self, address: tuple[str, int], path: str, caller: Caller | EchoCaller) -> None:
        self.caller = caller
        self.began = time.monotonic()
        self.is_up = False
        self.is_closed = False
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code = self.socket.connect_ex(address)
        if code not in (0, errno.EINPROGRESS):
            raise OSError(code, os.strerror(code))
        self._unsent = bytearray(wire.client_handshake(path, f"{address[0]}:{address[1]}"))
        self._reader = wire.FrameReader()
        self._upgrade = b""

    def tick(self, now: float) -> None:
        """Twenty milliseconds have passed."""
        if not self.is_up:
            self._send(b"")  # the handshake, once the connection is there
            return
        frame = self.caller.speak(now)
        self._send(frame)
        self._send_outgoing()

    def readable(self, now: float) -> None:
        try:
            data = self.socket.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.fail("closed by the server")
        elif self.is_up:
            self._read(data, now)
        else:
            self._read_upgrade(data, now)

    def hang_up(self) -> None:
        self.caller.stop()
        self._send_outgoing()
        self._send(wire.client_head(2, wire.CLOSE) + (1000).to_bytes(2, "big"))
        self.close()

    def fail(self, reason: str) -> None:
        if not self.is_closed:
            self.caller.window.fail(reason)
            self.close()

    def close(self) -> None:
        self.is_closed = True
        self.socket.close()

    def _read_upgrade(self, data: bytes, now: float) -> None:
        self._upgrade += data
        end = self._upgrade.find(b"\r\n\r\n")
        if end < 0:
            return
        if not self._upgrade.startswith(b"HTTP/1.1 101 "):
            self.fail("refused: " + self._upgrade.split(b"\r\n")[0].decode())
            return
        self.is_up = True
        self.caller.start("+33612345678", "+33123456789")
        self._send_outgoing()
        self._read(self._upgrade[end + 4 :], now)

    def _read(self, data: bytes, now: float) -> None:
        for opcode, payload in self._reader.feed(data):
            if opcode == wire.TEXT:
                self.caller.hear(payload, now)
            elif opcode == wire.PING:
                self._send(wire.client_head(len(payload), wire.PONG) + payload)
            elif opcode == wire.CLOSE:
                self.fail("closed by the gateway")
                return
        if self.caller.outgoing:
            self._send_outgoing()

    def _send_outgoing(self) -> None:
        outgoing = self.caller.outgoing
        while outgoing:
            self._send(outgoing.pop(0))

    def _send(self, data: bytes) -> None:
        if self.is_closed:
            return
        if self._unsent:
            self._unsent += data
            data = bytes(self._unsent)
        try:
            sent = self.socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            if error.errno == errno.ENOTCONN:
                sent = 0
            else:
                self.fail("broken connection")
                return
        self._unsent = bytearray(data[sent:]) if sent < len(data) else bytearray()
        if len(self._unsent) > MAX_UNSENT:
            self.fail("the server does not read")


class Generator:
    """All calls and their clock."""

    def __init__(self, address: tuple[str, int], path: str, *, is_echo: bool, has_marks: bool) -> None:
        self._address = address
        self._path = path
        self._is_echo = is_echo
        self._has_marks = has_marks
        self._poll = select.epoll()
        self._lines: dict[int, Line] = {}
        self._groups: list[list[Line]] = [[] for _ in range(GROUPS)]
        self._window = Window()
        self._wanted = 0
        self._rate = 50.0
        self._made = 0
        self._life = float("inf")
        self._next_call = 0.0
        self._lags: list[float] = []
        self._began = time.monotonic()
        self._cpu = 0.0
        self._commands = b""

    def run(self) -> None:
        """Until standard input is closed."""
        os.set_blocking(0, False)
        self._poll.register(0, select.EPOLLIN)
        step = PTIME / GROUPS
        due, group = time.monotonic() + step, 0
        while True:
            for fd, _ in self._poll.poll(max(0.0, due - time.monotonic())):
                if fd == 0:
                    if not self._obey():
                        return
                elif line := self._lines.get(fd):
                    line.readable(time.monotonic())
            now = time.monotonic()
            while now >= due:
                self._lags.append(now - due)
                self._tick(group, now)
                due, group = due + step, (group + 1) % GROUPS
                now = time.monotonic()

    def _tick(self, group: int, now: float) -> None:
        lines = self._groups[group]
        for line in lines:
            line.tick(now)
            if now > line.began + self._life and line.is_up:
                line.hang_up()
        if any(line.is_closed for line in lines):
            self._forget_closed(group)
        if len(self._lines) < self._wanted and now >= self._next_call:
            self._next_call = max(now - 0.1, self._next_call) + 1 / self._rate
            self._call(now)

    def _call(self, now: float) -> None:
        number = self._made
        self._made += 1
        caller: Caller | EchoCaller
        if self._is_echo:
            caller = EchoCaller(number, self._window, now)
        else:
            caller = Caller(
                number,
                self._window,
                now,
                interrupts=number % INTERRUPTS == 0,
                checks=number % CHECKS == 3,
                has_marks=self._has_marks,
            )
        line = Line(self._address, self._path, caller)
        self._lines[line.socket.fileno()] = line
        self._poll.register(line.socket.fileno(), select.EPOLLIN)
        min(self._groups, key=len).append(line)

    def _forget_closed(self, group: int) -> None:
        """A closed socket has left the poll set by itself."""
        self._groups[group] = [line for line in self._groups[group] if not line.is_closed]
        self._lines = {fd: line for fd, line in self._lines.items() if not line.is_closed}

    # --- commands ----------------------------------------------------------------------------------------------------
    def _obey(self) -> bool:
        data = os.read(0, READ_BYTES)
        if not data:
            return False
        *lines, self._commands = (self._commands + data).split(b"\n")
        for line in lines:
            self._perform(json.loads(line))
        return True

    def _perform(self, command: dict[str, Any]) -> None:
        if "calls" in command:
            self._wanted, self._rate = command["calls"], command.get("rate", self._rate)
            for line in list(self._lines.values())[self._wanted :]:
                line.hang_up()
            for group in range(GROUPS):
                self._forget_closed(group)
        self._life = command.get("life", self._life)
        if "window" in command:
            self._window.clear()
            self._lags.clear()
            self._began, self._cpu = time.monotonic(), _cpu()
        if "report" in command:
            print(json.dumps(self._report()), flush=True)

    def _report(self) -> dict[str, Any]:
        seconds = time.monotonic() - self._began
        return {
            **dataclasses.asdict(self._window),
            "calls": len(self._lines),
            "made": self._made,
            "seconds": seconds,
            "cpu": (_cpu() - self._cpu) / seconds,
            "lags": self._lags,
        }


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", required=True)
    parser.add_argument("--echo", action="store_true")
    parser.add_argument("--no-marks", action="store_true", help="the server does not say where prompts end")
    given = parser.parse_args()
    Generator(("127.0.0.1", given.port), given.path, is_echo=given.echo, has_marks=not given.no_marks).run()


if __name__ == "__main__":
    main()
