"""Learning rates start above zero, peak at the peak and end where they should."""

from __future__ import annotations

import itertools

import pytest

from tiny_models import TrainConfig
from tiny_models.schedules import learning_rate


def recipe(schedule: str, **changes: float) -> TrainConfig:
    return TrainConfig(
        **{
            "steps": 100,
            "batch_rows": 1,
            "micro_rows": 1,
            "peak_lr": 2.0,
            "warmup_steps": 9,
            "schedule": schedule,
            **changes,
        }
    )


@pytest.mark.parametrize("schedule", ["cosine", "wsd", "constant"])
def test_warm_up_is_linear_positive_and_ends_at_the_peak(schedule: str):
    rates = [learning_rate(recipe(schedule), step) for step in range(10)]
    assert rates == pytest.approx([0.2 * (step + 1) for step in range(10)])


def test_cosine_falls_from_peak_to_the_final_fraction_through_the_middle():
    config = recipe("cosine", warmup_steps=0, steps=101)
    rates = [learning_rate(config, step) for step in range(101)]
    assert rates[0] == pytest.approx(2.0)
    assert rates[50] == pytest.approx(1.1)
    assert rates[100] == pytest.approx(0.2)
    assert all(later < earlier for earlier, later in itertools.pairwise(rates))


def test_wsd_is_flat_then_decays_linearly_over_its_last_fraction():
    config = recipe("wsd", decay_fraction=0.2)
    rates = [learning_rate(config, step) for step in range(100)]
    assert rates[9:80] == pytest.approx([2.0] * 71)
    drops = [earlier - later for earlier, later in itertools.pairwise(rates[79:])]
    assert drops == pytest.approx([1.8 / 20] * 20)
    assert rates[99] == pytest.approx(0.2)


def test_constant_stays_and_one_step_runs_at_the_peak():
    assert learning_rate(recipe("constant"), 99) == 2.0
    for schedule in ("cosine", "constant"):
        assert learning_rate(recipe(schedule, steps=1, warmup_steps=0), 0) == 2.0
