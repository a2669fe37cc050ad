"""MIMIC-CXR-JPG from its own image files and tables: labels by study, splits by patient."""

import os
from pathlib import Path

from xraylab.arguments import require_choice
from xraylab.data import columns, tables
from xraylab.data.chexpert import COLUMNS, UNCERTAIN, observations
from xraylab.data.listing import Listing, image_paths
from xraylab.data.report import Report
from xraylab.findings import CHEXPERT_FINDINGS


def list_mimic_cxr(
    root: str | os.PathLike,
    *,
    split: str = "train",
    uncertain: str = "ones",
    frontal_only: bool = True,
    labeler: str = "chexpert",
) -> Listing:
    """List one split of MIMIC-CXR-JPG from the folder in which it was unpacked.

    The split is the release's. The labels are those of an image's study; of a study that the
    labeler's table lacks, they are unknown. A patient's age and sex are not part of the release.

    Shapes:
        labels: (n, 14) float32, NaN where unknown; table: (n,) with ``image``
        (``files/p10/p10000032/s50414267/….jpg``), ``patient``, ``study`` and ``view`` (PA, AP,
        LATERAL, LL …, empty where it is not recorded).

    Args:
        root: the folder that has ``files/`` and the tables ``mimic-cxr-2.0.0-metadata.csv``,
            ``…-split.csv`` and ``…-chexpert.csv``, plain or gzipped.
        split: ``"train"``, ``"val"`` or ``"test"``.
        uncertain: what the label -1 counts as, see :func:`xraylab.data.chexpert.list_chexpert`.
        frontal_only: whether to leave out images whose view is recorded and neither PA nor AP.
        labeler: which labels: of ``"chexpert"`` or ``"negbio"``.

    Returns:
        The images of the split, before any is opened.

    Raises:
        ValueError: if an argument is wrong.
        DataError: if a file is not as described, or a patient is in two splits.

    References: ``johnson2019``.
    """
    require_choice("uncertain", uncertain, UNCERTAIN)
    require_choice("frontal_only", frontal_only, (True, False))
    require_choice("labeler", labeler, ("chexpert", "negbio"))
    root, what = Path(root).expanduser(), "MIMIC-CXR-JPG's table"
    metadata, lists, labelled = (
        tables.find_file(root, [f"mimic-cxr-*-{kind}.csv", f"mimic-cxr-*-{kind}.csv.gz"], what)
        for kind in ("metadata", "split", labeler)
    )
    splits = tables.read_table(lists, ("dicom_id", "patient", "split"))
    columns.require_unique(lists, splits["dicom_id"])
    splits["split"] = columns.split_names(lists, splits["split"])
    columns.require_one_split(lists, splits["patient"], splits["split"])
    images = tables.read_table(metadata, ("dicom_id", "patient", "study", "view"))
    columns.require_unique(metadata, images["dicom_id"])
    images["view"] = images["view"].str.upper()
    listed = images["dicom_id"].map(splits.set_index("dicom_id")["split"])
    report = Report()
    report.add("no split", images["dicom_id"][listed.isna()])
    images = images[listed == split]
    folders = "files/p" + images["patient"].str[:2] + "/p" + images["patient"]
    names = folders + "/s" + images["study"] + "/" + images["dicom_id"] + ".jpg"
    images = images.assign(image=names)
    if frontal_only:
        images = images[images["view"].str.match(r"(PA|AP)\b|$")]
        report.add("no view", images["image"][images["view"] == ""])
    studies = tables.read_table(labelled, ("study", *COLUMNS))
    columns.require_unique(labelled, studies["study"])
    labels = observations(labelled, studies, uncertain).set_axis(studies["study"])
    values = labels.reindex(images["study"]).to_numpy("float32")
    table = columns.image_table(images[["image", "patient", "study", "view"]])
    paths = image_paths([root], images["image"].tolist())
    return Listing(root, paths, values, CHEXPERT_FINDINGS, table, report=report)
