"""Downloads that resume, and take their final name only when complete and verified.

The bytes received so far are in ``<name>.part``, beside a note (``<name>.part.json``) of the file's
version, so that an interrupted download resumes where it stopped.
"""

import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
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


class _TryAgainError(Exception):
    """The server or the connection failed in a way that is often temporary."""

    def __init__(self, reason: str, wait: float | None = None):
        super().__init__(reason)
        self.wait = wait


@dataclass(frozen=True)
class _Note:
    """The version of the file to which a part belongs."""

    url: str
    validator: str | None  # a strong ETag, or else Last-Modified: what If-Range may carry
    total: int | None


@dataclass(frozen=True)
class _Download:
    """The parameters and files of one download."""

    url: str
    destination: Path
    md5: str
    progress: bool
    sleep: Callable[[float], None]
    timeout: tuple[float, float]

    def beside(self, ending: str) -> Path:
        return self.destination.with_name(self.destination.name + ending)

    @property
    def part(self) -> Path:
        return self.beside(".part")

    @property
    def note(self) -> Path:
        return self.beside(".part.json")

    def error(self, received: str, advice: str) -> DataError:
        return DataError(
            f"Download of {self.url} to {self.destination} failed",
            f"the file with MD5 checksum {self.md5}",
            received,
            advice,
        )

    def bytes_received(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def drop_part(self) -> None:
        self.part.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)


def fetch(
    url: str,
    destination: Path,
    md5: str,
    *,
    progress: bool = True,
    sleep: Callable[[float], None] = time.sleep,
    timeout: tuple[float, float] = TIMEOUT,
) -> Path:
    """Download a file, resuming where an earlier try stopped, and return its path.

    A file that is already there with the right MD5 checksum is returned without any network. One
    with another checksum is renamed to ``<name>.set-aside`` once the right one is complete.

    Args:
        url: address of the file.
        destination: its final path.
        md5: its MD5 checksum, 32 hex digits.
        progress: whether to show a progress bar.
        sleep: waits between tries; tests pass their own.
        timeout: seconds to wait for a connection, and for the next bytes.

    Raises:
        DataError: if the file cannot be downloaded; correct bytes stay for the next try.
        OSError: if it cannot be written.
    """
    job = _Download(url, Path(destination), md5.lower(), progress, sleep, timeout)
    io.make_folder(job.destination.parent, mode=0o700)
    lock = job.destination.with_name(f".{job.destination.name}.lock")
    message = f"another process is downloading {job.destination}; waiting for it"
    with (
        io.wrap_os_error(job.destination, f"downloading {url}"),
        io.lock(lock, message=message if progress else ""),
    ):
        if not (job.destination.exists() and io.md5(job.destination, progress) == job.md5):
            _fetch_verified(job)
    return job.destination


def _fetch_verified(job: _Download) -> None:
    """Transfer and verify; a resumed part with a wrong checksum gets one fresh start."""
    for _ in range(2):
        resumed = _transfer_with_retries(job)
        md5 = io.md5(job.part, job.progress)
        if md5 == job.md5:
            if job.destination.exists():
                job.destination.replace(job.beside(".set-aside"))
            job.part.replace(job.destination)
            job.note.unlink(missing_ok=True)
            return
        received = io.format_bytes(job.bytes_received())
        job.drop_part()
        if not resumed:
            break
    raise job.error(
        f"{received} with MD5 checksum {md5}; they were removed",
        "Try again later. If it stays so, the file on the server has changed or a proxy replaces "
        "it: fetch it with a browser, compare the MD5 checksum, and pass its path",
    )


def _transfer_with_retries(job: _Download) -> bool:
    """Transfer until the part is complete, trying again as long as new bytes arrive.

    Returns whether the last transfer resumed a part instead of starting at byte 0.
    """
    failures = 0
    furthest = job.bytes_received()
    while True:
        try:
            return _transfer(job)
        except _TryAgainError as problem:
            received = job.bytes_received()
            # Only bytes never reached before count: a server that starts over each time and breaks
            # off half-way must not cause an endless loop.
            failures = 1 if received > furthest else failures + 1
            furthest = max(received, furthest)
            stored = f"{io.format_bytes(received)} are stored in {job.part}"
            if failures >= TRIES:
                raise job.error(
                    f"{problem}, {failures} times in a row; {stored}",
                    "Check the network and run the same again later: it resumes where it stopped",
                ) from problem
            wait = min(2.0**failures, 30.0) if problem.wait is None else problem.wait
            if wait > MAX_WAIT:
                raise job.error(
                    f"{problem}, and the server requests a wait of {wait:.0f} s; {stored}",
                    "Run the same again after that time: it resumes where it stopped",
                ) from problem
            job.sleep(wait)


