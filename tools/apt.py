"""Debian and Ubuntu packages as an ordinary user, for what the machine's own package sources carry.

Nothing is installed and no address stands here: apt knows where from. Only the standard library is used, because this
runs before anything is installed. `tools.fetch_recordings` and `tools.setup` use it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

_TIMEOUT = 600.0  # seconds; 61 MB over a slow line


class AptError(Exception):
    """The packages cannot be had; the message is a clause that says why."""


def download(packages: list[str], work: Path) -> None:
    """Leave the packages as ``NAME_*.deb`` in `work`, first by what apt already knows, then by private lists.

    Raises:
        AptError: when there is no apt, or it cannot reach its sources, or they do not carry a package.
    """
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise AptError(f"it comes from Debian or Ubuntu packages, and this machine has no {tool}")
    options = _private(work)
    if _apt(options, "download", *packages, cwd=work).returncode == 0:
        return
    options.append(f"Dir::State={_directory(work / 'state')}")
    options.append(f"Dir::State::lists={_directory(work / 'state' / 'lists')}")
    _apt(options, "update", cwd=work)  # one broken source fails it as a whole; what counts is the download
    result = _apt(options, "download", *packages, cwd=work)
    if result.returncode:
        reason = next((line for line in result.stderr.splitlines() if line.startswith("E:")), "no reason given")
        raise AptError(f"apt cannot download it ({reason.removeprefix('E:').strip()})")


def archive_of(package: str, work: Path) -> Path:
    """The file that `download` left.

    Raises:
        AptError: when it did not.
    """
    archive = next(work.glob(f"{package}_*.deb"), None)
    if archive is None:
        raise AptError(f"apt said that it downloaded {package}, but it did not")
    return archive


def contents_of(archive: Path) -> bytes:
    """The files in a package, as a tar archive.

    Raises:
        AptError: when the package is damaged.
    """
    unpacking = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(archive)], capture_output=True, timeout=_TIMEOUT)
    if unpacking.returncode:
        raise AptError(f"{archive.name} is damaged")
    return unpacking.stdout


def _private(work: Path) -> list[str]:
    """Options that keep apt out of the system's directories, which only root may write."""
    options = [
        f"Dir::Cache={_directory(work / 'apt')}",
        f"Dir::Cache::archives={_directory(work / 'apt' / 'archives')}",
        "Acquire::Languages=none",
        "Acquire::Retries=2",
        "Acquire::http::Timeout=30",
        "Acquire::https::Timeout=30",
    ]
    if os.geteuid() == 0:
        options.append("APT::Sandbox::User=root")  # the usual unprivileged user may not enter our directory
    return options


def _directory(path: Path) -> Path:
    (path / "partial").mkdir(parents=True, exist_ok=True)  # apt wants it in archives and lists, and no harm elsewhere
    return path


def _apt(options: list[str], *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = ["apt-get", "-q", *(word for option in options for word in ("-o", option)), *arguments]
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    try:
        return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=_TIMEOUT, env=environment)
    except subprocess.TimeoutExpired as error:
        raise AptError(f"apt took longer than {_TIMEOUT:.0f} seconds to {arguments[0]} it") from error
