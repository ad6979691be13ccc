"""Several hosts as one machine: who they are, who writes, and when they wait for each other.

Every process runs the same program on the same inputs; `train` then spreads each batch over all
devices of all processes. Under SLURM, one process a GPU, because jax gives each process there the
one GPU of its rank on the node and no other:

    srun --nodes=2 --ntasks-per-node=8 --gpus-per-node=8 python my_training.py

where `my_training.py` calls `join_processes()` before anything that uses jax, then `train(...)`
with a directory that all nodes share.
"""

from __future__ import annotations

import jax
import numpy as np


def join_processes(
    address: str | None = None, count: int | None = None, index: int | None = None
) -> None:
    """Connects this process to the others of its job; call it before anything else uses jax.

    Under SLURM or Open MPI (one process a GPU) or on a TPU pod no argument is needed. Elsewhere
    `address` is HOST:PORT of process 0, `count` how many processes there are and `index` which one
    this is. Processes with CPU devices only talk through gloo.
    """
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(address, count, index)


def is_writer() -> bool:
    """Whether this process is the one that writes files."""
    return jax.process_index() == 0


def wait_for_all(moment: str) -> None:
    """Returns when every process has come here; at once where there is only one."""
    if jax.process_count() > 1:
        from jax.experimental import multihost_utils

        multihost_utils.sync_global_devices(moment)


def require_same_step(step: int, directory: str) -> None:
    """Raises `ValueError` naming the directory unless every process resumes from the same step."""
    if jax.process_count() > 1:
        from jax.experimental import multihost_utils

        steps = np.unique(multihost_utils.process_allgather(np.int32(step))).tolist()
        if len(steps) > 1:
            raise ValueError(
                f"The processes of this job found different newest checkpoints in {directory} "
                f"(steps {', '.join(map(str, steps))}); it must be one directory that all share."
            )