def _transfer(job: _Download) -> bool:
    """Request what is missing and append it; return whether a part was resumed."""
    import requests

    note = _read_note(job)
    offset = job.bytes_received() if note is not None else 0
    if note is not None and note.total is not None and offset == note.total:
        return True  # an earlier run was stopped between the last byte and the verification
    # Without "identity" a server may compress, and lengths would no longer be those of the file.
    headers = {"Accept-Encoding": "identity", "User-Agent": "xraylab"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
        if note.validator:
            headers["If-Range"] = note.validator
    try:
        with requests.get(job.url, headers=headers, stream=True, timeout=job.timeout) as response:
            note, offset = _accept(job, response, note, offset)
            if note.total is not None:
                purpose = f"downloading {job.destination.name}"
                io.require_free_disk(job.part.parent, note.total - offset, purpose)
            with (
                job.part.open("ab") as stream,
                io.byte_bar(job.destination.name, note.total, job.progress, offset) as bar,
            ):
                for chunk in response.iter_content(_CHUNK):
                    stream.write(chunk)
                    bar.update(len(chunk))
                stream.flush()
                os.fsync(stream.fileno())
    except (
        requests.ConnectionError,
        requests.Timeout,
        requests.exceptions.ChunkedEncodingError,
    ) as error:
        raise _TryAgainError(f"the connection failed ({_innermost(error)})") from error
    except requests.RequestException as error:
        raise job.error(f"no response ({_innermost(error)})", "Check the address") from error
    received = job.bytes_received()
    if note.total is not None and received < note.total:
        raise _TryAgainError(f"the connection ended after {received:,} of {note.total:,} bytes")
    return offset > 0


def _accept(job: _Download, response, note: _Note | None, offset: int) -> tuple[_Note, int]:
    """Check status line and headers; return the version that is sent and its first byte."""
    status = response.status_code
    reason = f"HTTP status {status} {response.reason}"
    if status in _BUSY:
        # A date is ignored: then the usual pauses apply.
        wait = response.headers.get("Retry-After", "")
        raise _TryAgainError(reason, float(wait) if wait.isdigit() else None)
    if status == 416 and offset:
        job.drop_part()
        raise _TryAgainError(f"{reason}: the part did not fit the file, so it starts over", 0.0)
    if status not in (200, 206):
        raise job.error(reason, "Open the address in a browser; fetch the file and pass its path")
    if response.headers.get("Content-Type", "").startswith("text/html"):
        # Checked before the part is touched: a log-in page must not cost the bytes received.
        raise job.error(
            f"a web page (Content-Type {response.headers['Content-Type']}); nothing was written",
            "The network may require a log-in: open the address in a browser, then try again",
        )
    if status == 206:
        content_range = response.headers.get("Content-Range")
        given = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", (content_range or "").strip())
        if note is not None and given and int(given[1]) == offset:
            total = note.total if given[3] == "*" else int(given[3])
            if note.total in (None, total):
                return _Note(job.url, note.validator, total), offset
        job.drop_part()
        raise _TryAgainError(
            f"{reason} with Content-Range {content_range!r} instead of the bytes from {offset:,} "
            "on, so it starts over",
            0.0,
        )
    length = response.headers.get("Content-Length", "")
    total = int(length) if length.isdigit() else None
    # 200 to a range request: the server supports no ranges, or its file has changed. Start over.
    job.drop_part()
    etag = response.headers.get("ETag", "")
    strong = etag if etag and not etag.startswith("W/") else None
    note = _Note(job.url, strong or response.headers.get("Last-Modified"), total)
    io.write_json(job.note, note)
    return note, 0


def _read_note(job: _Download) -> _Note | None:
    """Return the note beside a part, or None where the part cannot be resumed."""
    try:
        note = _Note(**io.read_json(job.note))
    except (OSError, ValueError, TypeError):
        note = None
    received = job.bytes_received()
    if note is None or note.url != job.url or (note.total or received) < received:
        job.drop_part()
        return None
    return note


def _innermost(error: Exception) -> str:
    """Describe the innermost cause of a network error: the outer ones only wrap it."""
    while isinstance(inner := error.__cause__ or error.__context__, Exception):
        error = inner
    return f"{type(error).__name__}: {error}"
