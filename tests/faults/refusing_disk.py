"""A disk that refuses the n-th write operation of this process, whichever library asks for it.

Python announces every `open`, rename, mkdir and remove to audit hooks before it does them, and a
hook that raises makes the operation fail; `fsync` is announced to nobody, so it is wrapped.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_WRITES = {"os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.truncate", "os.link"}
_active: list[RefusingDisk] = []


class RefusingDisk:
    """Counts write operations below `root`; the one numbered `failing` gets `errno`, once."""

    def __init__(self, root: Path, failing: int, errno: int) -> None:
        self.root, self.failing, self.errno = str(root), failing, errno
        self.count, self.what = 0, ""

    def operation(self, name: str, path: str) -> None:
        if not path.startswith(self.root):
            return
        self.count += 1
        if self.count == self.failing:
            self.what = f"{name} {path}"
            raise OSError(self.errno, os.strerror(self.errno), path)


@contextlib.contextmanager
def refusing_disk(root: Path, failing: int, errno: int) -> Iterator[RefusingDisk]:
    """While it is open, the `failing`-th write operation below `root` is refused."""
    disk = RefusingDisk(root, failing, errno)
    real = os.fsync

    def fsync(handle: int) -> None:
        number = handle if isinstance(handle, int) else handle.fileno()
        disk.operation("fsync", os.readlink(f"/proc/self/fd/{number}"))
        real(handle)

    _active.append(disk)
    os.fsync = fsync
    try:
        yield disk
    finally:
        os.fsync = real
        _active.remove(disk)


def _watch(event: str, args: tuple[Any, ...]) -> None:
    if not _active or (event not in _WRITES and event != "open"):
        return
    if event == "open":
        path, mode, flags = args
        writes = flags is not None and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if not writes and not set(mode or "") & set("wax+"):
            return
    # Removing by directory handle announces the bare name: the handle says where.
    path = os.fsdecode(args[0]) if isinstance(args[0], str | bytes | os.PathLike) else ""
    handle = next((arg for arg in reversed(args[1:]) if isinstance(arg, int) and arg >= 0), None)
    if path and not os.path.isabs(path) and event in ("os.remove", "os.rmdir") and handle:
        path = os.path.join(os.readlink(f"/proc/self/fd/{handle}"), path)
    for disk in list(_active):
        disk.operation(event, path)


sys.addaudithook(_watch)
