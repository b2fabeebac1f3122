"""A page in a real browser: Chromium, asked over its DevTools protocol."""

import asyncio
import base64
import contextlib
import itertools
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

#: Names of the program, Debian's first.
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0")


class Browser:
    """One open page."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._numbers = socket, itertools.count(1)
        #: What the page's console and the browser's log said, and requests other than for the page.
        self.complaints: list[str] = []

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol, and note the events until it answers."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            message = await self._socket.receive_json(timeout=60)
            if message.get("id") == number:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result
            self._note(message)

    async def open(self, page: Path, width: int, height: int = 900) -> None:
        """Open a page at some width, and wait until it is drawn."""
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.call(f"{domain}.enable")
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        await self.call("Emulation.setDeviceMetricsOverride", **size)
        await self.visit(page.as_uri())

    async def visit(self, url: str) -> None:
        """Go to an address, and wait until the page is drawn."""
        await self.call("Page.navigate", url=url)
        while await self.value("document.readyState") != "complete":
            await self._pause()

    async def value(self, expression: str) -> Any:
        """Return what an expression gives in the page."""
        result = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    async def _pause(self) -> None:
        """Wait for the next frame that the browser draws."""
        await self.value("new Promise(done => requestAnimationFrame(() => done(1)))")

    async def picture(self) -> bytes:
        """Return the whole page as PNG."""
        taken = await self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        return base64.b64decode(taken["data"])

    def _note(self, message: dict[str, Any]) -> None:
        method, parameters = message.get("method", ""), message.get("params", {})
        if method in {"Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"}:
            self.complaints.append(str(parameters))
        if method == "Network.requestWillBeSent" and parameters.get("type") != "Document":
            self.complaints.append(f"asked for {parameters['request']['url']}")


@contextlib.asynccontextmanager
async def browser(profile: Path) -> AsyncIterator[Browser]:
    """Start Chromium with a profile of its own, and end it with its page."""
    program = next((found for found in map(shutil.which, PROGRAMS) if found), None)
    assert program, f"none of {', '.join(PROGRAMS)} is on the PATH: install Debian's chromium"
    process = await asyncio.create_subprocess_exec(
        program, *FLAGS, f"--user-data-dir={profile}", "about:blank",
        stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with aiohttp.ClientSession() as session:
            address = await _page_address(process, session)
            async with session.ws_connect(address, max_msg_size=0) as socket:
                yield Browser(socket)
    finally:
        process.terminate()
        await process.wait()


async def _page_address(process: asyncio.subprocess.Process, session: aiohttp.ClientSession) -> str:
    assert process.stderr is not None
    async for line in process.stderr:
        _, found, address = line.decode().strip().partition("DevTools listening on ws://")
        if found:
            async with session.get(f"http://{address.partition('/')[0]}/json/list") as answer:
                pages = [each for each in await answer.json() if each["type"] == "page"]
                return str(pages[0]["webSocketDebuggerUrl"])
    raise AssertionError("the browser ended before it listened")
