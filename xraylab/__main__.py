"""``python -m xraylab``: the command line."""

from xraylab.cli import main

main()
