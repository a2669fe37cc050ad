"""Label names: the 14 findings of ChestX-ray14 (ChestMNIST's order) and CheXpert's 14 observations.

ChestMNIST's order is that of the label columns in ``chestmnist.npz``
(``medmnist.INFO["chestmnist"]``). Arrays, tables and plots use it everywhere.
"""

from collections.abc import Sequence

from xraylab.arguments import invalid_argument, require_choice

SHORT_NAMES = {
    "atelectasis": "Atel",
    "cardiomegaly": "Card",
    "effusion": "Effu",
    "infiltration": "Infi",
    "mass": "Mass",
    "nodule": "Nodu",
    "pneumonia": "Pnmn",
    "pneumothorax": "Pntx",
    "consolidation": "Cons",
    "edema": "Edem",
    "emphysema": "Emph",
    "fibrosis": "Fibr",
    "pleural_thickening": "PlTh",
    "hernia": "Hern",
}
"""Short names of the findings, for the axes of narrow plots, in ChestMNIST's order."""

FINDINGS = tuple(SHORT_NAMES)
"""Names of the 14 findings in ChestMNIST's order: the index of a name is its label column."""

CHEXPERT_FINDINGS = (
    "no_finding",
    "enlarged_cardiomediastinum",
    "cardiomegaly",
    "lung_opacity",
    "lung_lesion",
    "edema",
    "consolidation",
    "pneumonia",
    "atelectasis",
    "pneumothorax",
    "pleural_effusion",
    "pleural_other",
    "fracture",
    "support_devices",
)
"""Names of CheXpert's 14 observations (``irvin2019``, Table 1), in the order of its CSV columns."""

CHEXPERT_COMPETITION = ("atelectasis", "cardiomegaly", "consolidation", "edema", "pleural_effusion")
"""Names of the five observations that CheXpert's competition scores (``irvin2019``).

All but "no finding", 13 observations, are ``CHEXPERT_FINDINGS[1:]``.
"""

VINDR_FINDINGS = (
    "aortic_enlargement",
    "atelectasis",
    "calcification",
    "cardiomegaly",
    "clavicle_fracture",
    "consolidation",
    "edema",
    "emphysema",
    "enlarged_pa",
    "ild",
    "infiltration",
    "lung_opacity",
    "lung_cavity",
    "lung_cyst",
    "mediastinal_shift",
    "nodule_mass",
    "pleural_effusion",
    "pleural_thickening",
    "pneumothorax",
    "pulmonary_fibrosis",
    "rib_fracture",
    "other_lesion",
    "copd",
    "lung_tumor",
    "pneumonia",
    "tuberculosis",
    "other_diseases",
    "no_finding",
)
"""Names of VinDr-CXR's 28 labels (``nguyen2022``): 22 findings that have boxes, 6 diagnoses."""

ALIASES = {"pleural_effusion": "effusion", "pulmonary_fibrosis": "fibrosis"}
"""Label names of other data sets (CheXpert, VinDr-CXR) and their names in ChestX-ray14."""


def check_label_names(label_names: Sequence[str] | None) -> tuple[str, ...]:
    """Return the label names as a tuple, after a check; None means the 14 findings."""
    if label_names is None:
        return FINDINGS
    names = tuple(label_names)
    if isinstance(label_names, str) or not names or len(set(names)) < len(names):
        advice = 'Pass names such as label_names=["normal", "pneumonia"]'
        expected = "a list of different names, one per label column"
        raise invalid_argument("label_names", expected, repr(label_names), advice)
    return names


def find_labels(label_names: Sequence[str], known: Sequence[str]) -> list[int]:
    """Return the index in ``known`` of each label; raise a ValueError that suggests a name."""
    names = check_label_names(label_names)
    return [known.index(require_choice("label_names", name, known)) for name in names]


def match_labels(label_names: Sequence[str], known: Sequence[str]) -> tuple[int | None, ...]:
    """Find labels among other labels by their names, with :data:`ALIASES` in either direction.

    Args:
        label_names: the labels to find.
        known: the labels to find them in.

    Returns:
        For each of ``label_names`` its index in ``known``; None if it is not there.
    """
    indices = {ALIASES.get(name, name): index for index, name in enumerate(known)}
    return tuple(indices.get(ALIASES.get(name, name)) for name in label_names)


def title(finding: str) -> str:
    """Format a label name for display: ``"pleural_thickening"`` → ``"Pleural thickening"``."""
    return finding.replace("_", " ").capitalize()


def index(finding: str) -> int:
    """Return the label column of a finding.

    Raises:
        ValueError: if ``finding`` is not one of :data:`FINDINGS`.
    """
    return FINDINGS.index(require_choice("finding", finding, FINDINGS))
