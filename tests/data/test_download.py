"""Downloads against a loopback server that misbehaves on purpose."""

import errno
import hashlib
import multiprocessing
import shutil
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from xraylab.data import DataError, download
from xraylab.data.download import fetch

BODY = np.random.default_rng(1).bytes(400_000)
HALF = 200_000


@pytest.fixture
def target(tmp_path):
    return tmp_path / "down" / "images.npz"


@pytest.fixture(autouse=True)
def waits(monkeypatch):
    """Record the seconds that a download waits between tries, without waiting."""
    seconds = []
    monkeypatch.setattr(download, "time", SimpleNamespace(sleep=seconds.append))
    return seconds


@pytest.fixture
def get(target):
    """Fetch from a server."""

    def run(server, md5=None, **options):
        return fetch(server.url, target, md5 or server.md5, **{"progress": False} | options)

    return run


def part_of(target):
    return target.with_name(target.name + ".part")


def left(target):
    """Return the names of the files in the folder, apart from the lock file."""
    return sorted(file.name for file in target.parent.iterdir() if not file.name.endswith(".lock"))


def test_a_complete_download_leaves_only_the_file(serve, behaviour, get, target):
    server = serve(BODY, behaviour.ranged)
    assert get(server) == target
    assert target.read_bytes() == BODY
    assert left(target) == ["images.npz"]
    assert server.requests[0]["Accept-Encoding"] == "identity"


def test_good_file_needs_no_network(serve, behaviour, get, target):
    target.parent.mkdir()
    target.write_bytes(BODY)
    server = serve(BODY, behaviour.ranged)
    get(server)
    assert server.requests == []


def test_a_broken_connection_resumes(serve, behaviour, get, target, waits):
    server = serve(BODY, behaviour.drop(HALF), behaviour.ranged)
    get(server)
    assert target.read_bytes() == BODY
    first = int(server.requests[1]["Range"].removeprefix("bytes=").removesuffix("-"))
    assert HALF - 65536 <= first <= HALF
    assert waits == [2.0]


def test_a_download_that_keeps_failing_keeps_its_part(
    serve, behaviour, get, target, expect_error, waits
):
    server = serve(BODY, behaviour.drop(HALF), behaviour.drop(0))
    error = expect_error(get, server, names=target)
    assert server.url in str(error)
    assert str(part_of(target)) in str(error)
    assert "resumes where it stopped" in str(error)
    assert waits == sorted(waits) and len(waits) == 4
    assert not target.exists()
    stored = part_of(target).stat().st_size
    assert 0 < stored <= HALF

    server.behaviours[:] = [behaviour.ranged]
    get(server)
    assert target.read_bytes() == BODY
    assert server.requests[-1]["Range"] == f"bytes={stored}-"


def test_a_server_that_stays_busy_ends_the_download(
    serve, behaviour, get, target, expect_error, waits
):
    server = serve(BODY, behaviour.drop(HALF), behaviour.status(503))
    error = expect_error(get, server, names=target)
    assert "503" in str(error) and "again later" in str(error)
    assert len(server.requests) == 5
    assert part_of(target).stat().st_size > 0
    assert not target.exists()


def test_no_range_support_starts_over(serve, behaviour, get, target):
    server = serve(BODY, behaviour.drop(HALF), behaviour.whole)
    get(server)
    assert "Range" in server.requests[1]
    assert target.read_bytes() == BODY


def test_no_range_support_and_dropped_each_time_ends(serve, behaviour, get, target, expect_error):
    server = serve(BODY, behaviour.drop(HALF, base="whole"))
    error = expect_error(get, server, names=target)
    assert "400000" in str(error) or "400,000" in str(error) or "onnection" in str(error)
    assert len(server.requests) == 5
    assert not target.exists()


@pytest.mark.parametrize("part", [BODY + b"too much", b"who knows"])
def test_a_part_with_other_bytes_is_removed(serve, behaviour, get, target, part, expect_error):
    """The file on the server may have changed between two tries."""
    server = serve(BODY, behaviour.ranged)
    target.parent.mkdir()
    part_of(target).write_bytes(part)
    assert "from the start" in str(expect_error(get, server, names=target))
    get(server)
    assert target.read_bytes() == BODY


def test_a_complete_part_is_verified_and_used(serve, behaviour, get, target):
    """An earlier process was stopped between the last byte and the verification."""
    server = serve(BODY, behaviour.ranged)
    target.parent.mkdir()
    part_of(target).write_bytes(BODY)
    get(server)
    assert left(target) == ["images.npz"] and len(server.requests) == 1


def test_a_file_with_another_checksum_is_removed(serve, behaviour, get, target, expect_error):
    server = serve(BODY[::-1], behaviour.ranged)
    expected = hashlib.md5(BODY).hexdigest()
    error = expect_error(get, server, expected, names=target)
    assert expected in str(error)
    assert server.md5 in str(error) and "removed" in str(error)
    assert "MD5" in str(error)
    assert left(target) == []


def test_a_web_page_does_not_discard_the_part(serve, behaviour, get, target, expect_error):
    page = behaviour.status(200, b"<html>log in</html>", Content_Type="text/html")
    server = serve(BODY, behaviour.drop(HALF), page)
    error = expect_error(get, server, names=server.url)
    assert "web page" in str(error)
    assert "log-in" in str(error)
    assert part_of(target).stat().st_size > 0 and not target.exists()


