"""Fetches recorded human speech for the tests, as an ordinary user, from the machine's own package sources.

The recordings are the prompts of the Asterisk project (CC-BY-SA 3.0; one voice actor per language) with their
texts. Debian and Ubuntu carry them, and apt knows where from, so no address stands here and nothing is copied into
the repository. Only the standard library is used: this runs before anything is installed.

``python -m tools.fetch_recordings`` does nothing where they are already in `CACHE`. What reads them is
`tests.recordings`.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tools import apt

CACHE = Path(__file__).resolve().parent.parent / ".cache" / "recordings"
TRANSCRIPTS = "transcripts.txt"
DIGEST = "sha256"

_SOUNDS = PurePosixPath("usr/share/asterisk/sounds")
_DOCUMENTS = PurePosixPath("usr/share/doc")
_PACKAGE = "asterisk-core-sounds-{language}"


class FetchError(Exception):
    """The recordings cannot be had; the message is one sentence for whoever ran the tests."""


@dataclass(frozen=True)
class Pinned:
    """What was measured on: the upstream release, and the sha256 of its files as `digest` counts them.

    Packages are rebuilt by every distribution, so it is the sounds and texts in them that are pinned.
    """

    voice: str
    release: str
    sha256: str


LANGUAGES = {
    "en": Pinned("en_US_f_Allison", "1.6.1", "8b450b0f3c522449e6cdbef404613790ae452672096cbed6344a6dac17047441"),
    "fr": Pinned("fr_CA_f_June", "1.6.1", "feaf9bd6df4ebb408abd32b10419c2b4de28ea217f0085b9b584e5dcb19314fd"),
    "es": Pinned("es_MX_f_Allison", "1.6.1", "705585d872c96fdc8f790f56936ff79aa348c8fd848e8b24620c7f7a5b6561a3"),
}


def is_complete(language: str, cache: Path = CACHE) -> bool:
    """Whether the pinned recordings of `language` were unpacked and verified here before."""
    stamp = cache / language / DIGEST
    return stamp.is_file() and stamp.read_text().strip() == LANGUAGES[language].sha256


def fetch(cache: Path = CACHE) -> list[str]:
    """Make the recordings of every language available.

    Returns:
        The languages that were not there yet.
    Raises:
        FetchError: when apt is absent, cannot reach its sources, or carries other recordings than the pinned ones.
    """
    missing = [language for language in LANGUAGES if not is_complete(language, cache)]
    if not missing:
        return []
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix=".fetching-") as directory:
        work = Path(directory)
        try:
            apt.download([name for language in missing for name in _packages(language)], work)
            for language in missing:
                _install(language, work, cache)
        except apt.AptError as error:
            raise FetchError(str(error)) from error
    return missing


def _packages(language: str) -> tuple[str, str]:
    """The package of the texts and that of the 8 kHz recordings."""
    name = _PACKAGE.format(language=language)
    return name, f"{name}-wav"


def _install(language: str, work: Path, cache: Path) -> None:
    """Unpack one language beside its place, verify it, then move it there in one step."""
    unpacked = work / language
    for package in _packages(language):
        for name, data in _contents(apt.archive_of(package, work), language):
            target = unpacked / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
    found = digest(unpacked)
    if found != LANGUAGES[language].sha256:
        raise FetchError(
            f"this distribution's recordings in {language} are not those of release {LANGUAGES[language].release} "
            f"that the tests were measured on (sha256 {found})"
        )
    (unpacked / DIGEST).write_text(found + "\n")
    shutil.rmtree(cache / language, ignore_errors=True)
    unpacked.rename(cache / language)


def _contents(archive: Path, language: str) -> Iterator[tuple[str, bytes]]:
    """The recordings, texts and licence in a package, under their names in the cache."""
    with tarfile.open(fileobj=io.BytesIO(apt.contents_of(archive)), mode="r:") as tar:
        for member in tar:
            name = _name_in_cache(PurePosixPath(member.name), language)
            content = tar.extractfile(member) if member.isfile() else None
            if name is not None and content is not None:
                data = content.read()
                yield name, gzip.decompress(data) if member.name.endswith(".gz") else data


def _name_in_cache(path: PurePosixPath, language: str) -> str | None:
    """Where a package's file belongs, or None for what is not needed; never outside the cache."""
    if path.is_relative_to(voice := _SOUNDS / LANGUAGES[language].voice) and path.suffix == ".wav":
        name = path.relative_to(voice)
        return None if ".." in name.parts else str(name)
    package = _PACKAGE.format(language=language)
    if path == _DOCUMENTS / package / f"core-sounds-{language}.txt.gz":
        return TRANSCRIPTS
    return "copyright" if path == _DOCUMENTS / package / "copyright" else None


def digest(directory: Path) -> str:
    """One sha256 for all recordings and the texts in `directory`, in the order of their names."""
    total = hashlib.sha256()
    names = sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*.wav"))
    for name in [*names, TRANSCRIPTS]:
        path = directory / name
        content = hashlib.sha256(path.read_bytes() if path.is_file() else b"").hexdigest()
        total.update(f"{content}  {name}\n".encode())
    return total.hexdigest()


def main() -> int:
    try:
        fetched = fetch()
    except FetchError as error:
        print(f"No recorded speech: {error}.", file=sys.stderr)
        return 1
    print(f"Recorded speech is in {CACHE}" + (f" (fetched: {', '.join(fetched)})" if fetched else "") + ".")
    return 0


if __name__ == "__main__":
    sys.exit(main())
