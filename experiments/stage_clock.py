"""How long a cell spends on what, from the reports that its stages make anyway."""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.json_files import StoreError, read_json

if TYPE_CHECKING:
    from tiny_models.training import Progress

TIMING = "timing.json"
"""Seconds that a cell spent on each of its parts, in the folder of its log."""

START, COMPILE, TOKENIZE = "start", "compile", "tokenize and initialise"
PARTS = {"reading the corpus back": "read back", "tokenizing": TOKENIZE, "asking": "measure"}
"""What a stage says when it begins something, and what we call that; training says its name."""

_MEASURING = re.compile(r"measuring: (\w+)")


def read_seconds(path: Path) -> dict[str, float]:
    """The seconds by part in a file. Raises `StoreError` naming a file that holds other things."""
    found = read_json(path)
    good = isinstance(found, dict) and all(
        isinstance(seconds, int | float)
        and not isinstance(seconds, bool)
        and math.isfinite(seconds)
        and seconds >= 0
        for seconds in found.values()
    )
    if not good:
        raise StoreError(f"{path} must hold an object of seconds by part, each a number >= 0")
    return found


def _instrument(stage: str) -> str:
    """What a report is of, without how far it is: `measuring: gcg 16/88` is of the part gcg."""
    found = _MEASURING.match(stage)
    return found[1] if found else stage


def process_age() -> float:
    """Seconds since this process began; 0 where the system does not say (other than Linux)."""
    stat = Path("/proc/self/stat")
    if not stat.exists():
        return 0.0
    # Field 22 counts ticks since the machine started; field 2, in brackets, may hold spaces.
    ticks = int(stat.read_text().rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


class StageClock:
    """Seconds by part: start (from the process's beginning), read back, tokenize and initialise,
    pretrain, sft, finetune, measure; and compile, which is what a training's first line took longer
    than at the pace of the second. What questions need compiled counts as measure. `earlier` is
    what was spent before the cell was interrupted.
    """

    def __init__(
        self,
        now: Callable[[], float] = time.perf_counter,
        age: float | None = None,
        earlier: Mapping[str, float] | None = None,
    ) -> None:
        self._now, self._part = now, START
        self._last = now() - (process_age() if age is None else age)
        self._seconds: dict[str, float] = dict(earlier or {})
        self._first: dict[str, tuple[float, int] | None] = {}

    def heard(self, stage: str, progress: Progress | None) -> None:
        """Takes note of one report."""
        passed = self._pass_time()
        if progress is None:
            self._add(self._part, passed)
            self._part = PARTS.get(stage) or _instrument(stage)
            return
        part = stage.partition("-")[0]
        if stage not in self._first:
            # What came before the training itself belongs to what was announced, if anything was.
            chunk = min(passed, progress.seconds)
            announced = self._part in PARTS.values()
            self._add(self._part if announced else part, passed - chunk)
            self._add(part, chunk)
            self._first[stage] = chunk, progress.step
        else:
            self._add(part, passed)
            self._separate_compiling(stage, part, passed, progress.step)
        self._part = part

    def seconds(self) -> dict[str, float]:
        """Seconds of each part until now, in order of appearance."""
        self._add(self._part, self._pass_time())
        return {part: round(seconds, 2) for part, seconds in self._seconds.items()}

    def _separate_compiling(self, stage: str, part: str, passed: float, step: int) -> None:
        first = self._first[stage]
        if first is None:
            return
        chunk, steps = first
        excess = max(0.0, chunk - passed / (step - steps) * steps)
        self._add(part, -excess)
        self._add(COMPILE, excess)
        self._first[stage] = None

    def _pass_time(self) -> float:
        before, self._last = self._last, self._now()
        return self._last - before

    def _add(self, part: str, seconds: float) -> None:
        self._seconds[part] = self._seconds.get(part, 0.0) + seconds
