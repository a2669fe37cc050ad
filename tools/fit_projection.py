"""Fit the frequency of AP projections to the findings, on NIH's table of its images.

python tools/fit_projection.py PATH/Data_Entry_2017_v2020.csv.gz

Prints the intercept and the 14 coefficients of a logistic regression of AP on the findings, which
``xraylab/phantom/patient.py`` contains. The table (``nihcc2017``) is not part of xraylab.
"""

import csv
import gzip
import sys

import numpy as np
from sklearn.linear_model import LogisticRegression

from xraylab.findings import FINDINGS


def main():
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    with gzip.open(sys.argv[1], "rt", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    labels = [set(row["Finding Labels"].lower().split("|")) for row in rows]
    findings = np.array([[name in names for name in FINDINGS] for names in labels], float)
    is_ap = np.array([row["View Position"] == "AP" for row in rows])
    model = LogisticRegression(C=np.inf, max_iter=1000).fit(findings, is_ap)
    print(f"{len(rows):,} images, {is_ap.mean():.1%} AP")
    print(f"AP_INTERCEPT = {model.intercept_[0]:.2f}")
    for column, (name, slope) in enumerate(zip(FINDINGS, model.coef_[0], strict=True)):
        present = findings[:, column] == 1
        fitted = model.predict_proba(findings[present])[:, 1].mean()
        observed = is_ap[present].mean()
        print(f"{slope:.2f},  # {name}: AP in {observed:.0%} of its images, fitted {fitted:.0%}")


if __name__ == "__main__":
    main()
