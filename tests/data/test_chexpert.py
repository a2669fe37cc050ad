"""CheXpert from its folder: columns, the three rules for uncertain labels, and the splits."""

import numpy as np
import pytest

from xraylab.data import load
from xraylab.data.columns import VAL_FRACTION, hash_fraction
from xraylab.findings import CHEXPERT_COMPETITION, CHEXPERT_FINDINGS

COLUMNS = (
    "No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,Lung Lesion,Edema,"
    "Consolidation,Pneumonia,Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,"
    "Support Devices"
)
HEADER = f"Path,Sex,Age,Frontal/Lateral,AP/PA,{COLUMNS}"
NO_FINDING = ["1.0", *[""] * 13]
PATIENTS = 40


def image_name(kind, patient, view="view1_frontal"):
    return f"CheXpert-v1.0-small/{kind}/patient{patient:05}/study1/{view}.jpg"


def cells(patient):
    """Every kind of cell in every column, in turn."""
    return [("", "0.0", "1.0", "-1.0")[(patient + column) % 4] for column in range(14)]


@pytest.fixture
def root(tmp_path, write_image):
    """Write 40 patients to train on, every fourth with a lateral image too, and two for testing."""
    folder = tmp_path / "CheXpert-v1.0-small"
    train, valid = [HEADER], [HEADER]
    for patient in range(1, PATIENTS + 1):
        name = image_name("train", patient)
        write_image(tmp_path / name, patient, (30, 40))
        train.append(f"{name},Female,{40 + patient},Frontal,AP,{','.join(cells(patient))}")
        if patient % 4 == 0:
            name = image_name("train", patient, "view2_lateral")
            write_image(tmp_path / name, 200)
            train.append(f"{name},Female,{40 + patient},Lateral,,{','.join(NO_FINDING)}")
    for patient in (901, 902):
        name = image_name("valid", patient)
        write_image(tmp_path / name, 100)
        values = ["1.0" if patient == 902 else "0.0"] * 14
        valid.append(f"{name},Male,70,Frontal,PA,{','.join(values)}")
    (folder / "train.csv").write_text("\n".join(train) + "\n")
    (folder / "valid.csv").write_text("\n".join(valid) + "\n")
    return tmp_path


def open_split(root, split="train", **options):
    return load("chexpert", 20, split, root=str(root), progress=False, **options)


def patients(split):
    return [int(text.removeprefix("patient")) for text in split.table["patient"]]


@pytest.mark.parametrize(
    ("rule", "values"),
    [
        ("ones", {"": 0, "0.0": 0, "1.0": 1, "-1.0": 1}),
        ("zeros", {"": 0, "0.0": 0, "1.0": 1, "-1.0": 0}),
        ("ignore", {"": 0, "0.0": 0, "1.0": 1, "-1.0": np.nan}),
    ],
)
def test_uncertain_labels(root, rule, values):
    split = open_split(root, uncertain=rule)
    expected = np.array([[values[cell] for cell in cells(p)] for p in patients(split)])
    np.testing.assert_array_equal(split.labels, expected)
    labels = np.concatenate([labels for _, labels in split.to_dataset(7)])
    np.testing.assert_array_equal(labels, expected)
    assert split.label_names == CHEXPERT_FINDINGS


def test_u_ones_is_the_default_and_the_rules_share_the_images(root):
    splits = [open_split(root, uncertain=rule) for rule in ("ones", "zeros", "ignore")]
    assert open_split(root).fingerprint == splits[0].fingerprint
    assert len({split.fingerprint for split in splits}) == 3
    assert len({split.images.filename for split in splits}) == 1


@pytest.mark.parametrize("names", [CHEXPERT_COMPETITION, CHEXPERT_FINDINGS[1:], CHEXPERT_FINDINGS])
def test_five_thirteen_or_all_labels(root, names):
    every, chosen = open_split(root), open_split(root, label_names=list(names))
    assert chosen.label_names == names and chosen.labels.shape == (len(every), len(names))
    for column, name in zip(chosen.labels.T, names, strict=True):
        np.testing.assert_array_equal(column, every.labels[:, CHEXPERT_FINDINGS.index(name)])
    assert (chosen.fingerprint == every.fingerprint) == (names == CHEXPERT_FINDINGS)
    assert chosen.images.filename == every.images.filename  # decoded once


def test_columns_are_found_by_name(root):
    """In another order of columns the labels come out the same."""
    expected = open_split(root).labels
    for kind in ("train", "valid"):
        path = root / "CheXpert-v1.0-small" / f"{kind}.csv"
        rows = [line.split(",") for line in path.read_text().splitlines()]
        path.write_text("\n".join(",".join(row[::-1]) for row in rows))
    np.testing.assert_array_equal(open_split(root).labels, expected)


def test_splits_are_cut_by_patient(root):
    splits = {name: open_split(root, name) for name in ("train", "val", "test")}
    found = {name: patients(split) for name, split in splits.items()}
    assert found["test"] == [901, 902]
    assert sorted(found["train"] + found["val"]) == list(range(1, PATIENTS + 1))
    rule = [p for p in range(1, PATIENTS + 1) if hash_fraction(f"patient{p:05}") < VAL_FRACTION]
    assert found["val"] == rule and rule
    assert splits["test"].labels.tolist() == [[0] * 14, [1] * 14]
    assert set(splits["test"].table["view"]) == {"PA"} and set(splits["test"].table["sex"]) == {"M"}
    np.testing.assert_array_equal(splits["train"].table["age"], 40 + np.array(found["train"]))


