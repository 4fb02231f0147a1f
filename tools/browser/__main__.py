"""``python -m tools.browser [NAME ...]``: calls by a real Chromium, which listens to a file as its microphone.

``console`` is the console's page: a person logs in, chooses a number, hears the greeting, is understood, presses keys
by mouse and by keyboard, reads the transcript and hangs up; then what happens when others hang up, or when something is
missing. ``jssip`` is the page of ``examples/jssip``, which calls by SIP over our WebSocket. Debian's ``chromium`` and
``npm`` are installed where they are missing, which needs root; JsSIP is fetched by npm, as its lock file has it.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

import httpx

from tools.browser import softphone, visit
from tools.browser.cases import Cases
from tools.browser.devtools import chromium
from tools.browser.gateway import API_TOKEN, gateway, microphone_flag, pages
from tools.browser.programs import build_softphone, chromium_version, prepare
from tools.debian import Unavailable

AT_MOST = 600.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.browser", description=__doc__)
    parser.add_argument("names", nargs="*", help="only cases whose name contains one of these, such as jssip")
    parser.add_argument("--chromium", help="another browser than Debian's")
    parser.add_argument("--keep", type=Path, help="keep logs, records and pictures in this folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="talkpath-browser-") as scratch:
        folder = (options.keep or Path(scratch)).resolve()
        try:
            program = prepare(options.chromium)
            return asyncio.run(_all(options.names, program, folder))
        except Unavailable as error:
            print(f"talkpath: {error}", file=sys.stderr)
        except TimeoutError:
            print(f"talkpath: the calls took longer than {AT_MOST:.0f} s", file=sys.stderr)
        return 1


async def _all(words: list[str], program: str, folder: Path) -> int:
    good, count, peers = 0, 0, [f"Chromium {chromium_version(program)}"]
    async with asyncio.timeout(AT_MOST):
        for name, part in (("console", _console), ("jssip", _jssip)):
            own = folder / name
            own.mkdir(parents=True, exist_ok=True)
            cases = Cases(name, own, words)
            peers += await part(cases, program)
            good, count = good + cases.good, count + len(cases.chosen)
    print(f"chromium: {good} of {count} cases as promised ({', '.join(peers)})")
    return 0 if good and good == count else 1


async def _console(cases: Cases, program: str) -> list[str]:
    """Which peers there were besides the browser."""
    if not cases.choose(visit.CASES, are_one=True):
        return []
    folder = cases.folder
    async with gateway(folder) as url, _api(url) as api, chromium(program, folder, [microphone_flag(folder)]) as tab:
        person = visit.Visit(tab, api, url, API_TOKEN, folder)
        await cases.run(person, tab, person.figures)
    return []


async def _jssip(cases: Cases, program: str) -> list[str]:
    """Likewise."""
    if not cases.choose(softphone.CASES):
        return []
    folder, site = cases.folder, cases.folder / "site"
    site.mkdir(exist_ok=True)
    version = await asyncio.to_thread(build_softphone, site)
    async with gateway(folder) as url, _api(url) as api, chromium(program, folder, [microphone_flag(folder)]) as tab:
        with pages(site) as page:
            person = softphone.Softphone(tab, api, page, url, folder)
            await person.open()
            await cases.run(person, tab, person.figures)
    return [f"JsSIP {version}"]


def _api(url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {API_TOKEN}"}, trust_env=False)


if __name__ == "__main__":
    sys.exit(main())
