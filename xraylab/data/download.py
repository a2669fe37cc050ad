"""Downloads that resume, and take their final name only when complete and verified.

The bytes received so far are in ``<name>.part``, beside a note (``<name>.part.json``) of the file's
version, so that an interrupted download resumes where it stopped.
"""

import contextlib
import os
import re
import time
from pathlib import Path
from typing import NamedTuple

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


class _TryAgainError(Exception):
    """The server or the connection failed in a way that is often temporary."""

    def __init__(self, reason: str, wait: float | None = None):
        super().__init__(reason)
        self.wait = wait


class _Note(NamedTuple):
    """The version of the file to which a part belongs."""

    url: str
    validator: str | None  # a strong ETag, or else Last-Modified: what If-Range may carry
    total: int | None


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
    message = f"another process is downloading {destination}; waiting for it" if progress else ""
    with io.wrap_os_error(destination, f"downloading {url}"), io.lock(lock, message=message):
        if not (destination.exists() and io.md5(destination, progress) == md5):
            _Download(url, destination, md5, progress).run()
    return destination


class _Download:
    """One download: its arguments, and the files beside the destination."""

    def __init__(self, url: str, destination: Path, md5: str, progress: bool):
        self.url, self.destination, self.md5, self.progress = url, destination, md5, progress
        self.part, self.note, self.aside = (
            destination.with_name(destination.name + ending)
            for ending in (".part", ".part.json", ".set-aside")
        )

    def run(self) -> None:
        """Transfer and verify the file, then give it its name."""
        self._transfer_with_retries()
        if self.destination.exists():
            self.destination.replace(self.aside)
        self.part.replace(self.destination)
        self.note.unlink(missing_ok=True)

    def _error(self, received: str, advice: str) -> DataError:
        problem = f"Download of {self.url} to {self.destination} failed"
        return DataError(problem, f"the file with MD5 checksum {self.md5}", received, advice)

    def _bytes_received(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _drop_part(self) -> None:
        self.part.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)

    def _start_over(self, reason: str) -> _TryAgainError:
        self._drop_part()
        return _TryAgainError(f"{reason}, so it starts over", 0.0)

    def _transfer_with_retries(self) -> None:
        """Transfer until the part is complete, trying again as long as new bytes arrive."""
        failures, furthest = 0, self._bytes_received()
        while True:
            try:
                return self._transfer()
            except _TryAgainError as problem:
                received = self._bytes_received()
                # Only bytes never reached before count: a server that starts over each time and
                # breaks off half-way must not cause an endless loop.
                failures = 1 if received > furthest else failures + 1
                furthest = max(received, furthest)
                wait = min(2.0**failures, 30.0) if problem.wait is None else problem.wait
                stop = f"{failures} times in a row" if failures >= TRIES else ""
                if not stop and wait > MAX_WAIT:
                    stop = f"and the server requests a wait of {wait:.0f} s"
                if stop:
                    stored = f"{io.format_bytes(received)} are stored in {self.part}"
                    advice = "Check the network and try again later: it resumes where it stopped"
                    raise self._error(f"{problem}, {stop}; {stored}", advice) from problem
                time.sleep(wait)

    def _transfer(self) -> None:
        """Request and append what is missing, and verify the part."""
        note, offset = self._read_note(), self._bytes_received()
        # A complete part: an earlier run was stopped between the last byte and the verification.
        if note is None or offset != note.total:
            offset = self._request(note, offset)
        md5 = io.md5(self.part, self.progress)
        if md5 != self.md5:
            size = io.format_bytes(self._bytes_received())
            received = f"{size} with MD5 checksum {md5}, which were removed"
            if offset:  # the file may have changed between the two transfers
                raise self._start_over(received)
            self._drop_part()
            raise self._error(received, "Fetch it with a browser, and pass the file's path")

    def _request(self, note: _Note | None, offset: int) -> int:
        """Append what the server sends to the part; return its first byte."""
        import requests

        # Without "identity" a server may compress, and lengths would not be those of the file.
        headers = {"Accept-Encoding": "identity", "User-Agent": "xraylab"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
            if note.validator:
                headers["If-Range"] = note.validator
        name = self.destination.name
        try:
            options = {"headers": headers, "stream": True, "timeout": TIMEOUT}
            with requests.get(self.url, **options) as response:
                note, offset = self._accept(response, note, offset)
                missing = (note.total or 0) - offset
                io.require_free_disk(self.part.parent, missing, f"downloading {name}")
                with (
                    self.part.open("ab") as stream,
                    io.byte_bar(name, note.total, self.progress, offset) as bar,
                ):
                    for chunk in response.iter_content(_CHUNK):
                        stream.write(chunk)
                        bar.update(len(chunk))
                    stream.flush()
                    os.fsync(stream.fileno())
        except requests.RequestException as error:
            reason = f"the connection failed ({_innermost(error)})"
            if isinstance(error, ValueError):  # no address
                raise self._error(reason, "Check the address") from error
            raise _TryAgainError(reason) from error
        received = self._bytes_received()
        if received < (note.total or 0):
            raise _TryAgainError(f"the connection ended after {received:,} of {note.total:,} bytes")
        return offset

    def _accept(self, response, note: _Note | None, offset: int) -> tuple[_Note, int]:
        """Check status line and headers; return the version that is sent and its first byte."""
        status, headers = response.status_code, response.headers
        reason = f"HTTP status {status} {response.reason}"
        if status in _BUSY:
            # A date is ignored: then the usual pauses apply.
            wait = headers.get("Retry-After", "")
            raise _TryAgainError(reason, float(wait) if wait.isdigit() else None)
        if status == 416 and offset:
            raise self._start_over(f"{reason}: the part did not fit the file")
        advice = (
            "Open the address in a browser (a log-in may be required), and pass the file's path"
        )
        if status not in (200, 206):
            raise self._error(reason, advice)
        if headers.get("Content-Type", "").startswith("text/html"):
            # Checked before the part is touched: a log-in page must not cost the bytes received.
            raise self._error("a web page; nothing was written", advice)
        if status == 206:
            content_range = headers.get("Content-Range", "")
            given = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", content_range.strip())
            if note is not None and given and int(given[1]) == offset:
                total = note.total if given[2] == "*" else int(given[2])
                if note.total in (None, total):
                    return note._replace(total=total), offset
            raise self._start_over(f"{reason} has the wrong Content-Range {content_range!r}")
        length, etag = headers.get("Content-Length", ""), headers.get("ETag", "")
        # 200 to a range request: the server supports no ranges, or its file has changed.
        self._drop_part()
        strong = etag if not etag.startswith("W/") else ""
        validator = strong or headers.get("Last-Modified")
        note = _Note(self.url, validator, int(length) if length.isdigit() else None)
        io.write_json(self.note, note)
        return note, 0

    def _read_note(self) -> _Note | None:
        """Return the note beside a part, or None (and no part) where it cannot be resumed."""
        received = self._bytes_received()
        with contextlib.suppress(OSError, ValueError, TypeError):
            note = _Note(**io.read_json(self.note))
            if note.url == self.url and received <= (note.total or received):
                return note
        self._drop_part()
        return None


def _innermost(error: Exception) -> str:
    """Describe the innermost cause of a network error: the outer ones only wrap it."""
    while isinstance(inner := error.__cause__ or error.__context__, Exception):
        error = inner
    return f"{type(error).__name__}: {error}"
