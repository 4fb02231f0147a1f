"""The tasks of one call, watched: a helper that stops helping is noticed, whatever made it stop.

A task group passes over a helper that returns, or that is cancelled by a stray CancelledError; the call would go on
deaf or dumb. Here both raise, which ends the call, and only this one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec

import structlog

from gateway.errors import GatewayError, VendorError
from gateway.events import CallEvent

log = structlog.get_logger()
P = ParamSpec("P")

STOP_WITHIN = 3.0
"""Seconds helpers have to clean up when the call is over; then they are cancelled again."""


class HelperStopped(RuntimeError):
    """A helper ended before its call did: a bug, in the helper or in something it awaited."""


class Helpers:
    """Starts the tasks of a call in its task group.

    Args:
        group: The call's task group.
        post: Takes the events that errors become.
    """

    def __init__(self, group: asyncio.TaskGroup, post: Callable[[CallEvent], None]) -> None:
        self._group = group
        self._post = post
        self._tasks: set[asyncio.Task[None]] = set()

    def keep(
        self, name: str, work: Coroutine[Any, Any, None], on_error: Callable[[GatewayError], CallEvent]
    ) -> asyncio.Task[None]:
        """Run a helper that lasts as long as the call."""
        return self._start(name, work, self._lasting(name, work, on_error))

    def once(
        self, name: str, work: Coroutine[Any, Any, None], on_error: Callable[[GatewayError], CallEvent] | None = None
    ) -> asyncio.Task[None]:
        """Run something that ends by itself; without ``on_error`` its GatewayErrors are only logged."""
        return self._start(name, work, self._passing(name, work, on_error))

    async def stop(self) -> None:
        """Cancel everything; twice, where the first time is not enough."""
        for _ in range(2):
            tasks = [task for task in self._tasks if not task.done()]
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks, timeout=STOP_WITHIN)

    def _start(
        self, name: str, work: Coroutine[Any, Any, None], watched: Coroutine[Any, Any, None]
    ) -> asyncio.Task[None]:
        task = self._group.create_task(watched, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: work.close())  # where it was cancelled before it began
        return task

    async def _lasting(
        self, name: str, work: Coroutine[Any, Any, None], on_error: Callable[[GatewayError], CallEvent]
    ) -> None:
        try:
            await work
        except GatewayError as error:
            self._post(on_error(error))
            await asyncio.get_running_loop().create_future()  # its part is over, the call is not
        except asyncio.CancelledError:
            _raise_if_stray(name)
            raise
        raise HelperStopped(f"{name} ended before the call")

    async def _passing(
        self, name: str, work: Coroutine[Any, Any, None], on_error: Callable[[GatewayError], CallEvent] | None
    ) -> None:
        try:
            await work
        except GatewayError as error:
            if on_error is None:
                log.warning("helper failed", helper=name, error=str(error))
            else:
                self._post(on_error(error))
        except asyncio.CancelledError:
            _raise_if_stray(name)
            raise


def _raise_if_stray(name: str) -> None:
    task = asyncio.current_task()
    if task is None or task.cancelling() == 0:
        raise HelperStopped(f"{name} was cancelled by nobody") from None


class PlugInFailed(VendorError):
    """A plug-in raised what it must not. The caller hears about it as about any failure of that vendor."""


@contextmanager
def plug_in(what: str) -> Iterator[None]:
    """The border to a plug-in's code: a bug there is logged with its traceback and becomes a VendorError.

    Without this a bug in one vendor's adapter would end the call in silence instead of taking the fallback.
    """
    try:
        yield
    except GatewayError:
        raise
    except Exception as bug:  # the border: whatever an adapter raises is its bug
        log.exception("plug-in failed", plug_in=what)
        raise PlugInFailed(f"raised {type(bug).__name__}", vendor=what) from bug


def shielded(what: str, call: Callable[P, object]) -> Callable[P, None]:
    """A call to something that only watches. Its first failure is logged, and it is not called again."""
    broken = False

    def watched(*args: P.args, **kwargs: P.kwargs) -> None:
        nonlocal broken
        if broken:
            return
        try:
            call(*args, **kwargs)
        except Exception:  # a watcher's bug is its own: the call goes on without it
            broken = True
            log.exception("observer failed", observer=what)

    return watched
