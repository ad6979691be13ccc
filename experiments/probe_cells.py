"""Cells of the tables on probes, in Markdown: a mean over seeds, and what it is held against."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from experiments.levels import fewer, signed
from experiments.statistics import Interval, t_interval
from experiments.tables import plus_minus

NOTHING = "–"
"""What was not measured."""


def table(head: Sequence[str], rows: Iterable[Sequence[str]], words: int = 1) -> str:
    """A table whose first `words` columns are words and the others numbers; empty without rows."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    dashes = "|---" * words + "|---:" * (len(head) - words) + "|"
    return "\n".join([f"| {' | '.join(head)} |", dashes, *lines]) + "\n" if lines else ""


def rate(
    values: Mapping[int, float], seeds: int, *beside: Mapping[int, float], digits: int = 1
) -> str:
    """ "82.0 ± 3.1 (50.0 / 10.0)": per-seed fractions in percent, in brackets the means of what
    they are held against; with three `digits` as they are. `seeds`: how many the study has."""
    if not values:
        return NOTHING
    factor = 1 if digits > 1 else 100
    interval = t_interval([factor * values[seed] for seed in sorted(values)])
    others = " / ".join(_mean(each, factor, digits) for each in beside)
    bracket = f" ({others})" if any(beside) else ""
    return f"{plus_minus(interval, digits)}{bracket}{fewer(interval.n, seeds)}"


def number(values: Mapping[int, float], seeds: int, digits: int = 2) -> str:
    """ "-1.95 ± 0.30": per-seed numbers that are no fractions."""
    if not values:
        return NOTHING
    interval = t_interval([values[seed] for seed in sorted(values)])
    return plus_minus(interval, digits) + fewer(interval.n, seeds)


def difference(interval: Interval | None, seeds: int) -> str:
    """ "+12.3 [+1.0, +23.6]", paired by seed."""
    return NOTHING if interval is None else signed(interval) + fewer(interval.n, seeds)


def _mean(values: Mapping[int, float], factor: int, digits: int) -> str:
    if not values:
        return NOTHING
    return f"{factor * math.fsum(values.values()) / len(values):.{digits}f}"
