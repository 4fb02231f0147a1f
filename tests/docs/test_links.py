"""Links between documents lead somewhere, and the first page stays short."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pages import ROOT, anchors, links, name_of, pages


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_links_within_the_project_resolve(page: Path) -> None:
    broken = [link for link in links(page) if not _resolves(page, link)]
    assert not broken


def _resolves(page: Path, link: str) -> bool:
    if link.startswith(("http://", "https://", "mailto:")):
        return True
    place, _, anchor = link.partition("#")
    target = (page.parent / place).resolve() if place else page
    if not target.exists() or not target.is_relative_to(ROOT):
        return False
    return not anchor or target.suffix != ".md" or anchor in anchors(target)


def test_the_first_page_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 150


def test_every_document_can_be_found_from_the_first_page() -> None:
    seen: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen or not page.exists():  # a broken link is the other test's business
            continue
        seen.add(page)
        targets = ((page.parent / link.partition("#")[0]).resolve() for link in links(page) if "://" not in link)
        for target in targets:
            waiting.extend(target.glob("*.md") if target.is_dir() else [target] if target.suffix == ".md" else [])
    assert not {name_of(page) for page in pages()} - {name_of(page) for page in seen if page.is_relative_to(ROOT)}
