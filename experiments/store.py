"""Run directories that are either finished and provably whole, or not finished.

A stage's directory is named by the sha256 of its inputs, so the same question always has the
same address. Its manifest (inputs, fingerprint, summary, sha256 of every file, and a seal over
all of these) is written last and moved into place: a process killed before that leaves a
directory that is simply not done. A lock held by a process that died is free again, because the
kernel owns it.

    stage = open_stage(root, "pretrain", inputs)
    with stage.lock():
        if not stage.done:
            ...write files into stage.path...
            stage.finish({"loss": 1.9})
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.metadata
import json
import os
import platform
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from experiments.json_files import (
    StoreError,
    canonical_json,
    file_sha256,
    read_sealed,
    sync,
    write_sealed,
)

MANIFEST = "manifest.json"
VOLATILE = frozenset({MANIFEST, "status.json", "log.txt"})
"""Files that may change after a stage is done and are therefore not in its manifest."""

LOCKS = ".locks"
_KIND = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Stage:
    """One unit of work with its own directory. Make it with `open_stage`."""

    root: Path
    kind: str
    key: str
    canonical_inputs: str
    verify: bool = False

    @property
    def name(self) -> str:
        """The directory's name: kind and the first 16 digits of the key."""
        return f"{self.kind}-{self.key[:16]}"

    @property
    def path(self) -> Path:
        """The directory; it exists once the stage was opened."""
        return self.root / self.name

    @property
    def inputs(self) -> dict[str, Any]:
        """What the stage is a function of."""
        return json.loads(self.canonical_inputs)

    @property
    def done(self) -> bool:
        """Whether the manifest exists and is for these inputs.

        With `verify` every file is hashed too. Raises `StoreError` when the manifest is broken
        or belongs elsewhere, or (with `verify`) when a file is missing or changed.
        """
        if not (self.path / MANIFEST).exists():
            return False
        manifest = self.manifest()
        if self.verify:
            check_files(self.path, manifest["files"])
        return True

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Only one process at a time works on this stage; waiting prints one line."""
        self.root.joinpath(LOCKS).mkdir(parents=True, exist_ok=True)
        # A link planted here must not lead to a file outside, so it is not followed.
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(self.root / LOCKS / self.name, flags, 0o644), "rb") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print(f"waiting for another process that works on {self.name}", flush=True)
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def manifest(self) -> dict[str, Any]:
        """The manifest; raises `StoreError` when it does not belong to this directory."""
        manifest = _read_manifest(self.path)
        if canonical_json(manifest["inputs"]) != self.canonical_inputs:
            raise StoreError(
                f"{self.path / MANIFEST} is for other inputs than its directory's name"
            )
        return manifest

    def verified(self, name: str) -> Path:
        """A file of the finished stage, compared with the manifest now.

        Raises `StoreError` when it is missing, changed or unknown to the manifest.
        """
        _check_file(self.path, name, self.manifest()["files"].get(name))
        return self.path / name

    def finish(
        self, summary: Mapping[str, Any], fingerprint: Mapping[str, Any] | None = None
    ) -> None:
        """Hash every file and write the manifest last; the stage is done after this call.

        `fingerprint` says what the bits depend on besides the inputs (for stages with a model:
        `tiny_models.determinism.fingerprint()`); default: Python, platform and numpy.
        """
        files = {}
        for path in _regular_files(self.path):
            files[path.relative_to(self.path).as_posix()] = file_sha256(path)
            sync(path)
        manifest = {
            "kind": self.kind,
            "key": self.key,
            "inputs": self.inputs,
            "summary": dict(summary),
            "fingerprint": dict(_surroundings() if fingerprint is None else fingerprint),
            "files": files,
        }
        write_sealed(self.path / MANIFEST, manifest)


def open_stage(
    root: Path | str, kind: str, inputs: Mapping[str, Any], *, verify: bool = False
) -> Stage:
    """The stage of `kind` for `inputs` under `root`; its directory is made when absent.

    `inputs` must be plain JSON (no NaN). With `verify`, `stage.done` hashes every file.
    """
    if not _KIND.fullmatch(kind):
        raise ValueError(f"kind {kind!r} must be lower-case letters, digits and underscores")
    canonical = canonical_json(dict(inputs))
    stage = Stage(Path(root), kind, _sha256(canonical), canonical, verify)
    stage.path.mkdir(parents=True, exist_ok=True)
    return stage


def verify_stage(path: Path | str) -> dict[str, Any]:
    """The manifest of the finished stage directory `path`, after hashing every file.

    Raises `StoreError` naming the file that is missing, changed or does not belong.
    """
    directory = Path(path)
    manifest = _read_manifest(directory)
    key = _sha256(canonical_json(manifest["inputs"]))
    if directory.name != f"{manifest['kind']}-{key[:16]}":
        raise StoreError(f"{directory / MANIFEST} is for other inputs than its directory's name")
    check_files(directory, manifest["files"])
    return manifest


def check_files(directory: Path, files: Mapping[str, object]) -> None:
    """Compares files by name with their sha256; `StoreError` names the first that differs."""
    for name, digest in sorted(files.items()):
        _check_file(directory, name, digest)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _surroundings() -> dict[str, str]:
    """The fingerprint of a stage that used no accelerator library."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "numpy": importlib.metadata.version("numpy"),
    }


def _read_manifest(directory: Path) -> dict[str, Any]:
    """The manifest with its parts checked for type; what it says is not yet verified."""
    path = directory / MANIFEST
    manifest = read_sealed(path)
    parts = {"kind": str, "key": str, "inputs": dict, "summary": dict, "files": dict}
    for name, kind in parts.items():
        if not isinstance(manifest.get(name), kind):
            raise StoreError(f"{path} has no {name!r} of type {kind.__name__}")
    return manifest


def _check_file(directory: Path, name: str, digest: object) -> None:
    parts = PurePosixPath(name)
    path = directory / parts
    # A manifest is data from outside: it must not make us read beyond its directory.
    inside = not parts.is_absolute() and ".." not in parts.parts
    if not inside or path.resolve() != directory.resolve() / parts:
        raise StoreError(f"{directory / MANIFEST} names {name!r}, which leaves the directory")
    if not path.is_file():
        raise StoreError(f"{path} is missing")
    if file_sha256(path) != digest:
        raise StoreError(f"{path} changed since its stage was finished")


def _regular_files(directory: Path) -> Iterator[Path]:
    for path in sorted(directory.rglob("*")):
        if path.is_symlink():
            raise StoreError(f"{path} is a link; a stage holds its own files only")
        if path.is_file() and path.name not in VOLATILE and not path.name.endswith(".tmp"):
            yield path
