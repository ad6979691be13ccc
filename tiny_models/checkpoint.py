"""What survives a crash: verified training checkpoints (orbax) and files that appear whole.

A checkpoint is written to a hidden directory, hashed into `manifest.json`, flushed to disk and only
then renamed to `step-00001000`; a directory of that name is therefore whole, and loading proves it
again. Readers list the disk each time and trust no remembered "latest". Nothing here unpickles.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tiny_models.transformer import Params

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
    final = directory / f"step-{step:08d}"
    unfinished = directory / f"{_TEMPORARY}{final.name}-{os.getpid()}"
    shutil.rmtree(unfinished, ignore_errors=True)
    make_directory(directory)
    unfinished.mkdir()
    try:
        with _checkpointer() as checkpointer:
            arrays = jax.tree.map(np.asarray, dict(state))
            checkpointer.save((unfinished / "state").absolute(), arrays)
    except ValueError as error:  # so tensorstore tells of a full disk
        if number := re.search(r"os_error_code='(\d+)'", str(error)):
            code = int(number[1])
            raise OSError(code, os.strerror(code), str(unfinished)) from error
        raise
    (unfinished / "embedded.json").write_bytes(json_bytes({**embedded, "step": step}))
    (unfinished / "manifest.json").write_bytes(json_bytes(_hash_tree(unfinished)))
    for path in [*_files(unfinished), *_folders(unfinished)]:
        flush(path)
    if final.exists():  # a refused or foreign one; a run never writes the same step twice
        _discard(final)
    unfinished.rename(final)
    flush(directory)
    for step_path in list_checkpoints(directory)[:-keep]:
        _discard(step_path)
    return final


def load_checkpoint(path: Path, like: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """State with the structure of `like` (arrays or shapes) and the embedded JSON.

    Raises `CorruptCheckpoint` naming the first file that is missing, unexpected or changed.
    """
    embedded = read_embedded(path)
    return restore_state(path, like), embedded


def read_embedded(path: Path) -> dict[str, Any]:
    """The JSON stored in a checkpoint, all of which is verified first (`CorruptCheckpoint`)."""
    verify_checkpoint(path)
    return json.loads((path / "embedded.json").read_text())


def restore_state(path: Path, like: Mapping[str, Any]) -> dict[str, Any]:
    """State with the structure of `like`, of a checkpoint that was verified.

    Raises `ValueError` naming it when it holds other arrays.
    """
    import orbax.checkpoint as ocp

    as_numpy = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), dict(like))
    with _checkpointer() as checkpointer:
        state = checkpointer.restore((path / "state").absolute(), restore_args=as_numpy)
    if jax.tree.structure(state) != jax.tree.structure(dict(like)):
        raise ValueError(f"The arrays stored in {path} are not those of this model and optimizer.")
    return jax.tree.map(jnp.asarray, state)


def verify_checkpoint(path: Path) -> None:
    """Compares every file with the manifest. Raises `CorruptCheckpoint` naming what differs."""
    manifest_path = path / "manifest.json"
    try:
        content = manifest_path.read_bytes()
        manifest = json.loads(content)
        files, stored_seal = dict(manifest["files"]), manifest["seal"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CorruptCheckpoint(
            f"{manifest_path} is missing or unreadable; {_ADVICE.format(path)}"
        ) from error
    found = _hash_tree(path)
    # Written again it must give the same bytes, so that not even a space can change.
    same = {"files": files, "seal": seal(files)}
    if stored_seal != same["seal"] or json_bytes(same) != content:
        raise CorruptCheckpoint(f"{manifest_path} was changed; {_ADVICE.format(path)}")
    for name in sorted(files.keys() | found["files"].keys()):
        if files.get(name) != found["files"].get(name):
            advice = _ADVICE.format(path)
            raise CorruptCheckpoint(f"{path / name} differs from its manifest; {advice}")


def list_checkpoints(directory: Path) -> list[Path]:
    """Complete checkpoints in `directory`, oldest first, read from the disk now."""
    if not directory.is_dir():
        return []
    return sorted(p for p in directory.glob("step-*") if p.is_dir() and p.name[5:].isdigit())


def remove_unfinished(directory: Path) -> None:
    """Deletes what an interrupted save left in `directory`."""
    for path in directory.glob(f"{_TEMPORARY}*"):
        _delete(path)


def write_atomically(path: Path, content: bytes) -> None:
    """Old content or new, never half: temporary file, flush, rename, flush of the folder."""
    unfinished = path.with_name(f"{_TEMPORARY}{path.name}-{os.getpid()}")
    unfinished.unlink(missing_ok=True)  # a dead process had our number
    try:
        with open(unfinished, "xb") as file:
            file.write(content)
        flush(unfinished)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    flush(path.parent)


def make_directory(path: Path) -> None:
    """Makes a directory whose name is on the disk when this returns; one that is there stays."""
    if not path.is_dir():
        make_directory(path.parent)
        path.mkdir(exist_ok=True)
        flush(path.parent)


def json_bytes(content: Mapping[str, Any], indent: int = 1) -> bytes:
    """JSON with sorted keys and a newline at its end: the same bytes for the same content."""
    return (json.dumps(content, indent=indent, sort_keys=True) + "\n").encode()


def seal(content: Any) -> str:
    """sha256 of JSON content, to store beside it."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


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
        array = np.asarray(leaf, order="C")
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


def _discard(checkpoint: Path) -> None:
    """Deletes a checkpoint; its name goes first, so that no part of one is ever listed."""
    hidden = checkpoint.with_name(f"{_TEMPORARY}old-{checkpoint.name}-{os.getpid()}")
    checkpoint.rename(hidden)
    _delete(hidden)


def _delete(path: Path) -> None:
    # A link is removed, never followed.
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _checkpointer() -> Any:
    """An orbax checkpointer of this process alone; of many processes only one writes."""
    import orbax.checkpoint as ocp  # slow to import, and only needed here

    if jax.process_count() == 1:
        return ocp.PyTreeCheckpointer()
    me = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(
        primary_host=me, active_processes={me}, barrier_sync_key_prefix=f"process{me}"
    )
    handler = ocp.PyTreeCheckpointHandler(multiprocessing_options=alone)
    return ocp.Checkpointer(handler, multiprocessing_options=alone)


def _files(root: Path) -> list[Path]:
    return sorted(p for p in root.rglob("*") if p.is_file())


def _folders(root: Path) -> list[Path]:
    return [*sorted(p for p in root.rglob("*") if p.is_dir()), root]


def _hash_tree(root: Path) -> dict[str, Any]:
    for path in (root, *root.rglob("*")):
        if path.is_symlink():
            raise CorruptCheckpoint(f"{path} is a link; a checkpoint holds its own files only.")
    files = {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in _files(root)
        if path != root / "manifest.json"
    }
    # The manifest vouches for the files, the seal for the manifest.
    return {"files": files, "seal": seal(files)}


def flush(path: Path) -> None:
    """Returns when a file's content, or a folder's list of names, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
