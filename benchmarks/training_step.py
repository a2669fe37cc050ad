"""Measure the parts of a training step of each model, at 64 px.

Four parts are timed with the tuned recipe of the model: ``batch``, reading and augmenting a batch,
which in training another thread does during the step before; ``forward``, the forward pass with the
loss; ``gradient``, forward and backward pass; and ``step``, the whole step, with the optimizer.
Each model runs in a separate process, which times the four parts in turn, in rounds, and reports
their medians. Then it trains an epoch by ``Model.fit``, which prepares batches ahead, and reports
``wait``, the fraction of the time for which the next batch is not ready. The rate of arithmetic
counts two operations for each multiply-add of a convolution or matrix product, and three forward
passes for forward and backward pass. It is compared with the rate of one large matrix product on
the same threads, which is close to the peak of the processor.
Needs TensorFlow::

    python benchmarks/training_step.py                       # some minutes
    python benchmarks/training_step.py rr_vit lt_vit_tiny --json training_step.json
    python benchmarks/training_step.py lt_vit_tiny --precision float32 mixed_bfloat16
"""

import itertools
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import own_process

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))

from record_runs import SYSTEMS

from xraylab.io import write_json

MODELS = (
    "resnet50",
    "densenet121",
    "efficientnet_b0",
    "medvit_small",
    "dbct",
    "rr_vit",
    "hybrid_rr_vit",
    "efficientvit_m0",
    "efficientvit_m0_mxa",
    "efficientvit_m5_mxa",
    "lt_vit_tiny",
)
SIZE, MATRIX, STEPS = 64, 2048, 8
PARTS = ("batch", "forward", "gradient", "step")
PRECISIONS = ("float32", "mixed_bfloat16")
INSTRUCTIONS = ("avx512_bf16", "amx_bf16")
"""Instructions of x86 processors for bfloat16."""


def prepared(name, folder, batch_size, *, size=SIZE, precision="float32", steps=STEPS):
    """Return the batches of an epoch and the compiled model of the tuned recipe of a model."""
    from xraylab import data
    from xraylab.backend import start_keras
    from xraylab.findings import FINDINGS
    from xraylab.training import distribution, recipes
    from xraylab.training.batches import TrainingBatches
    from xraylab.training.objectives import Classification, compile_for_training
    from xraylab.training.run import build_model

    keras = start_keras()
    cluster = distribution.join()
    keras.utils.set_random_seed(0)  # equal weights in all processes
    recipe = recipes.find(SYSTEMS[name][0])
    changes = {"size": size, "precision": precision, "label_names": FINDINGS}
    recipe = recipe.replace(model=name, batch_size=batch_size, **changes)
    count = steps * batch_size
    split = data.load("phantom", size, num_images=count, cache_dir=folder, progress=False)
    objective = Classification(recipe, {"train": split})
    batches = TrainingBatches(objective, split, recipe, cluster)
    return batches, compile_for_training(build_model(recipe), recipe, 1000, objective)


def functions(batches, model):
    """Return a function for each part of a step."""
    import tensorflow as tf

    images, targets, weights = batches.prepare(0, 0)

    def loss():
        outputs = model(tensor, training=True)
        return model.compute_loss(tensor, targets, outputs, weights, training=True)

    @tf.function
    def gradient():
        with tf.GradientTape() as tape:
            value = loss()
        return tape.gradient(value, model.trainable_variables)

    tensor, forward = tf.constant(images), tf.function(loss)
    return {
        "batch": lambda: batches.prepare(0, 1),
        "forward": lambda: forward().numpy(),
        "gradient": lambda: [g for g in gradient() if g is not None][-1].numpy(),
        "step": lambda: model.train_on_batch(images, targets, weights),
    }


