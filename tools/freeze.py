"""Write the installed versions to constraints.txt: names and versions, no addresses."""

import re
from importlib import metadata
from pathlib import Path

CONSTRAINTS = Path(__file__).resolve().parents[1] / "constraints.txt"
LEFT_OUT = {"pip", "setuptools", "wheel", "xraylab"}
HEADER = """\
# The set of versions that is known to work, for Python 3.11 to 3.13; make and conda install it.
# To renew it: make a fresh environment, update what is to be updated, let the tests and the book
# pass, then run 'make constraints'.
"""


def main():
    installed = {
        re.sub(r"[-_.]+", "-", package.metadata["Name"]).lower(): package.version
        for package in metadata.distributions()
    }
    lines = [f"{name}=={installed[name]}\n" for name in sorted(installed.keys() - LEFT_OUT)]
    CONSTRAINTS.write_text(HEADER + "".join(lines), encoding="utf-8")
    print(f"{CONSTRAINTS}: {len(lines)} packages")


if __name__ == "__main__":
    main()
