"""Proves that a vendor is a folder: without it, in a copy of the repository, everything else still passes.

``python -m tools.detach [VENDOR ...]`` takes the vendors one after the other, by default all of chat and speech; a
speech vendor is ``speech:VENDOR``, because several are both. In a copy of what is committed it deletes the vendor's
files, wherever they lie, and the lines that register or link to them; then import contracts, generated documents, the
shipped configurations and the tests must pass, as `make test` runs them. ``--demos`` adds the demonstrations of the
others in real time; ``--quick`` runs only the tests of configuration, contracts, documents and labs, or of speech;
``--keep`` leaves the copy behind.

A file that needs the vendor and does not bear its name is what this looks for: such a file fails the proof, be it code
or test. One vendor is the suite's own example, whose bot the tests of the core call and the pages show: those tests
are left out, and counted.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = "talkr"
"""The vendor that the shipped example, the demonstration and the tests of the core are written with."""
SPEECH = "speech:"
OWN_SPEECH = frozenset({"local", "scripted"})
"""What the shipped example and the tests speak and listen with; no vendor's."""
SPEECH_ROOMS = ("gateway/speech", "tests/speech", "docs/speech")
"""Where a speech vendor's files lie. Emulators of vendors stay: they share nothing with adapters, nor need one."""
SHARED_ROOMS = ("tests/fakes", "examples")
"""Where one of them says that it is about speech: ``acme_speech.py``, ``acme-speech``."""
ROOMS = ("audio", "config", "gateway", "tests")
QUICK = ("tests/config", "tests/contracts", "tests/docs", "tests/lab", "tests/demo", "tests/http", "tests/jobs")
QUICK_SPEECH = (
    "tests/config",
    "tests/contracts",
    "tests/docs",
    "tests/emulators",
    "tests/kit",
    "tests/prompts",
    "tests/speech",
    "tests/trying",
)
LINKING = (".md", ".toml", ".yaml", ".cfg", ".importlinter", "Makefile")
TESTS_WITHIN = 3600.0  # s


class Failed(Exception):
    """The proof failed; the sentence says where."""


# --- the copy ------------------------------------------------------------------------------------------------------
def copied(folder: Path) -> None:
    """What is committed, with a repository of its own, and what tests fetch."""
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive, check=True)
    for name in (".cache", ".recordings"):
        if (ROOT / name).is_dir():
            (folder / name).symlink_to(ROOT / name)


def vendors(folder: Path) -> list[str]:
    """The chat vendors there are."""
    return sorted(path.parent.name for path in (folder / "gateway" / "backends").glob("*/__init__.py"))


def speech_vendors(folder: Path) -> list[str]:
    """The speech vendors there are, each with its prefix."""
    found = {path.parent.name for path in (folder / "gateway" / "speech").glob("*/__init__.py")}
    return sorted(SPEECH + name for name in found - OWN_SPEECH)


def package_of(vendor: str) -> str:
    """The folder that is the vendor, from the root."""
    name = vendor.removeprefix(SPEECH)
    return f"gateway/speech/{name}" if vendor.startswith(SPEECH) else f"gateway/backends/{name}"


def is_of(vendor: str, path: Path, others: Iterable[str] = ()) -> bool:
    """Whether a path bears the vendor's name: ``haptik``, ``haptik_bot.py``, ``test_haptik.py``, ``haptik.md`` ...

    The first vendor's name in it counts: ``talklift/rest.py`` is TalkLift's.
    """
    if vendor.startswith(SPEECH):
        return is_of_speech(vendor.removeprefix(SPEECH), path)
    if {"speech", "transports", "emulators"} & set(path.parts):  # where a vendor of the same name is another plug-in
        return False
    if is_of_speech(vendor, path):
        return False
    for part in path.parts:
        if bears(part, vendor):
            return True
        if any(bears(part, other) for other in others):
            return False
    return False


def is_of_speech(vendor: str, path: Path) -> bool:
    """The same for a speech vendor, by its name without prefix."""
    own = [path.relative_to(room).parts for room in SPEECH_ROOMS if path.is_relative_to(room)]
    shared = [path.relative_to(room).parts for room in SHARED_ROOMS if path.is_relative_to(room)]
    return any(parts and bears(parts[0], vendor) for parts in own) or any(
        parts and re.fullmatch(rf"{re.escape(vendor)}[-_]speech(\.\w+)?", parts[0]) for parts in shared
    )


def bears(name: str, vendor: str) -> bool:
    return bool(re.fullmatch(rf"(test_)?{re.escape(vendor)}(_\w+)?(\.\w+)*", name))


def remove_files(folder: Path, vendor: str) -> set[str]:
    """Delete what bears its name. Returns the paths, relative to the copy."""
    others = [other for other in vendors(folder) if other != vendor]
    paths = [path.relative_to(folder) for path in files_of(folder)]
    removed = {path for path in paths if is_of(vendor, path, others)}
    for path in removed:
        (folder / path).unlink()
    for empty in sorted((path for path in folder.rglob("*") if is_empty(path)), reverse=True):
        empty.rmdir()
    return {str(path) for path in removed}


