"""What the arrays of a MedMNIST-style file must be; each breach says how to mend the file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipInfo

import numpy as np

from xraylab.data.errors import DataError
from xraylab.findings import FINDINGS


@dataclass(frozen=True)
class Member:
    """One array in the archive, as its header describes it."""

    key: str
    info: ZipInfo
    header: bytes
    shape: tuple[int, ...]
    dtype: np.dtype
    fortran_order: bool


def checked_names(label_names: Sequence[str] | None) -> tuple[str, ...]:
    """Return the label names as a tuple; None stands for the 14 findings."""
    if label_names is None:
        return FINDINGS
    listed = () if isinstance(label_names, str) else tuple(label_names)
    if (
        not listed
        or not all(isinstance(name, str) for name in listed)
        or len(set(listed)) < len(listed)
    ):
        raise DataError(
            "argument label_names",
            expected="a list of different names, one for each label column",
            found=repr(label_names),
            advice='pass names such as label_names=["normal", "pneumonia"]',
        )
    return listed


def check_images(path: Path, images: Member, size: int | None) -> None:
    """Raise a :class:`DataError` unless the images are (n, size, size) uint8 with n > 0."""
    subject = f"{path}, array {images.key}"
    if images.dtype != np.uint8:
        raise DataError(
            subject,
            expected="dtype uint8, grey values 0 to 255",
            found=f"dtype {images.dtype}",
            advice="scale the images to 0…255 and write them again as .astype(np.uint8)",
        )
    if len(images.shape) != 3 or images.shape[1] != images.shape[2] or images.shape[1:] == (0, 0):
        raise DataError(
            subject,
            expected="shape (n, size, size): square grey images",
            found=f"shape {images.shape}",
            advice="write square images with one grey channel and no channel axis",
        )
    if images.shape[0] == 0:
        raise DataError(
            subject,
            expected="at least one image",
            found=f"an empty split, shape {images.shape}",
            advice="ask for another split, or write the file again with images in this one",
        )
    if images.fortran_order:
        raise DataError(
            subject,
            expected="images one after another (C order), so that each can be read by itself",
            found="Fortran order",
            advice="write the file again with np.ascontiguousarray(images)",
        )
    if size is not None and images.shape[1] != size:
        raise DataError(
            subject,
            expected=f"images of {size}×{size} px, the size asked for",
            found=f"images of {images.shape[1]}×{images.shape[1]} px",
            advice=f"ask for size={images.shape[1]}, or pass a file with images of {size} px",
        )


def check_labels(
    path: Path, labels: Member, images: Member, names: tuple[str, ...], by_default: bool
) -> None:
    """Raise a :class:`DataError` unless the labels are (n, k) integers, a column a name."""
    subject = f"{path}, array {labels.key}"
    if labels.dtype.kind not in "iub":
        raise DataError(
            subject,
            expected="an integer dtype such as uint8",
            found=f"dtype {labels.dtype}",
            advice="write the labels again as .astype(np.uint8)",
        )
    if len(labels.shape) != 2:
        raise DataError(
            subject,
            expected="shape (n, k): a row an image, a column a label",
            found=f"shape {labels.shape}",
            advice="write the labels again with two axes; labels[:, None] makes one column",
        )
    if labels.shape[0] != images.shape[0]:
        raise DataError(
            subject,
            expected=f"{images.shape[0]:,} rows, one for each image in {images.key}",
            found=f"{labels.shape[0]:,} rows",
            advice="write images and labels again so that they have the same length",
        )
    if labels.shape[1] != len(names):
        raise DataError(
            subject,
            expected=f"{len(names)} label columns"
            + (" (the 14 findings of ChestMNIST, the default)" if by_default else " (label_names)"),
            found=f"{labels.shape[1]} label columns",
            advice=f"for another data set pass label_names=[…] with its {labels.shape[1]} names "
            "(on the command line: --label-names a,b,c)",
        )


def check_values(path: Path, key: str, labels: np.ndarray) -> None:
    """Raise a :class:`DataError` if a label is neither 0 nor 1."""
    wrong = (labels != 0) & (labels != 1)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise DataError(
            f"{path}, array {key}",
            expected="only 0 (absent) and 1 (present)",
            found=f"{int(wrong.sum()):,} other values, the first {int(labels[row, column])} in row "
            f"{row}, column {column}",
            advice="write the labels again as 0 and 1; one class number an image becomes one column "
            "a class with np.eye(k, dtype=np.uint8)[classes]",
        )
