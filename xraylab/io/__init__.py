"""Files on disk: atomic writes, JSON, hashes, locks, progress bars and resumable arrays.

Errors of the operating system stay ``OSError``; their message names the path and what to do.
"""

from xraylab.io.files import (
    atomic_write,
    data_root,
    format_bytes,
    lock,
    make_folder,
    md5,
    read_chunks,
    remove_stale,
    require_free_disk,
    sha256,
    wrap_os_error,
)
from xraylab.io.plain import read_json, to_plain, write_json
from xraylab.io.progress import byte_bar, progress_bar
from xraylab.io.resumable import ResumableArrays, cached_arrays

__all__ = [
    "ResumableArrays",
    "atomic_write",
    "byte_bar",
    "cached_arrays",
    "data_root",
    "format_bytes",
    "lock",
    "make_folder",
    "md5",
    "progress_bar",
    "read_chunks",
    "read_json",
    "remove_stale",
    "require_free_disk",
    "sha256",
    "to_plain",
    "wrap_os_error",
    "write_json",
]
