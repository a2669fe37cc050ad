"""Fixtures of the data tests: small files of images and a server with scripted failures."""

import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    """No test touches the folders of the person who runs it, nor a proxy."""
    monkeypatch.setenv("XRAYLAB_DATA", str(tmp_path / "xraylab-data"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def arrays():
    """The six arrays of a small file: 20 / 5 / 7 images of 28 px with 14 labels."""
    random = np.random.default_rng(0)
    made = {}
    for split, images in (("train", 20), ("val", 5), ("test", 7)):
        made[f"{split}_images"] = random.integers(0, 256, (images, 28, 28), dtype=np.uint8)
        made[f"{split}_labels"] = random.integers(0, 2, (images, 14), dtype=np.uint8)
    return made


@pytest.fixture
def npz(tmp_path, arrays):
    """Write the small file, with some arrays changed or (None) left out; return its path."""

    def write(name="images.npz", *, save=np.savez_compressed, **changed):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        save(path, **{key: a for key, a in (arrays | changed).items() if a is not None})
        return path

    return write


@pytest.fixture
def write_image():
    """Write an image of uniform grey with a bright corner, identified by its level."""

    def write(path, level, shape=(32, 32)):
        pixels = np.full(shape, level, np.uint8)
        pixels[: shape[0] // 4, : shape[1] // 4] = 250
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        return path

    return write


@pytest.fixture
def expect_error():
    """Return a function that calls another, and returns its error after a check of its form."""

    def call(function, *args, names, **kwargs) -> Exception:
        with pytest.raises((ValueError, OSError)) as caught:
            function(*args, **kwargs)
        message = str(caught.value)
        assert str(names) in message
        if isinstance(caught.value, ValueError):
            assert re.search(r"\. Expected: .+\. Received: .+", message, flags=re.S), message
        return caught.value

    return call


def _send(handler, status, headers, body):
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)
    handler.wfile.flush()
    handler.close_connection = True


class Behaviour:
    """Ways to respond to a request; each is called with the request's handler and the server."""

    @staticmethod
    def whole(handler, server):
        """Ignore ranges: send everything, always."""
        _send(handler, 200, {"Content-Length": len(server.body)}, server.body)

    @staticmethod
    def ranged(handler, server, cut=None):
        """Follow the standard: 206 to a range, else 200."""
        requested = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        headers, body, status = {}, server.body, 200
        if requested:
            first, total = int(requested[1]), len(body)
            if first >= total:
                return _send(handler, 416, {"Content-Range": f"bytes */{total}"}, b"")
            body, status = body[first:], 206
            headers["Content-Range"] = f"bytes {first}-{total - 1}/{total}"
        _send(handler, status, headers | {"Content-Length": len(body)}, body[:cut])

    @staticmethod
    def drop(after, base=None):
        """Announce everything, and close the connection after so many bytes."""
        if base is None:
            return lambda handler, server: Behaviour.ranged(handler, server, cut=after)
        return lambda handler, server: _send(
            handler, 200, {"Content-Length": len(server.body)}, server.body[:after]
        )

    @staticmethod
    def status(code, body=b"", **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return lambda handler, server: _send(
            handler, code, named | {"Content-Length": len(body)}, body
        )

    @staticmethod
    def hang(handler, server):
        """Accept the request and send nothing."""
        server.stop.wait(5)


@pytest.fixture
def behaviour():
    return Behaviour


@pytest.fixture
def serve():
    """Start a loopback server with the given behaviours, one per request; the last one repeats."""
    running = []

    def start(body, *behaviours):
        state = SimpleNamespace(
            body=body,
            requests=[],
            stop=threading.Event(),
            behaviours=list(behaviours),
            md5=hashlib.md5(body).hexdigest(),
        )

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                state.requests.append(dict(self.headers))
                turn = min(len(state.requests), len(state.behaviours)) - 1
                state.behaviours[turn](self, state)

            def log_message(self, *arguments):
                pass

        httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        state.url = f"http://127.0.0.1:{httpd.server_port}/images.npz"
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        running.append((httpd, thread, state))
        return state

    yield start
    for httpd, thread, state in running:
        state.stop.set()
        httpd.shutdown()
        thread.join()
        httpd.server_close()
