"""Downloads that resume, and take their final name only when complete and verified.

The bytes received so far are in ``<name>.part``, to which an interrupted download appends. Whether
they belong to the same version of the file is decided by the checksum at the end.
"""

import os
import time
from pathlib import Path

from xraylab import io
from xraylab.data.errors import DataError

TRIES = 5
"""Consecutive tries without new bytes before a download gives up."""

TIMEOUT = (15.0, 60.0)
"""Seconds to wait for a connection, and for the next bytes."""

_CHUNK = 1 << 16  # at most this much is lost when a connection breaks
_BUSY = (408, 429, 500, 502, 503, 504)


def fetch(url: str, destination: Path, md5: str, *, progress: bool = True) -> Path:
    """Download a file, resuming where an earlier try stopped, and return its path.

    A file that is already there with the right MD5 checksum is returned without any network; one
    with another checksum is replaced once the right one is complete.

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
    import requests

    lock = io.make_folder(destination.parent) / f".{destination.name}.lock"
    part = destination.with_name(f"{destination.name}.part")
    waiting = io.printable(f"another process is downloading {destination}; waiting for it")
    problem, expected = f"Download of {url} to {destination} failed", f"MD5 checksum {md5}"
    by_hand = f"fetch {url} with a browser and save it as {destination}"
    with io.lock(lock, waiting if progress else ""):
        if destination.exists() and io.md5(destination) == md5:
            return destination
        failures, furthest = 0, _size(part)
        while True:
            try:
                _append(part, url, progress)
                break
            except requests.RequestException as error:
                # Only bytes never reached before count: a server that starts over each time and
                # breaks off half-way must not cause an endless loop.
                failures = failures + 1 if _size(part) <= furthest else 1
                furthest = max(furthest, _size(part))
                status = getattr(error.response, "status_code", None)
                permanent = isinstance(error, ValueError) or status not in (None, *_BUSY)
                if permanent or failures == TRIES:
                    received = f"{error}. {_size(part):,} bytes are stored in {part}"
                    advice = f"Try again later, it resumes where it stopped; or {by_hand}"
                    raise DataError(problem, f"a file with {expected}", received, advice) from error
                time.sleep(min(2.0**failures, 30.0))
        if (received := io.md5(part)) != md5:
            part.unlink()
            received = f"MD5 checksum {received}; the file was removed"
            raise DataError(problem, expected, received, f"Try again from the start; or {by_hand}")
        part.replace(destination)
    return destination


def _append(part: Path, url: str, progress: bool) -> None:
    """Append what the server sends to a part, from its end on."""
    import requests

    # Without "identity" a server may compress, and lengths would not be those of the file.
    offset = _size(part)
    headers = {"Accept-Encoding": "identity", "User-Agent": "xraylab", "Range": f"bytes={offset}-"}
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        if response.status_code == 416:
            return  # the part is complete, or too long: its checksum decides
        response.raise_for_status()
        if response.headers.get("Content-Type", "").startswith("text/html"):
            # Checked before the part is touched: a log-in page must not cost the bytes received.
            advice = "Open the address in a browser: a log-in may be required"
            raise DataError(f"Download of {url} failed", "the file", "a web page", advice)
        if response.status_code != 206:  # the whole file, although a range was requested
            part.unlink(missing_ok=True)
            offset = 0
        length = int(response.headers.get("Content-Length", 0))
        io.require_free_disk(part.parent, length, f"downloading {part.stem}")
        options = {"total": offset + length, "initial": offset, "unit": "B", "unit_scale": True}
        with part.open("ab") as stream, io.progress_bar(progress, desc=part.stem, **options) as bar:
            for chunk in response.iter_content(_CHUNK):
                stream.write(chunk)
                bar.update(len(chunk))
            stream.flush()
            os.fsync(stream.fileno())
    if _size(part) < offset + length:
        raise requests.ConnectionError(f"The connection ended before {offset + length:,} bytes")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
