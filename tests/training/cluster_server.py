"""A server that starts processes that train on JAX, sends them signals, and ends them all.

``test_distribution.py`` starts it and sends one line of JSON for every group of processes that
train together. Keras is imported once, here, and every process is a fork of this one. JAX starts
nothing before the first computation.
"""

import json
import os
import signal
import socket
import sys
import time
import traceback

import keras
import tensorflow  # noqa: F401 (needed by Keras' augmentation; imported once, for every fork)

from xraylab import training

assert keras.backend.backend() == "jax"
SERVER = os.getpid()


def start(log, environment, fits, checkpoint_seconds):
    """Fork a process that trains by one recipe after the other and return its number.

    It ends with the number of recipes that failed.
    """
    number = os.fork()
    if number:
        return number
    stream = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(stream, 1)
    os.dup2(stream, 2)
    os.environ.update(environment)
    failed = 0
    for recipe, out in fits:
        try:
            train(training.Recipe(**recipe), out, checkpoint_seconds)
        except Exception:
            traceback.print_exc()
            sys.stderr.flush()
            failed += 1
    sys.exit(failed)  # through JAX's own clean-up


def train(recipe, out, checkpoint_seconds):
    """Train until the run is finished, however often it is stopped."""
    while True:
        try:
            training.fit(
                recipe, out, resume=True, progress=False, checkpoint_seconds=checkpoint_seconds
            )
            return
        except training.TrainingInterrupted as stopped:
            print(f"TrainingInterrupted: {stopped}", flush=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def train_together(group):
    """Run a group of processes to their end and return their exit codes and when they ended.

    Args:
        group: ``logs``, one path a process; ``fits``, for each process its recipes and folders;
            ``environment``; ``seconds``, after which all are killed; and ``signals``, a list of
            ``(number, rank, folder, step)``, each sent once the folder holds the checkpoint of that
            step or a later one.
    """
    count, address = len(group["logs"]), f"127.0.0.1:{free_port()}"
    numbers, codes, ended, sent, signals = [], {}, {}, None, list(group["signals"])
    try:
        for rank, (log, fits) in enumerate(zip(group["logs"], group["fits"], strict=True)):
            cluster = {
                "KERAS_DISTRIBUTION_JOB_ADDRESSES": address,
                "KERAS_DISTRIBUTION_NUM_PROCESSES": str(count),
                "KERAS_DISTRIBUTION_PROCESS_ID": str(rank),
                "JAX_COORDINATOR_BIND_ADDRESS": address,
            }
            environment = group["environment"] | (cluster if count > 1 else {})
            numbers.append(start(log, environment, fits, 0.0 if signals else 60.0))
        deadline = time.monotonic() + group["seconds"]
        while len(codes) < count and time.monotonic() < deadline:
            for rank, number in enumerate(numbers):
                if rank not in codes and (status := os.waitpid(number, os.WNOHANG))[0]:
                    codes[rank] = os.waitstatus_to_exitcode(status[1])
                    ended[rank] = time.monotonic()
            if signals and newest(signals[0][2]) >= signals[0][3]:
                number, rank, *_ = signals.pop(0)
                os.kill(numbers[rank], number)
                sent = time.monotonic()
            time.sleep(0.002)
    finally:
        # A fork that exits passes here as well.
        for rank, number in enumerate(numbers) if os.getpid() == SERVER else ():
            if rank not in codes:
                os.kill(number, signal.SIGKILL)
                os.waitpid(number, 0)
    waited = {rank: moment - (sent or moment) for rank, moment in ended.items()}
    return {
        "codes": [codes.get(rank) for rank in range(count)],  # None: did not end by itself
        "seconds_after_signal": [waited.get(rank) for rank in range(count)],
        "sent": not signals,
    }


def newest(folder):
    names = os.listdir(folder) if os.path.isdir(folder) else []  # noqa: PTH112, PTH208
    return max((int(n[5:-4]) for n in names if n.startswith("step-")), default=-1)


for line in sys.stdin:
    print(json.dumps(train_together(json.loads(line))), flush=True)
