"""Data parallelism on several devices and machines, by ``keras.distribution`` and JAX.

One process uses all devices that it sees. Several processes, on one machine or more, are described
by the environment variables of Keras::

    KERAS_BACKEND=jax
    KERAS_DISTRIBUTION_JOB_ADDRESSES=first-machine:5000
    KERAS_DISTRIBUTION_NUM_PROCESSES=2
    KERAS_DISTRIBUTION_PROCESS_ID=0        # 1 on the second machine

and run the same command as a single process. The gradient, dropout and batch-normalisation
statistics are those of the whole batch, so that the weights equal those of one process up to
rounding. Every process prepares the whole batch and validates; the first one writes the run, into a
folder that all of them can read.

.. warning::
    The coordinator's port listens on **all** network interfaces, without encryption or
    authentication. Use it only inside a trusted network that a firewall closes to others.
    ``JAX_COORDINATOR_BIND_ADDRESS`` binds the port to one address.

If a process ends, JAX ends the others too when it notices. The newest checkpoint stays, and the
same commands with ``--resume`` continue from there. On TensorFlow a run uses one device.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

import keras
import numpy as np

from xraylab.arguments import require

NUM_PROCESSES = "KERAS_DISTRIBUTION_NUM_PROCESSES"
"""Environment variable with the number of processes of the cluster."""


@dataclass(frozen=True)
class Cluster:
    """The position of this process among those that train together.

    Methods must be called by every process, in the same order.

    Attributes:
        rank: index of this process.
        num_processes: number of processes.
        num_devices: number of devices in all processes.
    """

    rank: int = 0
    num_processes: int = 1
    num_devices: int = 1

    @property
    def is_writer(self) -> bool:
        """Whether this process writes the run's files."""
        return self.rank == 0

    def require_batch(self, batch_size: int) -> None:
        """Raise a ValueError unless a batch divides evenly among the devices."""
        expected = f"a multiple of the number of devices, {self.num_devices}"
        require(batch_size % self.num_devices == 0, "batch_size", expected, batch_size)

    def any(self, flag: bool) -> bool:
        """Return whether a flag is set in any process."""
        if self.num_processes == 1:
            return bool(flag)
        from jax.experimental.multihost_utils import process_allgather

        return bool(np.any(process_allgather(np.array(bool(flag)))))

    def wait(self) -> None:
        """Wait until every process has made this call."""
        self.any(False)


def join() -> Cluster:
    """Connect to the cluster described by the environment, if there is one.

    Must run before anything is computed. On JAX with several devices, models built afterwards are
    replicated on all of them.

    Raises:
        RuntimeError: if several processes are requested and the backend is not JAX, or it has
            already started.
    """
    num_processes = int(os.environ.get(NUM_PROCESSES, "1"))
    backend = keras.backend.backend()
    if backend != "jax":
        if num_processes > 1:
            raise RuntimeError(
                f"Several processes can train on JAX only. Expected: KERAS_BACKEND=jax. "
                f"Received: {backend} with {NUM_PROCESSES}={num_processes}."
            )
        return Cluster()
    import jax

    if num_processes > 1 and not jax.distributed.is_initialized():
        # Collective operations between CPUs; accelerators do not use it.
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        keras.distribution.initialize()
    if jax.device_count() > 1 and keras.distribution.distribution() is None:
        keras.distribution.set_distribution(
            keras.distribution.DataParallel(auto_shard_dataset=False)
        )
    return Cluster(jax.process_index(), jax.process_count(), jax.device_count())


@contextlib.contextmanager
def undistributed() -> Iterator[None]:
    """Build and run models on this process's first device alone."""
    former = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(former)
