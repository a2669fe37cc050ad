"""Fit how often images with certain findings are AP, to NIH's own table of its images.

python tools/fit_projection.py PATH/Data_Entry_2017_v2020.csv.gz

Prints the intercept and the 14 coefficients of a logistic regression of AP on the findings, which
stand in ``xraylab/phantom/projection.py``. The table is ``nihcc2017``; it is not part of xraylab.
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
    named = [set(row["Finding Labels"].lower().split("|")) for row in rows]
    findings = np.array([[name in names for name in FINDINGS] for names in named], float)
    portable = np.array([row["View Position"] == "AP" for row in rows])
    model = LogisticRegression(C=np.inf, max_iter=1000).fit(findings, portable)
    print(f"{len(rows):,} images, {portable.mean():.1%} AP")
    print(f"INTERCEPT = {model.intercept_[0]:.2f}")
    for name, slope in zip(FINDINGS, model.coef_[0], strict=True):
        fitted = model.predict_proba(findings[findings[:, FINDINGS.index(name)] == 1])[:, 1].mean()
        seen = portable[findings[:, FINDINGS.index(name)] == 1].mean()
        print(f'    "{name}": {slope:.2f},  # {seen:.0%} of its images are AP, fitted {fitted:.0%}')


if __name__ == "__main__":
    main()