def test_http_404_is_reported(serve, behaviour, get, target, expect_error):
    server = serve(BODY, behaviour.status(404))
    error = expect_error(get, server, names=server.url)
    assert "404" in str(error)
    assert "browser" in str(error)
    assert len(server.requests) == 1 and left(target) == []


def test_a_refused_connection_is_tried_again_and_reported(target, waits, expect_error):
    error = expect_error(
        fetch,
        "http://127.0.0.1:9/images.npz",
        target,
        "0" * 32,
        progress=False,
        names=target,
    )
    assert "Connection refused" in str(error) and "again later" in str(error)
    assert len(waits) == 4


def test_an_invalid_address_is_reported(target, expect_error):
    error = expect_error(fetch, "images.npz", target, "0" * 32, progress=False, names="images.npz")
    assert "Invalid URL" in str(error)


def test_slow_server_times_out_and_is_tried_again(serve, behaviour, get, target, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", (1.0, 0.2))
    get(serve(BODY, behaviour.hang, behaviour.ranged))
    assert target.read_bytes() == BODY


def test_too_little_disk_is_reported_before_writing(
    serve, behaviour, get, target, expect_error, monkeypatch
):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=1000))
    server = serve(BODY, behaviour.ranged)
    error = expect_error(get, server, names=target.parent)
    assert "free disk" in str(error) and "images.npz" in str(error)
    assert "Received: 1 kB" in str(error)
    assert "XRAYLAB_DATA" in str(error)
    assert not target.exists() and not part_of(target).exists()


class FullDisk:
    """A file that takes some bytes and then reports a full disk, as the system would."""

    def __init__(self, stream, room):
        self.stream, self.room = stream, room

    def __enter__(self):
        return self

    def __exit__(self, *problem):
        self.stream.close()

    def write(self, data):
        if len(data) > self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.room -= len(data)
        return self.stream.write(data)

    def __getattr__(self, name):
        return getattr(self.stream, name)


def test_disk_full_while_writing_keeps_the_part(
    serve, behaviour, get, target, expect_error, monkeypatch
):
    plain_open = Path.open

    def open_on_full_disk(path, mode="r", *args, **kwargs):
        stream = plain_open(path, mode, *args, **kwargs)
        return FullDisk(stream, HALF) if path.suffix == ".part" and "a" in mode else stream

    server = serve(BODY, behaviour.ranged)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", open_on_full_disk)
        expect_error(get, server, names="No space left")
    assert not target.exists()
    stored = part_of(target).stat().st_size
    assert 0 < stored <= HALF
    get(server)
    assert server.requests[-1]["Range"] == f"bytes={stored}-"
    assert target.read_bytes() == BODY


def test_folder_cannot_be_made(serve, behaviour, tmp_path, expect_error):
    (tmp_path / "file").write_text("in the way")
    target = tmp_path / "file" / "images.npz"
    server = serve(BODY, behaviour.ranged)
    expect_error(fetch, server.url, target, server.md5, progress=False, names=target.parent)
    assert (tmp_path / "file").read_text() == "in the way" and server.requests == []


@pytest.mark.parametrize("fault", ["other bytes", "not found", "dropped"])
def test_failure_leaves_a_file_that_was_there(serve, behaviour, get, target, expect_error, fault):
    target.parent.mkdir()
    target.write_bytes(b"an older file")
    response = {
        "other bytes": behaviour.ranged,
        "not found": behaviour.status(404),
        "dropped": behaviour.drop(HALF, base="whole"),
    }[fault]
    server = serve(BODY, response)
    expect_error(get, server, "0" * 32, names=target)
    assert target.read_bytes() == b"an older file"


def test_concurrent_downloads_in_one_process(serve, behaviour, target):
    server = serve(BODY, behaviour.ranged)
    problems = []

    def run():
        try:
            fetch(server.url, target, server.md5, progress=False)
        except DataError as error:
            problems.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == [] and target.read_bytes() == BODY
    assert len(server.requests) == 1


def _fetch_elsewhere(url, target, md5):
    fetch(url, target, md5, progress=False)


def test_concurrent_downloads_in_two_processes(serve, behaviour, target):
    server = serve(BODY, behaviour.ranged)
    context = multiprocessing.get_context("spawn")
    workers = [
        context.Process(target=_fetch_elsewhere, args=(server.url, target, server.md5))
        for _ in range(2)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(20)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert target.read_bytes() == BODY and left(target) == ["images.npz"]
    assert len(server.requests) == 1


def test_a_killed_download_resumes(serve, behaviour, get, target):
    def half_then_silence(handler, server):
        behaviour.ranged(handler, server, cut=HALF)
        server.stop.wait(20)

    server = serve(BODY, half_then_silence, behaviour.ranged)
    context = multiprocessing.get_context("spawn")
    worker = context.Process(target=_fetch_elsewhere, args=(server.url, target, server.md5))
    worker.start()
    for _ in range(1000):
        if part_of(target).exists() and part_of(target).stat().st_size >= 2 * 65536:
            break
        worker.join(0.01)
    worker.kill()
    worker.join(10)
    server.stop.set()
    assert not target.exists()
    stored = part_of(target).stat().st_size
    get(server)
    assert stored >= 2 * 65536 and server.requests[1]["Range"] == f"bytes={stored}-"
    assert target.read_bytes() == BODY


def test_progress_is_shown_on_request(serve, behaviour, get, capfd, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    get(serve(BODY, behaviour.ranged), progress=True)
    assert "images.npz" in capfd.readouterr().err
