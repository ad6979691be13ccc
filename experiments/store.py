"""Run directories that are either finished and provably whole, or not finished.

A stage's directory is named by the sha256 of its inputs, so the same question always has the
same address. Its manifest (inputs, fingerprint, summary, sha256 of every file) is written last
and moved into place: a process killed before that leaves a directory that is simply not done.
A lock held by a process that died is free again, because the kernel owns it.

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

MANIFEST = "manifest.json"
VOLATILE = frozenset({MANIFEST, "status.json", "log.txt"})
"""Files that may change after a stage is done and are therefore not in its manifest."""

LOCKS = ".locks"
_KIND = re.compile(r"[a-z][a-z0-9_]*")


class StoreError(RuntimeError):
    """A file of the store is missing, changed or unreadable; the sentence names it."""


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
            _check_files(self.path, manifest)
        return True

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Only one process at a time works on this stage; waiting prints one line."""
        self.root.joinpath(LOCKS).mkdir(parents=True, exist_ok=True)
        with open(self.root / LOCKS / self.name, "w") as handle:
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
            _sync(path)
        manifest = {
            "kind": self.kind,
            "key": self.key,
            "inputs": self.inputs,
            "summary": dict(summary),
            "fingerprint": dict(_surroundings() if fingerprint is None else fingerprint),
            "files": files,
        }
        write_json(self.path / MANIFEST, manifest)


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
    _check_files(directory, manifest)
    return manifest


def canonical_json(value: Any) -> str:
    """One text per value: sorted keys, no spaces, no NaN."""
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise StoreError(f"inputs are not plain JSON: {error}") from error


def canonical_hash(value: Any) -> str:
    """sha256 of `canonical_json`: a short name for long inputs."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """Hexadecimal sha256 of a file."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def write_json(path: Path, value: Any) -> None:
    """Write `value` so that a reader sees the old file or the whole new one, never a part."""
    text = json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n"
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "w", encoding="utf-8") as handle:
            handle.write(text)
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync(path.parent)


def read_json(path: Path) -> Any:
    """The value stored at `path`; a missing or bad file is a `StoreError` naming it."""
    try:
        text = path.read_text(encoding="utf-8")
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except FileNotFoundError as error:
        raise StoreError(f"{path} is missing") from error
    except (OSError, ValueError, RecursionError) as error:
        raise StoreError(f"{path} is not readable JSON: {error}") from error


def append_jsonl(path: Path, value: Any) -> None:
    """Append one line in one write. A line torn by an earlier kill is cut off first."""
    line = json.dumps(value, sort_keys=True, allow_nan=False).encode() + b"\n"
    with open(path, "ab+", buffering=0) as handle:
        size = handle.seek(0, os.SEEK_END)
        if size:
            handle.seek(size - 1)
            if handle.read(1) != b"\n":
                handle.seek(0)
                handle.truncate(handle.read().rfind(b"\n") + 1)
        handle.write(line)


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
    manifest = read_json(path)
    parts = {"kind": str, "key": str, "inputs": dict, "summary": dict, "files": dict}
    for name, kind in parts.items():
        if not isinstance(manifest, dict) or not isinstance(manifest.get(name), kind):
            raise StoreError(f"{path} has no {name!r} of type {kind.__name__}")
    return manifest


def _check_files(directory: Path, manifest: Mapping[str, Any]) -> None:
    for name, digest in sorted(manifest["files"].items()):
        parts = PurePosixPath(name)
        path = directory / parts
        # A manifest is data from outside: it must not make us read beyond its directory.
        if parts.is_absolute() or ".." in parts.parts or path.is_symlink():
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


def _sync(path: Path) -> None:
    """Force a file's or directory's content to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """json keeps the last of two equal keys without a word."""
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key appears twice")
    return result


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is no JSON number")
