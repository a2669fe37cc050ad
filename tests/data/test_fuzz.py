"""Damaged and hostile files end in the package's own errors, whatever is in them.

A few seconds in ``make test``. Longer, with other examples each time::

    XRAYLAB_FUZZ_MINUTES=10 python -m pytest tests/data/test_fuzz.py
"""

import io
import os
import time
import warnings
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from xraylab.data import DataError, image_io
from xraylab.data.folder import list_folder
from xraylab.data.npz import load_npz
from xraylab.data.tables import read_csv

MINUTES = float(os.environ.get("XRAYLAB_FUZZ_MINUTES", 0))
NUM_PROPERTIES = 5


def fuzz(max_examples, **strategies):
    """Test a property on generated examples, and on more until its share of the time is over."""

    def decorate(test):
        options = {"max_examples": max_examples, "deadline": None, "derandomize": not MINUTES}
        checks = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
        checked = settings(**options, database=None, suppress_health_check=checks)(
            given(**strategies)(test)
        )

        def repeated(tmp_path):
            end = time.monotonic() + 60 * MINUTES / NUM_PROPERTIES
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                checked(tmp_path)
                while time.monotonic() < end:
                    checked(tmp_path)

        repeated.__name__ = test.__name__
        return repeated

    return decorate


def damaged(whole):
    """Return copies of a file with bytes replaced, cut out, repeated or put in."""
    position = st.integers(0, len(whole))
    edit = st.tuples(position, st.integers(0, 40), st.binary(max_size=8))

    def apply(edits):
        content = whole
        for start, length, inserted in edits:
            content = content[:start] + inserted + content[start + length :]
        return content

    return st.lists(edit, min_size=1, max_size=4).map(apply)


