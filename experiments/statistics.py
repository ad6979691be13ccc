"""Intervals and tests over seeds.

The unit is the seed: each variant contributes one number per seed (a rate over that seed's
prompts), and arms that share a seed are paired. Pooling prompts of all seeds into one binomial
interval ignores what differs between seeds and covers 51-59 % where 95 % is promised; the
t interval over per-seed means covers 95-96 %, also with three seeds.

Quantities without spread are decided exactly instead of dividing by zero; see `Test`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from scipy.optimize import brentq
from scipy.special import nctdtr, stdtr, stdtrit

SMALLEST_EFFECT = 0.05
"""Differences of rates below 5 points are of no interest here."""

MINIMUM_SEEDS = 3
"""With fewer seeds nothing is decided, however equal they look."""

_ROUNDING = 1e-12
"""Differences of rates closer than this (relative) are equal: 0.3 - 0.2 against 0.4 - 0.3."""


@dataclass(frozen=True)
class Interval:
    """A mean over `n` seeds with its confidence bounds; one seed has no bounds (None)."""

    mean: float
    low: float | None
    high: float | None
    n: int

    @property
    def half_width(self) -> float | None:
        """Half of the width: the number after the plus-minus sign."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2

    def within(self, bound: float) -> bool:
        """Whether the whole interval lies in [-bound, bound]; never with one seed."""
        if self.low is None or self.high is None:
            return False
        return -bound <= self.low and self.high <= bound


@dataclass(frozen=True)
class Test:
    """A two-sided test that a mean (of differences) is zero.

    difference: mean of a - b with its interval. t: None when it does not exist. p: two-sided.
    sd: standard deviation of the differences (n - 1). effect_size: Cohen's dz, mean over sd.

    Without spread t has no denominator. Then p is that of the exact sign-flip test: 1 when the
    mean is zero, else 2^(1-n), the chance that n fair coins all agree. It is larger than the
    limit 0 of the t test, on purpose: equal differences at two seeds are no proof. One seed is
    no evidence at all: p = 1.
    """

    __test__ = False  # not a test case, whatever its name makes pytest think

    difference: Interval
    t: float | None
    p: float
    n: int
    sd: float | None
    effect_size: float | None


def t_interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """Student's interval for the mean of per-seed `values`.

    One value gives an interval without bounds; values without spread one of zero width.
    """
    data = _finite(values)
    if not 0.0 < level < 1.0:
        raise ValueError(f"level is {level}; allowed: between 0 and 1, for instance 0.95")
    mean, n = _mean(data), len(data)
    if n == 1:
        return Interval(mean, None, None, 1)
    half = float(stdtrit(n - 1, 0.5 + level / 2)) * _spread(data) / math.sqrt(n)
    return Interval(mean, mean - half, mean + half, n)


def one_sample_test(values: Sequence[float], reference: float = 0.0, level: float = 0.95) -> Test:
    """Test that the mean of per-seed `values` is `reference`; the interval is of the difference."""
    differences = _finite(values) - reference
    scale = float(np.max(np.abs(_finite(values)), initial=abs(reference)))
    return _test(differences, level, scale)


def paired_test(a: Sequence[float], b: Sequence[float], level: float = 0.95) -> Test:
    """Test that a - b is zero on average; `a[i]` and `b[i]` come from the same seed."""
    first, second = _finite(a), _finite(b)
    if len(first) != len(second):
        raise ValueError(f"{len(first)} values against {len(second)}; pairs share a seed")
    scale = float(np.max(np.abs(np.concatenate([first, second]))))
    return _test(first - second, level, scale)


def equivalence_p(test: Test, bound: float) -> float:
    """p-value of two one-sided tests that the true difference lies within ±`bound`.

    Without spread it is that of the sign-flip test if the difference lies inside, else 1.
    """
    gap = bound - abs(test.difference.mean)
    if not test.sd:
        return 2.0 ** (1 - test.n) if gap > 0 else 1.0
    return float(1 - stdtr(test.n - 1, gap * math.sqrt(test.n) / test.sd))


