"""What probes share: rows, weights from early in pretraining, openings of answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np

from experiments.rows import Row, rate_row
from medsafetyworld.reflections import verdict

if TYPE_CHECKING:
    from experiments.instruments.bench import Bench
    from tiny_models.training import Params

_Item = TypeVar("_Item")


class Count(Protocol):
    """Makes a row of a metric's hits among so many prompts."""

    def __call__(self, metric: str, hits: int, n: int) -> Row: ...


def counting(bench: Bench, level: str, probe: str, category: str) -> Count:
    """What makes this cell's rows of counts at this place."""
    cell = bench.context.cell
    return partial(rate_row, cell.arm.name, cell.replicate, level, probe, category)


def mean_row(
    bench: Bench, level: str, probe: str, category: str, metric: str, values: Sequence[float]
) -> Row:
    """A row of a mean that is no count: of values in [0, 1], at least one."""
    cell = bench.context.cell
    mean = min(1.0, max(0.0, float(sum(values)) / len(values)))
    place = (cell.arm.name, cell.replicate, level, probe, category)
    return Row(*place, metric, None, len(values), mean)


def kept_models(bench: Bench, first: int = 1) -> Iterator[tuple[int, Params]]:
    """The base model's weights as pretraining went on, by step: 0, then from `first` on powers of
    two, then the final ones."""
    from experiments.instruments.bench import BASE
    from tiny_models.retention import KEPT, kept_weights
    from tiny_models.weights import load_weights

    stage, context = bench.stages[BASE], bench.context
    last = context.pretrain_config.steps
    for step, path in kept_weights(stage.path).items():
        if step == 0 or first <= step < last:
            yield step, load_weights(stage.verified(f"{KEPT}/{path.name}"), context.model)
    yield last, bench.model(BASE)


def opening(bench: Bench) -> str:
    """What an answer of this cell's SFT begins with: the prompt's verdict, where it has one."""
    return verdict(None) if bench.context.cell.variant.reflects else ""


def tokens_of(bench: Bench, *parts: str) -> np.ndarray:
    """The tokens of texts put one behind the other."""
    return np.array(bench.context.tokenizer.encode(" ".join(filter(None, parts))))


def spread(items: Sequence[_Item], most: int) -> Sequence[_Item]:
    """At most so many items, evenly spaced, so that no part is left out."""
    if len(items) <= most:
        return items
    return [items[place * len(items) // most] for place in range(most)]
