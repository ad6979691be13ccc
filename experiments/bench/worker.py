"""One process that prepares works and does rounds of them when told: `python -m ...bench.worker`.

JSON lines in, JSON lines out. {"prepare": NAME, "options": {...}} is answered {"id", "facts"} or
{"missing": REASON}; {"round": ID, "cores": [...], "seconds": S} is answered {"units", "seconds"}.
Threads are counted when libraries load, so each competitor's thread count is its process's.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias


class Lap(NamedTuple):
    """Units of work done, seconds by the clock on the wall, and processor seconds of all threads.

    On a core that others use too, the wall's seconds are theirs as well; `busy` are our own.
    """

    units: float
    seconds: float
    busy: float


Clocks: TypeAlias = tuple[float, float]
"""The wall's clock and the process's, in seconds."""

Once: TypeAlias = Callable[[], Lap]
"""Does the work once."""

WORKS = {
    "copy": ("peaks", "prepare_copy"),
    "square": ("peaks", "prepare_square"),
    "products": ("peaks", "prepare_products"),
    "train": ("training", "prepare_ours"),
    "train_torch": ("training", "prepare_torch"),
    "decode": ("decoding", "prepare_ours"),
    "decode_hf": ("decoding", "prepare_hf"),
    "stream": ("stream", "prepare_stream"),
    "texts": ("stream", "prepare_texts"),
    "tokens": ("stream", "prepare_tokens"),
    "copy_tokens": ("stream", "prepare_copy_tokens"),
    "emit": ("stream", "prepare_emit"),
    "encode_hf": ("stream", "prepare_encode_hf"),
    "dump": ("stream", "prepare_dump"),
    "world": ("stream", "prepare_world"),
    "ensemble": ("ensemble", "prepare_ensemble"),
}
"""Work -> module of this package, and the function that prepares it."""


@dataclass(frozen=True)
class Work:
    """Something that was prepared (compiled, warmed up) and can be done again and again.

    `fixed` are options that preparing settled, for further copies to take over.
    """

    once: Once
    facts: dict[str, Any] = field(default_factory=dict)
    fixed: dict[str, Any] = field(default_factory=dict)


def timed(action: Callable[[], Any], units: float) -> Once:
    """`action` as a work of so many units, by the clock on the wall."""

    def once() -> Lap:
        before = clocks()
        action()
        return lap(units, before, clocks())

    return once


def clocks() -> Clocks:
    """The wall's clock and this process's, in seconds from some beginning."""
    return time.perf_counter(), time.process_time()


def lap(units: float, before: Clocks, after: Clocks) -> Lap:
    """What was done between two readings of the clocks."""
    return Lap(units, after[0] - before[0], after[1] - before[1])


def prepare(name: str, options: dict[str, Any]) -> Work:
    """The work of this name, ready to run. Raises ModuleNotFoundError if a peer is missing."""
    module, function = WORKS[name]
    return getattr(importlib.import_module(f"experiments.bench.{module}"), function)(**options)


def one_round(once: Once, least: float) -> Lap:
    """The sum of doing the work until `least` seconds of it have passed."""
    laps: list[Lap] = []
    while not laps or sum(each.seconds for each in laps) < least:
        laps.append(once())
    return Lap(*map(sum, zip(*laps, strict=True)))


def pin(cores: Sequence[int]) -> None:
    """Keeps every thread of this process on these cores; where the system cannot, does nothing."""
    if not hasattr(os, "sched_setaffinity"):
        return
    for thread in Path("/proc/self/task").iterdir():
        try:
            os.sched_setaffinity(int(thread.name), cores)
        except ProcessLookupError:
            continue  # a thread that ended meanwhile needs no core


def serve() -> None:
    """Answers requests until the input ends."""
    # Libraries print what they like; answers keep a channel of their own.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    works: list[Work] = []
    pinned: list[int] = []
    for line in sys.stdin:
        request = json.loads(line)
        if "prepare" in request:
            try:
                works.append(prepare(request["prepare"], request["options"]))
                done = works[-1]
                answer = {"id": len(works) - 1, "facts": done.facts, "fixed": done.fixed}
            except ModuleNotFoundError as error:
                answer = {"missing": f"{error.name} is not installed (`make test` installs it)"}
            except Exception as error:
                # Its row says so; the other works of this process are none the worse for it.
                traceback.print_exc()
                answer = {"missing": f"failed: {type(error).__name__}: {error}"}
        else:
            if request["cores"] != pinned:
                pinned = request["cores"]
                pin(pinned)
            answer = one_round(works[request["round"]].once, request["seconds"])._asdict()
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    serve()
