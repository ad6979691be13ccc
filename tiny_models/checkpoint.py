"""What survives a crash: verified training checkpoints (orbax) and finished weights (safetensors).

A checkpoint is written to a hidden directory, hashed into `manifest.json`, flushed to disk and only
then renamed to `step-00001000`; a directory of that name is therefore whole, and loading proves it
again. Readers list the disk each time and trust no remembered "latest". Nothing here unpickles.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tiny_models.config import ModelConfig
from tiny_models.transformer import Params, init_params

_TEMPORARY = ".unfinished-"
_ADVICE = "delete {} to resume from an earlier step."


class CorruptCheckpoint(ValueError):
    """A stored file differs from its manifest; the sentence names the file."""


def save_checkpoint(
    directory: Path, step: int, state: Mapping[str, Any], embedded: Mapping[str, Any], keep: int = 2
) -> Path:
    """Stores `state` (a nested dict of arrays) as `directory/step-…`, and keeps the newest `keep`.

    `embedded` is JSON stored beside it, for `load_checkpoint` to return. Raises `OSError` when the
    disk refuses; earlier checkpoints are then untouched.
    """
    import orbax.checkpoint as ocp  # slow to import, and only needed here

    final = directory / f"step-{step:08d}"
    unfinished = directory / f"{_TEMPORARY}{final.name}-{os.getpid()}"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    with ocp.PyTreeCheckpointer() as checkpointer:
        checkpointer.save((unfinished / "state").absolute(), jax.tree.map(np.asarray, dict(state)))
    _write_json(unfinished / "embedded.json", {**embedded, "step": step})
    _write_json(unfinished / "manifest.json", _hash_tree(unfinished))
    for path in [*_files(unfinished), *_folders(unfinished)]:
        _flush(path)
    if final.exists():  # a refused or foreign one; a run never writes the same step twice
        shutil.rmtree(final)
    unfinished.rename(final)
    _flush(directory)
    for step_path in list_checkpoints(directory)[:-keep]:
        shutil.rmtree(step_path)
    return final


def load_checkpoint(path: Path, like: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """State with the structure of `like` (arrays or shapes) and the embedded JSON.

    Raises `CorruptCheckpoint` naming the first file that is missing, unexpected or changed.
    """
    import orbax.checkpoint as ocp

    verify_checkpoint(path)
    as_numpy = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), dict(like))
    with ocp.PyTreeCheckpointer() as checkpointer:
        state = checkpointer.restore((path / "state").absolute(), restore_args=as_numpy)
    if jax.tree.structure(state) != jax.tree.structure(dict(like)):
        raise ValueError(f"The arrays stored in {path} are not those of this model and optimizer.")
    return jax.tree.map(jnp.asarray, state), json.loads((path / "embedded.json").read_text())


def verify_checkpoint(path: Path) -> None:
    """Compares every file with the manifest. Raises `CorruptCheckpoint` naming what differs."""
    manifest_path = path / "manifest.json"
    try:
        manifest = json.loads(manifest_path.read_bytes())
        files, seal = manifest["files"], manifest["seal"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorruptCheckpoint(
            f"{manifest_path} is missing or unreadable; {_ADVICE.format(path)}"
        ) from error
    found = _hash_tree(path)
    if _seal(files) != seal:
        raise CorruptCheckpoint(
            f"{manifest_path} was changed after it was written; {_ADVICE.format(path)}"
        )
    for name in sorted(files.keys() | found["files"].keys()):
        if files.get(name) != found["files"].get(name):
            raise CorruptCheckpoint(
                f"{path / name} differs from its manifest; {_ADVICE.format(path)}"
            )


def list_checkpoints(directory: Path) -> list[Path]:
    """Complete checkpoints in `directory`, oldest first, read from the disk now."""
    if not directory.is_dir():
        return []
    return sorted(p for p in directory.glob("step-*") if p.is_dir() and p.name[5:].isdigit())


def remove_unfinished(directory: Path) -> None:
    """Deletes what an interrupted save left in `directory`."""
    for path in directory.glob(f"{_TEMPORARY}*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def write_atomically(path: Path, content: bytes) -> None:
    """Old content or new, never half: temporary file, flush, rename, flush of the folder."""
    unfinished = path.with_name(f"{_TEMPORARY}{path.name}-{os.getpid()}")
    try:
        unfinished.write_bytes(content)
        _flush(unfinished)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    _flush(path.parent)


def save_weights(
    path: Path, params: Params, config: ModelConfig, metadata: Mapping[str, str] | None = None
) -> None:
    """Writes parameters as safetensors with flat names such as `layers.0.attention.q`.

    The header holds `metadata` (text only) and the model configuration under `config`.
    """
    import safetensors.numpy

    header = {**(metadata or {}), "config": json.dumps(dataclasses.asdict(config), sort_keys=True)}
    write_atomically(
        path,
        safetensors.numpy.save(
            {name: np.asarray(leaf) for name, leaf in flatten(params)}, metadata=header
        ),
    )


def load_weights(path: Path, config: ModelConfig) -> Params:
    """Parameters written by `save_weights`.

    Raises `ValueError` naming the configuration field or the array that does not fit `config`.
    """
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        stored = json.loads((file.metadata() or {}).get("config", "{}"))
        compare_embedded(stored, dataclasses.asdict(config), where=str(path))
        flat = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    wanted = jax.eval_shape(lambda: init_params(config, 0))
    for name, leaf in flatten(wanted):
        if name not in flat or flat[name].shape != leaf.shape or flat[name].dtype != leaf.dtype:
            raise ValueError(
                f"{path} holds no array {name} of shape {leaf.shape} and {leaf.dtype}."
            )
    return unflatten({name: jnp.asarray(flat[name]) for name, _ in flatten(wanted)})


def read_metadata(path: Path) -> dict[str, str]:
    """The text stored in the header of a weight file."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        return dict(file.metadata() or {})


def compare_embedded(stored: Mapping[str, Any], given: Mapping[str, Any], where: str) -> None:
    """Raises `ValueError` naming the first field in which stored and given configuration differ."""
    for field in sorted(stored.keys() | given.keys()):
        if stored.get(field) != given.get(field):
            raise ValueError(
                f"{where} was made with {field}={stored.get(field)!r}, not {field}="
                f"{given.get(field)!r}; use the same configuration or another directory."
            )


def parameter_hash(params: Params) -> str:
    """sha256 over sorted flat names, dtypes, shapes and bytes: equal just for equal parameters."""
    digest = hashlib.sha256()
    for name, leaf in flatten(params):
        array = np.ascontiguousarray(leaf)
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def flatten(params: Params) -> list[tuple[str, Any]]:
    """Flat names and arrays of a nested dict, sorted by name."""
    return sorted(_walk(params, ""))


def unflatten(flat: Mapping[str, Any]) -> Params:
    """The nested dict of flat names."""
    tree: Params = {}
    for name, leaf in flat.items():
        *parents, last = name.split(".")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = leaf
    return tree


def _walk(tree: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _walk(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _files(root: Path) -> list[Path]:
    return sorted(p for p in root.rglob("*") if p.is_file())


def _folders(root: Path) -> list[Path]:
    return [*sorted(p for p in root.rglob("*") if p.is_dir()), root]


def _hash_tree(root: Path) -> dict[str, Any]:
    files = {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in _files(root)
        if path != root / "manifest.json"
    }
    return {"files": files, "seal": _seal(files)}


def _seal(files: Any) -> str:
    # The manifest vouches for the files; this vouches for the manifest.
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
