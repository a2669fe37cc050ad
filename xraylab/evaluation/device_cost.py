"""Latency, throughput and memory of a model on this device, measured in a fresh process."""

import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from xraylab import backend
from xraylab.arguments import require_int


@dataclass(frozen=True)
class DeviceCost:
    """Time and memory that a model takes at one image size on one device.

    Attributes:
        model: name of the model.
        image_size: image height and width in pixels.
        parameters: number of parameters, running statistics included.
        multiply_adds: multiply-adds for one image; None where they cannot be counted, see
            ``xraylab.models.cost.multiply_adds``.
        latency_p50, latency_p95: median and 95th percentile of the milliseconds for one image.
        throughput: images per second by batch size.
        inference_bytes: peak memory of inference on 32 images, beyond that of the process before
            the model was built; None where the system does not report it.
        training_bytes: the same for training steps of 32 images, which follow.
        rounds: number of calls behind the latency.
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
    environment: dict[str, Any]


def device_cost(name: str, image_size: int = 64, *, rounds: int = 50, **options: Any) -> DeviceCost:
    """Measure time and memory of a model on this device.

    A fresh process measures it, so that the peak memory is that of this model. Every measurement
    follows a warm-up, which compiles. Run it on an otherwise idle machine.

    Args:
        name: a name of :func:`xraylab.models.list_models`.
        image_size: image height and width in pixels.
        rounds: number of calls with one image, at least 1.
        options: further arguments of :func:`xraylab.models.build`, JSON values.

    Raises:
        ValueError: if there is no such model, or an argument is out of range.
        RuntimeError: if the measurement fails, for example for lack of memory.
    """
    from xraylab import models

    models.spec(name)
    require_int("rounds", rounds, 1)
    task = {"name": name, "image_size": image_size, "rounds": rounds, "options": options}
    command = [sys.executable, "-m", __spec__.name, json.dumps(task)]
    # Without MEMORY_ON_DEMAND a backend reserves all memory of a GPU, which hides the peak.
    environment = os.environ | backend.MEMORY_ON_DEMAND
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise RuntimeError(
            f"Measuring {name} at {image_size} px failed: {reason}. If memory is short, use a "
            "smaller size"
        )
    measured = json.loads(done.stdout.splitlines()[-1])
    return DeviceCost(model=name, image_size=image_size, rounds=rounds, **measured)


def _measure(task):
    """Measure in this process."""
    keras = backend.start_keras()
    from xraylab import losses, models
    from xraylab.models.cost import multiply_adds
    from xraylab.training import environment

    size, rng = task["image_size"], np.random.default_rng(0)
    before = backend.process_memory() or 0
    model = models.build(task["name"], image_size=size, **task["options"])

    def peak_bytes():  # of a process only what this measurement adds
        peak = backend.memory_peak()
        return peak if peak is None or backend.accelerators() else peak - before

    forward = backend.compiled(lambda images: model(images, training=False))

    def time_calls(batch_size, rounds):
        images = rng.random((batch_size, size, size, 1), dtype=np.float32)
        seconds = []
        for _ in range(3 + rounds):  # the first three warm up
            start = time.perf_counter()
            np.asarray(forward(images))  # copying to the host waits for the result
            seconds.append(time.perf_counter() - start)
        return seconds[3:]

    time_calls(32, 3)
    inference_bytes = peak_bytes()
    images = rng.random((32, size, size, 1), dtype=np.float32)
    labels = (rng.random((32, model.num_labels)) < 0.1).astype(np.float32)
    model.compile(keras.optimizers.AdamW(1e-3), losses.BinaryCrossentropy())
    for _ in range(3):
        model.train_on_batch(images, labels)
    training_bytes = peak_bytes()
    latency = np.percentile(time_calls(1, task["rounds"]), [50, 95]) * 1e3
    counted = keras.backend.backend() == "tensorflow"  # multiply-adds come from its graph
    throughput = {n: n / statistics.median(time_calls(n, 7)) for n in (32, 128)}
    return {
        "parameters": model.count_params(),
        "multiply_adds": multiply_adds(model) if counted else None,
        "latency_p50": float(latency[0]),
        "latency_p95": float(latency[1]),
        "throughput": throughput,  # JSON makes its keys text
        "inference_bytes": inference_bytes,
        "training_bytes": training_bytes,
        "environment": environment(),
    }


if __name__ == "__main__":
    print(json.dumps(_measure(json.loads(sys.argv[1]))))
