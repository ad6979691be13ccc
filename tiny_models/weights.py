"""Finished weights as safetensors: flat names, the configuration in the header, hashes of both.

The file says in its header what was saved, so loading proves names, shapes and every value again.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from tiny_models.checkpoint import (
    CorruptCheckpoint,
    compare_embedded,
    flatten,
    parameter_hash,
    seal,
    unflatten,
    write_atomically,
)
from tiny_models.config import ModelConfig
from tiny_models.transformer import Params, init_params


def save_weights(
    path: Path, params: Params, config: ModelConfig, metadata: Mapping[str, str] | None = None
) -> None:
    """Writes parameters as safetensors with flat names such as `layers.0.attention.q`.

    The header holds `metadata` (text only), the model configuration under `config`, the
    `parameter_hash` under `parameters`, and a seal over all of these.
    """
    import safetensors.numpy

    header = {
        **(metadata or {}),
        "config": json.dumps(dataclasses.asdict(config), sort_keys=True),
        "parameters": parameter_hash(params),
    }
    header["seal"] = seal(header)
    arrays = {name: np.asarray(leaf) for name, leaf in flatten(params)}
    write_atomically(path, _in_order(safetensors.numpy.save(arrays, metadata=header)))


def load_weights(path: Path, config: ModelConfig) -> Params:
    """Parameters written by `save_weights`.

    Raises `ValueError` naming the configuration field or the array that does not fit `config`, and
    `CorruptCheckpoint` naming the file when header or values are not as they were saved.
    """
    header, flat = _read(path, values=True)
    if parameter_hash(flat) != header["parameters"]:
        raise CorruptCheckpoint(f"{path} does not hold the values that were saved.")
    compare_embedded(json.loads(header["config"]), dataclasses.asdict(config), where=str(path))
    wanted = _shapes(config)
    for name, leaf in wanted:
        if name not in flat or flat[name].shape != leaf.shape or flat[name].dtype != leaf.dtype:
            raise ValueError(
                f"{path} holds no array {name} of shape {leaf.shape} and {leaf.dtype}."
            )
    return unflatten({name: jnp.asarray(flat[name]) for name, _ in wanted})


@functools.lru_cache(maxsize=16)
def _shapes(config: ModelConfig) -> tuple[tuple[str, jax.ShapeDtypeStruct], ...]:
    """The arrays of a model by name; tracing the initialisation takes longer than the reading."""
    return tuple(flatten(jax.eval_shape(lambda: init_params(config, 0))))


def read_metadata(path: Path) -> dict[str, str]:
    """The text in the header of a weight file, compared with its seal; the values are not read."""
    return _read(path, values=False)[0]


def _read(path: Path, values: bool) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            header = dict(file.metadata() or {})
            names = list(file.keys()) if values else []
            flat = {name: file.get_tensor(name) for name in names}
    except (SafetensorError, TypeError, ValueError) as error:
        raise CorruptCheckpoint(f"{path} is no whole weight file ({error}).") from error
    if header.pop("seal", None) != seal(header) or not {"config", "parameters"} <= header.keys():
        raise CorruptCheckpoint(f"{path} has a header that was changed after it was saved.")
    return header, flat


def _in_order(content: bytes) -> bytes:
    """A safetensors file with its metadata sorted: the library writes them in any order."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[end:]
