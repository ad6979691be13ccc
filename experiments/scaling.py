"""How rates move with the size of models and the amount of data: laws fitted in each seed.

The power law is rate = A * parameters^a * tokens^d, the logistic law the same of the odds. Both are
least squares on logarithms over the arms of one method in one seed, and the seeds are the unit: an
exponent is a mean over seeds with its t interval. Rates of nothing or all are moved by half a hit,
so that they have logarithms.

In: measures, and the study's configuration, which says how large each arm was. Out: fits, and their
section of the report; nothing where arms differ in neither.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from experiments.changes import changed
from experiments.claims.contrast import COMPLETION, FINETUNE, PREFILL
from experiments.measures import Measures
from experiments.recipe import Arm, Recipe
from experiments.statistics import MINIMUM_SEEDS, Test, one_sample_test
from experiments.training_size import parameters, tokens
from experiments.verdicts import format_p
from medsafetyworld.spec import from_json

QUANTITIES = {"completion": COMPLETION, "prefill": PREFILL, "finetune": FINETUNE}
FACTORS = {"parameters": parameters, "tokens": tokens}
LAWS = ("power", "logistic")

_SIZES = frozenset(
    {"model", "pretrain.steps", "pretrain.peak_lr", "pretrain.warmup_steps", "pretrain.batch_rows"}
)
"""Changes that leave a method what it is. Arms that change anything else are no part of a fit."""


@dataclass(frozen=True)
class Fit:
    """One law of one quantity for one method.

    exponents: by factor, the test over seeds that it is zero. error: root mean square of what the
    law misses, a fraction, over arms and seeds.
    """

    method: str
    quantity: str
    law: str
    exponents: Mapping[str, Test]
    arms: int
    error: float


def fits(measures: Measures, config: Mapping[str, Any]) -> tuple[Fit, ...]:
    """Every law of every measured quantity, for each method with enough arms and seeds."""
    found = []
    for method, sizes in methods(config).items():
        for quantity in QUANTITIES:
            arms = [name for name in sizes if measures.has(name, quantity)]
            factors = [f for f in FACTORS if len({sizes[name][f] for name in arms}) > 1]
            if factors and len(arms) > len(factors) + 1:
                places = np.array([[sizes[name][f] for f in factors] for name in arms])
                rates = np.array([_rates(measures, name, quantity) for name in arms])
                if rates.shape[1] >= MINIMUM_SEEDS:
                    found += [_fit(method, quantity, law, factors, places, rates) for law in LAWS]
    return tuple(found)


def methods(config: Mapping[str, Any]) -> dict[str, dict[str, dict[str, float]]]:
    """The size of each arm by factor, by method: a variant with everything but sizes the same."""
    arms = [
        from_json(Arm, json.dumps(values)) for values in config.get("arms", ()) if "name" in values
    ]
    if not any(arm.recipe for arm in arms):
        return {}
    recipe = from_json(Recipe, json.dumps(config["recipe"]))
    found: dict[str, dict[str, dict[str, float]]] = {}
    for arm in arms:
        if {name for name, _ in arm.recipe} <= _SIZES:
            method = "; ".join((arm.variant, *replace(arm, recipe=()).differences))
            own = changed(recipe, arm.recipe)
            size = {name: float(factor(own)) for name, factor in FACTORS.items()}
            found.setdefault(method, {})[arm.name] = size
    return found


def scaling_section(measures: Measures, config: Mapping[str, Any]) -> str:
    """The fits as a section of the report; empty where there is none."""
    found = fits(measures, config)
    if not found:
        return ""
    lines = [
        "Laws fitted over arms in each seed; exponents are means over seeds with 95 % t intervals. "
        "By the power law ten times as much multiplies the rate by ten to the exponent, by the "
        "logistic law the odds. What a law misses is the root mean square over arms and seeds.",
        "",
        "| method | quantity | law | exponent of parameters | of tokens | misses, points |",
        "|---|---|---|---:|---:|---:|",
    ]
    for fit in found:
        cells = [_exponent(fit.exponents.get(factor)) for factor in FACTORS]
        lines.append(
            f"| {fit.method} ({fit.arms} arms) | {QUANTITIES[fit.quantity]} | {fit.law} | "
            f"{' | '.join(cells)} | {100 * fit.error:.1f} |"
        )
    return "\n".join(lines) + "\n"


def _fit(
    method: str,
    quantity: str,
    law: str,
    factors: Sequence[str],
    places: np.ndarray,
    rates: np.ndarray,
) -> Fit:
    """places: (arm, factor). rates: (arm, seed), strictly between 0 and 1."""
    design = np.column_stack([np.ones(len(places)), np.log10(places)])
    heights = np.log10(rates if law == "power" else rates / (1 - rates))
    solution = np.linalg.lstsq(design, heights, rcond=None)[0]  # (1 + factor, seed)
    power = 10.0 ** (design @ solution)
    predicted = power if law == "power" else power / (1 + power)
    return Fit(
        method,
        quantity,
        law,
        {
            name: one_sample_test(row.tolist())
            for name, row in zip(factors, solution[1:], strict=True)
        },
        len(places),
        float(np.sqrt(np.mean((predicted - rates) ** 2))),
    )


def _rates(measures: Measures, variant: str, quantity: str) -> list[float]:
    """A quantity in each seed, moved off 0 and 1 by half a hit of its prompts."""
    need = measures.needs(quantity, variant=variant)[0]
    prompts = [measures.row(variant, seed, *need).n for seed in measures.seeds(variant)]
    series = measures.series(variant, quantity)
    return [(rate * n + 0.5) / (n + 1) for rate, n in zip(series, prompts, strict=True)]


def _exponent(test: Test | None) -> str:
    if test is None:
        return "not varied"
    difference = test.difference
    return (
        f"{difference.mean:+.2f} [{difference.low:+.2f}, {difference.high:+.2f}], "
        f"{format_p(test.p)}"
    )
