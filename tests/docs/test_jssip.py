"""The page for web developers shows what `make test-browser` runs, and what it runs is pinned."""

from __future__ import annotations

import json

import yaml

from tests.pages import ROOT, blocks

PAGE = ROOT / "docs" / "jssip.md"
EXAMPLE = ROOT / "examples" / "jssip"


def test_the_script_that_is_shown_is_the_one_that_is_run() -> None:
    [block] = blocks(PAGE, "js")
    assert block.text == (EXAMPLE / "phone.js").read_text(encoding="utf-8")


def test_the_line_that_is_shown_is_the_examples() -> None:
    [block] = blocks(PAGE, "yaml")
    assert block.text in (EXAMPLE / "talkpath.yaml").read_text(encoding="utf-8")


def test_the_page_calls_what_the_example_has() -> None:
    page = (EXAMPLE / "index.html").read_text(encoding="utf-8")
    settings = yaml.safe_load((EXAMPLE / "talkpath.yaml").read_text(encoding="utf-8"))
    [number, *_] = settings["numbers"]
    [user] = settings["lines"]["web"]["auth"]["digest"]["users"]
    address = f"ws://127.0.0.1:{settings['server']['port']}{settings['lines']['web']['path']}"
    assert all(f'value="{value}"' in page for value in (number, user, address))


def test_everything_that_npm_fetches_is_pinned_and_comes_from_wherever_npm_is_told() -> None:
    text = (EXAMPLE / "package-lock.json").read_text(encoding="utf-8")
    packages = {name: entry for name, entry in json.loads(text)["packages"].items() if name}
    assert all(entry["integrity"].startswith("sha512-") for entry in packages.values())
    assert "://" not in text
    wanted = json.loads((EXAMPLE / "package.json").read_text(encoding="utf-8"))
    for name, version in {**wanted["dependencies"], **wanted["devDependencies"]}.items():
        assert packages[f"node_modules/{name}"]["version"] == version
    assert f"JsSIP {wanted['dependencies']['jssip']} " in PAGE.read_text(encoding="utf-8")