def noninferiority_p(test: Test, bound: float) -> float:
    """p-value of the true difference lying below `bound`: below 0.05 where the 95 % interval ends
    below it, so on the scale of two-sided tests.

    Without spread it is that of the sign-flip test if the difference lies below, else 1.
    """
    gap = bound - test.difference.mean
    if not test.sd:
        return 2.0 ** (1 - test.n) if gap > 0 else 1.0
    return min(1.0, 2 * float(1 - stdtr(test.n - 1, gap * math.sqrt(test.n) / test.sd)))


def holm(pvalues: Sequence[float]) -> tuple[float, ...]:
    """Holm's step-down adjusted p-values, in the order given."""
    if any(not 0.0 <= p <= 1.0 for p in pvalues):
        raise ValueError(f"p-values {tuple(pvalues)} must lie in [0, 1]")
    adjusted = [0.0] * len(pvalues)
    running = 0.0
    for rank, position in enumerate(sorted(range(len(pvalues)), key=lambda i: pvalues[i])):
        running = max(running, min(1.0, (len(pvalues) - rank) * pvalues[position]))
        adjusted[position] = running
    return tuple(adjusted)


def minimal_detectable_effect(sd: float, n: int, power: float = 0.8, alpha: float = 0.05) -> float:
    """Smallest true mean difference that `n` pairs find with probability `power`.

    `sd` is the standard deviation of the paired differences; the answer has its unit. From the
    noncentral t distribution, exact also for three seeds. Infinite with one pair, 0 without
    spread.
    """
    if sd < 0 or not math.isfinite(sd):
        raise ValueError(f"sd is {sd}; a standard deviation is finite and not negative")
    if not (0 < alpha < 1 and alpha < power < 1):
        raise ValueError(f"power {power} and alpha {alpha} must satisfy 0 < alpha < power < 1")
    if n < 2:
        return math.inf
    if sd == 0:
        return 0.0
    critical = float(stdtrit(n - 1, 1 - alpha / 2))

    def missing_power(shift: float) -> float:
        """`shift` is the noncentrality; the far tail's share is negligible but counted."""
        near, far = 1 - nctdtr(n - 1, shift, critical), nctdtr(n - 1, shift, -critical)
        # scipy says NaN for a tail that is too thin to represent.
        return float(near) + (0.0 if math.isnan(far) else float(far)) - power

    top = 1.0
    while missing_power(top) < 0:
        top *= 2
    shift = cast(float, brentq(missing_power, 0.0, top))
    return shift * sd / math.sqrt(n)


def _test(differences: np.ndarray, level: float, scale: float) -> Test:
    n = len(differences)
    mean = _mean(differences)
    if n == 1:
        return Test(Interval(mean, None, None, 1), None, 1.0, 1, None, None)
    if np.ptp(differences) <= _ROUNDING * scale:
        zero = abs(mean) <= _ROUNDING * scale
        mean = 0.0 if zero else mean
        effect = 0.0 if zero else math.copysign(math.inf, mean)
        p = 1.0 if zero else 2.0 ** (1 - n)
        return Test(Interval(mean, mean, mean, n), None, p, n, 0.0, effect)
    spread = _spread(differences)
    t = mean / (spread / math.sqrt(n))
    p = min(1.0, 2 * float(stdtr(n - 1, -abs(t))))
    return Test(t_interval(differences.tolist(), level), t, p, n, spread, mean / spread)


def _finite(values: Sequence[float]) -> np.ndarray:
    data = np.asarray(values, dtype=float)
    if data.ndim != 1 or not len(data):
        raise ValueError(f"expected one number per seed, got an array of shape {data.shape}")
    if not np.isfinite(data).all():
        raise ValueError(f"values {data.tolist()} hold a NaN or an infinity")
    return data


def _mean(data: np.ndarray) -> float:
    return math.fsum(data) / len(data)


def _spread(data: np.ndarray) -> float:
    """Standard deviation with n - 1; exactly 0 when all values are equal."""
    return float(data.std(ddof=1)) if np.ptp(data) > 0 else 0.0
