"""The live model in headless Firefox of the system, opened from disk, without a network.

Playwright drives Firefox builds of its own, and Selenium needs geckodriver, which Debian lacks;
WebDriver BiDi needs neither.
"""

import json
import shutil
import subprocess
import time

import numpy as np
import pytest
import websocket
from PIL import Image
from scipy.special import expit

from ..conftest import ROOT, require_browser

BUILT = ROOT / "book" / "_build" / "html" / "try_it.html"

TIMEOUT = 60
"""Seconds."""

# Every connection goes to a proxy that is not there: nothing listens on the port of "discard".
NO_NETWORK = """
user_pref("network.proxy.type", 1);
user_pref("network.proxy.socks", "localhost");
user_pref("network.proxy.socks_port", 9);
"""

WAIT_FOR_STATUS = """
new Promise(done => {
  const look = () => document.querySelector(".status").textContent.startsWith(%s)
    ? done(true) : setTimeout(look, 50);
  look();
})
"""


class Firefox:
    """A headless Firefox with one page, controlled by WebDriver BiDi.

    Attributes:
        requests: addresses that the page requested, except files.
        problems: errors and warnings on the console, and uncaught exceptions.
    """

    def __init__(self, path, profile):
        (profile / "user.js").write_text(NO_NETWORK)
        command = [path, "--headless", "--no-remote", "--profile", profile]
        self.requests, self.problems, self._number = [], [], 0
        self._process = subprocess.Popen(
            [*command, "--remote-debugging-port=0"], stderr=subprocess.DEVNULL
        )
        server, deadline = profile / "WebDriverBiDiServer.json", time.monotonic() + TIMEOUT
        while not (server.exists() and server.read_text().endswith("}")):
            assert time.monotonic() < deadline, f"{path} did not start"
            time.sleep(0.05)
        port = json.loads(server.read_text())["ws_port"]
        self._socket = websocket.create_connection(
            f"ws://127.0.0.1:{port}/session", timeout=TIMEOUT, suppress_origin=True
        )
        self.send("session.new", capabilities={})
        self.send("session.subscribe", events=["log.entryAdded", "network.beforeRequestSent"])
        self._page = self.send("browsingContext.getTree")["contexts"][0]["context"]

    def send(self, method, **parameters):
        """Send a command and return its result."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while (message := json.loads(self._socket.recv())).get("id") != self._number:
            details = message["params"]
            if message["method"] == "network.beforeRequestSent":
                self.requests.append(details["request"]["url"])
            elif details["level"] in ("error", "warn"):
                self.problems.append(details["text"])
        assert message["type"] == "success", message
        return message["result"]

    def open(self, address):
        """Open an address and wait until it is loaded."""
        self.send("browsingContext.navigate", context=self._page, url=address, wait="complete")

    def run(self, script):
        """Return the value of a JavaScript expression, or what its promise becomes."""
        found = self.send(
            "script.evaluate",
            expression=f"Promise.resolve({script}).then(JSON.stringify)",
            target={"context": self._page},
            awaitPromise=True,
        )
        assert found["type"] == "success", found
        return json.loads(found["result"].get("value", "null"))

    def choose_file(self, selector, path):
        """Choose a file in an input."""
        (node,) = self.send(
            "browsingContext.locateNodes",
            context=self._page,
            locator={"type": "css", "value": selector},
        )["nodes"]
        element = {"sharedId": node["sharedId"]}
        self.send("input.setFiles", context=self._page, element=element, files=[str(path)])

    def close(self):
        """End the process."""
        self._process.terminate()
        self._process.wait(30)


@pytest.fixture(scope="module")
def firefox(tmp_path_factory):
    """Return a headless Firefox of the system."""
    path = shutil.which("firefox-esr") or shutil.which("firefox")
    firefox = Firefox(require_browser("Firefox", path), tmp_path_factory.mktemp("firefox"))
    yield firefox
    firefox.close()


@pytest.fixture(params=["component", "book"])
def address(request, site):
    """Return the page with the component only, and that of the book if it has been built."""
    page = site / "page.html" if request.param == "component" else BUILT
    if not page.exists():
        pytest.skip("the book is not built; run make book")
    return page.as_uri()


def test_images_are_predicted_from_disk(firefox, address, pretrained, tmp_path):
    import live_model

    def wait_for(text):
        firefox.run(WAIT_FOR_STATUS % json.dumps(text))

    def probabilities():
        values = "[...document.querySelectorAll('.probabilities .value')]"
        return [float(text[:-2]) for text in firefox.run(f"{values}.map(e => e.textContent)")]

    samples = live_model.simulate()
    tables = live_model.probability_tables("rr_vit")
    firefox.open(address)
    built = probabilities()
    images = [samples[0], samples[live_model.DEFAULT]]
    for number, name in ((0, images[0]["name"]), (live_model.DEFAULT, images[1]["name"])):
        firefox.run(f"document.querySelectorAll('.sample')[{number}].click()")
        wait_for(f"SIMULATED image: {name}")
    assert probabilities() == built

    pixels = samples[0]["pixels"]
    Image.fromarray(pixels).save(tmp_path / "image.png")
    firefox.choose_file(".file", tmp_path / "image.png")
    wait_for("Your image, 64 × 64 pixels")
    logits = np.asarray(pretrained(np.float32(pixels)[None, ..., None] / 255))[0]
    expected = 100 * expit(tables["slope"] * logits.astype(float) + tables["offset"])
    assert not np.allclose(expected, built, atol=1)
    np.testing.assert_allclose(probabilities(), expected, atol=0.051)  # shown as 12.3 %

    assert [url for url in firefox.requests if not url.startswith("data:")] == []
    assert firefox.problems == []
