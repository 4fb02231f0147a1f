"""An event loop whose time is virtual: when nothing is ready it jumps to the next timer.

Whole calls over real loopback sockets in one process so run in milliseconds, with exact times. The kernel is asked for
pending input before each jump; while threads work for the loop (`run_in_executor`, or anyio's, which serve files over
HTTP), it waits for them in real time. Use the decorator on tests: ``@virtual_time``.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import math
import select
import selectors
import socket
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, cast

import anyio.to_thread

T = TypeVar("T")

START = 1000.0
"""Loop time at the beginning: not zero, so that nobody takes it for call time."""
REAL_LIMIT = 20.0
"""Real seconds a test may take."""
REAL_WAIT = 5.0
"""Real seconds to wait for input when no timer could ever wake the loop."""
GLANCE = 0.001
"""Real seconds the kernel gets to hand over what one end of a socket has written and the other not yet read."""
MAX_JUMPS = 2_000_000


class StuckError(RuntimeError):
    """Nothing can wake the loop any more, or it runs for ever."""


class _Selector(selectors.DefaultSelector):
    """Looks for input without waiting, then lets time jump."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return super().select(0)
        self.loop.check_limits()
        ready = super().select(0) or self._glance()
        if ready:
            return ready
        if self.loop.is_held:
            return super().select(0.02)
        if timeout is None:
            ready = super().select(self.loop.real_wait)
            if not ready:
                raise StuckError("the loop waits for input that does not come, and has no timer")
            return ready
        self.loop.jump()
        return []

    def _glance(self) -> list[tuple[selectors.SelectorKey, int]]:
        """Input that is on its way. `select` is asked: it can wait for less than a millisecond, which epoll cannot."""
        if not self.loop.wire.is_busy:
            return []
        pending, _, _ = select.select([self.fileno()], [], [], GLANCE)
        if pending:
            return super().select(0)
        self.loop.wire.settle()
        return []


class Wire:
    """What one end of a socket in this process has written and no end has read yet: only then is input on its way."""

    def __init__(self) -> None:
        self._bytes = 0
        self._has_news = False

    @property
    def is_busy(self) -> bool:
        return self._has_news or self._bytes != 0

    def wrote(self, count: int) -> None:
        self._bytes += count

    def read(self, count: int) -> None:
        self._bytes -= count

    def changed(self) -> None:
        """A connection was opened or closed."""
        self._has_news = True

    def settle(self) -> None:
        """What did not come by now is for another process, or for somebody who does not read."""
        self._bytes, self._has_news = 0, False


class _CountedSocket:
    """A socket as asyncio's transports use it; says what goes through."""

    def __init__(self, inner: socket.socket, wire: Wire) -> None:
        self._inner = inner
        self._wire = wire
        wire.changed()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def send(self, data: Any) -> int:
        count = self._inner.send(data)
        self._wire.wrote(count)
        return count

    def sendmsg(self, buffers: Any) -> int:
        count = self._inner.sendmsg(buffers)
        self._wire.wrote(count)
        return count

    def recv(self, size: int) -> bytes:
        data = self._inner.recv(size)
        self._wire.read(len(data))
        return data

    def recv_into(self, buffer: Any) -> int:
        count = self._inner.recv_into(buffer)
        self._wire.read(count)
        return count

    def sendto(self, data: Any, address: Any) -> int:
        count = self._inner.sendto(data, address)
        self._wire.wrote(count)
        return count

    def recvfrom(self, size: int) -> tuple[bytes, Any]:
        data, address = self._inner.recvfrom(size)
        self._wire.read(len(data))
        return data, address

    def shutdown(self, how: int) -> None:
        self._wire.changed()
        self._inner.shutdown(how)

    def close(self) -> None:
        self._wire.changed()
        self._inner.close()


