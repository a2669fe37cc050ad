"""Control headless Chromium without a network, for tests and screenshots.

::

    python tools/browser.py book/_build/html/index.html shots/   # light, dark and phone

Uses the DevTools protocol over tornado, which Jupyter installs; no driver is necessary.
"""

import asyncio
import base64
import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)

KEYS = {
    "ArrowRight": 39,
    "ArrowLeft": 37,
    "ArrowDown": 40,
    "ArrowUp": 38,
    "End": 35,
    "Enter": 13,
    "Home": 36,
    "Space": 32,
    "Tab": 9,
}


class Browser:
    """A headless browser with one page; a context manager.

    Attributes:
        requests: addresses that the page requested, except ``data:``.
        problems: errors and warnings on the console, and uncaught exceptions.
    """

    def __init__(self, width: int = 1280, height: int = 900, dark: bool = False):
        self.requests, self.problems, self._number = [], [], 0
        self._loop = asyncio.new_event_loop()
        self._folder = tempfile.mkdtemp(prefix="xraylab-browser-")
        self._process = subprocess.Popen(
            [
                CHROMIUM,
                *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
                "--disable-dev-shm-usage",
                "--host-resolver-rules=MAP * ~NOTFOUND",
                "--remote-debugging-port=0",
                "--remote-allow-origins=*",
                f"--user-data-dir={self._folder}",
                "about:blank",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            self._connect(width, height, dark)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def _connect(self, width, height, dark):
        from tornado.httpclient import AsyncHTTPClient
        from tornado.websocket import websocket_connect

        port_file = Path(self._folder) / "DevToolsActivePort"
        deadline = time.monotonic() + 30
        while not (port_file.exists() and port_file.read_text().strip()):
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError(f"{CHROMIUM} did not start")
            time.sleep(0.05)
        port = port_file.read_text().split()[0]

        async def connect():
            pages = await AsyncHTTPClient().fetch(f"http://127.0.0.1:{port}/json")
            page = next(p for p in json.loads(pages.body) if p["type"] == "page")
            return await websocket_connect(page["webSocketDebuggerUrl"], max_message_size=2**28)

        self._socket = self._loop.run_until_complete(connect())
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.size(width, height)
        scheme = "dark" if dark else "light"
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", features=features)

    def close(self):
        """Stop the browser and remove its folder."""
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        self._loop.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def call(self, method: str, **parameters):
        """Call a method of the DevTools protocol and return its result."""
        self._number += 1
        number = self._number

        async def exchange():
            await self._socket.write_message(
                json.dumps({"id": number, "method": method, "params": parameters})
            )
            while True:
                message = json.loads(await self._socket.read_message())
                if message.get("id") == number:
                    return message
                self._record(message)

        message = self._loop.run_until_complete(asyncio.wait_for(exchange(), 60))
        if "error" in message:
            raise RuntimeError(f"{method}: {message['error']['message']}")
        return message["result"]

    def _record(self, message):
        method, details = message.get("method"), message.get("params", {})
        if method == "Network.requestWillBeSent":
            address = details["request"]["url"]
            if not address.startswith(("data:", "blob:")):
                self.requests.append(address)
        elif method == "Runtime.exceptionThrown":
            thrown = details["exceptionDetails"]
            self.problems.append(thrown.get("exception", {}).get("description", thrown["text"]))
        elif method == "Runtime.consoleAPICalled" and details["type"] in ("error", "warning"):
            self.problems.append(" ".join(str(a.get("value", "")) for a in details["args"]))
        elif method == "Log.entryAdded" and details["entry"]["level"] in ("error", "warning"):
            self.problems.append(f"{details['entry']['text']} {details['entry'].get('url', '')}")

    def size(self, width: int, height: int, scale: float = 1):
        """Set the size of the page in CSS pixels; below 600 px it emulates a phone."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=scale, mobile=width < 600)  # fmt: skip

    def open(self, page, wait: float = 1.0):
        """Open a file or address and wait until it is loaded."""
        address = str(page) if "://" in str(page) else Path(page).resolve().as_uri()
        self.call("Page.navigate", url=address)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if self.run("document.readyState === 'complete' && location.href") == address:
                break
            time.sleep(0.05)
        time.sleep(wait)
        self.run("0")

    def run(self, script: str):
        """Return the value of a JavaScript expression in the page."""
        result = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"]["exception"]["description"])
        return result["result"].get("value")

    def press(self, key: str):
        """Press and release a key."""
        code = {"key": key, "code": key, "windowsVirtualKeyCode": KEYS[key]}
        text = {"Enter": "\r", "Space": " "}.get(key)
        if text:
            code["text"] = text
        if key == "Space":
            code["key"] = " "
        self.call("Input.dispatchKeyEvent", type="keyDown", **code)
        self.call("Input.dispatchKeyEvent", type="keyUp", **code)

    def shot(self, file):
        """Save a screenshot of the visible part of the page."""
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        taken = self.call("Page.captureScreenshot")
        Path(file).write_bytes(base64.b64decode(taken["data"]))


def main(page: str, folder: str) -> int:
    name = Path(page).stem
    for mode, width, dark in (("light", 1280, False), ("dark", 1280, True), ("phone", 390, False)):
        with Browser(width, 900, dark) as browser:
            browser.open(page, wait=2)
            height = browser.run("document.documentElement.scrollHeight")
            browser.size(width, min(height, 12000))
            browser.run("new Promise(done => setTimeout(done, 500))")
            browser.shot(Path(folder) / f"{name}-{mode}.png")
            external = [address for address in browser.requests if not address.startswith("file:")]
            wide = browser.run("document.documentElement.scrollWidth")
            print(f"{mode}: {wide} of {width} px wide; requests {external}; {browser.problems}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
