"""Write ``book/measured/labels.json``: multiply-adds of an image, by the number of labels.

Nothing is timed, so that other work on the machine does not matter::

    python tools/measure_labels.py    # a minute
"""

from pathlib import Path

from xraylab.backend import start_keras
from xraylab.io import write_json

MODELS = ("rr_vit", "hybrid_rr_vit", "dbct", "densenet121", "efficientvit_m0", "lt_vit_tiny")
LABELS = (14, 100, 1000)
SIZE = 64
RESULT = Path(__file__).parents[1] / "book" / "measured" / "labels.json"


def main():
    start_keras()
    import keras

    from xraylab import models
    from xraylab.models.cost import multiply_adds

    found = {}
    for name in MODELS:
        found[name] = []
        for labels in LABELS:
            found[name].append(multiply_adds(models.build(name, SIZE, labels)))
            keras.backend.clear_session()
        print(name, found[name], flush=True)
    facts = {"size": SIZE, "labels": LABELS}
    write_json(RESULT, {**facts, "multiply_adds": found})


if __name__ == "__main__":
    main()