class VirtualLoop(asyncio.SelectorEventLoop):
    """See the module's docstring."""

    def __init__(
        self, *, real_wait: float = REAL_WAIT, real_limit: float = REAL_LIMIT, max_jumps: int = MAX_JUMPS
    ) -> None:
        self.real_wait = real_wait
        self._real_limit = real_limit
        self._max_jumps = max_jumps
        selector = _Selector()
        selector.loop = self
        self.wire = Wire()
        self._time = START
        self._work = 0
        self._jumps = 0
        self._real_start = time.monotonic()
        super().__init__(selector)

    @property
    def is_held(self) -> bool:
        """A thread works for the loop; its result takes real time."""
        return self._work > 0

    def time(self) -> float:
        return self._time

    @property
    def _clock_resolution(self) -> float:
        """Timers within it are due. The loop's own, a nanosecond, would wake who waits for a moment before it: he finds
        it still to come, waits again, is woken at once, and time stands still."""
        return math.ulp(self._time)

    @_clock_resolution.setter
    def _clock_resolution(self, _: float) -> None:
        """What the base class finds the machine's clock to have."""

    def jump(self) -> None:
        """Go to the next timer."""
        self._jumps += 1
        scheduled = self._scheduled  # type: ignore[attr-defined]  # asyncio's own
        if scheduled:
            self._time = max(self._time, scheduled[0].when())

    def check_limits(self) -> None:
        if time.monotonic() - self._real_start > self._real_limit:
            raise StuckError(
                f"still running after {self._real_limit} real seconds, at {self._time - START:.3f} virtual ones"
            )
        if self._jumps > self._max_jumps:
            raise StuckError("time passes, but nothing ends")

    def _make_socket_transport(self, sock: socket.socket, *args: Any, **kwargs: Any) -> asyncio.Transport:
        counted = _CountedSocket(sock, self.wire)
        made = super()._make_socket_transport(counted, *args, **kwargs)  # type: ignore[misc]  # asyncio's own
        assert isinstance(made, asyncio.Transport)
        return made

    def _make_datagram_transport(self, sock: socket.socket, *args: Any, **kwargs: Any) -> asyncio.DatagramTransport:
        counted = _CountedSocket(sock, self.wire)
        made = super()._make_datagram_transport(counted, *args, **kwargs)  # type: ignore[misc]  # asyncio's own
        return cast(asyncio.DatagramTransport, made)

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        self.wire.changed()
        await super().sock_connect(sock, address)

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> asyncio.Future[Any]:
        self.hold()
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._worked)
        return future

    def _worked(self, _: asyncio.Future[Any]) -> None:
        self.release()

    def hold(self) -> None:
        """A thread begins to work for the loop."""
        self._work += 1

    def release(self) -> None:
        self._work -= 1

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """As the loop's own, without its time limit (Python 3.12), which would be over at the next jump."""
        await super().shutdown_default_executor()


_run_sync = anyio.to_thread.run_sync


@functools.wraps(_run_sync)
async def _run_sync_held(*args: Any, **kwargs: Any) -> Any:
    """anyio has threads of its own, of which the loop hears nothing."""
    loop = asyncio.get_running_loop()
    if not isinstance(loop, VirtualLoop):
        return await _run_sync(*args, **kwargs)
    loop.hold()
    try:
        return await _run_sync(*args, **kwargs)
    finally:
        loop.release()


anyio.to_thread.run_sync = _run_sync_held


def run_virtual(work: Coroutine[Any, Any, T], make_loop: Callable[[], VirtualLoop] = VirtualLoop) -> T:
    """Run a coroutine in virtual time. A task that is left behind, or an error that nobody saw, fails."""
    unseen: list[dict[str, Any]] = []
    with asyncio.Runner(loop_factory=make_loop) as runner:
        runner.get_loop().set_exception_handler(lambda _, context: unseen.append(context))
        result = runner.run(_watched(work))
    if unseen:
        raise AssertionError(f"the loop reported: {unseen[0].get('message')}") from unseen[0].get("exception")
    return result


async def _watched(work: Coroutine[Any, Any, T]) -> T:
    before = asyncio.all_tasks()
    result = await work
    for _ in range(5):
        await asyncio.sleep(0)
    left = [task.get_name() for task in asyncio.all_tasks() - before]
    assert not left, f"tasks were left behind: {left}"
    return result


def virtual_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Make a plain test of a coroutine, run in virtual time. Fixtures work as usual."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        run_virtual(test(*args, **kwargs))

    run.__signature__ = inspect.signature(test)  # type: ignore[attr-defined]  # what pytest asks for
    return run


def elapsed() -> float:
    """Virtual seconds since the loop began."""
    return asyncio.get_running_loop().time() - START