def test_the_preset_split_holds_out_no_patients(root):
    splits = {
        name: open_split(root, name, preset_split=True, frontal_only=False)
        for name in ("train", "val", "test")
    }
    assert len(splits["train"]) == PATIENTS + PATIENTS // 4
    assert sorted(set(patients(splits["train"]))) == list(range(1, PATIENTS + 1))
    assert patients(splits["val"]) == patients(splits["test"]) == [901, 902]
    np.testing.assert_array_equal(splits["val"].images, splits["test"].images)


def test_lateral_images_are_optional(root):
    frontal, every = open_split(root), open_split(root, frontal_only=False)
    assert set(frontal.table["view"]) == {"AP"}
    lateral = every.table["view"] == "Lateral"
    assert lateral.sum() == sum(p % 4 == 0 for p in patients(frontal))
    assert (every.labels[lateral, 0] == 1).all() and (every.images[lateral, -1, -1] == 200).all()


@pytest.mark.parametrize("square", ["pad", "crop", "stretch"])
def test_images_wider_than_high(root, square):
    """Images of 40 by 30 px on 20: padded, 15 rows of image between black ones."""
    split = open_split(root, square=square)
    levels = np.array(patients(split))
    np.testing.assert_array_equal(split.images[:, 10, 15], levels)
    edge = split.images[:, -1, 15]
    np.testing.assert_array_equal(edge, 0 if square == "pad" else levels)


def test_root_may_be_the_folder_itself(root):
    inside = open_split(root / "CheXpert-v1.0-small")
    assert inside.fingerprint == open_split(root).fingerprint


def test_tables_that_cannot_be_used(root, expect_error):
    path = root / "CheXpert-v1.0-small" / "train.csv"
    good = path.read_text()
    breaches = {
        "Pleural Other": good.replace("Pleural Other", "Other"),
        "'2.0'": good.replace("-1.0", "2.0", 1),
        "'maybe'": good.replace("-1.0", "maybe", 1),
        "patient00001": good.replace("patient00002/", "p2/", 1),
        "more than once": good + good.splitlines()[1] + "\n",
    }
    for what, text in breaches.items():
        path.write_text(text)
        assert what in str(expect_error(open_split, root, names="train.csv"))
    path.unlink()
    expect_error(open_split, root, names=root)


def test_patients_in_two_splits_are_refused(root, expect_error):
    path = root / "CheXpert-v1.0-small" / "valid.csv"
    path.write_text(path.read_text().replace("patient00902", "patient00003"))
    error = expect_error(open_split, root, names="train.csv")
    assert "patient00003" in str(error)


def test_missing_images(root):
    (root / image_name("valid", 901)).unlink()
    with pytest.warns(UserWarning, match="1 have no file"):
        split = open_split(root, "test")
    assert patients(split) == [902] and split.labels.all()


def test_wrong_options(root, expect_error):
    expect_error(open_split, root, uncertain="perhaps", names="argument uncertain")
    expect_error(open_split, root, frontal_only="false", names="argument frontal_only")
    expect_error(open_split, root, preset_split=1.5, names="argument preset_split")
    error = expect_error(open_split, root, label_names=["cardiomegly"], names="label_names")
    assert "Did you mean 'cardiomegaly'" in str(error)
    expect_error(open_split, root, label_names=["edema"] * 2, names="argument label_names")


@pytest.mark.parametrize("layout", ["as published", "batches", "no prefix", "backslashes"])
def test_images_are_found_by_the_end_of_their_path(root, layout):
    expected = open_split(root)
    folder = root / "CheXpert-v1.0-small"
    if layout == "batches":
        for patient in sorted((folder / "train").iterdir()):
            number = 2 + int(patient.name[-1]) % 2
            batch = folder / f"CheXpert-v1.0 batch {number} (train {number - 1})"
            batch.mkdir(exist_ok=True)
            patient.rename(batch / patient.name)
    path = folder / "train.csv"
    text = path.read_text()
    if layout == "no prefix":
        path.write_text(text.replace("CheXpert-v1.0-small/", ""))
    if layout == "backslashes":
        path.write_text(text.replace("CheXpert-v1.0-small/", "C:/data/").replace("/", "\\"))
        path.write_text(
            path.read_text().replace("Frontal\\Lateral,AP\\PA", "Frontal/Lateral,AP/PA")
        )
    split = open_split(root)
    np.testing.assert_array_equal(split.images, expected.images)
    np.testing.assert_array_equal(split.labels, expected.labels)


def test_views_that_are_not_known_and_contradictory_labels_are_reported(root):
    path = root / "CheXpert-v1.0-small" / "valid.csv"
    path.write_text(path.read_text().replace(",70,Frontal,", ",70.0,,"))
    with pytest.warns(UserWarning, match=r"2 are kept although their table .*1 have No Find"):
        split = open_split(root, "test")
    assert split.report["no view"] == split.table["image"].tolist()
    assert split.report["contradictory"] == [image_name("valid", 902)]
    assert split.table["age"].tolist() == [70, 70]
