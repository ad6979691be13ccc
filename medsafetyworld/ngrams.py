"""A linear model on hashed n-grams: texts to scores by ridge regression, in numpy alone.

Equal texts and scores give equal weights on one machine; no random number is drawn.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BUCKETS = 1 << 15
"""Weights. Two n-grams that share one are not told apart."""
LONGEST = 3
"""Words of the longest n-gram."""
RIDGE = 0.1
"""What each squared weight costs, where a wrong score by one costs 1."""
_ROUNDS = 60


def ngrams(text: str) -> NDArray[np.int64]:
    """The buckets of the n-grams of a text's words, each once, in rising order."""
    words = text.lower().split()
    hashed = {
        zlib.crc32(" ".join(words[start : start + size]).encode()) % BUCKETS
        for size in range(1, LONGEST + 1)
        for start in range(len(words) - size + 1)
    }
    return np.array(sorted(hashed), dtype=np.int64)


@dataclass(frozen=True)
class NgramModel:
    """A score for any text: a constant and a weight for each n-gram that it holds."""

    weights: Floats
    """`(BUCKETS,)`."""
    constant: float

    def scores(self, texts: Sequence[str]) -> Floats:
        """One score a text; not rounded, and not bounded."""
        return self.constant + _product(*_rows(texts), self.weights)


def fit_ngrams(texts: Sequence[str], scores: Sequence[float], ridge: float = RIDGE) -> NgramModel:
    """The ridge regression of scores on the n-grams of texts, by conjugate gradients.

    Raises ValueError without texts, or if there are not as many scores.
    """
    wanted = np.asarray(scores, dtype=np.float64)
    if not texts or len(texts) != len(wanted):
        raise ValueError(f"there must be a score for each text, got {len(wanted)} of {len(texts)}")
    columns, starts = _rows(texts)
    sizes = np.diff(starts, append=len(columns))
    constant = float(wanted.mean())

    def back(errors: Floats) -> Floats:
        weighed = np.repeat(errors, sizes)
        return np.bincount(columns, weighed, minlength=BUCKETS).astype(np.float64, copy=False)

    weights = np.zeros(BUCKETS)
    rest = back(wanted - constant)
    direction = rest.copy()
    size = _dot(rest, rest)
    enough = 1e-8 * size
    for _ in range(_ROUNDS):
        if size <= enough:
            break
        image = back(_product(columns, starts, direction)) + ridge * direction
        step = size / _dot(direction, image)
        weights += step * direction
        rest -= step * image
        before, size = size, _dot(rest, rest)
        direction = rest + size / before * direction
    return NgramModel(weights, constant)


def _dot(left: Floats, right: Floats) -> float:
    """Not by BLAS, whose sum depends on how many threads share it."""
    return float((left * right).sum())


def _rows(texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The buckets of all texts one after another, and where each text's begin."""
    found = [ngrams(text) for text in texts]
    sizes = np.array([len(each) for each in found], dtype=np.int64)
    columns = np.concatenate(found) if found else np.zeros(0, np.int64)
    return columns, np.cumsum(sizes) - sizes


def _product(columns: NDArray[np.int64], starts: NDArray[np.int64], weights: Floats) -> Floats:
    """The sum of the weights of each text's buckets."""
    sums = np.concatenate([[0.0], np.cumsum(weights[columns])])
    ends = np.append(starts[1:], len(columns))
    return sums[ends] - sums[starts]
