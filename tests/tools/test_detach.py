"""What bears a vendor's name is found wherever it lies, its registration too, and whoever else needs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.detach import edit, is_of, remove_files, speech_vendors, still_needing, unregister, write_metadata


@pytest.mark.parametrize(
    ("path", "is_its_own"),
    [
        ("gateway/backends/acme/client.py", True),
        ("gateway/lab/acme.py", True),
        ("gateway/lab/acme_bot.py", True),
        ("tests/lab/test_acme.py", True),
        ("tests/lab/test_acme_faults.py", True),
        ("tests/fixtures/acme/a1.json", True),
        ("docs/acme.md", True),
        ("gateway/speech/acme/client.py", False),
        ("gateway/backends/acmeplus/client.py", False),
        ("gateway/backends/other/client.py", False),
        ("gateway/backends/other/acme.py", False),
        ("tests/backends/other/test_acme.py", False),
        ("docs/operating.md", False),
    ],
)
def test_what_bears_the_name(path: str, is_its_own: bool) -> None:
    assert is_of("acme", Path(path), ["other"]) is is_its_own


@pytest.mark.parametrize(
    ("path", "is_its_own"),
    [
        ("gateway/speech/acme/client.py", True),
        ("tests/speech/acme/test_client.py", True),
        ("tests/speech/test_acme.py", True),
        ("tests/fakes/acme_speech.py", True),
        ("examples/acme-speech/engine.py", True),
        ("docs/speech/acme.md", True),
        ("gateway/backends/acme/client.py", False),
        ("tests/emulators/acme_speech.py", False),
        ("tests/fakes/acme.py", False),
        ("examples/acme/engine.py", False),
        ("gateway/speech/other/acme.py", False),
        ("gateway/speech/acmeplus/client.py", False),
        ("docs/acme.md", False),
    ],
)
def test_what_bears_the_name_of_a_speech_vendor(path: str, is_its_own: bool) -> None:
    assert is_of("speech:acme", Path(path)) is is_its_own
    assert not (is_its_own and is_of("acme", Path(path)))


def test_of_a_vendor_that_is_both_only_one_goes(tmp_path: Path) -> None:
    folder = repository(tmp_path, **{"gateway/speech/acme/__init__.py": "", "gateway/speech/local/__init__.py": ""})
    project = folder / "pyproject.toml"
    project.write_text(
        project.read_text() + '[project.entry-points."gateway.speech"]\nacme = "gateway.speech.acme:It"\n'
    )
    assert speech_vendors(folder) == ["speech:acme"]
    removed = remove_files(folder, "speech:acme")
    assert removed == {"gateway/speech/acme/__init__.py"}
    assert unregister(folder, "speech:acme", removed) == ["pyproject.toml"]
    text = project.read_text()
    assert "gateway.backends.acme" in text
    assert "gateway.speech.acme" not in text


def repository(folder: Path, **more: str) -> Path:
    """A small one, with a vendor called acme."""
    files = {
        "pyproject.toml": '[project]\nname = "x"\nversion = "1"\n[project.entry-points."gateway.backends"]\n'
        'acme = "gateway.backends.acme.client:Acme"\nother = "gateway.backends.other.client:Other"\n',
        "gateway/backends/acme/__init__.py": "",
        "gateway/backends/acme/client.py": "class Acme: ...\n",
        "gateway/backends/other/__init__.py": "",
        "gateway/backends/other/client.py": "class Other: ...\n",
        "gateway/lab/acme.py": "",
        "gateway/lab/directory.py": 'VENDORS = ("acme", "other")\n',
        "docs/acme.md": "# Acme\n",
        "README.md": "- [acme](docs/acme.md)\n- [other](docs/other.md)\n"
        "- `talkpath lab acme`\n- see gateway/lab/acme.py\n",
        "docs/other.md": "[first page](../README.md), gateway/lab, [acme](acme.md)\nAcme is well known.\n",
        **more,
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_files_and_lines_go_everything_else_stays(tmp_path: Path) -> None:
    folder = repository(tmp_path)
    removed = remove_files(folder, "acme")
    assert removed == {
        "gateway/backends/acme/__init__.py",
        "gateway/backends/acme/client.py",
        "gateway/lab/acme.py",
        "docs/acme.md",
    }
    assert not (folder / "gateway" / "backends" / "acme").exists()
    assert sorted(unregister(folder, "acme", removed)) == [
        "README.md",
        "docs/other.md",
        "gateway/lab/directory.py",
        "pyproject.toml",
    ]
    assert (folder / "README.md").read_text() == "- [other](docs/other.md)\n"
    assert (folder / "docs" / "other.md").read_text() == "Acme is well known.\n"
    assert (folder / "gateway" / "lab" / "directory.py").read_text() == 'VENDORS = ("other",)\n'
    assert not edit(folder / "README.md", folder, "acme", removed)


def test_the_copy_has_its_own_entry_points(tmp_path: Path) -> None:
    folder = repository(tmp_path)
    unregister(folder, "acme", remove_files(folder, "acme"))
    write_metadata(folder)
    text = (folder / "x-1.dist-info" / "entry_points.txt").read_text()
    assert "other = gateway.backends.other.client:Other" in text
    assert "acme" not in text


def test_who_needs_it_is_found_also_through_others(tmp_path: Path) -> None:
    folder = repository(
        tmp_path,
        **{
            "tests/fakes/party.py": "import os\nfrom gateway.lab.acme import Lab\n",
            "tests/test_whole.py": "def test() -> None:\n    from tests.fakes.party import Party\n",
            "gateway/fine.py": "from gateway.backends.other.client import Other\n",
        },
    )
    assert still_needing(folder) == {}
    remove_files(folder, "acme")
    assert still_needing(folder) == {
        "tests/fakes/party.py": "gateway.lab.acme",
        "tests/test_whole.py": "tests.fakes.party, which needs gateway.lab.acme",
    }
