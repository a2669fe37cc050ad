"""Files on disk: atomic writes, JSON, hashes, locks, progress bars and resumable arrays."""

from xraylab.io.files import (
    atomic_write,
    data_root,
    format_bytes,
    lock,
    make_folder,
    md5,
    remove_stale,
    require_free_disk,
    sha256,
)
from xraylab.io.plain import csv_text, printable, read_json, to_plain, write_json
from xraylab.io.progress import progress_bar
from xraylab.io.resumable import cached_arrays

__all__ = [
    "atomic_write",
    "cached_arrays",
    "csv_text",
    "data_root",
    "format_bytes",
    "lock",
    "make_folder",
    "md5",
    "printable",
    "progress_bar",
    "read_json",
    "remove_stale",
    "require_free_disk",
    "sha256",
    "to_plain",
    "write_json",
]
