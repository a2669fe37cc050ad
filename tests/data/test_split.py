"""Split: what it shows, and choosing images from it."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from xraylab.data import DataError, Split
from xraylab.findings import FINDINGS
from xraylab.phantom import BOX_DTYPE


@pytest.fixture
def split():
    boxes = np.array(
        [(2, 4, 0.1, 0.1, 0.2, 0.2), (0, 1, 0, 0, 1, 1), (2, 3, 0.5, 0.5, 0.6, 0.7)], BOX_DTYPE
    )
    return Split(
        np.arange(4 * 28 * 28, dtype=np.uint8).reshape(4, 28, 28),
        np.eye(4, 14, k=1, dtype=np.uint8),
        source="phantom",
        split="val",
        label_names=FINDINGS,
        boxes=boxes,
        table=np.array([("F", 60), ("M", 50), ("F", 40), ("M", 30)], [("sex", "U1"), ("age", int)]),
        masks=np.arange(4 * 14 * 28 * 28).reshape(4, 14, 28, 28) % 3 == 0,
        simulated=True,
        fingerprint="f" * 64,
    )


def test_repr_describes_the_split(split):
    text = repr(split)
    expected = ("phantom", "val", "4 images", "28×28 px", "14 labels", "SIMULATED", "boxes", "age")
    for part in (*expected, "masks"):
        assert part in text
    assert len(text.splitlines()) <= 3 and len(split) == 4


def test_subset_selects_images_labels_and_boxes(split):
    part = split.subset([2, 1, 2])
    np.testing.assert_array_equal(part.images, split.images[[2, 1, 2]])
    np.testing.assert_array_equal(part.labels, split.labels[[2, 1, 2]])
    assert part.boxes["image"].tolist() == [0, 0, 2, 2]
    assert part.boxes["finding"].tolist() == [4, 3, 4, 3]
    assert part.simulated and part.fingerprint != split.fingerprint
    assert split.boxes["image"].tolist() == [2, 0, 2]


def test_subset_selects_table_and_masks(split):
    part = split.subset([2, 1, 2]).subset(slice(1, None))
    assert part.table["age"].tolist() == [50, 40]
    assert len(part.masks) == 2
    np.testing.assert_array_equal(part.masks[-1], split.masks[2])
    np.testing.assert_array_equal(part.masks[[1, 0]], split.masks[[2, 1]])
    np.testing.assert_array_equal(part.masks[:], split.masks[1:3])
    with pytest.raises(IndexError, match="out of bounds"):
        part.masks[2]
    bare = replace(split, table=None, masks=None).subset([0])
    assert bare.table is None and bare.masks is None and "table" not in repr(bare)


def test_labels_are_chosen_with_their_masks(split, expect_error):
    chosen = split.with_labels(["edema", "effusion"])
    columns = [FINDINGS.index("edema"), FINDINGS.index("effusion")]
    np.testing.assert_array_equal(chosen.labels, split.labels[:, columns])
    np.testing.assert_array_equal(chosen.masks[2], split.masks[2][columns])
    np.testing.assert_array_equal(chosen.subset([3, 1]).masks[:], split.masks[[3, 1]][:, columns])
    assert chosen.fingerprint != split.with_labels(["effusion", "edema"]).fingerprint
    assert split.with_labels(FINDINGS) is split
    assert "Did you mean 'edema'" in str(
        expect_error(split.with_labels, ["odema"], names="label_names")
    )


def test_unknown_labels_are_nan(split):
    unknown = np.arange(4 * 14).reshape(4, 14) % 3 == 0
    partly = replace(split, labels=np.where(unknown, np.nan, split.labels))
    assert partly.labels.dtype == split.labels.dtype == np.float32
    np.testing.assert_array_equal(np.isnan(partly.subset([2, 1, 2]).labels), unknown[[2, 1, 2]])
    assert f"unknown labels: {unknown.mean():.1%}" in repr(partly)
    assert "unknown labels" not in repr(split)


def test_subset_by_slice_and_by_booleans(split):
    by_slice = split.subset(slice(1, 3))
    by_truth = split.subset(np.array([False, True, True, False]))
    assert np.shares_memory(by_slice.images, split.images)
    np.testing.assert_array_equal(by_slice.images, by_truth.images)
    assert by_slice.fingerprint == by_truth.fingerprint
    assert by_slice.boxes["image"].tolist() == [1, 1]


def test_an_index_is_a_subset_and_the_rest_is_explained(split):
    assert split[1:3].fingerprint == split.subset(slice(1, 3)).fingerprint
    assert split[[3, 1]].table["age"].tolist() == [30, 50]
    with pytest.raises(TypeError, match=r"Received: 2\. Use split\.images and split\.labels"):
        split[2]
    with pytest.raises(TypeError, match=r"x, y = split\.arrays\(\)"):
        _, _ = split


def test_labels_and_table_become_a_frame(split):
    table = np.zeros(4, [*split.table.dtype.descr, ("side", int, 3)])
    table["sex"] = split.table["sex"]
    frame = replace(split, table=table).to_frame()
    assert frame.groupby("sex")[FINDINGS[1]].mean().to_dict() == {"F": 0.5, "M": 0}
    assert frame["side"][3].shape == (3,)
    assert replace(split, table=None).to_frame().columns.tolist() == [*FINDINGS]


def test_subset_outside_the_split(split, expect_error):
    for indices in ([], slice(9, 9)):
        expect_error(split.subset, indices, names="rows")
    for indices in ([4], [-5], [True, False]):
        with pytest.raises(IndexError):
            split.subset(indices)


def test_arrays_that_do_not_fit(split, expect_error):
    facts = {"source": "mine", "split": "train", "label_names": FINDINGS}
    facts["fingerprint"] = ""
    images, labels = split.images, split.labels
    for bad in ((images / 255, labels), (images[:3], labels), (images, labels[:, :3])):
        expect_error(Split, *bad, **facts, names="mine")
    expect_error(Split, images[..., None], labels, **facts, names="without an axis of channels")
    expect_error(Split, images, labels, **facts, boxes=np.zeros((3, 4)), names="boxes")
    expect_error(Split, images, labels, **facts, table=np.zeros(4), names="table")
    expect_error(Split, images, labels, **facts, table=split.table[:3], names="table")
    expect_error(Split, images, labels, **facts, masks=split.masks[:3], names="masks")
    expect_error(Split, images, labels, **facts, masks=7, names="masks")
    expect_error(Split, images, labels * 2, **facts, names="labels")
    assert Split(images, labels, **facts).size == 28


def test_own_arrays_need_only_label_names(split):
    images, labels = split.images.copy(), np.array(split.labels, int)
    own = Split(images, labels, label_names=FINDINGS)
    assert (own.source, own.split) == ("arrays", "train")
    assert own.fingerprint == Split(images[::-1][::-1], labels, label_names=FINDINGS).fingerprint
    images[0, 0, 0] ^= 1
    other_images = Split(images, labels, label_names=FINDINGS).fingerprint
    images[0, 0, 0] ^= 1
    labels[0, 0] ^= 1
    other_labels = Split(images, labels, label_names=FINDINGS).fingerprint
    assert len({own.fingerprint, other_images, other_labels}) == 3


def test_data_errors_can_be_pickled():
    error = DataError("a.npz is wrong", "this", "that", "Do so")
    assert str(error) == "a.npz is wrong. Expected: this. Received: that. Do so"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
