"""Which files make up a configuration: one, or a folder of them, and what they include; merged into one document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from config import document as documents
from config.document import Document, Place
from config.errors import ConfigError

MAX_FILE_BYTES = 8 * 1024 * 1024
MAX_FILES = 1000
SUFFIXES = (".yaml", ".yml")
INCLUDE = "include"


def read(path: Path | str, env: Mapping[str, str]) -> Document:
    """Read a configuration from a file, or from all ``*.yaml`` files of a folder in the order of their names.

    Blocks that several files write are merged; a setting that two files write is a problem.

    Returns:
        The document without its `include` keys; `Document.problems` says what could not be read.
    """
    whole = Document()
    seen: set[Path] = set()
    for file in _starting_files(Path(path), whole):
        _add(file, whole, env, seen)
    return whole


def _starting_files(path: Path, whole: Document) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES and not file.name.startswith("."))
    if not files:
        whole.problems.append(ConfigError("the folder has no *.yaml file", file=path))
    return files


def _add(file: Path, whole: Document, env: Mapping[str, str], seen: set[Path]) -> None:
    """Add a file and what it includes; a file that is named twice counts once."""
    if file.resolve() in seen:
        return
    seen.add(file.resolve())
    if len(seen) > MAX_FILES:
        whole.problems.append(ConfigError(f"the configuration has more than {MAX_FILES} files", file=file))
        return
    try:
        text = _text(file)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        whole.problems.append(ConfigError(f"cannot be read: {reason}", file=file))
        return
    part = documents.parse(text, str(file), env)
    patterns = part.values.pop(INCLUDE, None)
    included = list(_included(file, patterns, part))
    _merge(whole, part)
    for other in included:
        _add(other, whole, env, seen)


def _text(file: Path) -> str:
    with file.open("rb") as stream:
        content = stream.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise ValueError(f"it is longer than {MAX_FILE_BYTES} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8 text") from None


def _included(file: Path, patterns: Any, part: Document) -> Iterator[Path]:
    for index, pattern in enumerate(patterns if isinstance(patterns, list) else [patterns]):
        where = (INCLUDE, index) if isinstance(patterns, list) else (INCLUDE,)
        if pattern is None or where in part.broken:
            continue
        if not isinstance(pattern, str) or not pattern:
            part.report(where, "must be file names, with * and ? where wanted")
            continue
        found = _matching(file.parent, pattern)
        if not found and not any(char in pattern for char in "*?["):
            part.report(where, f"there is no file {pattern!r} beside {file.name}")
        yield from found


def _matching(folder: Path, pattern: str) -> list[Path]:
    full = Path(pattern).expanduser()
    base = Path(full.anchor) if full.is_absolute() else folder
    relative = full.relative_to(full.anchor) if full.is_absolute() else full
    return sorted(path for path in base.glob(str(relative)) if path.is_file())


def _merge(whole: Document, part: Document) -> None:
    whole.problems += part.problems
    whole.broken |= part.broken
    whole.values = _merged(whole, whole.values, part, part.values, ())
    for path, place in part.places.items():
        if path[:1] != (INCLUDE,):
            whole.places.setdefault(path, place)


def _merged(whole: Document, mine: Any, part: Document, theirs: Any, path: documents.Path) -> Any:
    if mine is None or theirs is None:
        return theirs if mine is None else mine
    if isinstance(mine, dict) and isinstance(theirs, dict):
        both = {key: _merged(whole, mine[key], part, theirs[key], (*path, key)) for key in mine if key in theirs}
        return {**mine, **theirs, **both}
    first, second = whole.places[path], part.places[path]
    _report_twice(whole, path, first, second)
    return mine


def _report_twice(whole: Document, path: documents.Path, first: Place, second: Place) -> None:
    dotted = ".".join(str(part) for part in path)
    reason = f"is set twice; first in {first.file}:{first.line}"
    whole.problems.append(ConfigError(reason, file=second.file, line=second.line, field=dotted))
