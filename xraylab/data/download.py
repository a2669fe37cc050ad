"""Downloads that resume, and take their final name only when complete and verified.

The bytes received so far are in ``<name>.part``, to which an interrupted download appends. Whether
they belong to the same version of the file is decided by the checksum at the end.
"""

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from xraylab import io
from xraylab.data.errors import DataError

TRIES = 5
"""Consecutive tries without new bytes before a download gives up."""

MAX_WAIT = 120.0
"""Longest time in seconds to wait at a server's request; beyond it the download stops."""

TIMEOUT = (15.0, 60.0)
"""Seconds to wait for a connection, and for the next bytes."""

_CHUNK = 1 << 16  # at most this much is lost when a connection breaks
_BUSY = (408, 425, 429, 500, 502, 503, 504)
_BY_HAND = "Open the address in a browser (a log-in may be required), and pass the file's path"


class _TryAgainError(Exception):
    """The server or the connection failed in a way that is often temporary."""

    def __init__(self, reason: str, wait: float | None = None):
        super().__init__(reason)
        self.wait = wait


def fetch(url: str, destination: Path, md5: str, *, progress: bool = True) -> Path:
    """Download a file, resuming where an earlier try stopped, and return its path.

    A file that is already there with the right MD5 checksum is returned without any network. One
    with another checksum is renamed to ``<name>.set-aside`` once the right one is complete.

    Args:
        url: address of the file.
        destination: its final path.
        md5: its MD5 checksum, 32 hex digits.
        progress: whether to show a progress bar.

    Returns:
        ``destination``.

    Raises:
        DataError: if the file cannot be downloaded; correct bytes stay for the next try.
        OSError: if it cannot be written.
    """
    io.make_folder(destination.parent, mode=0o700)
    lock = destination.with_name(f".{destination.name}.lock")
    part, aside = (destination.with_name(destination.name + end) for end in (".part", ".set-aside"))
    message = f"another process is downloading {destination}; waiting for it" if progress else ""
    with io.wrap_os_error(destination, f"downloading {url}"), io.lock(lock, message=message):
        if not (destination.exists() and io.md5(destination, progress) == md5):
            problem = f"Download of {url} to {destination} failed"
            fail = partial(DataError, problem, f"the file with MD5 checksum {md5}")
            _complete(part, url, md5, progress, fail)
            if destination.exists():
                destination.replace(aside)
            part.replace(destination)
    return destination


def _complete(
    part: Path, url: str, md5: str, progress: bool, fail: Callable[[str, str], DataError]
) -> None:
    """Transfer and verify a part, trying again as long as new bytes arrive."""
    failures, furthest = 0, _size(part)
    while True:
        try:
            offset = _append(part, url, progress, fail)
            if (received := io.md5(part, progress)) == md5:
                return
            removed = f"{io.format_bytes(_size(part))} with MD5 checksum {received}, removed again"
            part.unlink()
            if not offset:
                raise fail(removed, "Fetch it with a browser, and pass the file's path")
            # The file may have changed between two transfers.
            raise _TryAgainError(f"{removed}, so it starts over", 0.0)
        except _TryAgainError as problem:
            received = _size(part)
            # Only bytes never reached before count: a server that starts over each time and breaks
            # off half-way must not cause an endless loop.
            failures = 1 if received > furthest else failures + 1
            furthest = max(received, furthest)
            wait = min(2.0**failures, 30.0) if problem.wait is None else problem.wait
            stop = f"{failures} times in a row" if failures >= TRIES else ""
            if not stop and wait > MAX_WAIT:
                stop = f"and the server requests a wait of {wait:.0f} s"
            if stop:
                stored = f"{io.format_bytes(received)} are stored in {part}"
                advice = "Check the network and try again later: it resumes where it stopped"
                raise fail(f"{problem}, {stop}; {stored}", advice) from problem
            time.sleep(wait)


def _append(part: Path, url: str, progress: bool, fail: Callable[[str, str], DataError]) -> int:
    """Append what the server sends to a part; return the first byte's position in the file."""
    import requests

    offset, name = _size(part), part.stem
    # Without "identity" a server may compress, and lengths would not be those of the file.
    headers = {"Accept-Encoding": "identity", "User-Agent": "xraylab"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
    try:
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
            if response.status_code == 416 and offset:
                return offset  # the part is complete, or too long: its checksum decides
            _check(response, fail)
            given = response.headers.get("Content-Range", "")
            if response.status_code == 206 and not (
                offset and given.startswith(f"bytes {offset}-")
            ):
                part.unlink(missing_ok=True)
                reason = f"HTTP status 206 has the wrong Content-Range {given!r}"
                raise _TryAgainError(f"{reason}, so it starts over", 0.0)
            if response.status_code == 200:  # the whole file, also where a range was requested
                part.unlink(missing_ok=True)
                offset = 0
            length = response.headers.get("Content-Length", "")
            total = offset + int(length) if length.isdigit() else None
            io.require_free_disk(part.parent, (total or 0) - offset, f"downloading {name}")
            bar = io.byte_bar(name, total, progress, offset)
            with part.open("ab") as stream, bar:
                for chunk in response.iter_content(_CHUNK):
                    stream.write(chunk)
                    bar.update(len(chunk))
                stream.flush()
                os.fsync(stream.fileno())
    except requests.RequestException as error:
        reason = f"the connection failed ({_innermost(error)})"
        if isinstance(error, ValueError):  # no address
            raise fail(reason, "Check the address") from error
        raise _TryAgainError(reason) from error
    if total and _size(part) < total:
        raise _TryAgainError(f"the connection ended after {_size(part):,} of {total:,} bytes")
    return offset


def _check(response, fail: Callable[[str, str], DataError]) -> None:
    """Raise an error unless the server sends the file, or a part of it."""
    status, headers = response.status_code, response.headers
    reason = f"HTTP status {status} {response.reason}"
    if status in _BUSY:
        # A date is ignored: then the usual pauses apply.
        wait = headers.get("Retry-After", "")
        raise _TryAgainError(reason, float(wait) if wait.isdigit() else None)
    if status not in (200, 206):
        raise fail(reason, _BY_HAND)
    if headers.get("Content-Type", "").startswith("text/html"):
        # Checked before the part is touched: a log-in page must not cost the bytes received.
        raise fail("a web page; nothing was written", _BY_HAND)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _innermost(error: BaseException) -> str:
    """Describe the innermost cause of a network error: the outer ones only wrap it."""
    while isinstance(inner := error.__cause__ or error.__context__, Exception):
        error = inner
    return f"{type(error).__name__}: {error}"
