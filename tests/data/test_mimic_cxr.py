"""MIMIC-CXR-JPG from its folder: labels by study, splits by patient, views and uncertain labels."""

import gzip

import numpy as np
import pytest

from xraylab.data import labels_of, load
from xraylab.data.check import check_data
from xraylab.findings import CHEXPERT_FINDINGS

COLUMNS = [name.replace("_", " ").title() for name in sorted(CHEXPERT_FINDINGS)]
IMAGES = {  # dicom_id: patient, study, view, split; studies 52 has no labels
    "aa01-1": ("10000032", "50000001", "PA", "train"),
    "aa01-2": ("10000032", "50000001", "LATERAL", "train"),
    "aa02-1": ("10000032", "50000002", "AP", "train"),
    "bb01-1": ("10500001", "50000011", "", "train"),
    "bb02-1": ("10500001", "50000012", "LL", "train"),
    "cc01-1": ("11000007", "50000021", "PA", "validate"),
    "dd01-1": ("19000009", "50000031", "AP", "test"),
    "dd02-1": ("19000009", "50000052", "AP", "test"),
}
TRAINED = "dd01-1,50000031,19000009,train"
CELLS = ("1.0", "0.0", "-1.0", "")
STUDIES = ("50000001", "50000002", "50000011", "50000012", "50000021", "50000031")


def cell(study, column, shift=0):
    return CELLS[(STUDIES.index(study) + column + shift) % 4]


def table(root, kind, header, rows, gzipped=True):
    text = "\n".join([header, *map(",".join, rows)]) + "\n"
    path = root / f"mimic-cxr-2.0.0-{kind}.csv"
    if gzipped:
        path.with_suffix(".csv.gz").write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)


@pytest.fixture
def root(tmp_path, write_image):
    """Write 8 images of 4 patients; the tables of splits and images are in different orders."""
    for level, (name, (patient, study, *_)) in enumerate(IMAGES.items()):
        folder = tmp_path / "files" / f"p{patient[:2]}" / f"p{patient}" / f"s{study}"
        write_image(folder / f"{name}.jpg", 20 * level)
    header = "dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition,Rows"
    rows = [(n, p, s, "CHEST (PA AND LAT)", view, "2544") for n, (p, s, view, _) in IMAGES.items()]
    table(tmp_path, "metadata", header, rows)
    rows = [(name, s, p, split) for name, (p, s, _, split) in reversed(IMAGES.items())]
    table(tmp_path, "split", "dicom_id,study_id,subject_id,split", rows)
    for shift, labeler in enumerate(("chexpert", "negbio")):
        patients = {study: patient for patient, study, *_ in IMAGES.values()}
        cells = [[patients[s], s, *(cell(s, j, shift) for j in range(14))] for s in STUDIES]
        header = f"subject_id,study_id,{','.join(COLUMNS)}"
        table(tmp_path, labeler, header, cells, gzipped=bool(shift))
    return tmp_path


def open_split(root, split="train", **options):
    return load("mimic_cxr", 20, split, root=root, progress=False, **options)


def names(split):
    return [image.split("/")[-1].removesuffix(".jpg") for image in split.table["image"]]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("rule", ["ones", "zeros", "ignore"])
def test_labels_are_those_of_the_study(root, rule):
    value = {"ones": 1.0, "zeros": 0.0, "ignore": np.nan}[rule]
    values = dict(zip(CELLS, (1.0, 0.0, value, 0.0), strict=True))
    for shift, labeler in enumerate(("chexpert", "negbio")):
        split = open_split(root, uncertain=rule, labeler=labeler, frontal_only=False)
        expected = [
            [values[cell(study, sorted(CHEXPERT_FINDINGS).index(name), shift)]
             for name in CHEXPERT_FINDINGS]
            for study in split.table["study"]
        ]  # fmt: skip
        np.testing.assert_array_equal(split.labels, np.float32(expected))
    assert split.label_names == labels_of("mimic_cxr") == CHEXPERT_FINDINGS
    levels = [20 * [*IMAGES].index(name) for name in names(split)]
    np.testing.assert_allclose(split.images[:, -2, -2], levels, atol=2)  # JPEG


def test_views(root):
    with pytest.warns(UserWarning, match="1 are kept although their table does not say"):
        split = open_split(root)
    assert names(split) == ["aa01-1", "aa02-1", "bb01-1"]
    assert split.table["view"].tolist() == ["PA", "AP", ""]
    assert split.report["no view"] == ["files/p10/p10500001/s50000011/bb01-1.jpg"]
    every = open_split(root, frontal_only=False)
    assert len(every) == 5 and "no view" not in every.report


def test_splits_are_those_of_the_release(root):
    val, test = open_split(root, "val"), open_split(root, "test")
    assert val.table["patient"].tolist() == ["11000007"]
    assert test.table["patient"].tolist() == ["19000009"] * 2
    known = ~np.isnan(test.labels).all(axis=1)  # the second study is not in the table of labels
    assert known.tolist() == [True, False]
    found = check_data(root, progress=False)
    assert found["source"] == "mimic_cxr"
    assert [split["patients"] for split in found["splits"].values()] == [2, 1, 1]


def test_tables_that_cannot_be_used(root, expect_error):
    path = root / "mimic-cxr-2.0.0-split.csv.gz"
    good = gzip.decompress(path.read_bytes()).decode()
    breaches = {
        "patient 19000009 in both": good.replace("dd01-1,50000031,19000009,test", TRAINED),
        "'hold-out'": good.replace("validate", "hold-out"),
        "more than once": good + good.splitlines()[-1],
        "'dicom_id'": good.replace("dicom_id", "image_name"),
    }  # fmt: skip
    for what, text in breaches.items():
        path.write_bytes(gzip.compress(text.encode()))
        assert what in str(expect_error(open_split, root, names=path.name))
    path.unlink()
    expect_error(open_split, root, names="mimic-cxr-*-split.csv")


def test_an_image_without_a_split_is_reported(root):
    path = root / "mimic-cxr-2.0.0-split.csv.gz"
    text = gzip.decompress(path.read_bytes()).decode()
    path.write_bytes(gzip.compress(text.replace("aa02-1", "aa03-1").encode()))
    with pytest.warns(UserWarning, match="no split list"):
        assert open_split(root).report["no split"] == ["aa02-1"]


def test_wrong_options(root, expect_error):
    for name, value in {"uncertain": "maybe", "labeler": "chexbert", "frontal_only": 1.5}.items():
        expect_error(open_split, root, **{name: value}, names=f"argument {name}")
