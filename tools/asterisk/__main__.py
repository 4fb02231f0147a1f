"""``python -m tools.asterisk [NAME ...]``: every call, or those whose name contains a word. Needs root.

Everything runs in a network of its own without any other machine in it, and in a process tree that ends with this one.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from audio.wav import write_wav
from tools import fetch_recordings
from tools.asterisk import by_sip, tls, transfers
from tools.asterisk.bench import LINE_CODECS, Bench, LineCodec, Place, learn_greeting, reception
from tools.asterisk.calls import CHECKS, Check
from tools.asterisk.chroot import default_place, prepare
from tools.asterisk.house import House
from tools.asterisk.pbx import CALLER_PORT, HOME, RECEPTION_PORT, Pbx, Setup, contexts
from tools.debian import Unavailable
from tools.peers.names import is_named
from tools.peers.versions import read_version

INSIDE = "TALKPATH_ASTERISK_INSIDE"
AT_MOST = 1500.0
NAMES = "127.0.0.1 localhost talkpath.example.com pbx.example.com\n"
CALL_AT_MOST = 90.0
KEYS = "etc/asterisk/keys"
VERSION = "version.txt"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.asterisk", description=__doc__)
    parser.add_argument("names", nargs="*", help="only calls whose name contains one of these")
    parser.add_argument("--place", type=Path, default=default_place(), help="where Asterisk is, or will be")
    parser.add_argument("--logs", type=Path, help="keep logs and records in this folder")
    options = parser.parse_args()
    try:
        if not fetch_recordings.is_complete("en"):
            raise Unavailable("the Asterisk calls need recorded speech: run python -m tools.fetch_recordings")
        root = prepare(options.place)
    except Unavailable as error:
        print(f"talkpath: {error}", file=sys.stderr)
        return 1
    if os.environ.get(INSIDE) != "1":
        return _go_inside()
    with tempfile.TemporaryDirectory() as folder:
        logs = options.logs or Path(folder)
        logs.mkdir(parents=True, exist_ok=True)
        for old in logs.glob("*.log"):
            old.unlink()
        _arrange(root, logs)
        return asyncio.run(_call_all(root, logs.resolve(), options.names))


def _go_inside() -> int:
    """Run this again where nobody else is: own network, mounts and processes, which end with it."""
    alone = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    command = [*alone, sys.executable, "-m", "tools.asterisk", *sys.argv[1:]]
    try:
        return subprocess.run(command, env={**os.environ, INSIDE: "1"}, timeout=AT_MOST).returncode
    except subprocess.TimeoutExpired:
        print(f"talkpath: the Asterisk calls took longer than {AT_MOST:.0f} s", file=sys.stderr)
        return 1


def _arrange(root: Path, folder: Path) -> None:
    """Names of the examples mean these machines, here and in the chroot, as long as we are inside.

    What is written in the chroot is seen by nobody else, so that several of us can use one at a time.
    """
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for own in (root / HOME.lstrip("/"), root / KEYS):
        own.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", own], check=True)
    hosts = folder / "hosts"
    hosts.touch()
    for place in (Path("/etc/hosts"), root / "etc" / "hosts"):
        place.touch()
        subprocess.run(["mount", "--bind", str(hosts), str(place)], check=True)
    tls.make_certificates(folder, root / KEYS)


async def _call_all(root: Path, folder: Path, names: list[str]) -> int:
    good: list[bool] = []
    if checks := chosen(CHECKS, names):
        good += await _over_media_sockets(root, folder, checks)
    if checks := chosen({**by_sip.CHECKS, **transfers.CHECKS}, names):
        good += await _by_sip(root, folder, checks)
    print(f"asterisk: {sum(good)} of {len(good)} cases as promised (asterisk {_version(folder)})")
    return 0 if good and all(good) else 1


def chosen(checks: Mapping[str, Check], words: list[str]) -> dict[str, Check]:
    """Those whose name, with the peer's before it, contains a word."""
    return {name: check for name, check in checks.items() if is_named(f"asterisk {name}", words)}


def _version(folder: Path) -> str:
    place = folder / VERSION
    return read_version(place.read_text(encoding="utf-8")) if place.exists() else "of an unknown version"


async def _over_media_sockets(root: Path, folder: Path, checks: Mapping[str, Check]) -> list[bool]:
    (folder / "hosts").write_text(NAMES, encoding="utf-8")
    house = House(folder)
    with _pbx(root, folder, Setup()) as pbx:
        proxy = await tls.serve(folder)
        try:
            await house.open()
            greetings = {codec: await learn_greeting(house, "600", codec) for codec in LINE_CODECS}
            _keep(folder, greetings)
            return [await _call(name, check, house, pbx, greetings, Place()) for name, check in checks.items()]
        finally:
            proxy.close()
            await house.close()


async def _by_sip(root: Path, folder: Path, checks: Mapping[str, Check]) -> list[bool]:
    (folder / "hosts").write_text(by_sip.NAMES, encoding="utf-8")
    by_sip.connect_machines()
    certificate = str(folder / tls.OWN)
    environment = {
        **by_sip.ENVIRONMENT,
        "SSL_CERT_FILE": str(root / KEYS / tls.AUTHORITY),
        "TLS_CERTIFICATE": certificate,
        "TLS_KEY": certificate,
    }
    house = House(folder, by_sip.CONFIGURATION, environment)
    with _pbx(root, folder, by_sip.SETUP) as pbx:
        try:
            await house.open()
            greetings = await by_sip.learn_greetings(house)
            _keep(folder, greetings)
            return [await _call(name, check, house, pbx, greetings, by_sip.PLACE) for name, check in checks.items()]
        finally:
            await house.close()


@contextmanager
def _pbx(root: Path, folder: Path, setup: Setup) -> Iterator[Pbx]:
    phones = [*((name, name, CALLER_PORT) for name in contexts(setup)), ("reception", "people", RECEPTION_PORT)]
    with Pbx(root, phones, setup) as pbx:
        (folder / VERSION).write_text(pbx.ask("core show version").splitlines()[-1], encoding="utf-8")
        try:
            yield pbx
        finally:
            with open(folder / "asterisk.log", "a", encoding="utf-8") as log:
                log.write(pbx.log())


def _keep(folder: Path, greetings: Mapping[LineCodec, bytes]) -> None:
    for codec, greeting in greetings.items():
        write_wav(folder / f"greeting-{codec}.wav", greeting, 8000)


async def _call(
    name: str, check: Check, house: House, pbx: Pbx, greetings: Mapping[LineCodec, bytes], place: Place
) -> bool:
    """One check on fresh telephones, with a gateway that is up."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(CALL_AT_MOST), reception(place) as colleague:
            await house.open()
            bench = Bench(house, pbx, colleague, greetings, place)
            if place == by_sip.PLACE:
                await by_sip.settled(bench)
            result, figures = True, await check(bench)
    except Exception as error:  # the edge of a check: the others are run all the same
        result, figures = False, f"{type(error).__name__}: {error}"
    print(f"{'ok  ' if result else 'FAIL'} asterisk {name} ({time.monotonic() - began:.1f} s): {figures}", flush=True)
    return result


if __name__ == "__main__":
    sys.exit(main())
