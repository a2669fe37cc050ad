"""Download a file that appears under its final name only when whole and checked.

What has come lies in ``<name>.part`` until then, beside a note (``<name>.part.json``) of which
version of the file it belongs to, so that an interrupted download goes on where it stopped.
"""

import contextlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from xraylab import io
from xraylab.data.errors import DataError, as_data_error

try:
    import fcntl
except ImportError:  # Windows: two downloads at once cost time there, but the checksum still guards
    fcntl = None

TRIES = 5
"""Tries in a row that may bring nothing new before a download gives up."""

LONGEST_WAIT = 120.0
"""Seconds that a server may ask us to wait; when it asks for more, the person decides."""

TIMEOUT = (15.0, 60.0)
"""Seconds to wait for a connection, and for the next bytes."""

_CHUNK = 1 << 16  # what a dropped line costs at most: an unfinished chunk is lost
_BUSY = (408, 425, 429, 500, 502, 503, 504)


class _TryAgainError(Exception):
    """The server or the line failed in a way that often passes."""

    def __init__(self, reason: str, wait: float | None = None):
        super().__init__(reason)
        self.wait = wait


@dataclass(frozen=True)
class _Note:
    """Which version of which file a part belongs to."""

    url: str
    validator: str | None  # a strong ETag, or else Last-Modified: what If-Range may carry
    total: int | None


@dataclass(frozen=True)
class _Download:
    """One file on its way: the places involved, and how failures are met."""

    url: str
    destination: Path
    md5: str
    size: int | None
    progress: bool
    sleep: Callable[[float], None]
    timeout: tuple[float, float]

    @property
    def part(self) -> Path:
        return self.destination.with_name(self.destination.name + ".part")

    @property
    def note(self) -> Path:
        return self.destination.with_name(self.destination.name + ".part.json")

    def error(self, found: str, advice: str) -> DataError:
        return DataError(
            f"{self.url} → {self.destination}",
            expected=f"the file with MD5 sum {self.md5}",
            found=found,
            advice=advice,
        )

    def came(self) -> int:
        """Return how many bytes lie in the part."""
        return self.part.stat().st_size if self.part.exists() else 0

    def drop_part(self) -> None:
        self.part.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)


def fetch(
    url: str,
    destination: Path,
    md5: str,
    *,
    size: int | None = None,
    progress: bool = True,
    sleep: Callable[[float], None] = time.sleep,
    timeout: tuple[float, float] = TIMEOUT,
) -> Path:
    """Download a file, going on where an earlier try stopped, and return its path.

    A file that is already there with the right MD5 sum is returned as it is, without any network.
    One with another sum is moved aside (``<name>.set-aside``) once the right one has come.

    Args:
        url: where the file lies.
        destination: its final name here.
        md5: its MD5 sum, 32 hex digits.
        size: its size in bytes, where known.
        progress: whether to show a progress bar.
        sleep: waits between tries; tests pass their own.
        timeout: seconds to wait for a connection, and for the next bytes.

    Raises:
        DataError: if the file cannot be had or written; what has come is kept for the next time,
            unless it is wrong.
    """
    job = _Download(url, Path(destination), md5.lower(), size, progress, sleep, timeout)
    io.make_folder(job.destination.parent)
    try:
        with _only_one(job):
            if not (job.destination.exists() and io.md5(job.destination, progress) == job.md5):
                _fetch_until_right(job)
    except OSError as error:
        raise as_data_error(error, job.destination, f"downloading {url}") from error
    return job.destination


@contextlib.contextmanager
def _only_one(job: _Download) -> Iterator[None]:
    """Let one process at a time work on a part; the system frees the lock if that one dies."""
    if fcntl is None:
        yield
        return
    lock = job.destination.with_name(f".{job.destination.name}.lock")
    told = False
    with lock.open("a") as handle:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if job.progress and not told:
                    print(f"another process is downloading {job.destination}; waiting for it")
                    told = True
                job.sleep(0.5)
            except OSError:  # a network disk without locks: the checksum still guards
                break
        # The lock file stays: removing it would let a third process lock a file of the same name.
        yield


def _fetch_until_right(job: _Download) -> None:
    """Transfer and check; a part that was pieced together and is wrong gets one fresh start."""
    for _ in range(2):
        pieced_together = _transfer_with_patience(job)
        found = io.md5(job.part, job.progress)
        if found == job.md5:
            if job.destination.exists():
                aside = job.destination.with_name(job.destination.name + ".set-aside")
                job.destination.replace(aside)
            job.part.replace(job.destination)
            job.note.unlink(missing_ok=True)
            return
        came = io.format_bytes(job.came())
        job.drop_part()
        if not pieced_together:
            break
    raise job.error(
        f"{came} with MD5 sum {found}; they were removed",
        "try again later; if it stays so, the file on the server has changed or something between "
        "sends other bytes: fetch it with a browser, compare the MD5 sum, and pass its path",
    )


