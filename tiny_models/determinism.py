"""What a result depends on besides its inputs: random keys by number, and this machine.

The same key gives the same numbers on every supported jax. Sums may round differently elsewhere, so
a run is promised bit-identical only where `fingerprint` agrees.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform

import jax
import jax.numpy as jnp
import numpy as np


def random_key(seed: int) -> jax.Array:
    """The threefry key of `seed`, whatever jax's default generator is.

    All 64 bits count (`jax.random.key` drops the upper 32 unless x64 is on). Raises `ValueError`
    outside `[0, 2**64)`.
    """
    if not 0 <= seed < 2**64:
        raise ValueError(f"seed must lie in [0, 2**64), not {seed}.")
    words = np.array([seed >> 32, seed & 0xFFFFFFFF], dtype=np.uint32)
    return jax.random.wrap_key_data(jnp.asarray(words), impl="threefry2x32")


def fingerprint() -> dict[str, str]:
    """Versions, device and flags that decide how results round, as a flat dict of text."""
    device = jax.devices()[0]
    versions = {
        name: importlib.metadata.version(name)
        for name in ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")
    }
    return {
        **versions,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "backend": device.platform,
        "device": device.device_kind,
        "devices": str(jax.device_count()),
        "processes": str(jax.process_count()),
        "cores": str(_visible_cores()),
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
        "matmul_precision": str(jax.config.jax_default_matmul_precision),  # pyright: ignore
    }


def require_repeatable() -> None:
    """Raises `ValueError` on a GPU whose XLA may add in any order, so that no run repeats."""
    flags = [flag.partition("=") for flag in os.environ.get("XLA_FLAGS", "").split()]
    said = [value for name, _, value in flags if name == "--xla_gpu_deterministic_ops"]
    if backend_name() == "gpu" and (not said or said[-1].lower() not in ("", "1", "true")):
        raise ValueError(
            "strict resuming on a GPU needs XLA_FLAGS=--xla_gpu_deterministic_ops=true, set before "
            "jax starts; without it the same run does not give the same bits twice."
        )


def backend_name() -> str:
    """Where jax computes by default: "cpu", "gpu" or "tpu"."""
    return jax.default_backend()


def _visible_cores() -> int:
    # Pinned processes see fewer cores than the machine has; macOS cannot say.
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
