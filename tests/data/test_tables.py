"""Tables of patients beside MedMNIST-style files."""

import gzip
import os

import pandas as pd
import pytest

from xraylab import data
from xraylab.data import columns, tables


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


def test_images_are_left_out_with_their_rows_of_the_table(npz, arrays, tmp_path):
    arrays["train_images"][3] = 7  # constant, so suspect
    rows = [f"train,{i},,p{i},50,F" for i in range(20)]
    options = {"table": write_image_table(tmp_path / "images.csv", rows), "progress": False}
    with pytest.warns(UserWarning, match="1"):
        split = data.load(npz(), split="train", on_suspect="drop", **options)
    assert split.table["patient"].tolist() == [f"p{i}" for i in range(20) if i != 3]


def test_table_of_the_real_images(real_images):
    path, table = real_images / "nih_128.npz", real_images / "nih_images.csv"
    split = data.load(path, split="test", table=table, on_suspect=None, progress=False)
    assert len(split.table) == len(split) == 1414
    assert len(set(split.table["patient"])) < 1414
    assert set(split.table["view"]) == {"PA", "AP"}


ROWS = ["image,effusion,remark", 'a.png,1,"a, b"', "", 'b.png,0,5" wide']
EXPECTED = {"image": ["a.png", "b.png"], "effusion": ["1", "0"], "remark": ["a, b", '5" wide']}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gzip"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_encodings_line_ends_and_delimiters(tmp_path, encoding, newline, delimiter):
    rows = [ROWS[0].replace(",", delimiter), f'a.png{delimiter}1{delimiter}"a, b"', ROWS[2]]
    text = newline.join([*rows, ROWS[3].replace(",", delimiter)]) + newline
    content = gzip.compress(text.encode()) if encoding == "gzip" else text.encode(encoding)
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    table = tables.read_csv(path)
    assert table.to_dict("list") == EXPECTED and table.index.tolist() == [2, 4]


BROKEN = {
    "line 2 cannot be read": ['a,1,"open', "b,0,x"],
    "3 rows in one": ["a,1,x", 'b,0,"open', "c,1,x", 'd,0,close"', "e,1,x"],
    "line 2 cannot be read. Expected: 3 cells. Received: 4": ["a,1,x,y"],
    "NUL character in line 3": ["a,1,x", "b\0,1,x"],
    "expected after": ['a,1,"x"y'],
}


@pytest.mark.parametrize("message", BROKEN)
def test_broken_rows_are_refused_with_their_line(tmp_path, message):
    path = tmp_path / "table.csv"
    path.write_text("\n".join(["image,effusion,remark", *BROKEN[message]]))
    with pytest.raises(data.DataError) as caught:
        tables.read_csv(path)
    assert message in str(caught.value), caught.value


def test_columns_of_one_name_large_tables_and_pipes_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "table.csv"
    path.write_text("image, effusion,effusion\na,0,1\n")
    with pytest.raises(data.DataError, match=r"two columns of one name.*'effusion'"):
        tables.read_csv(path)
    path.write_bytes(gzip.compress(b"image,effusion\n" + b"a,0\n" * 1000))
    monkeypatch.setattr(tables, "_MAX_BYTES", 1000)
    with pytest.raises(data.DataError, match="more than 1,000 bytes"):
        tables.read_csv(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(data.DataError, match="not a regular file"):
        tables.read_csv(path)


def test_a_cell_may_have_several_lines(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text('image,effusion,remark\na,1,"one\ntwo, too"\nb,0,x\n')
    table = tables.read_csv(path)
    assert table["remark"].tolist() == ["one\ntwo, too", "x"] and table.index.tolist() == [2, 4]


def test_columns_are_found_in_any_case_and_by_synonyms(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("Image_ID,PATIENT GENDER,Pleural Effusion\na,M,1\n")
    table = tables.read_table(path, ["image", "sex", "pleural_effusion"], ["age"])
    assert table.iloc[0].to_dict() == {"image": "a", "sex": "M", "pleural_effusion": "1", "age": ""}


def test_ages_and_sexes():
    years = {"58": 58, "058Y": 58, "58.0": 58, "011M": 0, "25m": 2, "003D": 0, "104W": 2, "0": 0}
    years |= dict.fromkeys(("", "nan", "-3", "121", "414Y", "9" * 20, "old", "1e3"), -1)
    assert columns.ages(pd.Series([*years])).tolist() == [*years.values()]
    sexes = {"M": "M", "male": "M", "Female": "F", "f": "F", "": "", "Unknown": "", "O": ""}
    assert columns.sexes(pd.Series([*sexes])).tolist() == [*sexes.values()]