def _transfer_with_patience(job: _Download) -> bool:
    """Transfer until the part is whole, trying again for as long as new bytes come.

    Returns whether the last transfer went on from a part instead of starting at byte 0.
    """
    failures = 0
    furthest = job.came()
    while True:
        try:
            return _transfer(job)
        except _TryAgainError as problem:
            came = job.came()
            # Only bytes never reached before count: a server that starts over each time and drops
            # the line half-way must not keep us here for ever.
            failures = 1 if came > furthest else failures + 1
            furthest = max(came, furthest)
            kept = f"{io.format_bytes(came)} are kept in {job.part}"
            if failures >= TRIES:
                raise job.error(
                    f"{problem}, {failures} times in a row; {kept}",
                    "check the network and run the same again later: it goes on where it stopped",
                ) from problem
            wait = min(2.0**failures, 30.0) if problem.wait is None else problem.wait
            if wait > LONGEST_WAIT:
                raise job.error(
                    f"{problem}, and the server asks to wait {wait:.0f} s; {kept}",
                    "run the same again after that time: it goes on where it stopped",
                ) from problem
            job.sleep(wait)


def _transfer(job: _Download) -> bool:
    """Ask once for what is missing and append it; return whether it went on from a part."""
    import requests

    note = _read_note(job)
    offset = job.came() if note is not None else 0
    if note is not None and note.total is not None and offset == note.total:
        return True  # an earlier run was stopped between the last byte and the check
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
            _write(job, response, note, offset)
    except (
        requests.ConnectionError,
        requests.Timeout,
        requests.exceptions.ChunkedEncodingError,
    ) as error:
        raise _TryAgainError(f"the connection failed ({_short(error)})") from error
    except requests.RequestException as error:
        raise job.error(f"no answer ({_short(error)})", "check the address") from error
    if note.total is not None and job.came() < note.total:
        raise _TryAgainError(f"the connection ended after {job.came():,} of {note.total:,} bytes")
    return offset > 0


def _accept(job: _Download, response, note: _Note | None, offset: int) -> tuple[_Note, int]:
    """Judge the status line and headers; return what is coming and at which byte it begins."""
    status = response.status_code
    said = f"HTTP status {status} {response.reason}"
    if status in _BUSY:
        raise _TryAgainError(said, _retry_after(response))
    if status == 416 and offset:
        job.drop_part()
        raise _TryAgainError(f"{said}: the part did not fit the file, so it starts over", 0.0)
    if status not in (200, 206):
        raise job.error(
            said,
            f"check the address {job.url} in a browser; fetch the file there and pass its path",
        )
    if response.headers.get("Content-Type", "").startswith("text/html"):
        # Judged before the part is touched: a log-in page must not cost what has come already.
        raise job.error(
            f"a web page (Content-Type {response.headers['Content-Type']}); nothing was written",
            "a log-in page of the network or an error page stands in between: open "
            f"{job.url} in a browser, then try again",
        )
    if status == 206:
        given = re.fullmatch(
            r"bytes (\d+)-(\d+)/(\d+|\*)", response.headers.get("Content-Range", "").strip()
        )
        if note is not None and given and int(given[1]) == offset:
            total = note.total if given[3] == "*" else int(given[3])
            if note.total in (None, total):
                return _Note(job.url, note.validator, total), offset
        job.drop_part()
        raise _TryAgainError(
            f"{said} with Content-Range {response.headers.get('Content-Range')!r} where bytes from "
            f"{offset:,} on were asked for, so it starts over",
            0.0,
        )
    length = response.headers.get("Content-Length", "")
    total = int(length) if length.isdigit() else None
    if None not in (job.size, total) and job.size != total:
        raise job.error(
            f"{total:,} bytes on offer instead of {job.size:,}; nothing was written",
            f"the file at {job.url} has changed: fetch the right one by hand and pass its path",
        )
    # 200 to a ranged request: the server knows no ranges, or its file has changed. Start over.
    job.drop_part()
    etag = response.headers.get("ETag", "")
    strong = etag if etag and not etag.startswith("W/") else None
    note = _Note(job.url, strong or response.headers.get("Last-Modified"), total)
    with io.atomic_write(job.note) as stream:
        stream.write(json.dumps(asdict(note)).encode())
    return note, 0


def _write(job: _Download, response, note: _Note, offset: int) -> None:
    """Append what comes to the part."""
    with (
        job.part.open("ab") as stream,
        io.byte_bar(job.destination.name, note.total, job.progress, offset) as bar,
    ):
        for chunk in response.iter_content(_CHUNK):
            stream.write(chunk)
            bar.update(len(chunk))
        stream.flush()
        os.fsync(stream.fileno())


def _read_note(job: _Download) -> _Note | None:
    """Return the note beside a part, or None where the part cannot be gone on with."""
    try:
        note = _Note(**json.loads(job.note.read_text()))
    except (OSError, ValueError, TypeError):
        note = None
    if note is None or note.url != job.url or (note.total or job.came()) < job.came():
        job.drop_part()
        return None
    return note


def _retry_after(response) -> float | None:
    """Return the seconds that the server asks to wait; a date is left to our own pace."""
    said = response.headers.get("Retry-After", "")
    return float(said) if said.isdigit() else None


def _short(error: Exception) -> str:
    """Return the innermost reason of a network error: the outer ones only wrap it."""
    while isinstance(inner := error.__cause__ or error.__context__, Exception):
        error = inner
    return f"{type(error).__name__}: {error}"
