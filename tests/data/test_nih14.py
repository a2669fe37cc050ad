"""ChestX-ray14 from a folder: layouts, labels, splits, boxes and what can be wrong with them."""

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest

from xraylab.data import load
from xraylab.data.columns import VAL_FRACTION, hash_fraction
from xraylab.data.nih14 import read_entries
from xraylab.findings import FINDINGS

HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)
IMAGES = {  # name: findings, patient, age, sex, view
    "00000001_000.png": ("Cardiomegaly", "1", "57", "M", "PA"),
    "00000001_001.png": ("Cardiomegaly|Emphysema", "1", "58", "M", "PA"),
    "00000002_000.png": ("No Finding", "2", "081Y", "F", "AP"),
    "00000003_000.png": ("Hernia|Pleural_Thickening|Edema", "3", "011M", "F", "PA"),
    "00000004_000.png": ("Infiltration", "4", "414", "M", "AP"),
    "00000005_000.png": ("Mass", "5", "60", "F", "PA"),
    "00000005_001.png": ("Effusion|Nodule", "5", "61", "F", "PA"),
}
TEST = ("00000004_000.png", "00000005_000.png", "00000005_001.png")
TRAIN = tuple(name for name in IMAGES if name not in TEST)


def entries(images=IMAGES):
    rows = (f"{n},{f[0]},0,{','.join(f[1:])},2500,2048,0.168,0.168" for n, f in images.items())
    return "\n".join([HEADER, *rows]) + "\n"


@pytest.fixture
def root(tmp_path, write_image):
    """Write the images, the table, and the lists by which patients 4 and 5 test."""
    root = tmp_path / "nih"
    for number, name in enumerate(IMAGES):
        write_image(root / "images" / name, 10 * number)
    (root / "Data_Entry_2017.csv").write_text(entries())
    (root / "train_val_list.txt").write_text("\n".join(TRAIN))
    (root / "test_list.txt").write_text("\n".join(TEST) + "\n")
    return root


def open_split(root, split="test", **options):
    return load("nih14", 32, split, root=str(root), progress=False, **options)


def names(split):
    return tuple(split.table["image"].tolist())


def test_images_labels_and_table(root):
    split = open_split(root)
    assert names(split) == TEST and isinstance(split.images, np.memmap)
    assert split.images[:, -1, -1].tolist() == [40, 50, 60]
    found = [{FINDINGS[j] for j in np.flatnonzero(row)} for row in split.labels]
    assert found == [{"infiltration"}, {"mass"}, {"effusion", "nodule"}]
    assert split.table["patient"].tolist() == ["4", "5", "5"]
    assert split.table["age"].tolist() == [-1, 60, 61]  # 414 years are none
    assert split.table["sex"].tolist() == ["M", "F", "F"]
    assert split.table["view"].tolist() == ["AP", "PA", "PA"]
    assert split.boxes is None and split.path == root
    assert (split.source, split.split, split.size) == ("nih14", "test", 32)
    images, _ = split.to_dataset(2)[0]
    assert images.shape == (2, 32, 32, 1)


def test_table_as_older_releases_write_it(root):
    images, labels, table = read_entries(root / "Data_Entry_2017.csv")
    assert images == list(IMAGES)
    assert table["age"].tolist() == [57, 58, 81, 0, -1, 60, 61]
    assert [FINDINGS[j] for j in np.flatnonzero(labels[3])] == [
        "edema",
        "pleural_thickening",
        "hernia",
    ]
    assert labels[2].sum() == 0


@pytest.mark.parametrize("layout", ["flat", "parts", "parts without images", "jpeg"])
def test_layouts(root, layout):
    expected = open_split(root).images
    for number, path in enumerate(sorted((root / "images").iterdir())):
        if layout == "jpeg":
            target = root / "images" / f"{path.stem}.JPG"
        else:
            part = root / f"images_{number % 3 + 1:03}"
            folder = {"flat": root, "parts": part / "images"}.get(layout, part)
            target = folder / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        if layout == "jpeg":
            from PIL import Image

            Image.open(path).save(target, "jpeg", quality=100)
            path.unlink()
        else:
            path.rename(target)
    split = open_split(root)
    assert names(split) == TEST
    difference = np.abs(split.images.astype(int) - expected)
    assert difference.max() <= (6 if layout == "jpeg" else 0)


