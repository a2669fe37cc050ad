"""The table in ``book/api/data.md`` of what each source does with each value of a label."""

import io
import re
from pathlib import Path

import numpy as np
import pytest

from xraylab.data import DataError
from xraylab.data.chexpert import COLUMNS, list_chexpert
from xraylab.data.folder import list_folder
from xraylab.data.mimic_cxr import list_mimic_cxr
from xraylab.data.nih14 import list_nih14
from xraylab.data.npz import load_npz
from xraylab.data.report import Report
from xraylab.data.vindr_cxr import list_vindr_cxr
from xraylab.findings import VINDR_FINDINGS

PAGE = Path(__file__).resolve().parents[2] / "book" / "api" / "data.md"
TEXTS = {"blank": "", "nan": "nan", "-1": "-1", "0.5": "0.5", "another text": "old fracture"}
NAMES = ["effusion", "no_finding"]


def documented():
    """Return the table as {source: {column: words}}."""
    rows = [line.strip("| ").split("|") for line in PAGE.read_text().splitlines() if "|" in line]
    header, _, *rows = [[cell.strip().strip("`") for cell in row] for row in rows]
    return {row[0].replace("`", ""): dict(zip(header[1:], row[1:], strict=True)) for row in rows}


def write(path, *lines):
    path.write_text("\n".join(lines))


def in_columns(columns, names, effusion, no_finding):
    """Return cells of 0 in columns but for two."""
    values = dict.fromkeys(columns, "0") | {names[0]: effusion, names[1]: no_finding}
    return ",".join(values.values())


def nih14(root, effusion, no_finding, rows, **_):
    cell = "|".join(filter(None, ("No Finding" if no_finding == "1" else "", effusion)))
    cell = cell.replace("1", "Effusion") if effusion == "1" else cell
    header = "Image Index,Finding Labels,Patient ID"
    write(root / "Data_Entry_2017.csv", header, *[f"a.png,{cell},1"] * rows)
    write(root / "train_val_list.txt", "b.png")
    write(root / "test_list.txt", "a.png")
    return list_nih14(root, split="test"), 2


def chexpert(root, effusion, no_finding, rows, **options):
    header = f"Path,Sex,Age,Frontal/Lateral,AP/PA,{','.join(COLUMNS)}"
    cells = in_columns(COLUMNS, ("Pleural Effusion", "No Finding"), effusion, no_finding)
    row = "patient{}/study1/view1_frontal.jpg,F,50,Frontal,PA,{}"
    write(root / "train.csv", header, row.format(1, cells.replace(effusion, "0")))
    write(root / "valid.csv", header, *[row.format(2, cells)] * rows)
    return list_chexpert(root, split="test", **options), COLUMNS.index("Pleural Effusion")


def mimic_cxr(root, effusion, no_finding, rows, **options):
    cells = in_columns(COLUMNS, ("Pleural Effusion", "No Finding"), effusion, no_finding)
    kinds = {
        "metadata": ("dicom_id,subject_id,study_id,ViewPosition", "a,10,50,PA"),
        "split": ("dicom_id,subject_id,split", "a,10,test"),
        "chexpert": (f"study_id,{','.join(COLUMNS)}", f"50,{cells}"),
    }
    for kind, (header, row) in kinds.items():
        write(root / f"mimic-cxr-2.0.0-{kind}.csv", header, *[row] * rows)
    return list_mimic_cxr(root, split="test", **options), COLUMNS.index("Pleural Effusion")


def vindr_cxr(root, effusion, no_finding, rows, **_):
    cells = in_columns(VINDR_FINDINGS, ("pleural_effusion", "no_finding"), effusion, no_finding)
    table = [
        f"image_id,rad_id,{','.join(VINDR_FINDINGS)}",
        *(f"a,R{i},{cells}" for i in range(rows)),
    ]
    write(root / "image_labels_test.csv", *table)
    return list_vindr_cxr(root, split="test"), VINDR_FINDINGS.index("pleural_effusion")


