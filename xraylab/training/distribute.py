"""One run on many devices: data parallelism by ``keras.distribution`` on JAX.

One process uses all devices that it sees. Several processes, on one machine or many, describe their
place among each other by Keras's own environment variables::

    KERAS_BACKEND=jax
    KERAS_DISTRIBUTION_JOB_ADDRESSES=first-machine:5000
    KERAS_DISTRIBUTION_NUM_PROCESSES=2
    KERAS_DISTRIBUTION_PROCESS_ID=0        # 1 on the second machine

and then run the very command that one process would run. Every process reads its own share of each
batch; the gradient is that of the whole batch, and so are the dropout and the statistics of batch
normalisation, so the weights are those of one process up to rounding. (Adam makes a whole step of
the rounding where a gradient is nothing else, as that of a bias before a batch normalisation; on
one device, compiling with other optimisations changes the weights as much.) Only random changes of
the images (augmentation, corruption) are drawn by each process for its own share. Every process
validates; the first writes the run, into a folder that all of them can read.

If a process ends, the others cannot go on: JAX ends them too, at once or when it has missed the
process for :data:`HEARTBEAT_SECONDS`. The newest checkpoint stays, and the same commands with
``--resume`` go on from there.

On TensorFlow a run uses one device. Measured with Keras 3.15 on TensorFlow 2.21 and two devices:
under ``tf.distribute.MirroredStrategy``, ``train_on_batch`` gives each replica the whole batch of
16 images instead of 8; the weights are those of one device, the work is done twice.
"""

import contextlib
import inspect
import json
import os
import sys
import warnings
from dataclasses import dataclass

import keras
import numpy as np

from xraylab.backend import accelerators

HEARTBEAT_SECONDS = 30
"""How long a process may be silent before JAX takes it for dead; JAX itself would wait 100 s."""

SHUTDOWN_SECONDS = 60
"""How long a process that is done waits for the others to be done as well; JAX's own is 300 s.

It is also how long the others wait for one that failed alone in the middle of a step.
"""

ADDRESSES, NUM_PROCESSES, PROCESS_ID = VARIABLES = (
    "KERAS_DISTRIBUTION_JOB_ADDRESSES",
    "KERAS_DISTRIBUTION_NUM_PROCESSES",
    "KERAS_DISTRIBUTION_PROCESS_ID",
)
"""Keras's description of a cluster, in the environment of each process."""


class ProcessLost(RuntimeError):
    """Another process of the cluster has ended or failed, and this one cannot go on alone."""


@dataclass(frozen=True)
class Cluster:
    """The place of one process among those that train together.

    All methods that compare or wait must be called by every process, in the same order.

    Attributes:
        rank: number of this process, from 0.
        num_processes: number of processes.
        num_devices: number of devices in all processes.
    """

    rank: int = 0
    num_processes: int = 1
    num_devices: int = 1

    @property
    def writes(self):
        """Whether this process is the one that writes the run's files."""
        return self.rank == 0

    def share(self, rows, parts=1):
        """Return the rows of a batch that this process reads.

        Each part that goes through the model by itself is divided among the processes, so that it
        holds the same images as in one process.

        Shapes:
            rows: (batch,); returned as (batch / num_processes,).
        """
        return rows.reshape(parts, self.num_processes, -1)[:, self.rank].reshape(-1)

    def require_batch(self, batch_size):
        """Refuse a batch that does not divide among the devices.

        Raises:
            ValueError: naming the batch sizes that would.
        """
        if batch_size % self.num_devices:
            below = batch_size // self.num_devices * self.num_devices
            sizes = " or ".join(str(n) for n in (below, below + self.num_devices) if n)
            raise ValueError(
                f"a batch of {batch_size} images does not divide among {self.num_devices} devices; "
                f"choose batch_size={sizes}"
            )

    def gather(self, value):
        """Return what every process gives, as a list in their order.

        Args:
            value: anything that JSON can hold.
        """
        if self.num_processes == 1:
            return [value]
        from jax.experimental.multihost_utils import process_allgather

        text = np.frombuffer(json.dumps(value).encode(), dtype=np.uint8)
        lengths = process_allgather(np.array(len(text), dtype=np.int32))
        padded = np.zeros(lengths.max(), dtype=np.uint8)
        padded[: len(text)] = text
        texts = np.asarray(process_allgather(padded))
        return [json.loads(row[:n].tobytes()) for row, n in zip(texts, lengths, strict=True)]

    def any(self, flag):
        """Return whether a flag is set in any process; fast, for it is asked at every step."""
        if self.num_processes == 1:
            return bool(flag)
        from jax.experimental.multihost_utils import process_allgather

        return bool(np.any(process_allgather(np.array(bool(flag)))))

    def wait(self):
        """Wait until every process has come here."""
        self.gather(None)

    def together(self, action):
        """Do something in every process and return its result here; if it fails in one, in all.

        Raises:
            ProcessLost: if it failed in another process.
        """
        result = failure = None
        try:
            result = action()
        except Exception as error:
            if self.num_processes == 1 or _tells_of_a_lost_process(error):
                raise
            failure = error
        told = self.gather(failure and f"{type(failure).__name__}: {failure}")
        if failure is not None:
            raise failure
        for rank, message in enumerate(told):
            if message:
                raise ProcessLost(f"process {rank} of {self.num_processes} failed: {message}")
        return result

    def in_turn(self, action):
        """Do something in the first process and then in the others, which find what it left.

        Raises:
            ProcessLost: if it failed in another process.
        """
        if self.num_processes == 1:
            return action()
        result = self.together(action if self.writes else _nothing)
        later = self.together(_nothing if self.writes else action)
        return result if self.writes else later

    def require_agreement(self, facts):
        """Refuse to train where processes differ in what all must have in common.

        Args:
            facts: names and values that JSON can hold.

        Raises:
            ValueError: in every process, naming what differs, and between which.
        """
        first, *others = self.gather(facts)
        differences = [
            f"{name} is {value} in process 0 and {theirs[name]} in process {rank}"
            for rank, theirs in enumerate(others, start=1)
            for name, value in first.items()
            if theirs[name] != value
        ]
        if differences:
            raise ValueError(
                f"the processes would not train the same: {'; '.join(differences)}. Start all with "
                "the same command, images and folder"
            )

    @contextlib.contextmanager
    def explaining_losses(self, folder):
        """Say in words what an error of the connection means for the run in a folder."""
        try:
            yield
        except Exception as error:
            if self.num_processes == 1 or not _tells_of_a_lost_process(error):
                raise
            raise ProcessLost(
                f"another process has ended, and process {self.rank} of {self.num_processes} "
                f"cannot go on alone ({str(error).splitlines()[0][:200]}). The run in {folder} "
                "stands as in its newest checkpoint. When all processes have ended, repeat their "
                "commands with --resume (resume=True)"
            ) from error


