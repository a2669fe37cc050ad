"""Write ``xraylab/models/costs.json``: the cost of every model at the sizes of the sources.

Run it after adding or changing a model; a few minutes for all, or name those that changed:

    python tools/make_cost_table.py [NAME ...]
"""

import sys
from dataclasses import asdict
from pathlib import Path

from xraylab.backend import start_keras
from xraylab.io import read_json, write_json

SIZES = (64, 128, 224)
TABLE = Path(__file__).parents[1] / "xraylab" / "models" / "costs.json"


def main(names):
    start_keras()
    import keras

    from xraylab import models
    from xraylab.models.cost import cost

    known = models.list_models()
    table = read_json(TABLE) if TABLE.exists() else {}
    for name in names or known:
        table[name] = {}
        for size in SIZES:
            table[name][size] = asdict(cost(models.build(name, size)))
            keras.backend.clear_session()
        print(name, table[name])
    table = {name: table[name] for name in known if name in table}
    write_json(TABLE, table)


if __name__ == "__main__":
    main(sys.argv[1:])