def test_newest_table_is_taken_also_gzipped(root):
    changed = IMAGES | {TEST[0]: ("Hernia", "4", "41", "M", "AP")}
    with gzip.open(root / "Data_Entry_2017_v2020.csv.gz", "wt") as stream:
        stream.write(entries(changed))
    with pytest.warns(UserWarning, match="Data_Entry_2017_v2020.csv.gz is used, not Data_Entry"):
        split = open_split(root)
    assert split.labels[0, FINDINGS.index("hernia")] == 1 and split.table["age"][0] == 41


def test_validation_images_are_chosen_by_patient(root, write_image):
    """Enough patients that some validate; each follows the stated rule."""
    images = dict(IMAGES)
    for patient in range(10, 40):
        for visit in range(2):
            images[f"{patient:08}_{visit:03}.png"] = ("No Finding", str(patient), "50", "F", "PA")
    for name in images:
        write_image(root / "images" / name, 100)
    (root / "Data_Entry_2017.csv").write_text(entries(images))
    (root / "train_val_list.txt").write_text("\n".join(name for name in images if name not in TEST))
    splits = {split: open_split(root, split) for split in ("train", "val", "test")}
    patients = {name: set(split.table["patient"].tolist()) for name, split in splits.items()}
    assert patients["test"] == {"4", "5"}
    assert patients["val"] and not patients["train"] & patients["val"]
    assert sum(map(len, splits.values())) == len(images)
    assert all(
        (hash_fraction(p) < VAL_FRACTION) == (p in patients["val"])
        for p in patients["val"] | patients["train"]
    )


def test_hash_fraction_is_uniform_and_stable():
    fractions = np.array([hash_fraction(str(patient)) for patient in range(20_000)])
    counts, _ = np.histogram(fractions, bins=10, range=(0, 1))
    assert counts.sum() == 20_000 and np.abs(counts - 2000).max() < 5 * 2000**0.5
    # printf 'xraylab split 1' | sha256sum, the first 16 hex digits as a fraction
    assert hash_fraction("1") == pytest.approx(0.9118185384361263, abs=1e-15)


def test_boxes_are_fractions_of_the_image(root):
    (root / "BBox_List_2017.csv").write_text(
        "Image Index,Finding Label,Bbox [x,y,w,h],,,\n"
        "00000005_001.png,Nodule,512,256,128,64,,,\n"
        "00000004_000.png,Infiltrate,0,0,1024,1030.5,,,\n"
        "00000005_001.png,Effusion,102.4,204.8,307.2,409.6,,,\n"
        "00000001_000.png,Cardiomegaly,1,2,3,4,,,\n"
    )
    boxes = open_split(root).boxes
    assert boxes["image"].tolist() == [0, 2, 2]
    assert [FINDINGS[j] for j in boxes["finding"]] == ["infiltration", "effusion", "nodule"]
    sides = np.stack([boxes[side] for side in ("x_min", "y_min", "x_max", "y_max")], axis=1)
    np.testing.assert_allclose(
        sides, [[0, 0, 1, 1], [0.1, 0.2, 0.4, 0.6], [0.5, 0.25, 0.625, 0.3125]], atol=1e-7
    )


@pytest.mark.parametrize("box", ["nan,1,2,3", "1,1,inf,3", "1,1,-5,3", "900,1,300,3", "a,1,2,3"])
def test_boxes_that_are_none_are_refused(root, expect_error, box):
    header, row = "Image Index,Finding Label,Bbox [x,y,w,h],,,", f"{TEST[0]},Mass,{box}"
    (root / "BBox_List_2017.csv").write_text(f"{header}\n{row}\n")
    assert "line 2 is no box" in str(expect_error(open_split, root, names="BBox_List_2017.csv"))


