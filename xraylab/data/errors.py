"""The one error that data raise, so that a caller can catch it and a reader can act on it."""

import errno
import os


class DataError(ValueError):
    """Data that cannot be used: the message names the file or argument, and says what to do.

    Args:
        subject: the file or the argument that is at fault.
        expected: what was expected of it.
        found: what came instead.
        advice: what to do about it.
    """

    def __init__(self, subject: str | os.PathLike, *, expected: str, found: str, advice: str):
        self.subject = str(subject)
        self.expected = expected
        self.found = found
        self.advice = advice
        super().__init__(
            f"{self.subject}\n"
            f"  expected:   {expected}\n"
            f"  found:      {found}\n"
            f"  what to do: {advice}"
        )

    def __reduce__(self):
        # Exceptions are rebuilt from ``args``, which here is the finished message: worker processes
        # that hand an error back need the four parts instead.
        return _rebuild, (self.subject, self.expected, self.found, self.advice)


def _rebuild(subject: str, expected: str, found: str, advice: str) -> DataError:
    return DataError(subject, expected=expected, found=found, advice=advice)


def as_data_error(error: OSError, path: str | os.PathLike, purpose: str) -> DataError:
    """Return what the operating system refused as an error that says what to do.

    Args:
        error: what the operating system said.
        path: the file or folder it was about.
        purpose: what was being done, as in ``"writing the download"``.
    """
    reason = f"{error.strerror or error} while {purpose}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DataError(
            path,
            expected="enough free disk",
            found=f"disk full: {reason}",
            advice="free some space, or set XRAYLAB_DATA to a folder on a larger disk; try again",
        )
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        return DataError(
            path,
            expected="permission to read and write there",
            found=f"no permission: {reason}",
            advice="change the permissions, or set XRAYLAB_DATA to a folder that you may write to",
        )
    if isinstance(error, (NotADirectoryError, FileExistsError)):
        return DataError(
            path,
            expected="a folder, or a place where one can be made",
            found=f"a file stands in the way: {reason}",
            advice="remove that file, or set XRAYLAB_DATA to another folder",
        )
    return DataError(
        path,
        expected="a file that can be read and a folder that can be written",
        found=reason,
        advice="check the disk and the path, then try again",
    )
