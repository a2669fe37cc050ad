"""What a model costs on this device: time and memory, each measured in a process of its own."""

import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass

import numpy as np

from xraylab.backend import (
    MEMORY_ON_DEMAND,
    accelerators,
    compiled,
    memory_peak,
    process_memory,
    start_keras,
)


@dataclass(frozen=True)
class DeviceCost:
    """What a model costs, at one size on one device.

    Attributes:
        model: its name.
        image_size: side of an image in pixels.
        parameters: all that it keeps, running statistics included.
        multiply_adds: of one image; None where they cannot be counted, see
            :func:`xraylab.models.cost.multiply_adds`.
        latency_p50, latency_p95: milliseconds for one image, the median and the slowest twentieth.
        throughput: images a second by the number of images asked at once.
        inference_bytes: most memory taken while 32 images are asked at once, beyond what the process
            held before the model was built; None where the system does not tell.
        training_bytes: the same of training steps of 32 images.
        rounds: how many calls the latency comes from.
        environment: platform, versions and devices.
    """

    model: str
    image_size: int
    parameters: int
    multiply_adds: int | None
    latency_p50: float
    latency_p95: float
    throughput: dict[str, float]
    inference_bytes: int | None
    training_bytes: int | None
    rounds: int
    environment: dict

    def to_dict(self):
        """Return plain values, ready for JSON."""
        return asdict(self)


def device_cost(name, image_size=64, *, batch_sizes=(32, 128), rounds=50, **options):
    """Measure what a model costs on this device.

    Answers and training steps are measured in two further processes, so that the peak of each is
    its own. Every figure comes after a warm-up, which compiles. Run it on a machine that does
    nothing else.

    Args:
        name: a name of :func:`xraylab.models.list_models`.
        image_size: side of an image in pixels.
        batch_sizes: images asked at once, for the throughput.
        rounds: how many calls with one image, at least 1.
        options: further arguments of :func:`xraylab.models.build`, plain values.

    Returns:
        :class:`DeviceCost`.

    Raises:
        ValueError: if there is no such model, or an argument is out of range.
        RuntimeError: if a measurement dies, as for want of memory; with what it said.
    """
    from xraylab import models

    models.card(name)
    if rounds < 1 or not batch_sizes or min(batch_sizes) < 1:
        raise ValueError(
            f"rounds and batch_sizes must be at least 1; {rounds} and {batch_sizes} came"
        )
    task = {"name": name, "image_size": image_size, "options": options}
    answers = _in_own_process(
        task | {"what": "answers", "batch_sizes": list(batch_sizes), "rounds": rounds}
    )
    steps = _in_own_process(task | {"what": "steps"})
    return DeviceCost(
        model=name, image_size=image_size, rounds=rounds, **answers, training_bytes=steps["bytes"]
    )


def _in_own_process(task):
    """Carry out one measurement in a fresh process and return what it found."""
    command = [sys.executable, "-m", __spec__.name, json.dumps(task)]
    # Memory of a card is taken as it is needed, or the peak would be all that the card has.
    environment = os.environ | MEMORY_ON_DEMAND
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:] or [f"it ended with {done.returncode}"]
        raise RuntimeError(
            f"measuring the {task['what']} of {task['name']} at {task['image_size']} px failed: "
            f"{said[0]}. Is there memory enough? A smaller size needs less"
        )
    return json.loads(done.stdout.splitlines()[-1])


def _measure(task):
    """Return what one task asks for, in this process."""
    keras = start_keras()
    from xraylab import models
    from xraylab.models.cost import multiply_adds
    from xraylab.training import environment

    before = process_memory()
    model = models.build(task["name"], image_size=task["image_size"], **task["options"])
    if task["what"] == "steps":
        return {"bytes": _training_bytes(model, task["name"], before)}
    ask = compiled(lambda images: model(images, training=False))

    def seconds(count):
        images = np.random.default_rng(0).random(
            (count, task["image_size"], task["image_size"], 1), dtype=np.float32
        )
        begun = time.perf_counter()
        np.asarray(ask(images))  # copied to the host, so it has been computed
        return time.perf_counter() - begun

    def measured(count, rounds):
        for _ in range(3):
            seconds(count)
        return [seconds(count) for _ in range(rounds)]

    measured(32, 3)
    peak = _peak(before)
    single = np.percentile(measured(1, task["rounds"]), [50, 95]) * 1e3
    throughput = {
        str(count): count / statistics.median(measured(count, 7)) for count in task["batch_sizes"]
    }
    on_tensorflow = keras.backend.backend() == "tensorflow"  # whose graph can be counted
    return {
        "parameters": model.count_params(),
        "multiply_adds": multiply_adds(model) if on_tensorflow else None,
        "latency_p50": float(single[0]),
        "latency_p95": float(single[1]),
        "throughput": throughput,
        "inference_bytes": peak,
        "environment": environment(),
    }


def _training_bytes(model, name, before):
    """Take some training steps of 32 images and return the most memory they took."""
    from xraylab.training import Recipe
    from xraylab.training.compile import compile_model

    rng = np.random.default_rng(0)
    images = rng.random((32, model.image_size, model.image_size, 1), dtype=np.float32)
    labels = (rng.random((32, model.num_labels)) < 0.1).astype(np.float32)
    compile_model(model, Recipe(model=name, size=model.image_size), 100)
    for _ in range(3):
        model.train_on_batch(images, labels)
    return _peak(before)


def _peak(before):
    """Return the most bytes taken so far beyond those before; an accelerator starts with none."""
    most = memory_peak()
    if most is None or accelerators():
        return most
    return most - before


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    print(json.dumps(_measure(json.loads(sys.argv[1]))))
