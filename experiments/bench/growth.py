"""How time grows with size: parameters, batch, tokens, entities, prompts decoded at once.

Each size is a contestant, so sizes meet the same disturbances; the exponent is the slope of a
least-squares line through the logarithms of the medians.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from experiments.bench.contest import Contest, Contestant, Measured, spread
from experiments.bench.results import Curve, Point

ROWS = 8
"""Rows of the batch with which parameters are varied: one micro-batch of the laptop study."""

STEPS = 8
"""Steps between two lines of the log, and timed: fewer than the study's, for the largest models.

Equally many for all sizes, so that the host's share of a step depends on its size alone.
"""


@dataclass(frozen=True)
class Axis:
    """A size that is varied: work and options of each value, and how a rate becomes seconds."""

    quantity: str
    what: str
    host: str
    work: str
    options: Callable[[Any], dict[str, Any]]
    quick: tuple[Any, ...]
    full: tuple[Any, ...]
    size: Callable[[Any, Mapping[str, Any]], float]
    units: Callable[[Any, Mapping[str, Any]], float]
    """Units of the work in what `what` names."""


def _parameters(name: str) -> dict[str, Any]:
    return {"preset": name, "steps": STEPS, "batch_rows": ROWS, "micro_rows": ROWS}


def _batch(rows: int) -> dict[str, Any]:
    return {"steps": STEPS, "batch_rows": rows, "micro_rows": rows}


AXES = (
    Axis(
        "parameters",
        "training on 1,000 tokens",
        "jax",
        "train",
        _parameters,
        ("0.1M", "0.3M", "1M"),
        ("0.1M", "0.3M", "1M", "3M", "10M"),
        lambda value, facts: facts["parameters"],
        lambda value, facts: 1000.0,
    ),
    Axis(
        "rows of a batch (no micro-batches)",
        "training on one batch",
        "jax",
        "train",
        _batch,
        (2, 8, 32),
        (2, 4, 8, 16, 32, 64, 128),
        lambda value, facts: value,
        lambda value, facts: value * facts["context"],
    ),
    Axis(
        "prompts decoded at once",
        "decoding 36 tokens each",
        "jax decoding",
        "decode",
        lambda prompts: {"batch": prompts},
        (8, 32, 128),
        (1, 4, 16, 32, 64, 128, 256),
        lambda value, facts: value,
        lambda value, facts: value * facts["new_tokens"],
    ),
    Axis(
        "tokens of a corpus stream",
        "writing and tokenizing them",
        "plain",
        "stream",
        lambda tokens: {"tokens": tokens},
        (50_000, 200_000, 800_000),
        (50_000, 200_000, 800_000, 3_200_000),
        lambda value, facts: value,
        lambda value, facts: value,
    ),
    Axis(
        "entities of the world",
        "building it and its vocabulary",
        "plain",
        "world",
        lambda compounds: {"compounds": compounds},
        (120, 480, 1_920),
        (120, 480, 1_920, 5_760),
        lambda value, facts: facts["entities"],
        lambda value, facts: 1.0,
    ),
)


def contests(quick: bool) -> list[Contest]:
    """A contest an axis."""
    return [
        Contest(
            axis.quantity,
            tuple(
                Contestant(str(value), axis.host, axis.work, axis.options(value))
                for value in (axis.quick if quick else axis.full)
            ),
            rounds=2 if quick else 5,
            seconds=0.1 if quick else 0.3,
        )
        for axis in AXES
    ]


def curves(measured: Mapping[str, Mapping[str, Measured]], quick: bool) -> list[Curve]:
    """A curve for each axis whose sizes were all measured."""
    made = []
    for axis in AXES:
        values = axis.quick if quick else axis.full
        found = [(value, measured[axis.quantity][str(value)]) for value in values]
        if not any(each.missing for _, each in found):
            made.append(fit(axis, found))
    return made


def fit(axis: Axis, found: list[tuple[Any, Measured]]) -> Curve:
    """The points of an axis and their exponent."""
    from scipy.stats import linregress

    points = tuple(
        Point(
            axis.size(value, each.facts),
            spread([axis.units(value, each.facts) / rate for rate in each.rates]),
        )
        for value, each in found
    )
    line = linregress(
        [math.log(point.size) for point in points],
        [math.log(point.seconds.median) for point in points],
    )
    return Curve(axis.quantity, axis.what, points, float(line.slope), float(line.stderr))  # pyright: ignore
