"""Reliability of verdicts: of texts called unsafe with some probability, how many are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.evidence import Records
from experiments.rows import variant_order
from experiments.statistics import Interval, t_interval

BINS = 10
"""Equal bins of probability, as instruments record them."""


@dataclass(frozen=True)
class Bin:
    """Texts that were called unsafe about as probably: their mean probability, the share of them
    that is, both in percent, and the share of all texts that they are, a fraction."""

    probability: float
    unsafe: Interval
    texts: float


def reliability_curves(records: Records) -> Iterator[tuple[str, str, dict[str, list[Bin]]]]:
    """For each kind of text and of truth (`all`: the policy; `label_all`: the labels trained on)
    the curve of every arm in the order of tables; nothing where no record has a `reliability`."""
    for _, arms in sorted(records.items()):
        named = {
            (probe, truth): None
            for seeds in arms.values()
            for record in seeds.values()
            for probe, truths in record.get("reliability", {}).items()
            for truth in truths
        }
        for probe, truth in sorted(named):
            curves = {
                arm: curve
                for arm in sorted(arms, key=variant_order)
                if (curve := _curve(_bins(arms[arm].values(), probe, truth)))
            }
            if curves:
                yield probe, truth, curves


def _bins(
    records: Iterable[Mapping[str, Any]], probe: str, truth: str
) -> Iterable[Sequence[Sequence[float]]]:
    """The bins of each seed: mean probability of Unsafe, share truly so, texts."""
    for record in records:
        bins = record.get("reliability", {}).get(probe, {}).get(truth)
        if bins:
            yield bins


def _curve(seeds: Iterable[Sequence[Sequence[float]]]) -> list[Bin]:
    """The bins that hold texts at any seed: means over the seeds that have any there. Verdicts are
    hardly ever in the middle of a bin."""
    means: dict[int, list[float]] = {}
    shares: dict[int, list[float]] = {}
    texts: dict[int, float] = {}
    for bins in seeds:
        for mean, share, n in bins:
            place = min(int(mean * BINS), BINS - 1)
            means.setdefault(place, []).append(100 * mean)
            shares.setdefault(place, []).append(100 * share)
            texts[place] = texts.get(place, 0) + n
    return [
        Bin(
            round(math.fsum(means[place]) / len(means[place]), 1),
            t_interval(shares[place]),
            texts[place] / sum(texts.values()),
        )
        for place in sorted(means)
    ]
