"""Linear probes: ridge regression from activations to labels, in closed form.

What a linear function can read off a stream is there in a form that later layers can read too
(Alain and Bengio 2016, arXiv:1610.01644). Whether the probe found it there or learned it by heart
is told by a control task with the same entities and labels dealt out at random (Hewitt and Liang
2019, arXiv:1909.03368), and by entities that are in one part only: `entity_folds`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RIDGE = 0.1
"""Weight of the penalty beside features of variance 1."""


@dataclass(frozen=True)
class LinearProbe:
    """A linear function of standardised features."""

    mean: Floats
    scale: Floats
    """Of the features, `(features,)`."""
    weights: Floats
    """`(features, outputs)`."""
    constant: Floats
    """`(outputs,)`."""

    def scores(self, features: np.ndarray) -> Floats:
        """What it reads off features `(examples, features)`: `(examples, outputs)`."""
        return (features - self.mean) / self.scale @ self.weights + self.constant


def fit_probe(features: np.ndarray, targets: np.ndarray, ridge: float = RIDGE) -> LinearProbe:
    """The probe of least squared error on targets `(examples, outputs)`, with a ridge penalty.

    Raises `ValueError` without examples, or for as many targets as there are not.
    """
    if not len(features) or len(features) != len(targets):
        raise ValueError(f"{len(features)} examples and {len(targets)} targets make no probe.")
    wide = features.astype(np.float64)
    mean, scale = wide.mean(axis=0), wide.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    inputs = (wide - mean) / scale
    constant = targets.mean(axis=0, dtype=np.float64)
    gram = inputs.T @ inputs / len(inputs) + ridge * np.eye(inputs.shape[1])
    weights = np.linalg.solve(gram, inputs.T @ (targets - constant) / len(inputs))
    return LinearProbe(mean, scale, weights, constant)


def fit_signs(features: np.ndarray, labels: np.ndarray, ridge: float = RIDGE) -> LinearProbe:
    """The probe whose scores are positive where boolean labels `(examples, outputs)` hold.

    Zero lies midway between the mean scores of the two classes, so that classes of unequal size
    count alike. Raises `ValueError` for an output with one class only.
    """
    probe = fit_probe(features, np.where(labels, 1.0, -1.0), ridge)
    scores = probe.scores(features)
    middle = 0.5 * (_mean(scores, labels) + _mean(scores, ~labels))
    return replace(probe, constant=probe.constant - middle)


def held_out_scores(
    features: np.ndarray,
    targets: np.ndarray,
    folds: np.ndarray,
    teaches: np.ndarray,
    fit: Callable[[np.ndarray, np.ndarray], LinearProbe] = fit_probe,
) -> Floats:
    """Scores of each example by the probe that saw no example of its fold, `(examples, outputs)`.

    folds: `(examples,)` numbers. teaches: `(examples,)` which examples probes are fitted to.
    """
    scores = np.zeros(targets.shape)
    for fold in np.unique(folds).tolist():
        own = folds == fold
        taught = teaches & ~own
        scores[own] = fit(features[taught], targets[taught]).scores(features[own])
    return scores


def balanced_accuracy(scores: np.ndarray, labels: np.ndarray) -> Floats:
    """Mean of the two classes' shares of right signs; scores and boolean labels, one a column.

    Raises `ValueError` for a column with one class only.
    """
    right = ((scores > 0) == labels).astype(np.float64)
    return 0.5 * (_mean(right, labels) + _mean(right, ~labels))


def entity_folds(labels: Sequence[object], count: int, rng: np.random.Generator) -> np.ndarray:
    """A fold in [0, count) for each entity; every label is spread over the folds evenly."""
    folds = np.zeros(len(labels), np.int64)
    for label in sorted(set(labels), key=repr):
        members = [place for place, own in enumerate(labels) if own == label]
        for turn, place in enumerate(rng.permutation(len(members)).tolist()):
            folds[members[place]] = turn % count
    return folds


def dealt_out(values: np.ndarray, folds: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A control's labels: each entity has that of one drawn from its fold, each once."""
    dealt = values.copy()
    for fold in np.unique(folds).tolist():
        members = np.flatnonzero(folds == fold)
        dealt[members] = values[rng.permutation(members)]
    return dealt


def _mean(values: np.ndarray, which: np.ndarray) -> Floats:
    """Mean of each column over the rows where `which` holds."""
    counts = which.sum(axis=0)
    if not np.all(counts):
        raise ValueError("A probe of two classes needs examples of both.")
    return np.where(which, values, 0.0).sum(axis=0) / counts