def test_other_spellings_of_the_table_and_lists(root):
    """Synonyms, another delimiter and case, lists without endings, images in no list."""
    expected = open_split(root)
    table = root / "Data_Entry_2017.csv"
    text = table.read_text().replace("Patient Gender", "Patient Sex").replace(",M,", ",male,")
    text = text.replace("Effusion|Nodule", "nodule; effusion").replace(",60,", ",60.0,")
    table.write_bytes(text.replace(";", "|").replace(",", ";").encode("utf-16"))
    (root / "test_list.txt").write_text("\n".join(Path(name).stem for name in TEST[:2]))
    with pytest.warns(UserWarning, match=f"1 are in no split list.*: {TEST[2]}"):
        split = open_split(root)
    assert split.report == {"no split": [TEST[2]]}
    np.testing.assert_array_equal(split.labels, expected.labels[:2])
    np.testing.assert_array_equal(split.table, expected.table[:2])


def test_boxes_keep_to_their_images_when_others_are_left_out(root):
    (root / "BBox_List_2017.csv").write_text(
        "Image Index,Finding Label,Bbox [x,y,w,h],,,\n00000005_001.png,Nodule,512,256,128,64\n"
    )
    (root / "images" / TEST[0]).write_bytes(b"damaged")
    with pytest.warns(UserWarning, match="1 cannot be read"):
        split = open_split(root)
    assert names(split) == TEST[1:] and split.boxes["image"].tolist() == [1]


def test_damaged_and_missing_images_are_left_out_and_reported(root):
    (root / "images" / TEST[0]).write_bytes(b"damaged")
    (root / "images" / TEST[1]).unlink()
    for _ in range(2):  # the second time from the cache
        with pytest.warns(UserWarning, match="1 have no file .*1 cannot be read") as warned:
            split = open_split(root)
        assert names(split) == TEST[2:] and split.labels[0, FINDINGS.index("effusion")] == 1
        (message,) = (str(warning.message) for warning in warned)
        assert message.endswith(f"{root / 'images' / TEST[0]} (not an image in a known format)")
    (root / "images" / TEST[2]).write_bytes(b"damaged too")
    with pytest.raises(ValueError, match="2 that cannot"):
        open_split(root)
    for path in (root / "images").iterdir():
        path.unlink()
    with pytest.raises(ValueError, match="none of them"):
        open_split(root)


def test_some_images_are_chosen_before_they_are_decoded(root):
    for name in TRAIN[1:]:
        (root / "images" / name).write_bytes(b"never opened")
    split = open_split(root, num_images=2, seed=0)
    assert len(split) == 2 and set(names(split)) < set(TEST)
    assert open_split(root, num_images=2, seed=0).fingerprint == split.fingerprint
    with pytest.raises(ValueError, match="at most 3"):
        open_split(root, num_images=4)


def test_fingerprint_changes_with_images_and_with_labels(root, write_image):
    first = open_split(root).fingerprint
    assert open_split(root).fingerprint == first
    changed = IMAGES | {TEST[0]: ("Hernia", "4", "414", "M", "AP")}
    (root / "Data_Entry_2017.csv").write_text(entries(changed))
    second = open_split(root).fingerprint
    write_image(root / "images" / TEST[0], 123, (33, 33))
    assert len({first, second, open_split(root).fingerprint}) == 3


def test_patients_in_two_splits_are_refused(root, expect_error):
    (root / "train_val_list.txt").write_text("\n".join((*TRAIN, TEST[1])))
    (root / "test_list.txt").write_text("\n".join((TEST[0], TEST[2])))
    error = expect_error(open_split, root, names=root)
    assert "patient 5 in both" in str(error)
    (root / "test_list.txt").write_text("\n".join(TEST))
    error = expect_error(open_split, root, names=root)
    assert "patient 5 in both" in str(error)


