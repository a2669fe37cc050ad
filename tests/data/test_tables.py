"""Tables of patients beside MedMNIST-style files."""

import pytest

from xraylab import data


def write_image_table(path, rows, header="split,row_28,row_64,patient,age,sex"):
    path.write_text("\n".join([header, *rows]), encoding="utf-8")
    return path


def test_table_of_an_npz_file_gives_patients_in_the_order_of_the_file(npz, tmp_path):
    rows = [f"train,{i},,p{i // 2},{50 + i if i else ''},F" for i in reversed(range(20))]
    table = write_image_table(tmp_path / "images.csv", [*rows, "train,,0,p99,1,M", "val,0,,q,7,M"])
    split = data.load(npz(), split="train", table=str(table), progress=False)
    assert split.table["patient"].tolist() == [f"p{i // 2}" for i in range(20)]
    assert split.table["age"].tolist() == [-1, *range(51, 70)]
    assert set(split.table["sex"]) == {"F"} and set(split.table["view"]) == {""}
    chosen = data.load(npz(), split="train", table=table, num_images=3, progress=False)
    assert len(chosen.table) == 3


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([f"train,{i},,p,5,F" for i in range(19)], "19 rows from 0 to 18"),
        ([f"train,{i},,p,5,F" for i in (*range(19), 18)], "20 rows from 0 to 18"),
        (["train,x,,p,5,F"], "each row from 0 to 19 once"),
        ([*(f"train,{i},,p,5,F" for i in range(20)), "val,0,,p,5,F"], "patient p in both"),
    ],
)
def test_table_that_does_not_fit_an_npz_file_is_refused(npz, tmp_path, rows, expected):
    table = write_image_table(tmp_path / "images.csv", rows)
    with pytest.raises(data.DataError, match=expected):
        data.load(npz(), split="train", table=table, progress=False)


def test_table_of_the_real_images(real_images):
    path, table = real_images / "nih_128.npz", real_images / "nih_images.csv"
    split = data.load(path, split="test", table=table, progress=False)
    assert len(split.table) == len(split) == 1414
    assert len(set(split.table["patient"])) < 1414
    assert set(split.table["view"]) == {"PA", "AP"}
