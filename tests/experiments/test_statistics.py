"""Laws of the statistics: agreement with scipy, coverage, false positives, exact corner cases."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from experiments.statistics import (
    equivalence_p,
    holm,
    minimal_detectable_effect,
    noninferiority_p,
    one_sample_test,
    paired_test,
    t_interval,
)

SIMULATIONS = 4000
"""Monte-Carlo standard error: 0.34 points of coverage, so 93-97 % is six of them wide."""

samples = st.lists(st.floats(-1, 1).map(lambda x: round(x, 6)), min_size=2, max_size=12)


@given(samples)
def test_interval_is_scipys(values: list[float]) -> None:
    interval = t_interval(values)
    if np.ptp(values) == 0:
        assert interval.low == interval.high == interval.mean
        return
    low, high = scipy.stats.t.interval(
        0.95, len(values) - 1, np.mean(values), scipy.stats.sem(values)
    )
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=1e-9)


def test_paired_test_is_scipys() -> None:
    rng = np.random.default_rng(0)
    for n in (2, 3, 5, 10):
        a, b = rng.normal(size=(2, n))
        ours, theirs = paired_test(a, b), scipy.stats.ttest_rel(a, b)
        assert (ours.t, ours.p) == pytest.approx((theirs.statistic, theirs.pvalue), rel=1e-9)
        assert ours.effect_size == pytest.approx((a - b).mean() / (a - b).std(ddof=1))
        assert paired_test(b, a).difference.mean == pytest.approx(-ours.difference.mean)
        single = one_sample_test(a, 0.3)
        assert single.p == pytest.approx(scipy.stats.ttest_1samp(a, 0.3).pvalue, rel=1e-9)


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_the_interval_covers_the_truth_as_often_as_it_says(seeds: int) -> None:
    """Rates of 200 prompts whose true rate differs between seeds, as in a study."""
    rng = np.random.default_rng(seeds)
    rates = np.clip(rng.normal(0.3, 0.08, size=(SIMULATIONS, seeds)), 0, 1)
    studies = rng.binomial(200, rates) / 200
    intervals = [t_interval(study) for study in studies]
    covered = np.mean([i.low <= 0.3 <= i.high for i in intervals])  # type: ignore[operator]
    assert 0.93 <= covered <= 0.97


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_equal_arms_are_rarely_called_different(seeds: int) -> None:
    rng = np.random.default_rng(100 + seeds)
    rates = np.clip(rng.normal(0.3, 0.08, size=(SIMULATIONS, seeds)), 0, 1)
    a, b = rng.binomial(200, rates) / 200, rng.binomial(200, rates) / 200
    found = np.mean([paired_test(x, y).p < 0.05 for x, y in zip(a, b, strict=True)])
    assert found <= 0.06


def test_without_spread_the_p_value_is_the_exact_sign_flip_one() -> None:
    equal = paired_test([0.3, 0.4, 0.5], [0.3, 0.4, 0.5])
    assert (equal.p, equal.t, equal.effect_size, equal.sd) == (1.0, None, 0.0, 0.0)
    # 0.3 - 0.2 and 0.4 - 0.3 differ in the last bit only: no spread.
    shifted = paired_test([0.3, 0.4, 0.5], [0.2, 0.3, 0.4])
    assert shifted.p == 0.25
    assert shifted.effect_size == math.inf
    assert shifted.difference.low == shifted.difference.high == pytest.approx(0.1)


def test_one_seed_has_no_interval_and_is_no_evidence() -> None:
    interval = t_interval([0.4])
    assert (interval.low, interval.high, interval.half_width) == (None, None, None)
    assert not interval.within(1.0)
    test = paired_test([0.9], [0.1])
    assert (test.p, test.t) == (1.0, None)


@pytest.mark.parametrize("values", [[], [0.1, math.nan], [math.inf]])
def test_what_is_no_number_per_seed_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match=r"seed|NaN"):
        t_interval(values)


def test_unequal_numbers_of_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match="pairs share a seed"):
        paired_test([0.1, 0.2], [0.1])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_never_lowers_a_p_value_and_keeps_their_order(pvalues: list[float]) -> None:
    adjusted = holm(pvalues)
    assert all(p <= q <= 1 for p, q in zip(pvalues, adjusted, strict=True))
    ordered = [q for _, q in sorted(zip(pvalues, adjusted, strict=True))]
    assert ordered == sorted(ordered)
    assert min(adjusted) == min(1.0, len(pvalues) * min(pvalues))


def test_holm_on_a_worked_example() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx((0.03, 0.06, 0.06))


@pytest.mark.parametrize("n", [3, 5, 10])
def test_the_detectable_effect_is_detected_as_often_as_it_says(n: int) -> None:
    effect = minimal_detectable_effect(0.05, n)
    differences = np.random.default_rng(n).normal(effect, 0.05, size=(SIMULATIONS, n))
    found = np.mean([one_sample_test(d).p < 0.05 for d in differences])
    assert 0.78 <= found <= 0.82


def test_the_detectable_effect_at_its_borders() -> None:
    assert minimal_detectable_effect(0.05, 1) == math.inf
    assert minimal_detectable_effect(0.0, 5) == 0.0
    with pytest.raises(ValueError, match="sd"):
        minimal_detectable_effect(-1.0, 5)


def test_equivalence_agrees_with_the_interval_at_twice_its_tail() -> None:
    rng = np.random.default_rng(5)
    for _ in range(200):
        n = int(rng.integers(3, 9))
        test = paired_test(rng.normal(0, 0.05, n).tolist(), rng.normal(0, 0.05, n).tolist())
        assert (equivalence_p(test, 0.05) < 0.025) == test.difference.within(0.05)


def test_lying_below_agrees_with_the_upper_end_of_the_interval() -> None:
    rng = np.random.default_rng(6)
    for _ in range(200):
        n = int(rng.integers(3, 9))
        test = paired_test(rng.normal(0, 0.1, n).tolist(), rng.normal(0, 0.1, n).tolist())
        high = test.difference.high
        assert high is not None
        assert (noninferiority_p(test, 0.05) < 0.05) == (high < 0.05)
    far_below, above = (paired_test([shift] * 5, [0.0] * 5) for shift in (-0.2, 0.2))
    assert noninferiority_p(far_below, 0.05) == 2.0**-4
    assert noninferiority_p(above, 0.05) == 1.0


def test_equivalence_without_spread_is_decided_by_the_difference() -> None:
    inside, outside = (paired_test([shift] * 5, [0.0] * 5) for shift in (0.01, 0.2))
    assert equivalence_p(inside, 0.05) == 2.0**-4
    assert equivalence_p(outside, 0.05) == 1.0