def test_tables_that_cannot_be_used(root, expect_error):
    table = root / "Data_Entry_2017.csv"
    good = table.read_text()
    breaches = {
        "Patient ID": good.replace("Patient ID", "Who"),
        "contradicts itself": good.replace("Mass,", "No Finding|Mass,"),
        "Hernja": good.replace("Hernia", "Hernja"),
        "more than once": good + good.splitlines()[1] + "\n",
        "2 cells": good + "00000009_000.png,Mass\n",
        "nothing below": HEADER + "\n",
    }
    for what, text in breaches.items():
        table.write_text(text)
        error = expect_error(open_split, root, names="Data_Entry_2017.csv")
        assert what in str(error)
    table.write_bytes(good.encode() + b"\xff\xfe")
    expect_error(open_split, root, names="Data_Entry_2017.csv")
    table.rename(root / "Data_Entry_2017.csv.gz")
    expect_error(open_split, root, names="Data_Entry_2017.csv.gz")
    (root / "Data_Entry_2017.csv.gz").unlink()
    expect_error(open_split, root, names=root)
    expect_error(open_split, root / "elsewhere", names="elsewhere")
    expect_error(load, "nih14", names="nih14")  # nothing in the data folder either


def test_two_files_for_one_image(root, expect_error, write_image):
    write_image(root / "images_001" / "images" / TEST[0], 1)
    error = expect_error(open_split, root, names=TEST[0])
    assert "another one at" in str(error)


def test_wrong_options(root, expect_error):
    expect_error(open_split, root, square="round", names="argument square")
    expect_error(open_split, root, label_names=["a"], names="argument label_names")
    error = expect_error(open_split, root, squar="crop", names="argument squar")
    assert str(error).endswith("Did you mean 'square'?")
    expect_error(load, "phantom", root="x", names="argument root")
    expect_error(load, __file__, uncertain="ones", names="argument uncertain")


@pytest.mark.long
def test_real_labels_agree_with_chestmnist(real_images):
    """NIH's finding strings, parsed here, are ChestMNIST's label vectors, image by image.

    ChestMNIST derives from an earlier table. To the one of 2020 NIH added 188 findings that a
    radiologist had boxed and the report's text had not given: with these, all labels are equal.
    """
    images, labels, _ = read_entries(real_images / "Data_Entry_2017_v2020.csv.gz")
    assert len(images) == 112_120
    row_of = {name: row for row, name in enumerate(images)}
    boxed = np.zeros_like(labels)
    names_of_boxes = {name.title(): j for j, name in enumerate(FINDINGS)} | {"Infiltrate": 3}
    with (real_images / "BBox_List_2017.csv").open(newline="") as stream:
        for name, finding, *_ in list(csv.reader(stream))[1:]:
            boxed[row_of[name], names_of_boxes[finding]] = 1
    added = 0
    with np.load(real_images / "chestmnist_all_labels.npz") as published:
        for split, expected in (("train", 78_468), ("val", 11_219), ("test", 22_433)):
            listed = published[f"{split}_names"].tolist()
            assert len(listed) == expected
            rows = [row_of[name] for name in listed]
            chestmnist = published[f"{split}_labels"]
            np.testing.assert_array_equal(labels[rows], np.maximum(chestmnist, boxed[rows]))
            added += int((labels[rows] != chestmnist).sum())
    assert added == 188


def test_real_tables_and_boxes(real_images, tmp_path, write_image):
    """A handful of stand-in images under real names, with NIH's own tables and lists."""
    for name in ("BBox_List_2017.csv", "Data_Entry_2017_v2020.csv.gz"):
        (tmp_path / name).symlink_to(real_images / name)
    for name in ("official_test_list.txt", "official_train_val_list.txt"):
        (tmp_path / name).symlink_to(real_images / name)
    write_image(tmp_path / "00013118_008.png", 7)
    with pytest.warns(UserWarning, match="25,595 have no file"):
        split = open_split(tmp_path)
    assert names(split) == ("00013118_008.png",) and len(split.boxes) == 1
    np.testing.assert_allclose(split.boxes["x_min"], 225.084745762712 / 1024, rtol=1e-6)
    np.testing.assert_allclose(
        split.boxes["y_max"], (547.019216763771 + 79.1864406779661) / 1024, rtol=1e-6
    )
