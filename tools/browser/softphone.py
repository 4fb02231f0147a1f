"""Calls by SIP from the page of `examples/jssip`: JsSIP in Chromium, with our WebSocket, step by step."""

from __future__ import annotations

import asyncio
import json
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from audio.wav import write_wav
from tools.browser.books import last_call, record_of, recording_of, running_call
from tools.browser.devtools import Tab
from tools.browser.gateway import SIP_PASSWORD
from tools.browser.sound import EAR, RATE, Samples, closeness, from_first_sound, likeness, said_by_us, tapped

NUMBER, OTHER, UNKNOWN = "+441632960000", "+441632960001", "+4989123456"
OPUS, PCMU = "/sip", "/sip-pcmu"
CLOSE = {OPUS: 0.9, PCMU: 0.99}
"""How close to what was said it must be what Chromium has decoded."""
GREETING = 5.0
"""Seconds of the greeting that are compared."""
HELD = 50.0
"""Seconds on hold; JsSIP's session timer runs out after 90 s unless it is refreshed, which it does after 45 s."""
STATE = "document.getElementById('state').textContent"
SIZES = {"wide": (1000, 900), "narrow": (390, 844)}


@dataclass(slots=True)
class Softphone:
    """One person at the page.

    Attributes:
        page: Address of the page; it is served by somebody else than the gateway, as is usual.
        gateway: ``http://host:port``.
        folder: Where pictures and SIP messages are kept.
        figures: What was measured.
    """

    tab: Tab
    api: httpx.AsyncClient
    page: str
    gateway: str
    folder: Path
    figures: dict[str, Any] = field(default_factory=dict)

    async def open(self) -> None:
        await self.tab.before_pages(EAR)
        await self.tab.look(*SIZES["wide"], "light")
        await self.tab.open(self.page)

    # --- cases -----------------------------------------------------------------------------------------------------
    async def strangers_are_not_let_in(self) -> None:
        """By REGISTER and by INVITE; digest is asked for, and a wrong password refused."""
        for registers in (True, False):
            await self.call(password="wrong", registers=registers, is_taken=False)
            await self.says(f"{'Not registered' if registers else 'Failed'}: Authentication Error (401)", 15)
        assert len((await self.api.get("/api/calls")).json()) == 0

    async def an_unknown_number_is_refused(self) -> None:
        await self.call(UNKNOWN, is_taken=False)
        await self.says("Failed: Not Found (404)")

    async def registers_and_talks_in_opus(self) -> None:
        """Greeting, a phrase, keys in the audio and by INFO; the page hangs up."""
        await self.call(registers=True)
        assert await self.carried("<", r"SIP/2.0 200 .*CSeq: \d+ REGISTER"), "REGISTER was not answered with 200"
        await self.note_delays("opus")
        await self.understood("password")
        await self.picture("opus")
        await self.press("12")
        await asyncio.sleep(1.5)  # the browser leaves half a second between tones, and messages do not wait for them
        await self.tab.run("document.getElementById('keys').value = 'INFO'")
        await self.press("34#")
        assert await self.carried(">", "^INFO "), "no key was sent by INFO"
        await self.understood("1234")
        await self.tab.click("#hangup")
        await self.says("You hung up")
        record = await last_call(self.api)
        assert (record["result"], record["by"]) == ("completed", "caller"), (record["result"], record["by"])
        await self.compare(record["call_id"], OPUS)

    async def holds_for_longer_than_a_session_in_pcmu(self) -> None:
        """Hold stops the audio, a refresh passes by, the audio goes on; the gateway hangs up."""
        await self.call(path=PCMU)
        await self.note_delays("pcmu")
        call_id = (await running_call(self.api))["call_id"]
        await self.until_heard(GREETING + 2.0)
        await self.tab.click("#hold")
        await self.says("On hold")
        assert await self.carried(">", r"a=sendonly"), "there was no re-INVITE"
        await asyncio.sleep(1.0)
        assert (await running_call(self.api))["state"] == "held"
        begun = len(await self.heard())
        await asyncio.sleep(HELD)
        quiet = (await self.heard())[begun:]
        assert len(quiet) > RATE * HELD / 2
        assert abs(quiet).max() < 300, "something was heard on hold"
        assert await self.carried(">", r"^(UPDATE|INVITE) [\s\S]*Session-Expires: 90;refresher"), "no refresh"
        await self.tab.click("#hold")
        await self.says("Connected")
        await asyncio.sleep(1.0)
        assert (await running_call(self.api))["state"] != "held"
        begun = len(await self.heard())
        await self.louder_than(begun, 2000, "nothing is heard after hold")
        await self.api.post(f"/api/calls/{call_id}/hangup")
        await self.says("The bot hung up")
        await self.compare(call_id, PCMU)

    async def follows_a_transfer(self) -> None:
        """REFER: the page calls the other number, which answers, and the first call is over."""
        await self.call()
        first = (await running_call(self.api))["call_id"]
        await self.until_heard(2.0)
        await self.api.post(f"/api/calls/{first}/transfer", json={"target": OTHER})
        await self.tab.until("signals.some(([, way, text]) => way === '<' && text.startsWith('BYE '))", 20)
        record = await record_of(self.api, first)
        assert (record["result"], record["number"]) == ("transferred", NUMBER), record["result"]
        second = await running_call(self.api)
        assert second["number"] == OTHER, second["number"]
        await self.says("Connected")
        begun = len(await self.heard())
        await self.louder_than(begun, 2000, "the other number is not heard")
        await self.picture("transferred")
        await self.tab.click("#hangup")
        await self.says("You hung up")
        assert (await last_call(self.api))["by"] == "caller"

    async def refuses_a_transfer(self) -> None:
        """The page says 603, and the bot has its caller back."""
        await self.call()
        await self.tab.run("call.removeAllListeners('refer'); call.on('refer', ({reject}) => reject()); true")
        call_id = (await running_call(self.api))["call_id"]
        await self.until_heard(2.0)
        await self.api.post(f"/api/calls/{call_id}/transfer", json={"target": OTHER})
        await self.tab.until("signals.some(([, way, text]) => way === '>' && text.includes('SIP/2.0 603'))", 20)
        await asyncio.sleep(1.0)
        assert (await running_call(self.api))["call_id"] == call_id
        await self.says("Connected")
        await self.tab.click("#hangup")
        await last_call(self.api)

    async def a_page_that_is_closed_has_hung_up(self) -> None:
        await self.call()
        call_id = (await running_call(self.api))["call_id"]
        await self.tab.open("about:blank")
        record = await record_of(self.api, call_id)
        assert record["by"] == "caller", (record["result"], record["by"])
        await self.tab.open(self.page)

    async def a_gateway_about_to_stop_takes_no_calls(self) -> None:
        """Who is connected is told by SIP, and who is not cannot connect."""
        await self.fill_in()
        await self.tab.run("connect(() => { document.body.dataset.phone = 'connected'; }); true")
        await self.tab.until("document.body.dataset.phone === 'connected'")
        await self.api.post("/api/drain")
        await self.tab.run(f"phone.call({json.dumps(NUMBER)}, OPTIONS); true")
        await self.says("Failed: SIP Failure Code (503)")
        assert await self.carried("<", r"^SIP/2.0 503 [\s\S]*Retry-After: \d+"), "it was not told when to come again"
        await self.call(is_taken=False)
        await self.says("No connection to the gateway")
        await self.picture("refused")

    # --- parts -----------------------------------------------------------------------------------------------------
    async def call(
        self,
        number: str = NUMBER,
        *,
        path: str = OPUS,
        password: str = SIP_PASSWORD,
        registers: bool = False,
        is_taken: bool = True,
    ) -> None:
        """Fill in the form and press the button."""
        await self.fill_in(number, path=path, password=password, registers=registers)
        await self.tab.click("#call")
        if is_taken:
            await self.says("Connected")
            await self.tab.until("heardFirst !== null", 20)

    async def fill_in(
        self, number: str = NUMBER, *, path: str = OPUS, password: str = SIP_PASSWORD, registers: bool = False
    ) -> None:
        values = {"server": f"{self.gateway.replace('http', 'ws', 1)}{path}", "number": number, "password": password}
        for name, value in {**values, "keys": "RFC2833"}.items():
            await self.tab.run(f"document.getElementById('{name}').value = {json.dumps(value)}")
        await self.tab.run(f"document.getElementById('register').checked = {json.dumps(registers)}")
        await self.tab.run("signals.length = 0; true")

    async def press(self, keys: str) -> None:
        for key in keys:
            await self.tab.click(f"[data-key='{key}']")
            await asyncio.sleep(0.3)

    async def says(self, words: str, within: float = 20.0) -> None:
        """The page shows these words."""
        try:
            await self.tab.until(f"{STATE} === {json.dumps(words)}", within)
        except AssertionError:
            raise AssertionError(f"the page does not say {words!r} but {await self.tab.run(STATE)!r}") from None

    async def carried(self, way: str, pattern: str, within: float = 5.0) -> bool:
        """Whether a message goes out (>), or comes in (<), in which a pattern is found."""
        deadline = time.monotonic() + within
        while True:
            signals = await self.tab.run("signals")
            (self.folder / "signals.json").write_text(json.dumps(signals, indent=1))
            if any(way == went and re.search(pattern, text, re.DOTALL) for _, went, text in signals):
                return True
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.2)

    async def heard(self) -> Samples:
        return tapped(await self.tab.run("tapped"))

    async def until_heard(self, seconds: float) -> None:
        """So much since the first sound."""
        await self.tab.until(f"performance.now() - heardFirst > {seconds * 1000}", seconds + 20)

    async def louder_than(self, begun: int, level: float, problem: str) -> None:
        for _ in range(60):
            heard = (await self.heard())[begun:]
            if len(heard) and abs(heard).max() > level:
                return
            await asyncio.sleep(0.5)
        raise AssertionError(problem)

    async def understood(self, words: str) -> None:
        """The bot was sent these words."""
        for _ in range(60):
            running = await running_call(self.api)
            record = (await self.api.get(f"/api/calls/{running['call_id']}")).json()
            said = [turn["caller"] for turn in record["exchange"] if turn["caller"]]
            if any(words in it for it in said):
                return
            await asyncio.sleep(0.5)
        raise AssertionError(f"{words!r} was not understood, but {said}")

    async def note_delays(self, name: str) -> None:
        """From the click to the INVITE, to its 200, and to the first sound."""
        told: dict[str, float] = await self.tab.run(
            "({invite: signals.find(([, way, text]) => way === '>' && text.startsWith('INVITE '))[0] - clicked,"
            " answered: signals.findLast(([, way, text]) => way === '<' && text.startsWith('SIP/2.0 200')"
            " && text.includes(' INVITE\\r\\n'))[0] - clicked, heard: heardFirst - clicked})"
        )
        self.figures[f"{name}, since the click (ms)"] = {step: round(at) for step, at in told.items()}

    async def compare(self, call_id: str, path: str) -> None:
        """What the page heard is what the gateway said."""
        recording = await recording_of(self.api, call_id)
        (self.folder / f"recording{path.replace('/', '-')}.wav").write_bytes(recording)
        said = from_first_sound(said_by_us(recording))[: int(GREETING * RATE)]
        heard = (await self.heard())[: int((GREETING + 5) * RATE)]
        write_wav(self.folder / f"heard{path.replace('/', '-')}.wav", heard.astype("<i2").tobytes(), RATE)
        alike, close = likeness(heard, said), closeness(heard, said)
        self.figures[f"greeting by {path.strip('/')}, 1 is the same"] = f"{close:.4f}, its loudness {alike:.3f}"
        assert close >= CLOSE[path], f"what was heard is not what was said: {close:.4f}, {alike:.3f}"

    async def picture(self, name: str) -> None:
        for size, (width, height) in SIZES.items():
            await self.tab.look(width, height, "dark" if size == "narrow" else "light")
            await self.tab.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            await self.tab.picture(self.folder / f"softphone-{name}-{size}.png")
        await self.tab.look(*SIZES["wide"], "light")


CASES = (
    Softphone.strangers_are_not_let_in,
    Softphone.an_unknown_number_is_refused,
    Softphone.registers_and_talks_in_opus,
    Softphone.holds_for_longer_than_a_session_in_pcmu,
    Softphone.follows_a_transfer,
    Softphone.refuses_a_transfer,
    Softphone.a_page_that_is_closed_has_hung_up,
    Softphone.a_gateway_about_to_stop_takes_no_calls,
)
