"""Makes `.venv` with everything in `pyproject.toml`, as an ordinary user. `make` runs it when that has changed.

``python -m tools.setup`` installs what the product needs, ``python -m tools.setup dev`` what its developers need too.
Only the standard library is used, and not all of it: Debian and Ubuntu ship Python without `ensurepip`, so pip may
have to come from elsewhere.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import tempfile
import venv
from pathlib import Path, PurePosixPath

from tools import apt

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
SYSTEM_WHEELS = Path("/usr/share/python-wheels")  # where Debian and Ubuntu keep the pip that `python3 -m venv` copies
_WHEEL_PACKAGE = "python3-pip-whl"


class SetupError(Exception):
    """The environment cannot be made; the message is one sentence for whoever ran make."""


def set_up(directory: Path, extra: str = "") -> None:
    """Bring the environment in `directory` up to date with `pyproject.toml`.

    Args:
        directory: Made if it is not there, or belongs to a Python that is gone.
        extra: Name of a group of optional dependencies, or nothing.
    Raises:
        SetupError: when there is no pip to be had, or pip fails.
    """
    python = directory / "bin" / "python"
    if not _works(python, "import sys"):
        print(f"Making {directory} with Python {sys.version.split()[0]} ({sys.executable}).", flush=True)
        venv.create(directory, clear=True, symlinks=True)
    if not _works(python, "import pip"):
        _install_pip(python)
    print("Installing what pyproject.toml names; the first time this takes a minute or two.", flush=True)
    target = f"{ROOT}[{extra}]" if extra else str(ROOT)
    if _pip([str(python)], "install", "--quiet", "--editable", target).returncode:
        raise SetupError("pip could not install the packages in pyproject.toml, for the reason it gives above")


def _works(python: Path, statement: str) -> bool:
    try:
        return subprocess.run([python, "-c", statement], capture_output=True).returncode == 0
    except OSError:
        return False


def _pip(command: list[str], *arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = [*command, "-m", "pip", *arguments, "--disable-pip-version-check", "--no-input"]
    return subprocess.run(command, env={**os.environ, **environment})


def _install_pip(python: Path) -> None:
    """Put pip into a bare environment, from wherever this machine has one."""
    ensure = [str(python), "-m", "ensurepip", "--default-pip"]
    if _works(python, "import ensurepip") and subprocess.run(ensure, stdout=subprocess.DEVNULL).returncode == 0:
        return
    wheel = next(SYSTEM_WHEELS.glob("pip-*.whl"), None)
    with tempfile.TemporaryDirectory(prefix="talkpath-pip-") as work:
        if wheel is None and _pip_of(sys.executable, python):
            return
        wheel = wheel or _fetched_wheel(Path(work))
        if _pip([str(python)], "install", "--quiet", str(wheel), PYTHONPATH=str(wheel)).returncode:
            raise SetupError(_advice("pip could not install itself"))


def _pip_of(executable: str, python: Path) -> bool:
    """Let the pip that belongs to another Python, if it has one, put pip into ours."""
    if not _works(Path(executable), "import pip"):
        return False
    return _pip([executable], "--python", str(python), "install", "--quiet", "pip").returncode == 0


def _fetched_wheel(work: Path) -> Path:
    """The distribution's pip, from its own package but without installing that, which only root may."""
    try:
        apt.download([_WHEEL_PACKAGE], work)
        contents = apt.contents_of(apt.archive_of(_WHEEL_PACKAGE, work))
    except apt.AptError as error:
        raise SetupError(_advice(str(error))) from error
    with tarfile.open(fileobj=io.BytesIO(contents), mode="r:") as tar:
        for member in tar:
            name = PurePosixPath(member.name).name
            file = tar.extractfile(member) if member.isfile() else None
            if file is not None and name.startswith("pip-") and name.endswith(".whl"):
                (work / name).write_bytes(file.read())
                return work / name
    raise SetupError(_advice(f"there is none in {_WHEEL_PACKAGE}"))


def _advice(reason: str) -> str:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return (
        f"Python {version} ({sys.executable}) has no pip and none could be fetched ({reason}): "
        f"run `sudo apt-get install python{version}-venv`, or the like of it on this system, and make again"
    )


def main(arguments: list[str]) -> int:
    try:
        set_up(VENV, *arguments)
    except SetupError as error:
        print(f"talkpath: {error}.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
