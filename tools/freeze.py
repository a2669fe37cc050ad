"""Write the names and versions of the installed packages to constraints.txt."""

import re
from importlib import metadata
from pathlib import Path

CONSTRAINTS = Path(__file__).resolve().parents[1] / "constraints.txt"
EXCLUDED = {"pip", "setuptools", "wheel", "xraylab"}
HEADER = """\
# Versions that are tested together, for Python 3.11 to 3.13; make and conda install them.
# To update: create an environment, upgrade packages, pass the tests and the book, run
# 'make constraints'.
"""


def main():
    installed = {
        re.sub(r"[-_.]+", "-", package.metadata["Name"]).lower(): package.version
        for package in metadata.distributions()
    }
    lines = [f"{name}=={installed[name]}\n" for name in sorted(installed.keys() - EXCLUDED)]
    CONSTRAINTS.write_text(HEADER + "".join(lines), encoding="utf-8")
    print(f"{CONSTRAINTS}: {len(lines)} packages")


if __name__ == "__main__":
    main()
