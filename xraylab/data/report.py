"""Report suspect images of a source: warn of them, drop them or raise an error."""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from xraylab.data.errors import DataError
from xraylab.data.split import Split
from xraylab.io import printable

POLICIES = ("warn", "drop", "error")
"""Policies for suspect images, see :func:`xraylab.data.listing.load_listing`."""

KINDS = {
    "missing": "have no file and are left out",
    "unreadable": "cannot be read and are left out",
    "constant": "are constant (a single grey level)",
    "narrow": "have an aspect ratio above 3:1",
    "negative": "look like negatives (inverted, MONOCHROME1)",
    "sideways": "seem to lie on their side",
    "duplicate": "are identical to another one",
    "contradictory": "have No Finding beside another finding",
    "unlabelled": "have no known label",
    "no split": "are in no split list and are left out",
    "no view": "are kept although their table does not say whether they are frontal or lateral",
    "no patient": "have no patient and count as one each",
}
"""Kinds of entries of a report, with the text of the warning."""

_NOT_SUSPECT = ("missing", "contradictory", "unlabelled", "no split", "no view", "no patient")
_LOST = ("missing", "unreadable", "no split")  # images that are left out
_NAMED = 5  # images of each kind that a warning names
_MAY_ACCOMPANY = ("no_finding", "support_devices")  # findings that No Finding does not exclude


class Report(dict[str, list[str]]):
    """Names of images by what was found about them, one of :data:`KINDS` or ``"note"``."""

    def add(self, kind: str, names: Iterable[str]) -> None:
        """Add names, if there are any."""
        if names := [*names]:
            self[kind] = [*self.get(kind, ()), *names]

    def add_suspect(self, found: np.ndarray, names: Sequence[str]) -> np.ndarray:
        """Add images by what :func:`xraylab.data.image_io.suspect` found; return where it did.

        Shapes:
            found: (n,) text, empty where nothing is suspect; returns: (n,) bool.
        """
        for kind in np.unique(found[found != ""]):
            self.add(str(kind), (names[row] for row in np.flatnonzero(found == kind).tolist()))
        return found != ""

    def add_duplicates(
        self,
        digests: np.ndarray,
        names: Sequence[str],
        labels: np.ndarray,
        others: dict[int, str] | None = None,
    ) -> np.ndarray:
        """Add images that are identical to an earlier one, or to one of another split.

        Shapes:
            digests: (n,) uint64, 0 where an image is not compared; labels: (n, num_labels);
            returns: (n,) bool, the images to drop: all but the first of equal ones, and the first
            as well where their labels differ.

        Args:
            digests: of the images; equal for identical images.
            names: names of the images.
            labels: their labels.
            others: names of the images of other splits by digest.
        """
        _, first, group = np.unique(digests, return_index=True, return_inverse=True)
        first, drop = first[group], np.zeros(len(digests), bool)
        for row in np.flatnonzero((first != np.arange(len(first))) & (digests != 0)).tolist():
            same = np.array_equal(labels[row], labels[first[row]], equal_nan=True)
            drop[row], drop[first[row]] = True, drop[first[row]] or not same
            other = f"{names[row]} = {names[first[row]]}"
            self.add("duplicate", [other if same else f"{other} with other labels"])
        for row in np.flatnonzero(np.isin(digests, [*(others or ())]) & (digests != 0)).tolist():
            drop[row] = True
            self.add("duplicate", [f"{names[row]} = {(others or {})[int(digests[row])]}"])
        return drop

    def add_labels(
        self, labels: np.ndarray, label_names: Sequence[str], names: Sequence[str]
    ) -> None:
        """Add images with No Finding beside a finding, and all images if none has a known label."""
        keys = [name.lower().replace(" ", "_") for name in label_names]
        if "no_finding" in keys:
            others = [j for j, key in enumerate(keys) if key not in _MAY_ACCOMPANY]
            wrong = (labels[:, keys.index("no_finding")] == 1) & (labels[:, others] == 1).any(1)
            self.add("contradictory", (names[row] for row in np.flatnonzero(wrong).tolist()))
        if np.isnan(labels).all():
            self.add("unlabelled", names)

    def text(self) -> str:
        """Describe the report in one line that names a few images of each kind."""
        parts = []
        for kind, names in self.items():
            more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
            count = f"{len(names):,} {KINDS[kind]}" if kind in KINDS else kind
            parts.append(f"{count}: {', '.join(names[:_NAMED])}{more}")
        return printable("; ".join(parts))

    def apply_policy(self, subject: str, policy: str | None = "warn") -> None:
        """Warn of the entries of the report, or raise an error.

        Args:
            subject: the images, such as ``"folder: of the 7 images of the train split"``.
            policy: ``"error"`` raises for images that are suspect, duplicate or unreadable; None
                warns only of images that are left out.

        Raises:
            DataError: if the policy is ``"error"`` and there are such images.
        """
        refused = Report({kind: self[kind] for kind in self if kind not in (*_NOT_SUSPECT, "note")})
        if policy == "error" and refused:
            advice = 'Repair or remove them, or pass on_suspect="drop" or "warn"'
            raise DataError(subject, "images without defects", refused.text(), advice)
        kinds = self if policy else [kind for kind in _LOST if kind in self]
        if kinds:
            text = Report({kind: self[kind] for kind in kinds}).text()
            dropped = ", suspect ones are left out" if policy == "drop" and refused else ""
            warnings.warn(f"{printable(subject)} {text}{dropped}", stacklevel=5)


def examined(
    split: Split,
    report: Report,
    names: Sequence[str],
    facts: np.ndarray,
    subject: str,
    policy: str | None,
    others: dict[int, str] | None = None,
) -> Split:
    """Return a loaded split with its report, after warning of suspect and duplicate images.

    Args:
        split: the split.
        report: what was found before the images were read; it is completed.
        names: names of the images.
        facts: ``suspect`` as for :meth:`Report.add_suspect` and ``digest`` as for
            :meth:`Report.add_duplicates`.
        subject: as for :meth:`Report.apply_policy`.
        policy: one of :data:`POLICIES`, or None as for :meth:`Report.apply_policy`.
        others: as for :meth:`Report.add_duplicates`.

    Raises:
        DataError: as :meth:`Report.apply_policy`.
    """
    dropped = report.add_suspect(facts["suspect"], names)
    dropped |= report.add_duplicates(facts["digest"], names, split.labels, others)
    report.add_labels(split.labels, split.label_names, names)
    report.apply_policy(subject, policy)
    split = replace(split, report=report)
    return split.subset(~dropped) if policy == "drop" and dropped.any() else split
