"""Who works on a job: a process, so named that another one on the same machine can tell whether it still lives."""

from __future__ import annotations

import os
import secrets
import socket


def own_name() -> str:
    """``host/pid/token``; the token tells a process from an earlier one of the same pid, as in containers."""
    return f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(6)}"


class Neighbours:
    """Knows, of owners on this machine, whether they are gone; of others only their lease tells.

    Args:
        me: Our own name.
    """

    def __init__(self, me: str) -> None:
        self._me = me
        self._host, self._pid, _ = me.rsplit("/", 2)

    def is_gone(self, owner: str) -> bool:
        """Whether an owner has certainly ended."""
        host, _, rest = owner.rpartition("/")[0].rpartition("/")
        if owner == self._me or host != self._host or not rest.isdigit():
            return False
        return rest == self._pid or not _is_alive(int(rest))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
