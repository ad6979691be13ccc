"""One process a core: which cores there are, and having a child on one of them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


def visible_cores() -> list[int]:
    """Numbers of the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def core_of(slot: int, workers: int) -> int | None:
    """The core of one of `workers` slots; None where cores cannot be chosen or are too few."""
    cores = visible_cores()
    pin = hasattr(os, "sched_setaffinity") and workers <= len(cores)
    return cores[slot] if pin else None


@contextlib.contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """Inside, what this thread starts is on `core` alone; with None nothing changes."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def move(process: int, core: int) -> None:
    """Moves all threads of a running process to `core`; those that end meanwhile are left be."""
    try:
        threads = [int(each.name) for each in Path(f"/proc/{process}/task").iterdir()]
    except FileNotFoundError:
        return
    for thread in threads:
        # It may have ended, or the core been taken from us: then the task stays where it is.
        with contextlib.suppress(OSError):
            os.sched_setaffinity(thread, {core})
