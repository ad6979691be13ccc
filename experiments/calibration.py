"""Whether models know what they do not know: confidence against being right, as rows.

`brier` is the mean squared difference between confidence and being right (0 or 1); `chance_brier`
is that of one who is always as confident as often right. `ece`, the expected calibration error, is
the distance between mean confidence and the share of right answers in each of ten equal bins of
confidence, weighted by how many fall into it; `chance_ece` is what it would be by luck alone, were
each confidence exactly right (the mean over 200 draws).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from experiments.rows import Row

Floats = NDArray[np.float64]

_BINS = 10
_DRAWS = 200


def calibration_rows(
    value: Callable[[str, Floats], Row], confidence: Floats, right: NDArray[np.bool_]
) -> list[Row]:
    """Brier score and calibration error with what chance gives; nothing without answers."""
    if not len(confidence):
        return []
    hits = right.astype(np.float64)
    drawn = np.random.default_rng(0).random((_DRAWS, len(confidence))) < confidence
    by_chance = np.mean([calibration_error(confidence, each.astype(float)) for each in drawn])
    every = np.ones(len(confidence))
    return [
        value("confidence", confidence),
        value("accuracy", hits),
        value("brier", (confidence - hits) ** 2),
        value("chance_brier", every * hits.mean() * (1 - hits.mean())),
        value("ece", every * calibration_error(confidence, hits)),
        value("chance_ece", every * by_chance),
    ]


def calibration_error(confidence: Floats, right: Floats) -> float:
    """The expected calibration error over equal bins of confidence."""
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    gaps = np.bincount(bins, confidence - right, _BINS)
    return float(np.abs(gaps).sum() / len(confidence))
