"""The check of a user's own folder or archive."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from xraylab.data.check import check_data, near_duplicates


@pytest.fixture
def images():
    """Smooth random images, as different from one another as radiographs are."""
    small = np.random.default_rng(0).integers(0, 256, (24, 12, 12), np.uint8)
    return np.stack([Image.fromarray(image).resize((64, 64)) for image in small])


def test_copies_are_found_and_others_are_not(images):
    assert near_duplicates(images) == []
    stream = io.BytesIO()
    Image.fromarray(images[3]).save(stream, "jpeg", quality=60)
    copies = [
        np.asarray(Image.open(stream)),
        np.asarray(Image.fromarray(images[5]).resize((50, 50)).resize((64, 64))),
        (images[7] * 0.9 + 10).astype(np.uint8),
        np.full((64, 64), 9, np.uint8),
    ]
    assert near_duplicates(np.stack(copies), images) == [(0, 3), (1, 5), (2, 7)]
    assert near_duplicates(np.concatenate([images, copies])) == [(3, 24), (5, 25), (7, 26)]


@pytest.fixture
def folder(tmp_path, images):
    rows = ["image,patient,effusion,split"]
    for number, image in enumerate(images[:12]):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
        split = "train" if number < 8 else "test"
        rows.append(f"{number}.png,p{number // 2},{number % 2 if number else ''},{split}")
    Image.fromarray(images[2]).save(tmp_path / "9.png", compress_level=1)
    (tmp_path / "4.png").write_bytes(b"damaged")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    return tmp_path


def test_a_folder(folder):
    found = check_data(folder, label_names=["effusion"], split_column="split", progress=False)
    assert found["source"] == "folder" and found["near_duplicates_across"] == [
        "train: 2.png = test: 9.png"
    ]
    train, test = found["splits"]["train"], found["splits"]["test"]
    assert (train["images"], train["patients"]) == (7, 4)
    assert train["labels"] == {"effusion": {"present": 4, "absent": 2, "unknown": 1}}
    assert [*train["report"]] == ["unreadable"] and "error" in found["splits"]["val"]
    assert test["report"] == {} and test["near_duplicates"] == []


def test_an_archive_and_one_that_cannot_be_used(npz, expect_error, tmp_path):
    found = check_data(npz(), progress=False)
    assert [split["images"] for split in found["splits"].values()] == [20, 5, 7]
    (tmp_path / "broken.npz").write_bytes(b"no")
    expect_error(check_data, tmp_path / "broken.npz", names="broken.npz")


def test_command(folder, capsys):
    from xraylab.cli.listing import data

    options = {"label_names": "effusion", "option": ["split_column=split"]}
    data("check", folder, **options)
    text = capsys.readouterr().out
    assert "7 images of 4 patients" in text and "1 unreadable" in text and "4 / 2 / 1" in text
    data("check", folder, **options, json=True)
    assert json.loads(capsys.readouterr().out)["near_duplicates_across"]


def test_an_option_without_a_value_is_refused(folder):
    from xraylab.cli.listing import data

    with pytest.raises(ValueError, match=r"--option. Expected: NAME=VALUE.* Received: 'split'"):
        data("check", folder, option=["split"])
