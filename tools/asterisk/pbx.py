"""Asterisk itself: the example files in its configuration, and what a test needs around them."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "asterisk"
EXAMPLE_FILES = ("websocket_client.conf", "http.conf", "manager.conf", "extensions.conf")
HOME = "/srv/talkpath"  # inside the chroot
SIP_PORT = 5060
CALLER_PORT = 5070
RECEPTION_PORT = 5080
STARTS_WITHIN = 30.0

MODULES = (
    "res_timing_timerfd",
    "res_sorcery_config",
    "res_sorcery_memory",
    "res_sorcery_astdb",
    "res_pjproject",
    "res_rtp_asterisk",
    "res_curl",
    "res_http_websocket",
    "codec_ulaw",
    "codec_alaw",
    "codec_g722",
    "codec_resample",
    "format_wav",
    "bridge_simple",
    "bridge_softmix",
    "res_pjsip",
    "res_pjsip_session",
    "res_pjsip_pubsub",
    "res_pjsip_sdp_rtp",
    "res_pjsip_caller_id",
    "res_pjsip_endpoint_identifier_user",
    "res_pjsip_endpoint_identifier_ip",
    "chan_pjsip",
    "app_dial",
    "app_exec",
    "app_stack",
    "app_verbose",
    "func_callerid",
    "func_channel",
    "func_strings",
    "func_curl",
    "func_logic",
    "pbx_config",
)
# The owner has these already; nothing in them is about the gateway.
SURROUNDINGS = {
    "asterisk.conf": f"""
[directories]
astetcdir => {HOME}/etc
astdbdir => {HOME}/var
astspooldir => {HOME}/var
astrundir => {HOME}/run
astlogdir => {HOME}/log
[options]
entityid = 02:00:00:00:00:01
""",
    "logger.conf": """
[logfiles]
full => notice,warning,error,verbose(4)
""",
}
PJSIP = f"""
[transport]
type = transport
protocol = udp
bind = 127.0.0.1:{SIP_PORT}

[phones](!)
type = endpoint
transport = transport
disallow = all
allow = ulaw,alaw
direct_media = no
send_connected_line = no
trust_id_inbound = yes
"""
PHONE = """
[{name}](phones)
context = {context}
aors = {name}
[{name}]
type = aor
contact = sip:{name}@{host}:{port}
"""


# Sections of the examples once more, under another name and with a word changed: what the text says may be changed.
VARIANTS = {
    "extensions.conf": [
        ("bot", "bot-alaw", "c(ulaw)", "c(alaw)"),
        ("bot", "bot-slin", "c(ulaw)", "c(slin)"),
        ("bot", "bot-slin16", "c(ulaw)", "c(slin16)"),
        ("bot", "bot-g722", "c(ulaw)", "c(g722)"),
        ("bot", "bot-passthrough", "c(ulaw)n", "c(ulaw)np"),
        ("bot", "bot-stranger", "WebSocket/talkpath/", "WebSocket/stranger/"),
        ("bot-plain", "bot-plain-slin16", "c(ulaw)n", "c(slin16)nf(plain-text)"),
        ("bot-incoming", "bot-incoming-slin16", "c(ulaw)", "c(slin16)"),
        ("bot-incoming", "bot-incoming-plain", "f(json)", "f(plain-text)"),
    ],
    "websocket_client.conf": [("talkpath", "stranger", "password = change-me", "password = a-wrong-one")],
}


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What makes one Asterisk differ from another.

    Attributes:
        examples: Folder of the published files.
        files: Their names.
        variants: By file: section, name of the copy, what is changed into what.
        modules: Loaded beside `MODULES`.
        pjsip: The owner's transport, and a template for his telephones.
        phones: Where his telephones are.
        enter: Command that leads to where Asterisk runs.
    """

    examples: Path = EXAMPLES
    files: tuple[str, ...] = EXAMPLE_FILES
    variants: Mapping[str, Sequence[tuple[str, str, str, str]]] = field(default_factory=lambda: VARIANTS)
    modules: tuple[str, ...] = ("res_websocket_client", "chan_websocket")
    pjsip: str = PJSIP
    phones: str = "127.0.0.1"
    enter: tuple[str, ...] = ()

    def write(self, folder: Path, phones: list[tuple[str, str, int]]) -> None:
        """Asterisk's whole configuration."""
        loads = "".join(f"load = {name}.so\n" for name in (*MODULES, *self.modules))
        owners = self.pjsip + "".join(
            PHONE.format(name=name, context=context, host=self.phones, port=port) for name, context, port in phones
        )
        files = {**SURROUNDINGS, "modules.conf": f"[modules]\nautoload = no\n{loads}", "pjsip.conf": owners}
        for name in self.files:
            files[name] = files.get(name, "") + (self.examples / name).read_text(encoding="utf-8")
        for name, variants in self.variants.items():
            files[name] += "".join(_variant(files[name], *variant) for variant in variants)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")


def contexts(setup: Setup | None = None) -> list[str]:
    """Contexts that a caller may come in by."""
    used = setup or Setup()
    published = re.findall(
        r"^\[(bot(?:-tls|-plain|-incoming|-then-people|-webrtc|-trunk|-digest)?)\]",
        (used.examples / "extensions.conf").read_text(),
        re.M,
    )
    return [*published, *(name for _, name, _, _ in used.variants["extensions.conf"])]


def _variant(text: str, section: str, name: str, old: str, new: str) -> str:
    """Every section of that name once more."""
    blocks = [f"[{block}" for block in re.split(r"^\[", text, flags=re.M)[1:] if block.startswith(f"{section}]\n")]
    assert old in "".join(blocks), f"{old} is not in [{section}]"
    return "\n" + "\n".join(block.replace(f"[{section}]", f"[{name}]", 1).replace(old, new) for block in blocks) + "\n"


class Pbx:
    """A running Asterisk. Use it as a context manager.

    Args:
        root: The chroot.
        phones: Name, dialplan context and port of each telephone it knows by name.
    """

    def __init__(self, root: Path, phones: list[tuple[str, str, int]], setup: Setup | None = None) -> None:
        self._root = root
        self._setup = setup or Setup()
        self._home = root / HOME.lstrip("/")
        self._phones = phones
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log_file(self) -> Path:
        return self._home / "log" / "full"

    def __enter__(self) -> Pbx:
        self._configure()
        command = [
            *self._setup.enter,
            "chroot",
            str(self._root),
            "asterisk",
            "-f",
            "-C",
            f"{HOME}/etc/asterisk.conf",
            "-v",
            "-v",
            "-v",
            "-v",
        ]
        with open(self._home / "log" / "console", "wb") as console:
            self._process = subprocess.Popen(command, stdout=console, stderr=console, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + STARTS_WITHIN
        while "Asterisk" not in self.ask("core waitfullybooted"):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Asterisk did not start; see {self._home / 'log'}")
            time.sleep(0.2)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)

    def ask(self, command: str) -> str:
        """What its CLI answers."""
        words = ["chroot", str(self._root), "asterisk", "-C", f"{HOME}/etc/asterisk.conf", "-rx", command]
        return subprocess.run(words, capture_output=True, text=True, timeout=STARTS_WITHIN).stdout.strip()

    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8", errors="replace") if self.log_file.exists() else ""

    def _configure(self) -> None:
        for name in ("etc", "var", "run", "log"):
            shutil.rmtree(self._home / name, ignore_errors=True)
            (self._home / name).mkdir(parents=True)
        self._setup.write(self._home / "etc", self._phones)
