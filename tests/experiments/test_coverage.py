"""Coverage and false positives on what our data look like: rates and spreads of published results.

A seed's true rate is drawn from a beta with the mean and the spread over seeds that a published arm
shows, and its hits from a binomial over the arm's real number of prompts. Simulations are
vectorised; the first of each are held against the functions themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.special import stdtr, stdtrit

from experiments.measures import Measures
from experiments.result_sets import published
from experiments.scoreboard import entries
from experiments.statistics import paired_test, t_interval

SIMULATIONS = 20_000
"""Monte-Carlo standard error of a coverage: 0.15 points."""
COMPARED = 100
SEEDS = (3, 5, 10)
QUANTITIES = ("completion", "general", "direct", "prefill", "stem", "finetune", "finetune_mixsft")

Bounds = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Setting:
    """An arm's quantity: its mean, the spread of true rates over seeds, prompts a seed."""

    mean: float
    spread: float
    prompts: int

    def rates(self, rng: np.random.Generator, studies: int, seeds: int) -> np.ndarray:
        """Measured rates, (study, seed)."""
        size = self.mean * (1 - self.mean) / self.spread**2 - 1
        true = rng.beta(size * self.mean, size * (1 - self.mean), size=(studies, seeds))
        return rng.binomial(self.prompts, true) / self.prompts


def setting(measures: Measures, variant: str, quantity: str) -> Setting:
    """What an arm shows; of the variance over seeds, what the binomial explains is taken off."""
    values = np.array(measures.series(variant, quantity))
    need = measures.needs(quantity, variant=variant)[0]
    prompts = min(measures.row(variant, seed, *need).n for seed in measures.seeds(variant))
    mean = float(np.clip(values.mean(), 0.5 / prompts, 1 - 0.5 / prompts))
    most = mean * (1 - mean)
    variance = min(max(values.var(ddof=1) - most / prompts, 1e-5), 0.9 * most)
    return Setting(mean, float(np.sqrt(variance)), prompts)


@pytest.fixture(scope="module")
def settings() -> list[Setting]:
    """Every arm and quantity of five seeds or more: spreads of three seeds are too uncertain."""
    return [
        setting(each.measures, variant, quantity)
        for each in published()
        for variant in each.measures.variants
        for quantity in QUANTITIES
        if each.measures.has(variant, quantity) and len(each.measures.seeds(variant)) >= 5
    ]