def folder(root, effusion, no_finding, rows, **options):
    write(root / "labels.csv", "image,split,effusion,no_finding",
          *[f"a.png,test,{effusion},{no_finding}"] * rows)  # fmt: skip
    options |= {"split": "test", "split_column": "split", "label_names": NAMES}
    return list_folder(root, **options), 0


def folder_of_names(root, effusion, no_finding, rows, **options):
    cell = "|".join(filter(None, ("no finding" if no_finding == "1" else "", effusion)))
    cell = cell.replace("1", "effusion") if effusion == "1" else cell
    others = ["b.png,test,effusion", "c.png,test,no finding"]
    write(root / "labels.csv", "image,split,class", *[f"a.png,test,{cell}"] * rows, *others)
    options |= {"split": "test", "split_column": "split", "label_names": NAMES}
    return list_folder(root, label_column="class", **options), 0


def npz(root, effusion, no_finding, rows, **_):
    labels = np.array([[effusion or "nan", no_finding]])
    if effusion in ("nan", "-1", "0.5", "0", "1", ""):
        labels = labels.astype(float)
    images = np.random.default_rng(0).integers(0, 256, (1, 8, 8), np.uint8)
    stream = io.BytesIO()
    np.savez(stream, test_images=images, test_labels=labels)
    (root / "images.npz").write_bytes(stream.getvalue())
    options = {"cache_dir": root / "cache", "label_names": NAMES, "progress": False}
    return load_npz(root / "images.npz", split="test", on_suspect=None, **options), 0


SOURCES = {
    "nih14": nih14,
    "chexpert": chexpert,
    "mimic_cxr": mimic_cxr,
    "vindr_cxr": vindr_cxr,
    "folder": folder,
    "folder, label_column": folder_of_names,
    ".npz": npz,
}
WORDS = {0.0: "absent", 1.0: "present"}


def outcome(source, root, effusion, no_finding="0", rows=1, **options):
    """Return what becomes of a label, in the word of the table."""
    try:
        listing, column = SOURCES[source](root, effusion, no_finding, rows, **options)
    except DataError:
        return "refused"
    if no_finding == "1":
        report = Report(getattr(listing, "report", {}))
        report.add_labels(listing.labels, listing.label_names, ["a.png"] * len(listing.labels))
        return "reported" if "contradictory" in report else "kept"
    if rows > 1:
        assert len({*map(str, listing.table["image"])}) == len(listing.labels)
        return "joined"
    return WORDS.get(float(listing.labels[0, column]), "unknown")


def test_all_sources_of_files_are_in_the_table():
    from xraylab.data import NAMED_SOURCES

    assert [*documented()] == [*SOURCES]
    assert {*NAMED_SOURCES} - {"phantom", "chestmnist"} <= {*SOURCES}


@pytest.mark.parametrize("source", SOURCES)
def test_the_table_is_what_the_code_does(source, tmp_path):
    row = documented()[source]
    for column, words in row.items():
        if column == "No Finding beside a finding":
            found = outcome(source, tmp_path, "1", no_finding="1")
        elif column == "several rows":
            found = outcome(source, tmp_path, "1", rows=2) if words != "—" else "—"
            if "readers" in words and source.startswith("folder"):
                assert outcome(source, tmp_path, "1", rows=2, readers="any") == "joined"
        elif words.startswith("by uncertain"):
            rules = ("ones", "zeros", "ignore")
            found = [outcome(source, tmp_path, TEXTS[column], uncertain=rule) for rule in rules]
            assert found == ["present", "absent", "unknown"]
            continue
        else:
            found = outcome(source, tmp_path, TEXTS[column]) if words != "—" else "—"
        assert re.match(r"[\w—]+", words)[0] == found, (source, column)
    assert outcome(source, tmp_path, "1") == "present"