ALONE = Cluster()
_joined = []


def join():
    """Connect to the cluster that the environment describes, if it describes one.

    Call it before anything is computed. On JAX with several devices, models built afterwards are
    copied to all of them.

    Returns:
        The :class:`Cluster`.

    Raises:
        ValueError: if the environment describes half a cluster, or none that there can be.
        RuntimeError: if several processes are asked for and the back end is not JAX, or it has
            computed something already.
    """
    address, num_processes, rank = _described()
    if keras.backend.backend() != "jax":
        if num_processes > 1:
            raise RuntimeError(
                f"{NUM_PROCESSES}={num_processes}, but several processes can only train on JAX; "
                f"the back end is {keras.backend.backend()}. Set KERAS_BACKEND=jax"
            )
        if len(accelerators()) > 1:
            warnings.warn(
                f"{keras.backend.backend()} trains on one of the {len(accelerators())} "
                "accelerators here. Set KERAS_BACKEND=jax to train on all of them",
                stacklevel=3,
            )
        return ALONE
    import jax

    if num_processes > 1 and not _joined:
        _connect(address, num_processes, rank)
        _joined.append(True)
    if jax.device_count() == 1:
        return ALONE
    if keras.distribution.distribution() is None:
        keras.distribution.set_distribution(
            keras.distribution.DataParallel(auto_shard_dataset=False)
        )
    places = [device.process_index for device in jax.devices()]
    counts = [places.count(rank) for rank in range(jax.process_count())]
    if len(set(counts)) > 1:
        raise ValueError(
            f"the processes have {', '.join(map(str, counts))} devices; all need the same number. "
            "Hide some of them, as with CUDA_VISIBLE_DEVICES"
        )
    return Cluster(jax.process_index(), jax.process_count(), jax.device_count())


def _described():
    """Return address, number of processes and number of this one, as the environment has them."""
    given = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    if not given or given.get(NUM_PROCESSES) == "1":
        return None, 1, 0
    if len(given) < len(VARIABLES):
        missing = ", ".join(name for name in VARIABLES if name not in given)
        raise ValueError(
            f"{', '.join(given)} came without {missing}; a process that trains with others needs "
            "all three, one that trains alone none of them"
        )
    numbers = {}
    for name in (NUM_PROCESSES, PROCESS_ID):
        if not given[name].isdecimal():
            raise ValueError(f"{name} must be a whole number; {given[name]!r} came")
        numbers[name] = int(given[name])
    count, rank = numbers[NUM_PROCESSES], numbers[PROCESS_ID]
    if not rank < count:
        raise ValueError(
            f"{PROCESS_ID} must be from 0 to {count - 1}, for there are {NUM_PROCESSES}={count}; "
            f"{rank} came"
        )
    addresses = given[ADDRESSES].split(",")
    host, _, port = addresses[0].rpartition(":")
    if len(addresses) not in (1, count) or not host or not port.isdecimal():
        raise ValueError(
            f"{ADDRESSES} must be the address of process 0, as 10.0.0.1:5000, or those of all "
            f"{count} processes with commas between them; {given[ADDRESSES]!r} came"
        )
    return addresses[0], count, rank


def _connect(address, num_processes, rank):
    """Meet the other processes; say so, for it takes as long as the last of them needs."""
    import jax

    # What processors speak with each other; accelerators do not use it.
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    # ``keras.distribution.initialize`` does the same, but leaves no say in how long to wait.
    possible = inspect.signature(jax.distributed.initialize).parameters
    limits = {
        "heartbeat_timeout_seconds": HEARTBEAT_SECONDS,
        "shutdown_timeout_seconds": SHUTDOWN_SECONDS,
    }
    me = f"process {rank} of {num_processes}"
    _tell(f"{me}: waiting for the others at {address}")
    jax.distributed.initialize(
        coordinator_address=address,
        num_processes=num_processes,
        process_id=rank,
        **{name: value for name, value in limits.items() if name in possible},
    )
    _tell(
        f"{me}: training with the others on {jax.device_count()} devices. If one process ends, all "
        "of them end; then repeat their commands with --resume"
    )


@contextlib.contextmanager
def undistributed():
    """Build and run models on this process's first device alone while the block runs."""
    former = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(former)


def _tell(message):
    print(message, file=sys.stderr, flush=True)


def _nothing():
    return None


def _tells_of_a_lost_process(error):
    """Return whether an error says that the connection to another process broke."""
    words = str(error).lower()
    told = ("gloo", "nccl", "coordination service", "connection reset", "closed by peer")
    return any(word in words for word in told)
