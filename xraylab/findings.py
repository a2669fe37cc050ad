"""Label names: the 14 findings of ChestX-ray14 (ChestMNIST's order) and CheXpert's 14 observations.

ChestMNIST's order is that of the label columns in ``chestmnist.npz``
(``medmnist.INFO["chestmnist"]``). Arrays, tables and plots use it everywhere.
"""

from xraylab.arguments import require_choice

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


def title(finding: str) -> str:
    """Format a label name for display: ``"pleural_thickening"`` → ``"Pleural thickening"``."""
    return finding.replace("_", " ").capitalize()


def index(finding: str) -> int:
    """Return the label column of a finding.

    Raises:
        ValueError: if ``finding`` is not one of :data:`FINDINGS`.
    """
    return FINDINGS.index(require_choice("finding", finding, FINDINGS))
