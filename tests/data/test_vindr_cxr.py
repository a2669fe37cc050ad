"""VinDr-CXR from its folder: joined readers, splits, and boxes on square images."""

import numpy as np
import pytest

from xraylab.data import labels_of, load
from xraylab.data.check import check_data
from xraylab.data.columns import VAL_FRACTION, hash_fraction
from xraylab.findings import FINDINGS, VINDR_FINDINGS

COLUMNS = (
    "Aortic enlargement,Atelectasis,Calcification,Cardiomegaly,Clavicle fracture,Consolidation,"
    "Edema,Emphysema,Enlarged PA,ILD,Infiltration,Lung Opacity,Lung cavity,Lung cyst,"
    "Mediastinal shift,Nodule/Mass,Pleural effusion,Pleural thickening,Pneumothorax,"
    "Pulmonary fibrosis,Rib fracture,Other lesion,COPD,Lung tumor,Pneumonia,Tuberculosis,"
)
BOXES = "image_id,{}class_name,x_min,y_min,x_max,y_max"
NO_BOX = ",No finding,,,,"
WIDTH, HEIGHT = 40, 30
TRAIN = [f"{number:032x}" for number in range(30)]
TEST = ("e" * 32, "f" * 32)


def votes(image, column):
    """Return what the readers R1, R2 and R3 say: 0 to 3 of them say present."""
    count = (TRAIN.index(image) + column) % 4
    return [int(reader < count) for reader in range(3)]


@pytest.fixture
def root(tmp_path, write_image):
    rows = [f"image_id,rad_id,{COLUMNS}Other diseases,No finding"]
    boxes = [BOXES.format("rad_id,")]
    for level, image in enumerate(TRAIN):
        write_image(tmp_path / "train" / f"{image}.png", 5 * level, (HEIGHT, WIDTH))
        seen = [votes(image, column) for column in range(28)]
        rows += [f"{image},R{r},{','.join(str(v[r]) for v in seen)}" for r in range(3)]
        for column, name in {
            3: "Cardiomegaly",
            19: "Pulmonary fibrosis",
            0: "Aortic enlargement",
        }.items():
            boxes += [f"{image},R{r},{name},10,{r},30.0,15" for r in range(3) if seen[column][r]]
        boxes.append(f"{image},R1{NO_BOX}")
    folder = tmp_path / "annotations"
    folder.mkdir()
    (folder / "image_labels_train.csv").write_text("\n".join(rows))
    (folder / "annotations_train.csv").write_text("\n".join(boxes))
    rows = [f"image_id,{COLUMNS}Other disease,No finding"]
    for image in TEST:
        write_image(tmp_path / "test" / f"{image}.png", 200, (HEIGHT, WIDTH))
        rows.append(f"{image},{','.join('1' if image == TEST[0] else '0' for _ in range(28))}")
    (folder / "image_labels_test.csv").write_text("\n".join(rows))
    boxes = [BOXES.format(""), f"{TEST[0]},Pleural effusion,0,0,40,30", f"{TEST[1]}{NO_BOX}"]
    (folder / "annotations_test.csv").write_text("\n".join(boxes))
    return tmp_path


def open_split(root, split="train", **options):
    return load("vindr_cxr", 20, split, root=root, progress=False, **options)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(("rule", "needed"), [("majority", 2), ("any", 1)])
def test_readers_are_joined_by_a_rule(root, rule, needed):
    split = open_split(root, readers=rule)
    images = split.table["image"].tolist()
    expected = [[sum(votes(image, j)) >= needed for j in range(28)] for image in images]
    np.testing.assert_array_equal(split.labels, expected)
    boxes = {(images[b["image"]], FINDINGS[b["finding"]]) for b in split.boxes}
    present = {
        (image, name)
        for image in images
        for column, name in ((3, "cardiomegaly"), (19, "fibrosis"))
        if sum(votes(image, column)) >= needed
    }
    assert boxes == present  # of all readers, where the joined label is present
    counts = sum(sum(votes(i, c)) for i in images for c in (3, 19) if sum(votes(i, c)) >= needed)
    assert len(split.boxes) == counts
    assert split.label_names == labels_of("vindr_cxr") == VINDR_FINDINGS


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_splits(root):
    train, val, test = (open_split(root, name) for name in ("train", "val", "test"))
    rule = [image for image in TRAIN if hash_fraction(image) < VAL_FRACTION]
    assert val.table["image"].tolist() == rule and rule
    assert sorted([*train.table["image"], *rule]) == TRAIN
    assert test.table["image"].tolist() == [*TEST]
    np.testing.assert_array_equal(test.labels, [[1] * 28, [0] * 28])
    assert check_data(root, progress=False)["source"] == "vindr_cxr"


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("square", "expected"),
    [
        ("pad", (10 / 40, 5 / 40, 30 / 40, 20 / 40)),  # 5 rows of black above
        ("crop", (5 / 30, 0, 25 / 30, 15 / 30)),  # 5 columns cut off on either side
        ("stretch", (10 / 40, 0, 30 / 40, 15 / 30)),
    ],
)
def test_boxes_follow_the_image_onto_the_square(root, square, expected):
    split = open_split(root, square=square)
    heart = split.boxes[split.boxes["finding"] == FINDINGS.index("cardiomegaly")]
    first = [tuple(box)[2:] for box in heart if round(box["y_min"] * 40) % 40 in (0, 5)]
    np.testing.assert_allclose(first[0], expected, rtol=1e-6)
    whole = open_split(root, "test", square=square).boxes
    shown = {"pad": (0, 0.125, 1, 0.875)}.get(square, (0, 0, 1, 1))
    np.testing.assert_allclose([*whole[0]][2:], shown, rtol=1e-6)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("0,0,40,30", "0,0,80,60", r"does not fit.*inside its 40×30 px"),
        ("0,0,40,30", "0,0,nan,30", "line 2 is no box"),
        ("0,0,40,30", "0,0,inf,30", "line 2 is no box"),
        ("0,0,40,30", "9,0,5,30", "line 2 is no box"),
        ("0,0,40,30", "-9,0,5,30", "line 2 is no box"),
        ("Pleural effusion", "Pleural diffusion", "unknown finding"),
    ],
)
def test_boxes_that_cannot_be(root, expect_error, old, new, message):
    path = root / "annotations" / "annotations_test.csv"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ValueError, match=message):
        open_split(root, "test")


def test_folders_without_annotations_and_without_boxes(root, expect_error):
    for path in (root / "annotations").iterdir():
        path.rename(root / path.name)
    (root / "annotations").rmdir()
    (root / "annotations_test.csv").unlink()
    with pytest.warns(UserWarning, match="No Finding"):
        assert open_split(root, "test").boxes is None
    (root / "image_labels_test.csv").unlink()
    expect_error(open_split, root, "test", names="image_labels_test.csv")
    expect_error(open_split, root, readers="mean", names="argument readers")
