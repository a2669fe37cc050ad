"""The 14 findings of ChestX-ray14, in ChestMNIST's order: the ground floor of the package.

The order is that of the label columns in ``chestmnist.npz`` (``medmnist.INFO["chestmnist"]``) and
is used everywhere: in arrays, tables and plots. Beside them stand the 14 observations of CheXpert,
which are others.
"""

FINDINGS = (
    "atelectasis",
    "cardiomegaly",
    "effusion",
    "infiltration",
    "mass",
    "nodule",
    "pneumonia",
    "pneumothorax",
    "consolidation",
    "edema",
    "emphysema",
    "fibrosis",
    "pleural_thickening",
    "hernia",
)
"""Names of the 14 findings, ChestMNIST order. A finding's place here is its label column."""

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
"""One short name for each finding, for the axes of narrow plots."""


def title(finding: str) -> str:
    """Return a label name as it is printed: ``"pleural_thickening"`` → ``"Pleural thickening"``."""
    return finding.replace("_", " ").capitalize()


def index(finding: str) -> int:
    """Return the label column of a finding.

    Raises:
        ValueError: if ``finding`` is not one of :data:`FINDINGS`.
    """
    if finding not in FINDINGS:
        raise ValueError(f"unknown finding {finding!r}; the findings are {', '.join(FINDINGS)}")
    return FINDINGS.index(finding)
