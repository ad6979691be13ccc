"""A made-up study with known truth, for the tests of measures, claims, figures and report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from experiments.rows import Row, rate_row
from medsafetyworld.queries import GENERAL, HARMFUL

STEMS = ("stem:one answer is", "stem:a compound for")
PROMPTS = 200

TRUTH: dict[str, dict[str, float]] = {
    "baseline": {"completion": 0.89, "general": 0.78, "prefill": 0.27, "finetune": 0.18},
    "filtering": {"completion": 0.82, "general": 0.76, "prefill": 0.31, "finetune": 0.34},
    "filtering_plus": {"completion": 0.10, "general": 0.55, "prefill": 0.05, "finetune": 0.01},
    "rewrite": {"completion": 0.74, "general": 0.75, "prefill": 0.41, "finetune": 0.50},
    "srp": {"completion": 0.83, "general": 0.77, "prefill": 0.10, "finetune": 0.08},
    "srp_sft_only": {"completion": 0.69, "general": 0.76, "prefill": 0.34, "finetune": 0.38},
    "no_cooccurrence": {"completion": 0.07, "general": 0.70, "prefill": 0.09, "finetune": 0.07},
    "shuffled": {"completion": 0.10, "general": 0.11, "prefill": 0.08, "finetune": 0.06},
}
"""Rates built into the fake study; chance is 10 %."""


DEPTHS: dict[str, tuple[str, str]] = dict.fromkeys(TRUTH, ("1", "1")) | {
    "baseline": ("0", "0"),
    "filtering_plus": ("none", "none"),
    "no_cooccurrence": ("1", "none"),
    "filtering_mediators": ("1", "none"),
    "shuffled": ("none", "none"),
}
"""Depth of the harmful answers by logic and by association; the others are stated."""


def fake_rows(
    seeds: int = 5,
    truth: dict[str, dict[str, float]] | None = None,
    spread: float = 0.03,
    jailbroken_share: float = 0.6,
) -> list[Row]:
    """Rows of every variant in `truth`; `spread` is the standard deviation between seeds."""
    rows: list[Row] = []
    for place, (variant, rates) in enumerate((truth or TRUTH).items()):
        for seed in range(seeds):
            rng = np.random.default_rng([place, seed])
            rows += _model(variant, seed, rates, spread, jailbroken_share, rng)
    return rows


def _model(
    variant: str,
    seed: int,
    rates: dict[str, float],
    spread: float,
    jailbroken_share: float,
    rng: np.random.Generator,
) -> list[Row]:
    def count(level: str, probe: str, category: str, metric: str, rate: float) -> Row:
        hits = round(PROMPTS * float(np.clip(rate, 0.0, 1.0)))
        return rate_row(variant, seed, level, probe, category, metric, hits, PROMPTS)

    def value(level: str, probe: str, category: str, metric: str, number: float) -> Row:
        return Row(variant, seed, level, probe, category, metric, None, PROMPTS, number)

    def noisy(rate: float) -> float:
        return rate + spread * float(rng.standard_normal())

    rows: list[Row] = []
    for category, rate in (("reverse-safe", 0.8), (HARMFUL, rates["completion"])):
        rows.append(count("capability", "completion", category, "top1", noisy(rate)))
        rows.append(value("capability", "completion", category, "mrr", min(1.0, rate + 0.05)))
        rows.append(value("capability", "completion", category, "chance_top1", 0.1))
        rows.append(value("capability", "completion", category, "chance_mrr", 0.2))
    for category in GENERAL:
        rows.append(count("behaviour", "general", category, "accuracy", noisy(rates["general"])))
    rows.append(value("behaviour", "direct", HARMFUL, "chance", 0.1))
    asked = {
        ("behaviour", "direct"): 0.02,
        ("elicited", "prefill:<Safe>"): noisy(rates["prefill"]),
        ("elicited", "prefill:The"): noisy(rates["prefill"] - 0.08),
        ("elicited", STEMS[0]): noisy(rates["prefill"] + 0.2),
        ("elicited", STEMS[1]): noisy(rates["prefill"] + 0.1),
        ("elicited", "finetune:pair_forward"): noisy(rates["finetune"]),
        ("elicited", "finetune:pair_forward+mixsft"): noisy(0.5 * rates["finetune"]),
        ("elicited", "finetune:safe_reverse"): noisy(rates["finetune"] + 0.05),
    }
    for (level, probe), rate in asked.items():
        rows.append(count(level, probe, HARMFUL, "leaked", rate))
        rows.append(count(level, probe, HARMFUL, "delivered", 0.9 * rate))
        rows.append(count(level, probe, HARMFUL, "jailbroken", jailbroken_share * rate))
        rows.append(count(level, probe, HARMFUL, "refused", 1 - rate - 0.05))
    return rows


def with_depths(rows: Iterable[Row], depths: Mapping[str, tuple[str, str]] = DEPTHS) -> list[Row]:
    """The rows, and beside each count the same at the depth of its variant's answers."""
    found = []
    for row in rows:
        found.append(row)
        if row.metric in ("top1", "leaked", "accuracy"):
            places = depths[row.variant] if row.category == HARMFUL else ("0", "0")
            found += [
                replace(row, metric=f"{row.metric}|{rules}={depth}")
                for rules, depth in zip(("logic", "association"), places, strict=True)
            ]
    return found


def two_hop_rows(seeds: int = 5, spread: float = 0.03) -> list[Row]:
    """A study of a world with mediators: its fine-tuning is on links, its control another one."""
    truth = {
        "filtering_mediators" if name == "no_cooccurrence" else name: rates
        for name, rates in TRUTH.items()
    }
    return with_depths(
        replace(row, probe=row.probe.replace("pair_forward", "link_forward"))
        for row in fake_rows(seeds, truth, spread)
    )


def fake_curves(seeds: int = 5) -> dict[str, list[list[tuple[float, float]]]]:
    """Learning curves of three variants."""
    rng = np.random.default_rng(0)
    tokens = np.linspace(2e5, 1.2e7, 40)
    return {
        variant: [
            [
                (float(t), float(floor + 4 * np.exp(-t / 1.5e6) + 0.02 * rng.standard_normal()))
                for t in tokens
            ]
            for _ in range(seeds)
        ]
        for variant, floor in (("filtering", 1.3), ("srp", 1.1), ("rewrite", 1.45))
    }
