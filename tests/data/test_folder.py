"""Any folder with a CSV table: the labels, the splits, and tables that cannot be used."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from xraylab.data import DataError, load
from xraylab.data.columns import hash_fraction
from xraylab.data.tables import as_text

NAMES = ("effusion", "old fracture")


@pytest.fixture
def root(tmp_path, write_image):
    """Write 40 images of 20 people with two labels each."""
    rows = ["file,who,effusion,old fracture,class,set"]
    for number in range(40):
        write_image(tmp_path / "images" / f"{number:02}.jpeg", number)
        split = ("training", "Valid", "test")[number // 2 % 3]
        named = ("normal", "effusion", "effusion|old fracture")[number % 3]
        rows.append(
            f"images/{number:02}.jpeg,p{number // 2},{number % 2},{number % 3 // 2},{named},{split}"
        )
    (tmp_path / "labels.csv").write_text("\ufeff" + "\n".join(rows))
    return tmp_path


def open_split(root, split="train", **changed):
    options = {"image_column": "file", "label_names": NAMES, "progress": False} | changed
    return load("folder", 32, split, root=str(root), **options)


def numbers(split):
    return [int(name[7:9]) for name in split.table["image"]]


def test_split_column(root):
    for name, remainder in (("train", 0), ("val", 1), ("test", 2)):
        split = open_split(root, name, split_column="set", patient_column="who")
        expected = [number for number in range(40) if number // 2 % 3 == remainder]
        assert numbers(split) == expected
        np.testing.assert_array_equal(split.labels[:, 0], np.array(expected) % 2)
        np.testing.assert_array_equal(split.labels[:, 1], np.array(expected) % 3 == 2)
        assert split.table["patient"].tolist() == [f"p{number // 2}" for number in expected]
        assert split.label_names == NAMES
        np.testing.assert_allclose(split.images[:, -1, -1], expected, atol=1)


def test_ages_sexes_and_views_are_read_where_the_table_has_them(root):
    assert open_split(root).table.dtype.names == ("image",)
    frame = pd.read_csv(root / "labels.csv")
    frame = frame.assign(**{"Patient Age": [f"{20 + n}" for n in range(40)], "sex": "female"})
    frame.loc[3, "Patient Age"] = "old"
    split = open_split(root, table=frame, split_column="set", patient_column="who")
    assert split.table.dtype.names == ("image", "patient", "age", "sex")
    ages = [-1 if number == 3 else 20 + number for number in numbers(split)]
    assert split.table["age"].tolist() == ages and set(split.table["sex"]) == {"F"}
    with pytest.raises(DataError, match=r'data\.load\("folder", root=…, table=…\)'):
        load(root / "labels.csv")


@pytest.mark.parametrize("column", ["who", None])
def test_without_a_split_column_the_hash_of_the_patient_decides(root, column):
    found = {}
    for name, least, most in (("val", 0.0, 0.1), ("test", 0.1, 0.3), ("train", 0.3, 1.0)):
        split = open_split(root, name, patient_column=column)
        found[name] = numbers(split)
        keys = split.table["patient" if column else "image"].tolist()
        assert keys and all(least <= hash_fraction(key) < most for key in keys)
    assert sorted(n for images in found.values() for n in images) == list(range(40))


def test_one_column_of_names(root):
    split = open_split(root, split_column="set", label_column="class")
    number = np.array(numbers(split))
    np.testing.assert_array_equal(split.labels[:, 0], number % 3 > 0)
    np.testing.assert_array_equal(split.labels[:, 1], number % 3 == 2)


def test_blank_cells_are_labels_that_are_not_known(root):
    table = root / "labels.csv"
    text = table.read_text().replace("p0,0,0", "p0,,0").replace("p0,1,0", "p0,True,nan")
    table.write_text(text)
    split = open_split(root, split_column="set")
    np.testing.assert_array_equal(split.labels[:2], [[np.nan, 0], [1, np.nan]])
    assert not np.isnan(split.labels[2:]).any()


def test_names_without_their_ending_and_a_table_elsewhere(root, tmp_path):
    table = tmp_path / "tables" / "mine.csv"
    table.parent.mkdir()
    table.write_text((root / "labels.csv").read_text().replace(".jpeg", ""))
    split = open_split(root, split_column="set", table="tables/mine.csv")
    assert split.fingerprint == open_split(root, split_column="set").fingerprint
    assert len(open_split(root, split_column="set", table=str(table))) == len(split)


def test_damaged_and_missing_images(root):
    (root / "images" / "00.jpeg").unlink()
    (root / "images" / "01.jpeg").write_bytes(b"\xff\xd8 no more")
    with pytest.warns(UserWarning, match="1 have no file .*1 cannot be read"):
        split = open_split(root, split_column="set")
    assert numbers(split)[0] == 6 and split.labels[0].tolist() == [0, 0]


def test_tables_and_arguments_that_cannot_be_used(root, expect_error):
    expect_error(open_split, root, table="none.csv", names="none.csv")
    for argument in ("image_column", "patient_column", "split_column", "label_column"):
        error = expect_error(open_split, root, **{argument: "nowhere"}, names="labels.csv")
        assert "'nowhere'" in str(error) and "'file'" in str(error)
    error = expect_error(open_split, root, label_names=["effusion", "mass"], names="labels.csv")
    assert "'mass'" in str(error)
    expect_error(open_split, root, label_names=["mass"], label_column="class", names="labels.csv")
    expect_error(open_split, root, label_names=["class"], names="column 'class'")
    expect_error(open_split, root, split_column="class", names="labels.csv")
    expect_error(open_split, root, label_names=None, names="argument label_names")
    expect_error(open_split, root, label_names="effusion", names="argument label_names")
    expect_error(load, "folder", label_names=NAMES, names="argument root")
    table = root / "labels.csv"
    table.write_text(table.read_text().replace("images/03", "images/02"))
    expect_error(open_split, root, names="labels.csv")


def test_patients_in_two_splits_are_refused(root, expect_error):
    table = root / "labels.csv"
    table.write_text(table.read_text().replace(",p1,", ",p0,", 1))
    error = expect_error(
        open_split, root, split_column="set", patient_column="who", names="labels.csv"
    )
    assert "patient p0 in both train and val" in str(error)
    assert len(open_split(root, patient_column="who"))  # cut by hash, nobody can be in two


def test_suspect_and_equal_images_are_reported_dropped_or_refused(root, expect_error, tmp_path):
    names = [f"images/{number:02}.jpeg" for number in (0, 1, 6, 7, 12)]
    Image.new("L", (32, 32), 90).save(root / names[0])
    Image.new("L", (8, 32), 90).save(root / names[1])
    (root / names[3]).write_bytes((root / names[2]).read_bytes())
    (root / names[4]).write_bytes(b"damaged")
    with pytest.warns(UserWarning) as warned:
        split = open_split(root, split_column="set")
    assert split.report == {
        "unreadable": [f"{root / names[4]} (not an image in a known format)"],
        "constant": names[:2],
        "duplicate": [f"{names[3]} = {names[2]} with other labels"],
    }
    (text,) = (str(warning.message) for warning in warned)
    assert "of the 14 images of the train split 1 cannot be read" in text and names[0] in text
    with pytest.warns(UserWarning, match="suspect ones are left out"):
        dropped = open_split(root, split_column="set", on_suspect="drop")
    assert not set(dropped.table["image"]) & set(names) and len(dropped) == len(split) - 4
    error = expect_error(open_split, root, split_column="set", on_suspect="error", names=root)
    assert names[3] in str(error)
    expect_error(open_split, root, on_suspect="skip", names="argument on_suspect")
    with pytest.warns(UserWarning) as warned:
        quiet = open_split(root, split_column="set", on_suspect=None)
    (text,) = (str(warning.message) for warning in warned)
    assert "cannot be read" in text and "constant" not in text
    assert quiet.report == split.report


def test_a_file_under_two_names_is_refused(root, expect_error):
    table = root / "labels.csv"
    with table.open("a") as stream:
        stream.write("\nimages/00,p0,1,0,normal,training")
    error = expect_error(open_split, root, split_column="set", names="00.jpeg")
    assert "twice" in str(error)


def test_control_characters_are_escaped_in_messages(root):
    (root / "images" / "00.jpeg").unlink()
    table = root / "labels.csv"
    table.write_text(table.read_text().replace("images/00", "\x1b[31mimages/00"))
    with pytest.warns(UserWarning, match=r"\\x1b\[31mimages"):
        open_split(root, split_column="set")


def test_a_patient_column_is_found_and_named(root):
    table = root / "labels.csv"
    table.write_text(table.read_text().replace(",who,", ",PatientID,"))
    with pytest.warns(UserWarning, match="column 'PatientID' of labels.csv keeps patients in one"):
        split = open_split(root)
    assert split.fingerprint == open_split(root, patient_column="PatientID").fingerprint
    text = table.read_text().replace(",p0,", ",,")
    table.write_text(text)
    with pytest.warns(UserWarning, match="2 have no patient"):
        open_split(root, split_column="set", patient_column="PatientID")
    others = open_split(root, "test", split_column="set", patient_column="PatientID")
    assert "no patient" not in others.report, "they are in the training split"


def test_a_split_without_images_is_named(root, expect_error):
    table = root / "labels.csv"
    table.write_text(table.read_text().replace(",Valid", ",test"))
    error = expect_error(
        open_split, root, "val", split_column="set", names="no images of the val split"
    )
    assert "a hash of each patient chooses the split" in str(error)


def test_a_data_frame_is_a_table(root):
    frame = pd.read_csv(root / "labels.csv").astype({"effusion": float})
    frame.index = frame.index % 7
    for split in ("train", "test"):
        options = {"patient_column": "who", "split": split}
        expected = open_split(root, **options)
        assert open_split(root, table=frame, **options).fingerprint == expected.fingerprint
    frame.loc[frame["file"] == "images/00.jpeg", "effusion"] = np.nan
    assert np.isnan(open_split(root, split_column="set", table=frame).labels[0, 0])


def test_patients_of_a_data_frame_keep_their_names_where_one_is_missing():
    """Integers beside an empty cell are floats in pandas."""
    frame = pd.DataFrame({"who": [7.0, 12.0, np.nan], "share": [0.5, 1.0, 2.0]})
    assert as_text(frame)["who"].tolist() == ["7", "12", ""]
    assert as_text(frame)["share"].tolist() == ["0.5", "1", "2"]


def test_a_folder_that_has_moved_is_given_by_its_root(root, tmp_path):
    options = {"label_names": NAMES, "image_column": "file", "progress": False}
    moved = load(tmp_path / "gone", 32, split_column="set", root=root, **options)
    assert moved.fingerprint == open_split(root, split_column="set").fingerprint
    with pytest.raises(DataError, match=r"Unknown source .*neither a file nor"):
        load(tmp_path / "gone", 32, **options)
    with pytest.raises(DataError, match=r"Did you mean 'chexpert'\?"):
        load("chexpret", 32, root=root, **options)


def test_the_path_of_a_folder_is_a_source(root):
    options = {"label_names": NAMES, "image_column": "file", "progress": False}
    found = load(root, 32, split_column="set", **options)
    assert found.source == "folder"
    assert found.fingerprint == open_split(root, split_column="set").fingerprint


def test_a_table_in_the_working_folder_is_named(root, tmp_path, monkeypatch, expect_error):
    (tmp_path / "work").mkdir()
    (root / "labels.csv").rename(tmp_path / "work" / "mine.csv")
    monkeypatch.chdir(tmp_path / "work")
    error = expect_error(open_split, root, table="mine.csv", names="relative to root")
    path = str(error).rpartition("Pass table=")[2].strip("'")
    assert len(open_split(root, table=path))


@pytest.mark.parametrize(
    "cell",
    ["Effusion|Old fracture", "old_fracture; EFFUSION", "effusion,old fracture", "['effusion ', "
     "'Old  Fracture']", '["old fracture", "effusion"]', "[effusion, old fracture]"],
)  # fmt: skip
def test_lists_of_labels_in_one_cell(root, cell):
    table = root / "labels.csv"
    quoted = '"' + cell.replace('"', '""') + '"'
    text = table.read_text().replace("effusion|old fracture", quoted).replace(",normal,", ",,")
    table.write_text(text.replace(",effusion,", ",[],").replace("file,who,[]", "file,who,effusion"))
    split = open_split(root, label_column="class")
    kind = np.array(numbers(split)) % 3
    assert {*kind} == {0, 1, 2} and np.isnan(split.labels[kind == 0]).all()
    assert (split.labels[kind == 2] == 1).all() and not split.labels[kind == 1].any()


def test_no_finding_beside_a_finding_is_counted(root):
    table = root / "labels.csv"
    table.write_text(table.read_text().replace("effusion|old", "No Finding|effusion|old"))
    with pytest.warns(UserWarning, match="have No Finding beside another finding"):
        split = open_split(root, "val", split_column="set", label_column="class")
    expected = [f"images/{number:02}.jpeg" for number in numbers(split) if number % 3 == 2]
    assert split.report["contradictory"] == expected


def test_a_warning_where_no_label_is_known(root):
    table = root / "labels.csv"
    lines = table.read_text().splitlines()
    blank = [",".join([*line.split(",")[:2], "", "", *line.split(",")[4:]]) for line in lines[1:]]
    table.write_text("\n".join([lines[0], *blank]))
    with pytest.warns(UserWarning, match="14 have no known label"):
        open_split(root, split_column="set")


def test_rows_of_several_readers_are_joined_or_refused(root, expect_error):
    """Image 00: three readers, of whom one has two rows; image 01: a tie; 06: one unknown."""
    rows = ["image,reader,effusion,set"]
    rows += [
        f"images/00,{reader},{value},train" for reader, value in zip("aabc", "1100", strict=True)
    ]
    rows += [
        "images/01,a,1,train",
        "images/01,b,0,train",
        "images/06,a,,train",
        "images/06,b,1,train",
    ]
    (root / "labels.csv").write_text("\n".join(rows))
    options = {"image_column": "image", "label_names": ["effusion"], "split_column": "set"}
    error = expect_error(open_split, root, **options, names="labels.csv")
    assert "readers='majority'" in str(error)
    joined = {
        "any": [1, 1, 1],
        "majority": [np.nan, np.nan, 1],  # of rows
    }
    for rule, expected in joined.items():
        split = open_split(root, **options, readers=rule)
        assert numbers(split) == [0, 1, 6]
        np.testing.assert_array_equal(split.labels[:, 0], expected)
    split = open_split(root, **options, readers="majority", reader_column="reader")
    np.testing.assert_array_equal(split.labels[:, 0], [0, np.nan, 1])
    expect_error(open_split, root, **options, readers="first", names="argument readers")