def is_empty(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink() and not any(child.is_file() for child in path.rglob("*"))


def files_of(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink() and ".cache" not in path.parts:
            yield path


# --- registration --------------------------------------------------------------------------------------------------
def unregister(folder: Path, vendor: str, removed: set[str]) -> list[str]:
    """Delete entry points, its name among the labs, and lines that link to what is gone. Returns what was changed."""
    changed = []
    for path in files_of(folder):
        is_tool = path.parent.name == "tools" and vendor != EXAMPLE  # they change and measure the example, too
        if path.suffix in LINKING or path.name in LINKING or is_tool:
            changed += [path] if edit(path, folder, vendor, removed) else []
    if vendor.startswith(SPEECH):
        return [str(path.relative_to(folder)) for path in changed]
    labs = folder / "gateway" / "lab" / "directory.py"
    others = re.sub(rf'"{vendor}",? ?', "", labs.read_text("utf-8"))
    labs.write_text(re.sub(r'= \(("\w+")\)', r"= (\1,)", others), "utf-8")
    return [str(path.relative_to(folder)) for path in [*changed, labs]]


def edit(path: Path, folder: Path, vendor: str, removed: set[str]) -> bool:
    text = path.read_text("utf-8")
    lines = text.splitlines(keepends=True)
    kept = [line for line in lines if not registers(line, path, vendor) and not links(line, path, folder, removed)]
    if kept != lines:
        path.write_text("".join(kept), "utf-8")
    return kept != lines


def registers(line: str, path: Path, vendor: str) -> bool:
    """Whether a line says that there is this vendor, to packaging, tools or a reader who types commands."""
    package = package_of(vendor)
    if path.name == "pyproject.toml" or path.suffix == ".py" or path.name in LINKING:
        return bool(re.search(rf"\b({package}|{package.replace('/', '[.]')})\b", line))
    if vendor.startswith(SPEECH):
        return False
    return path.suffix == ".md" and bool(re.search(rf"talkpath (lab |demo --bot )?{vendor}\b", line))


def links(line: str, path: Path, folder: Path, removed: set[str]) -> bool:
    """Whether a line of a document links to, or names, a file that is gone."""
    if path.suffix != ".md":
        return False
    linked = [os.path.relpath(path.parent / target, folder) for target in re.findall(r"\]\(([^)#\s]+)", line)]
    named = re.findall(r"[\w.-]+(?:/[\w.-]+)+", line)
    return any(is_gone(name, folder, removed) for name in (*linked, *named))


def is_gone(name: str, folder: Path, removed: set[str]) -> bool:
    """Whether it was there before; folders that others share still are."""
    below = name.rstrip("/") + "/"
    return not (folder / name).exists() and (name in removed or any(path.startswith(below) for path in removed))


def write_metadata(folder: Path) -> None:
    """What an installation of the copy would have: its entry points, found before those of any other installation."""
    project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
    info = folder / f"{project['name']}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = {"console_scripts": project.get("scripts", {}), **project.get("entry-points", {})}
    parts = [[f"[{group}]", *(f"{name} = {place}" for name, place in names.items())] for group, names in groups.items()]
    (info / "entry_points.txt").write_text("\n".join(line for part in parts for line in part) + "\n")


# --- who still needs it --------------------------------------------------------------------------------------------
def still_needing(folder: Path) -> dict[str, str]:
    """Files of the copy that import what is not there any more, directly or through others: file, and what it lacks."""
    imports = {path: list(imported(path)) for room in ROOMS for path in (folder / room).rglob("*.py")}
    names = {module_name(path, folder): path for path in imports}
    lacking = {
        path: name
        for path, wanted in imports.items()
        for name in wanted
        if name.split(".")[0] in ROOMS and not is_there(name, folder)
    }
    while True:
        more = {
            path: f"{name}, which needs {lacking[names[name]]}"
            for path, wanted in imports.items()
            for name in wanted
            if path not in lacking and names.get(name) in lacking
        }
        if not more:
            return {str(path.relative_to(folder)): name for path, name in lacking.items()}
        lacking |= more


def imported(path: Path) -> Iterator[str]:
    """Modules a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def module_name(path: Path, folder: Path) -> str:
    return ".".join(path.relative_to(folder).with_suffix("").parts).removesuffix(".__init__")


def is_there(name: str, folder: Path) -> bool:
    place = folder.joinpath(*name.split("."))
    return place.is_dir() or place.with_suffix(".py").exists()


# --- the proof -----------------------------------------------------------------------------------------------------
def prove(vendor: str, *, quick: bool, demos: bool, keep: bool) -> None:
    """Raises Failed."""
    folder = Path(tempfile.mkdtemp(prefix=f"without-{vendor.replace(':', '-')}-"))
    try:
        copied(folder)
        known = [*vendors(folder), *speech_vendors(folder)]
        if vendor not in known:
            raise Failed(f"there is no vendor {vendor}; there are {', '.join(known)}")
        removed = remove_files(folder, vendor)
        changed = unregister(folder, vendor, removed)
        write_metadata(folder)
        print(f"{vendor}: {len(removed)} files deleted, lines deleted in {', '.join(changed)}", flush=True)
        left_out = leave_out(folder, vendor)
        check(folder, vendor, quick=quick, demos=demos, left_out=left_out)
        print(f"{vendor}: everything else passes without it", flush=True)
    finally:
        if keep:
            print(f"{vendor}: the copy is {folder}")
        else:
            shutil.rmtree(folder)


def leave_out(folder: Path, vendor: str) -> list[str]:
    """Delete the tests that call or show the suite's own example; of other vendors there must be none. Returns what."""
    lacking = still_needing(folder)
    for file, name in sorted(lacking.items()):
        print(f"{vendor}: {file} needs {name}")
    if vendor != EXAMPLE and lacking:
        raise Failed(f"{len(lacking)} files that do not bear its name need {vendor}")
    if code := [file for file in lacking if not file.startswith("tests/")]:
        raise Failed(f"{', '.join(code)}: code that does not bear its name needs {vendor}")
    if vendor == EXAMPLE:
        pages = (str(path.relative_to(folder)) for path in (folder / "tests" / "docs").glob("*.py"))
        named = (str(path.relative_to(folder)) for path in naming(folder / "tests", vendor))
        lacking = dict.fromkeys(pages, "pages that show it") | dict.fromkeys(named, "it by name") | lacking
    for file in lacking:
        (folder / file).unlink()
    return sorted(lacking)


def naming(folder: Path, vendor: str) -> Iterator[Path]:
    """Tests that configure a bot of the vendor's, or call it, and so name it without importing anything of its."""
    for path in folder.rglob("test_*.py"):
        if re.search(rf"\b{vendor}\b", path.read_text("utf-8")):
            yield path


def check(folder: Path, vendor: str, *, quick: bool, demos: bool, left_out: Iterable[str]) -> None:
    run(folder, "import contracts", [_tool("lint-imports")])
    run(folder, "documents", [sys.executable, "-m", "tools.docs"])
    for example in configurations(folder, vendor):
        given = variables(folder / example)
        run(folder, f"talkpath check {example}", [sys.executable, "-m", "gateway", "check", "-c", example], given)
    chosen_rooms = QUICK_SPEECH if vendor.startswith(SPEECH) else QUICK
    tests = [name for name in chosen_rooms if any((folder / name).rglob("test_*.py"))] if quick else ["tests"]
    chosen = [] if demos else ["-m", "not demonstration and not crowd"]
    run(folder, "tests", [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "worksteal", *chosen, *tests])
    if left_out := list(left_out):
        print(f"{len(left_out)} files of tests were left out: they call or show the suite's example")


def configurations(folder: Path, gone: str) -> list[str]:
    """Shipped configurations that name neither a bot nor a voice that is gone."""
    known = vendors(folder)
    found = []
    for path in [folder / "config" / "example.yaml", *sorted((folder / "examples").glob("*/talkpath.yaml"))]:
        text = path.read_text("utf-8")
        named = set(re.findall(r"backend:\s*[\"']?(\w+)", text))
        speaking = {SPEECH + name for name in re.findall(r"(?:vendor|engine):\s*[\"']?(\w+)", text)}
        if named <= set(known) and gone not in speaking:
            found.append(str(path.relative_to(folder)))
    return found


def variables(path: Path) -> dict[str, str]:
    """Something for each variable that a configuration wants from its operator."""
    named = re.findall(r"\$\{([A-Z_0-9]+)\}", path.read_text("utf-8"))
    return {name: "https://bot.example.com" if name.endswith("URL") else "0123456789abcdef" * 2 for name in named}


def run(folder: Path, what: str, command: Sequence[str], given: Mapping[str, str] | None = None) -> None:
    """One step, in the copy, with its own packages first."""
    own = {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    environment = {**os.environ, **own, **(given or {})}
    print(f"  {what} ...", flush=True)
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=TESTS_WITHIN, check=False
    )
    if done.returncode != 0:
        print("\n".join((done.stdout + done.stderr).splitlines()[-60:]))
        raise Failed(f"{what} failed with exit code {done.returncode}")
    last = [line for line in done.stdout.splitlines() if line.strip()]
    print(f"    {last[-1] if last else 'passed'}", flush=True)


def _tool(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.detach", description=__doc__.splitlines()[0])
    parser.add_argument("vendors", nargs="*", metavar="VENDOR")
    parser.add_argument("--quick", action="store_true", help="only tests that look at what is registered")
    parser.add_argument("--demos", action="store_true", help="the others' demonstrations, too")
    parser.add_argument("--keep", action="store_true", help="leave the copies behind")
    given = parser.parse_args(arguments)
    failed = []
    for vendor in given.vendors or [*vendors(ROOT), *speech_vendors(ROOT)]:
        try:
            prove(vendor, quick=given.quick, demos=given.demos, keep=given.keep)
        except Failed as error:
            failed.append(vendor)
            print(f"{vendor}: {error}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
