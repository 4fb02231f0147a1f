"""Which files make up a configuration, and how they are merged."""

from __future__ import annotations

from pathlib import Path

from config.document import Place
from config.files import MAX_FILE_BYTES, read


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / (name.replace("__", "/") + ".yaml")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


def problems(path: Path) -> list[str]:
    return [str(problem).replace(f"{path.parent if path.suffix else path}/", "") for problem in read(path, {}).problems]


def test_a_folder_is_all_its_yaml_files_in_order(tmp_path: Path) -> None:
    write(tmp_path, b="numbers: {'2': {bot: b}}", a="numbers: {'1': {bot: a}}\nserver: {port: 1}")
    (tmp_path / "notes.txt").write_text("not: [yaml")
    (tmp_path / ".hidden.yaml").write_text("not: [yaml")
    document = read(tmp_path, {})
    assert document.problems == []
    assert document.values == {"numbers": {"1": {"bot": "a"}, "2": {"bot": "b"}}, "server": {"port": 1}}
    assert document.places[("numbers", "2", "bot")] == Place(str(tmp_path / "b.yaml"), 1)


def test_includes_are_relative_and_may_include(tmp_path: Path) -> None:
    write(
        tmp_path,
        main="include: [numbers/*.yaml, extra.yaml]\nserver: {port: 1}",
        numbers__one="include: ../extra.yaml\nnumbers: {'1': {}}",
        numbers__two="numbers: {'2': {}}",
        extra="bots: {a: {}}",
    )
    document = read(tmp_path / "main.yaml", {})
    assert document.problems == []
    assert document.values == {"server": {"port": 1}, "numbers": {"1": {}, "2": {}}, "bots": {"a": {}}}


def test_a_circle_of_includes_ends(tmp_path: Path) -> None:
    write(tmp_path, a="include: b.yaml\nserver: {port: 1}", b="include: [a.yaml, b.yaml]\nbots: {}")
    document = read(tmp_path / "a.yaml", {})
    assert document.problems == []
    assert document.values == {"server": {"port": 1}, "bots": {}}


def test_an_absolute_include(tmp_path: Path) -> None:
    write(tmp_path, a=f"include: {tmp_path}/b*.yaml", b="server: {port: 1}")
    assert read(tmp_path / "a.yaml", {}).values == {"server": {"port": 1}}


def test_a_setting_in_two_files_names_both(tmp_path: Path) -> None:
    write(
        tmp_path,
        a="defaults:\n  language: fr-FR\n  words: {x: y}\n",
        b="defaults: {language: de-DE, no_input: {retries: 1}}",
    )
    assert problems(tmp_path) == [
        "b.yaml:1: defaults.language: is set twice; first in a.yaml:2",
    ]


def test_empty_blocks_merge(tmp_path: Path) -> None:
    write(tmp_path, a="speech:\nbots: {x: {}}\n", b="speech: {y: {}}\nbots:\n")
    assert read(tmp_path, {}).values == {"speech": {"y": {}}, "bots": {"x": {}}}


def test_missing_files_are_problems(tmp_path: Path) -> None:
    write(tmp_path, a="include: [b.yaml, 'c*.yaml', 7]")
    assert problems(tmp_path / "a.yaml") == [
        "a.yaml:1: include.0: there is no file 'b.yaml' beside a.yaml",
        "a.yaml:1: include.2: must be file names, with * and ? where wanted",
    ]
    assert problems(tmp_path / "none.yaml") == ["none.yaml: cannot be read: No such file or directory"]


def test_an_empty_folder_is_a_problem(tmp_path: Path) -> None:
    assert [problem.reason for problem in read(tmp_path, {}).problems] == ["the folder has no *.yaml file"]


def test_files_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes("a: é".encode("latin-1"))
    (tmp_path / "huge.yaml").write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    (tmp_path / "bom.yaml").write_bytes(b"\xef\xbb\xbfa: 1")
    assert problems(tmp_path) == [
        f"huge.yaml: cannot be read: it is longer than {MAX_FILE_BYTES} bytes",
        "latin.yaml: cannot be read: it is not UTF-8 text",
    ]
    assert read(tmp_path / "bom.yaml", {}).values == {"a": 1}


def test_each_file_reports_its_own_problems(tmp_path: Path) -> None:
    write(tmp_path, a="a: 1\na: 2", b="b: [", c="c: ${MISSING}")
    assert [problem.partition(": ")[0] for problem in problems(tmp_path)] == ["a.yaml:2", "b.yaml:1", "c.yaml:1"]
