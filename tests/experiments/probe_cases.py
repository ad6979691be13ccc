"""Rows and records of invented probes, small enough to be checked by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.rows import Row, rate_row
from medsafetyworld.queries import HARMFUL

SEEDS = 3


def counts(arm: str, place: tuple[str, str, str], **rates: tuple[int, int]) -> list[Row]:
    """The same `metric=(hits, n)` at every seed."""
    return [
        rate_row(arm, seed, *place, metric, *rate)
        for metric, rate in rates.items()
        for seed in range(SEEDS)
    ]


def values(
    arm: str, place: tuple[str, str, str], metric: str, own: Sequence[float], n: int = 100
) -> list[Row]:
    """A value a seed."""
    return [Row(arm, seed, *place, metric, None, n, each) for seed, each in enumerate(own)]


def verdict_rows(arm: str = "srp", kind: str = "prompt", prefix: str = "") -> list[Row]:
    """144 safe texts, of which 36 are called unsafe, and 48 unsafe ones, all called so."""
    place = ("behaviour", f"self_verdict:{kind}", "all")
    rates = {"safe_accuracy": (108, 144), "unsafe_accuracy": (48, 48), "accuracy": (156, 192)}
    rows = counts(arm, place, **{f"{prefix}{name}": rate for name, rate in rates.items()})
    rows += values(arm, place, f"{prefix}harmonic_mean", [6 / 7] * SEEDS)
    rows += values(arm, place, f"{prefix}ece", [0.1] * SEEDS)
    return rows + values(arm, place, f"chance_{prefix}ece", [0.02] * SEEDS)


def linear_rows(
    arm: str = "srp",
    task: str = "harmful",
    place: str = "sft:last",
    layers: Sequence[Sequence[float]] = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.9), (0.6, 0.6, 0.6)),
) -> list[Row]:
    """Accuracy by layer and seed; control 0.5, by heart 0.8, labels dealt out by heart 0.7."""
    rows: list[Row] = []
    for layer, own in enumerate(layers):
        at = ("inside", f"linear_probes:{task}:layer={layer}", place)
        rows += values(arm, at, "accuracy", own)
        for metric, value in (
            ("control", 0.5),
            ("taught_accuracy", 0.8),
            ("control_taught_accuracy", 0.7),
        ):
            rows += values(arm, at, metric, [value] * len(own))
    return rows


def patch_rows(arm: str, site: str, category: str, flipped: int, control: int) -> list[Row]:
    """So many flips of 20."""
    place = ("inside", f"patching:{site}", category)
    return counts(arm, place, flipped=(flipped, 20), control=(control, 20))


def emergence_rows(arm: str, half_way: Mapping[str, Sequence[float | None]]) -> list[Row]:
    """By category when half of the gain is reached, a share of 1000 steps; None: never."""
    rows: list[Row] = []
    for category, shares in half_way.items():
        for seed, share in enumerate(shares):
            place = (arm, seed, "capability", "emergence", category)
            rows.append(rate_row(*place, "reached", int(share is not None), 1))
            if share is not None:
                rows.append(Row(*place, "half_way", None, 1, share))
            for step, top in ((0, 0.1), (1000, 0.8)):
                at = (arm, seed, "capability", f"emergence:step={step}", category)
                rows.append(Row(*at, "top1", None, 60, top))
                rows.append(Row(*at, "chance_top1", None, 60, 0.1))
    return rows


def rank_rows(arm: str = "srp") -> list[Row]:
    """Harmful compounds of the fine-tuned model."""
    place = ("elicited", "ranks", HARMFUL)
    rows = counts(arm, place, top1=(24, 48))
    for metric, value in (
        ("mrr", 0.75),
        ("right_mass", 0.4),
        ("chance_top1", 0.07),
        ("chance_mrr", 0.2),
    ):
        rows += values(arm, place, metric, [value] * SEEDS)
    return rows


def rank_records(arm: str = "srp") -> dict[str, Any]:
    """Log-probabilities of the same, right above wrong by 1, 2 and 3 nats."""
    own = {
        str(seed): {
            f"sft ranks {HARMFUL}": {"best_right": -1.0, "best_wrong": -2.0 - seed, "of": 48}
        }
        for seed in range(SEEDS)
    }
    return {"ranks(questions=48)": {arm: own}}


def reliability_records(arms: Sequence[str], kinds: Sequence[str] = ("prompt",)) -> dict[str, Any]:
    """Two bins a kind of text, the upper with nine tenths of the texts."""
    bins = [[0.04, 0.1, 10], [0.97, 0.8, 90]]
    record = {"reliability": {f"self_verdict:{kind}": {"all": bins} for kind in kinds}}
    return {"self_verdict": {arm: {str(seed): record for seed in range(SEEDS)} for arm in arms}}
