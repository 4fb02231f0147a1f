"""What a person does on the page, step by step, and what has to come of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tools.browser.books import last_call, recording_of
from tools.browser.devtools import Tab
from tools.browser.sound import RATE, TAP, closeness, from_first_sound, likeness, said_by_us, tapped

NUMBER = "+441632960000"
GREETING = "this is acme"
CLOSE = 0.9
SIZES = {"wide": (1280, 860), "narrow": (390, 844)}
SPOKEN = "document.getElementById('talk').innerText.toLowerCase()"
TROUBLE = "document.getElementById('problem').innerText"


@dataclass(slots=True)
class Visit:
    """One person at one browser.

    Attributes:
        url: Of the gateway.
        pictures: Where screenshots go.
        figures: What was measured.
    """

    tab: Tab
    api: httpx.AsyncClient
    url: str
    token: str
    pictures: Path
    figures: dict[str, Any] = field(default_factory=dict)

    # --- steps -----------------------------------------------------------------------------------------------------
    async def log_in(self) -> None:
        await self.tab.look(*SIZES["wide"], "light")
        await self.tab.open(f"{self.url}/talk")
        assert await self.tab.run("document.querySelector('form.login') !== null"), "the page was there without a login"
        await self.tab.click("#token")
        await self.tab.type(self.token)
        await self.tab.click("form.login button")
        await self.tab.until("document.querySelector('main.talk')?.dataset.call === 'none'")
        await self.picture("before")

    async def dial(self, number: str = NUMBER) -> None:
        await self.tab.click(f"input[name=number][value={json.dumps(number)}]")
        await self.tab.click("#call")

    async def talk(self) -> None:
        """Greeting, two phrases, four keys by mouse and keyboard."""
        await self.dial()
        await self.tab.until("document.getElementById('heard').srcObject", 20)
        await self.tab.run(TAP)
        await self.tab.until("document.querySelector('main.talk').dataset.call === 'up'", 20)
        await self.tab.until("document.querySelector('main.talk').dataset.heardMs", 20)
        told = await self.tab.run("({...document.querySelector('main.talk').dataset})")
        self.figures["since the click (ms)"] = {
            name.removesuffix("Ms"): int(value) for name, value in told.items() if name.endswith("Ms")
        }
        await self.heard(GREETING)
        await self.heard("four digit code", 40)
        await self.picture("during")
        await self.tab.click("[data-key='1']")
        await self.tab.click("[data-key='2']")
        await self.tab.type("34#")
        await self.heard("your code is 1 2 3 4", 20)
        assert "answered after" in await self.tab.run(SPOKEN)
        await self.heard("lasted three minutes", 40)
        await self.picture("after keys")

    async def hang_up(self) -> None:
        await self.tab.click("#hangup")
        await self.tab.until("document.querySelector('main.talk').dataset.call === 'over'")
        await self.heard("you hung up", 5)
        await self.tab.until("!document.getElementById('record').hidden")
        await self.picture("afterwards")

    async def compare(self) -> None:
        """What the page heard is what the gateway said, and what the gateway heard was understood."""
        call = await last_call(self.api)
        assert (call["result"], call["by"]) == ("completed", "caller"), (call["result"], call["by"])
        kinds = [(turn["kind"], turn["caller"]) for turn in call["exchange"]]
        assert ("digits", "1234") in kinds, kinds
        recording = await recording_of(self.api, call["call_id"])
        (self.pictures / "recording.wav").write_bytes(recording)
        heard = tapped(await self.tab.run("window.tapped"))[: int(30 * RATE)]
        said = from_first_sound(said_by_us(recording)[: int(6 * RATE)])
        close, alike = closeness(heard, said), likeness(heard, said)
        self.figures["greeting as said, 1 is the same"] = f"{close:.4f}, its loudness {alike:.3f}"
        answers = [turn["answer_seconds"] for turn in call["exchange"] if turn["answer_seconds"] is not None]
        self.figures["answers (s)"] = [round(seconds, 2) for seconds in answers]
        assert close >= CLOSE, f"what was heard is not what was said: {close:.4f}, {alike:.3f}"

    async def gateway_hangs_up(self) -> None:
        """The page says who has ended the call, and why."""
        await self.dial()
        await self.tab.until("document.querySelector('main.talk').dataset.heardMs", 20)
        running = (await self.api.get("/api/calls")).json()
        [mine] = [call for call in running if call["state"] != "over"]
        await self.api.post(f"/api/calls/{mine['call_id']}/hangup")
        await self.tab.until("document.querySelector('main.talk').dataset.call === 'over'", 15)
        await self.heard("an operator ended the call", 5)

    async def page_is_closed(self) -> None:
        """A page that goes away ends its call."""
        await self.dial()
        await self.tab.until("document.querySelector('main.talk').dataset.heardMs", 20)
        await self.tab.open(f"{self.url}/?refresh=off")
        await self.picture("console")
        call = await last_call(self.api)
        assert call["by"] == "caller", call
        await self.tab.open(f"{self.url}/talk")

    async def troubles(self) -> None:
        """Everything that can go wrong has a sentence of its own."""
        for name, sentence in (("NotAllowedError", "not allowed"), ("NotFoundError", "no microphone")):
            refused = f"() => Promise.reject(new DOMException('', '{name}'))"
            await self.tab.run(f"navigator.mediaDevices.getUserMedia = {refused}; true")
            await self.trouble(sentence)
        await self.picture("trouble")
        await self.tab.open(f"{self.url}/talk")
        await self.tab.ask("Network.enable")
        nothing = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        await self.tab.ask("Network.emulateNetworkConditions", offline=True, **nothing)
        await self.trouble("cannot be reached")
        await self.tab.ask("Network.emulateNetworkConditions", offline=False, **nothing)
        await self.api.post("/api/drain")
        await self.trouble("about to stop")

    async def trouble(self, sentence: str) -> None:
        await self.dial()
        await self.tab.until(f"{TROUBLE}.toLowerCase().includes({json.dumps(sentence)})", 15)

    # --- parts -----------------------------------------------------------------------------------------------------
    async def heard(self, words: str, within: float = 30.0) -> None:
        """The page shows these words."""
        await self.tab.until(f"{SPOKEN}.includes({json.dumps(words)})", within)

    async def picture(self, name: str) -> None:
        """Wide and narrow, light and dark."""
        for size, (width, height) in SIZES.items():
            for scheme in ("light", "dark"):
                await self.tab.look(width, height, "light" if scheme == "light" else "dark")
                await self.tab.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
                await self.tab.picture(self.pictures / f"{name.replace(' ', '-')}-{size}-{scheme}.png")
        await self.tab.look(*SIZES["wide"], "light")


CASES = (
    *(Visit.log_in, Visit.talk, Visit.hang_up, Visit.compare),
    *(Visit.gateway_hangs_up, Visit.page_is_closed, Visit.troubles),
)