def archive(**members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(f"{name}.npy", content)
    return stream.getvalue()


def array(values):
    stream = io.BytesIO()
    np.save(stream, values)
    return stream.getvalue()


IMAGES = np.random.default_rng(0).integers(0, 256, (3, 8, 8), dtype=np.uint8)
LABELS = np.eye(3, 14, dtype=np.uint8)
SIZES = st.one_of(st.integers(-2, 9), st.sampled_from([2**31, 2**62, 2**70, -(2**63), True, 3.0]))
DESCRIPTIONS = ["|u1", "<f4", ">i8", "|b1", "|O", "<U3", "|V8", "<M8[ns]", "<c16", "", "u1,u1", "☢"]
HEADERS = st.fixed_dictionaries(
    {
        "descr": st.one_of(st.sampled_from(DESCRIPTIONS), st.just([("a", "|u1")]), st.none()),
        "fortran_order": st.sampled_from([False, True, 0, "no"]),
        "shape": st.lists(SIZES, max_size=5).map(tuple) | st.sampled_from([3, None, "(3, 8, 8)"]),
    },
    optional={"other": st.just(1)},
).map(repr) | st.text("{}()[]'\": ,-0123456789LfTdescrhape\n", max_size=60)
MAGIC = st.sampled_from(
    [b"\x93NUMPY\x01\x00"] * 4 + [b"\x93NUMPY\x02\x00", b"\x93NUMPY\x03\x00", b"NUM"]
)


def load_or_refuse(tmp_path, content):
    """Load the training split; return whether it was refused."""
    path = tmp_path / "images.npz"
    path.write_bytes(content)
    try:
        split = load_npz(path, cache_dir=tmp_path / "cache", progress=False)
    except DataError:
        return
    assert split.images.dtype == np.uint8 and len(split.images) == len(split.labels)
    assert (np.isnan(split.labels) | np.isin(split.labels, (0, 1))).all()


@fuzz(
    60,
    header=HEADERS,
    magic=MAGIC,
    body=st.binary(max_size=9),
    kind=st.sampled_from(["images", "labels"]),
)
def test_headers_of_arrays(tmp_path, header, magic, body, kind):
    text = header.encode() + b"\n"
    content = (
        magic + len(text).to_bytes(2 if magic[6:] == b"\x01\x00" else 4, "little") + text + body
    )
    members = {"train_images": array(IMAGES), "train_labels": array(LABELS)}
    load_or_refuse(tmp_path, archive(**members | {f"train_{kind}": content}))


@fuzz(40, content=damaged(archive(train_images=array(IMAGES), train_labels=array(LABELS))))
def test_damaged_archives(tmp_path, content):
    load_or_refuse(tmp_path, content)


CELLS = [
    "image",
    "effusion",
    "patient",
    "split",
    "a.png",
    "0",
    "1",
    "-1",
    "nan",
    "train",
    "val",
    "p1",
]
CELLS += [
    ",",
    ";",
    "\t",
    "|",
    '"',
    "'",
    "[",
    "]",
    "\n",
    "\r\n",
    "\r",
    "\0",
    " ",
    "é",
    "=1+1",
    "\x1b[31m",
]
TEXTS = st.lists(st.sampled_from(CELLS) | st.text(max_size=3), max_size=40).map("".join)
STARTS = st.sampled_from(["", "image,effusion\n", "image;effusion;split\na.png;1;train\n"])
ENCODINGS = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le"])


@fuzz(30, start=STARTS, text=TEXTS, encoding=ENCODINGS, column=st.sampled_from([None, "effusion"]))
def test_tables(tmp_path, start, text, encoding, column):
    path = tmp_path / "labels.csv"
    path.write_bytes((start + text).encode(encoding, "surrogatepass"))
    for read in (
        lambda: read_csv(path),
        lambda: list_folder(tmp_path, label_names=["effusion"], label_column=column),
        lambda: list_folder(
            tmp_path, label_names=["effusion"], split_column="split", readers="any"
        ),
    ):
        try:
            assert read() is not None
        except DataError as error:
            assert str(error).isprintable() or "\n" in str(error)


@fuzz(25, content=damaged(b"image,effusion,patient\n" + b'a.png,1,"p, 1"\nb.png,0,p2\n' * 3))
def test_damaged_tables(tmp_path, content):
    path = tmp_path / "labels.csv"
    path.write_bytes(content)
    try:
        list_folder(tmp_path, label_names=["effusion"], readers="majority")
    except DataError as error:
        assert path.name in str(error)


def image_files():
    """Return a small image in each format, and as DICOM if pydicom is installed."""
    image, files = Image.fromarray(np.repeat(IMAGES[0], 2, axis=1)), {}
    for kind in image_io.FORMATS:
        stream = io.BytesIO()
        image.save(stream, kind)
        files[kind] = stream.getvalue()
    stream = io.BytesIO()
    Image.fromarray(IMAGES[0].astype(np.uint16) * 200).save(stream, "TIFF", compression="tiff_lzw")
    files["TIFF16"] = stream.getvalue()
    try:
        from pydicom.dataset import Dataset, FileMetaDataset
        from pydicom.uid import ExplicitVRLittleEndian
    except ImportError:
        return files
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.SOPClassUID, header.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3"
    header.Rows, header.Columns, header.SamplesPerPixel = 8, 8, 1
    header.PhotometricInterpretation, header.PixelRepresentation = "MONOCHROME1", 0
    header.BitsAllocated, header.BitsStored, header.HighBit = 16, 12, 11
    header.WindowCenter, header.WindowWidth, header.RescaleSlope = "2048", "4096", "1"
    header.RescaleIntercept, header.PixelData = "0", (IMAGES[0].astype("<u2") * 16).tobytes()
    stream = io.BytesIO()
    header.save_as(stream, enforce_file_format=True)
    return files | {"DICOM": stream.getvalue()}


FILES = image_files()


@fuzz(80, content=st.sampled_from(sorted(FILES)).flatmap(lambda kind: damaged(FILES[kind])))
def test_image_files(tmp_path, content):
    path = tmp_path / "image.png"
    path.write_bytes(content)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(image_io, "MAX_PIXELS", 1 << 16)  # the property is that of larger ones
        try:
            decoded = image_io.decode_image(path, 8)
        except image_io.UnreadableImage as error:
            assert str(error)
        else:
            assert decoded.pixels.shape == (8, 8) and decoded.pixels.dtype == np.uint8


def test_undamaged_files_are_read(tmp_path):
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
        assert np.ptp(image_io.read_image(tmp_path / name, 8)) > 100
