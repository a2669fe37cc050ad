"""Compare the training step of models with that of the same models in plain Keras, at 64 px.

Both are compiled with Adam and binary cross-entropy (and mean squared error where the image is
reconstructed), with Keras' defaults, and fit the same arrays by ``Model.fit``; they differ in their
layers alone. ``naive_models.py`` has the plain versions. Each model runs in a separate process,
which trains the two in turn, in rounds, and reports the median time between the ends of two steps
of a fit. Needs TensorFlow::

    python benchmarks/naive_keras.py                         # some minutes
    python benchmarks/naive_keras.py rr_vit --json naive_keras.json
"""

import json
import statistics
import time
from itertools import pairwise

import own_process
from machine import installed

from xraylab.io import write_json

MODELS = (
    "resnet50",
    "densenet121",
    "efficientnet_b0",
    "dbct",
    "rr_vit",
    "hybrid_rr_vit",
    "lt_vit_tiny",
)
SIZE, LABELS, STEPS = 64, 14, 6


def networks(name):
    """Return our model and the plain one, compiled."""
    from naive_models import MODELS as PLAIN

    from xraylab import losses, models

    own, plain = models.build(name, image_size=SIZE, num_labels=LABELS), PLAIN[name]()
    own.compile("adam", losses.BinaryCrossentropy())
    plain.compile("adam", ["binary_crossentropy", "mse"][: len(plain.outputs)])
    return own, plain


def step_seconds(model, images, targets, batch_size):
    """Return the seconds between the ends of consecutive steps of one ``fit``."""
    from keras.callbacks import LambdaCallback

    ends = []
    timer = LambdaCallback(on_train_batch_end=lambda batch, logs: ends.append(time.perf_counter()))
    model.fit(images, targets, batch_size=batch_size, verbose=0, callbacks=[timer])
    return [end - start for start, end in pairwise(ends)]


def measure(name, batch_size, rounds):
    """Measure both models in this process."""
    from xraylab.backend import start_keras

    start_keras()
    import numpy as np

    own, plain = networks(name)
    generator = np.random.default_rng(0)
    images = generator.random((STEPS * batch_size, SIZE, SIZE, 1), np.float32)
    labels = generator.integers(0, 2, (len(images), LABELS)).astype(np.float32)
    cases = {
        "own": (own, images, labels),
        "plain": (plain, images, [labels, images][: len(plain.outputs)]),
    }
    seconds = {case: [] for case in cases}
    for _ in range(rounds + 1):
        for case, arguments in cases.items():
            seconds[case] += step_seconds(*arguments, batch_size)
    # The first round compiles.
    medians = {case: statistics.median(found[STEPS - 1 :]) for case, found in seconds.items()}
    return {
        "model": name,
        "parameters": own.count_params(),
        "plain_parameters": plain.count_params(),
        **medians,
        "ratio": medians["plain"] / medians["own"],
    }


def main():
    parser = own_process.parser(__doc__, rounds=3)
    names = f"{', '.join(MODELS)}; default: all"
    parser.add_argument("models", nargs="*", metavar="model", help=names)
    options = parser.parse_args()
    if unknown := ", ".join({*options.models} - {*MODELS}):
        parser.error(f"model. Expected: some of {', '.join(MODELS)}. Received: {unknown}")
    if options.one:
        print(json.dumps(measure(options.models[0], options.batch_size, options.rounds)))
        return
    facts = own_process.facts(options, SIZE) | {"versions": installed("tensorflow", "keras")}
    print(f"{facts['cores']} cores, load {facts['load_before']:.2f}, ms per step, at {SIZE} px")
    rows = []
    for name in options.models or MODELS:
        row = own_process.run_model(__file__, name, options)
        rows.append(row)
        times = f"{1e3 * row['own']:8.1f} plain {1e3 * row['plain']:8.1f}"
        print(f"{name:20s} ours {times} ratio {row['ratio']:5.2f}", flush=True)
        if options.json:
            write_json(options.json, {**facts, "rows": rows})


if __name__ == "__main__":
    main()