def simulated(settings: list[Setting], seeds: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rates (study, seed), the true mean and the prompts of each, settings in equal shares."""
    rng = np.random.default_rng(seeds)
    share = -(-SIMULATIONS // len(settings))
    rates = np.concatenate([each.rates(rng, share, seeds) for each in settings])
    means, prompts = (
        np.repeat([getattr(each, name) for each in settings], share) for name in ("mean", "prompts")
    )
    return rates, means, prompts


def student(values: np.ndarray) -> Bounds:
    """`t_interval` of each row, vectorised."""
    seeds = values.shape[1]
    half = stdtrit(seeds - 1, 0.975) * values.std(axis=1, ddof=1) / np.sqrt(seeds)
    middle = values.mean(axis=1)
    for place in range(0, len(values), len(values) // COMPARED):
        ours = t_interval(values[place].tolist())
        assert (ours.low, ours.high) == pytest.approx(
            (middle[place] - half[place], middle[place] + half[place]), abs=1e-12
        )
    return middle - half, middle + half


def pooled(values: np.ndarray, prompts: np.ndarray) -> Bounds:
    """The planted error: all prompts of all seeds as if they were one sample."""
    rate = values.mean(axis=1)
    half = 1.96 * np.sqrt(rate * (1 - rate) / (prompts * values.shape[1]))
    return rate - half, rate + half


def normal(values: np.ndarray) -> Bounds:
    """Another one: the normal quantile where Student's belongs."""
    half = 1.96 * values.std(axis=1, ddof=1) / np.sqrt(values.shape[1])
    return values.mean(axis=1) - half, values.mean(axis=1) + half


def coverage(bounds: Bounds, truth: np.ndarray | float) -> float:
    return float(np.mean((bounds[0] <= truth) & (truth <= bounds[1])))


def middling(settings: list[Setting]) -> list[Setting]:
    return [each for each in settings if 0.2 <= each.mean <= 0.8]


@pytest.mark.parametrize("seeds", SEEDS)
def test_intervals_of_rates_between_20_and_80_percent_cover_what_they_say(
    settings: list[Setting], seeds: int
) -> None:
    rates, means, _ = simulated(middling(settings), seeds)
    assert 0.93 <= coverage(student(rates), means) <= 0.97


@pytest.mark.parametrize("seeds", SEEDS)
def test_pooling_all_prompts_into_one_sample_does_not(settings: list[Setting], seeds: int) -> None:
    rates, means, prompts = simulated(middling(settings), seeds)
    assert coverage(pooled(rates, prompts), means) < 0.75


def test_nor_does_the_normal_quantile_with_few_seeds(settings: list[Setting]) -> None:
    for seeds, most in ((3, 0.85), (5, 0.91)):
        rates, means, _ = simulated(middling(settings), seeds)
        assert coverage(normal(rates), means) < most


@pytest.mark.parametrize("seeds", SEEDS)
def test_intervals_of_the_differences_that_decide_our_claims_cover_what_they_say(
    seeds: int,
) -> None:
    rng = np.random.default_rng(seeds)
    covered = []
    for results in published():
        for entry in entries(results):
            assert entry.verdict is not None
            if entry.verdict.seeds < 5:
                continue
            for contrast in entry.claim.contrasts:
                if contrast.lower[1] != "chance":
                    pair = [
                        setting(results.measures, *term)
                        for term in (contrast.higher, contrast.lower)
                    ]
                    first, second = (each.rates(rng, SIMULATIONS, seeds) for each in pair)
                    bounds = student(first - second)
                    covered.append(coverage(bounds, pair[0].mean - pair[1].mean))
    assert len(covered) >= 10
    assert 0.93 <= np.mean(covered) <= 0.97


@pytest.mark.parametrize("seeds", SEEDS)
def test_intervals_of_rates_near_zero_are_too_narrow_as_the_readme_warns(
    settings: list[Setting], seeds: int
) -> None:
    rates, means, _ = simulated([each for each in settings if each.mean < 0.1], seeds)
    assert 0.75 < coverage(student(rates), means) < 0.94


def p_values(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """p of `paired_test` of each row, vectorised."""
    difference = first - second
    seeds = difference.shape[1]
    spread = difference.std(axis=1, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = difference.mean(axis=1) / (spread / np.sqrt(seeds))
    # Without spread the exact sign-flip test, which decides nothing at three seeds or five.
    flat = np.where(difference.mean(axis=1) == 0, 1.0, 2.0 ** (1 - seeds))
    p = np.where(np.ptp(difference, axis=1) <= 1e-12, flat, 2 * stdtr(seeds - 1, -np.abs(t)))
    for place in range(0, len(p), len(p) // COMPARED):
        ours = paired_test(first[place].tolist(), second[place].tolist())
        assert ours.p == pytest.approx(p[place], abs=1e-9)
    return p


def two_proportions(first: np.ndarray, second: np.ndarray, prompts: np.ndarray) -> np.ndarray:
    """The planted error: p of the z test that pools all prompts of an arm."""
    a, b = first.mean(axis=1), second.mean(axis=1)
    both = (a + b) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (a - b) / np.sqrt(2 * both * (1 - both) / (prompts * first.shape[1]))
    return 2 * stdtr(1e6, -np.abs(np.nan_to_num(z)))


@pytest.mark.parametrize("seeds", SEEDS)
def test_equal_arms_are_called_different_in_at_most_six_of_a_hundred_studies(
    settings: list[Setting], seeds: int
) -> None:
    """Also near zero, where intervals are too narrow: two arms alike err alike."""
    low, high = ([s for s in settings if (s.mean < 0.2) is below] for below in (True, False))
    for part in (low, high):
        rates, _, prompts = simulated(part, 2 * seeds)
        first, second = rates[:, :seeds], rates[:, seeds:]
        assert np.mean(p_values(first, second) < 0.05) <= 0.06
        if part is high:
            assert np.mean(two_proportions(first, second, prompts) < 0.05) > 0.2