def wait_share(batches, model):
    """Train an epoch, and return the fraction of time for which a batch is awaited after the first.

    Nothing is prepared before an epoch, so that its first batch is always awaited: once in hundreds
    of steps, and in this short epoch left out.
    """
    model.make_train_function()
    step, marks = model.train_function, []

    def wait_and_step(iterator):
        start = time.perf_counter()
        batch = next(iterator)
        received = time.perf_counter()
        logs = step(iter([batch]))
        float(logs["loss"])  # the end of the step, also on an accelerator
        marks.append((start, received, time.perf_counter()))
        return logs

    model.train_function = wait_and_step  # which fit calls with its own iterator
    model.fit(batches, shuffle=False, verbose=0)
    waited = sum(received - start for start, received, _ in marks[1:])
    return waited / (marks[-1][2] - marks[1][0])


def peak_rate():
    """Measure the rate of arithmetic of a large matrix product, in operations per second."""
    import tensorflow as tf

    a = tf.random.normal((MATRIX, MATRIX))
    product = tf.function(lambda: tf.reduce_sum(tf.matmul(a, a)))
    product().numpy()
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        product().numpy()
        seconds.append(time.perf_counter() - start)
    return 2 * MATRIX**3 / statistics.median(seconds)


def measure(name, batch_size, rounds, precision):
    """Measure the median seconds of each part, and the rates of arithmetic, in this process."""
    from xraylab.models.cost import multiply_adds

    with tempfile.TemporaryDirectory() as folder:
        batches, model = prepared(name, Path(folder), batch_size, precision=precision)
        parts = functions(batches, model)
        for part in parts.values():  # the first call compiles
            part()
            part()
        seconds = {part: [] for part in parts}
        for _ in range(rounds):
            for part, function in parts.items():
                start = time.perf_counter()
                function()
                seconds[part].append(time.perf_counter() - start)
        wait = wait_share(batches, model)
    found = {part: statistics.median(times) for part, times in seconds.items()}
    return {
        "model": name,
        "precision": precision,
        **found,
        "wait": wait,
        "images_per_second": batch_size / found["step"],
        "operations_per_second": 6 * multiply_adds(model) * batch_size / found["step"],
        "peak_operations_per_second": peak_rate(),
    }


def instructions():
    """List those of :data:`INSTRUCTIONS` that the processor has, where Linux states it."""
    path = Path("/proc/cpuinfo")
    flags = path.read_text("utf-8").split() if path.exists() else []
    return [name for name in INSTRUCTIONS if name in flags]


def main():
    parser = own_process.parser(__doc__, rounds=7)
    names = f"{', '.join(SYSTEMS)}; default: {', '.join(MODELS)}"
    parser.add_argument("models", nargs="*", metavar="model", help=names)
    parser.add_argument("--precision", nargs="+", choices=PRECISIONS, default=["float32"])
    options = parser.parse_args()
    if unknown := ", ".join({*options.models} - {*SYSTEMS}):
        parser.error(f"model. Expected: some of {', '.join(SYSTEMS)}. Received: {unknown}")
    if options.one:
        settings = (options.batch_size, options.rounds, *options.precision)
        print(json.dumps(measure(*options.models, *settings)))
        return
    facts = own_process.facts(options, SIZE) | {"instructions": instructions()}
    print(f"{facts['cores']} cores, load {facts['load_before']:.2f}, ms per batch, at {SIZE} px")
    titles = "".join(f"{title:>10s}" for title in (*PARTS, "images/s", "wait"))
    print(f"{'model':20s}{'precision':>15s}{titles}  fraction of peak")
    rows = []
    for name, precision in itertools.product(options.models or MODELS, options.precision):
        found = own_process.run_model(__file__, name, options, "--precision", precision)
        rows.append(found)
        fraction = found["operations_per_second"] / found["peak_operations_per_second"]
        times = "".join(f"{1e3 * found[part]:10.1f}" for part in PARTS)
        rates = f"{found['images_per_second']:10.1f}{found['wait']:10.1%}{fraction:18.0%}"
        print(f"{name:20s}{precision:>15s}{times}{rates}", flush=True)
        if options.json:
            write_json(options.json, {**facts, "rows": rows})


if __name__ == "__main__":
    main()
