"""JSON files that a reader finds whole: replaced in one move, sealed where nothing may change.

A sealed object holds the sha256 of what it says and can be written in one way only, so every
changed byte is seen, a space at the end included. What is read is data and never runs.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class StoreError(RuntimeError):
    """A file of the store is missing, changed or unreadable; the sentence names it."""


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
    content = _json_bytes(value)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)  # a dead process had our number
    try:
        with open(temporary, "xb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync(path.parent)


def write_sealed(path: Path, value: Mapping[str, Any]) -> None:
    """`write_json` of an object together with the sha256 of what it says, for `read_sealed`."""
    plain = json.loads(canonical_json(dict(value)))
    write_json(path, {**plain, "seal": canonical_hash(plain)})


def read_sealed(path: Path) -> dict[str, Any]:
    """The object stored by `write_sealed`, without its seal.

    Raises `StoreError` naming the file when one byte of it is not as it was written.
    """
    value = read_json(path)
    seal = value.pop("seal", None) if isinstance(value, dict) else None
    try:
        whole = seal == canonical_hash(value) and path.read_bytes() == _json_bytes(
            {**value, "seal": seal}
        )
    except StoreError:  # a number too large for JSON to say again
        whole = False
    if not whole:
        raise StoreError(f"{path} is not as it was written: its seal is missing or does not fit")
    return value


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


def _json_bytes(value: Any) -> bytes:
    """The one way in which a file says `value`."""
    return (json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()


def sync(path: Path) -> None:
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
