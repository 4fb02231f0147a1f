"""A PostgreSQL server of a test's own, where the machine has one installed; the test is skipped elsewhere."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

USER = "talkpath"
PLACES = ("/usr/local/bin", *sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True))


def _program(name: str) -> str | None:
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *PLACES]))


def _other_than_root() -> str | None:
    """PostgreSQL does not run as root: who is to run it instead."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    pytest.skip("PostgreSQL does not run as root, and there is nobody else")


@contextmanager
def postgres() -> Iterator[str]:
    """The SQLAlchemy address of an empty database, on a Unix socket."""
    pytest.importorskip("asyncpg")
    initdb, server = _program("initdb"), _program("postgres")
    if initdb is None or server is None:
        pytest.skip("no PostgreSQL server is installed")
    user = _other_than_root()
    with tempfile.TemporaryDirectory(prefix="tp-pg-") as folder:
        data = f"{folder}/data"
        if user is not None:
            shutil.chown(folder, user)
        made = [initdb, "-D", data, "-U", USER, "--auth=trust", "--no-sync", "--no-instructions"]
        subprocess.run(made, check=True, capture_output=True, timeout=60, user=user, cwd=folder)
        settings = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={folder}", "-c", "fsync=off"]
        command = [server, "-D", data, *settings]
        running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, user=user, cwd=folder)
        try:
            assert running.stderr is not None
            for line in running.stderr:
                if "ready to accept connections" in line:
                    break
            else:
                raise AssertionError("PostgreSQL did not start")
            yield f"postgresql+asyncpg://{USER}@/postgres?host={folder}"
        finally:
            running.terminate()
            running.communicate(timeout=30)
