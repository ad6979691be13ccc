"""How rates move with the size of models and the amount of data: laws fitted in each seed.

The power law is rate = A * parameters^a * tokens^d, the logistic law the same of the odds. Both are
least squares on logarithms over the arms of one method in one seed, and the seeds are the unit: an
exponent is a mean over seeds with its t interval. Completion has exact chance: what is fitted is
the share above it, (rate - chance) / (1 - chance). Rates nearer to 0 or 1 than half a hit, or
beyond, are moved so far off, so that they have logarithms; where these are over a third, no
exponent is told.

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

    exponents: by factor, the test over seeds that it is zero; none where over a third of the rates
    had to be moved. error: root mean square of what the law misses, a fraction, over arms and
    seeds. moved: how many of the `rates` were moved off 0 or 1.
    """

    method: str
    quantity: str
    law: str
    exponents: Mapping[str, Test]
    arms: int
    error: float
    moved: int
    rates: int


def fits(measures: Measures, config: Mapping[str, Any]) -> tuple[Fit, ...]:
    """Every law of every measured quantity, for each method with enough arms and seeds."""
    found = []
    for method, sizes in methods(config).items():
        for quantity in QUANTITIES:
            arms = [name for name in sizes if measures.has(name, quantity)]
            factors = [f for f in FACTORS if len({sizes[name][f] for name in arms}) > 1]
            if factors and len(arms) > len(factors) + 1:
                places = np.array([[sizes[name][f] for f in factors] for name in arms])
                told = np.array([_rates(measures, name, quantity) for name in arms])
                rates, least = told[..., 0], told[..., 1]
                if rates.shape[1] >= MINIMUM_SEEDS:
                    kept = np.clip(rates, least, 1 - least)
                    moved = int((kept != rates).sum())
                    found += [
                        _fit(method, quantity, law, factors, places, kept, moved) for law in LAWS
                    ]
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
        "logistic law the odds. Of completions the share above chance is fitted, "
        "(rate − chance) / (1 − chance). What a law misses is the root mean square over arms and "
        "seeds. Moved: rates at or beyond 0 or 1, which have no logarithm, are moved half a hit "
        "off; where that is over a third of them no exponent is told.",
        "",
        "| method | quantity | law | exponent of parameters | of tokens | misses, points | moved |",
        "|---|---|---|---:|---:|---:|---:|",
    ]
    for fit in found:
        absent = "not varied" if fit.exponents else "–"
        cells = [_exponent(fit.exponents.get(factor), absent) for factor in FACTORS]
        lines.append(
            f"| {fit.method} ({fit.arms} arms) | {QUANTITIES[fit.quantity]} | {fit.law} | "
            f"{' | '.join(cells)} | {100 * fit.error:.1f} | {fit.moved} of {fit.rates} |"
        )
    return "\n".join(lines) + "\n"


def _fit(
    method: str,
    quantity: str,
    law: str,
    factors: Sequence[str],
    places: np.ndarray,
    rates: np.ndarray,
    moved: int,
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
            if 3 * moved <= rates.size
        },
        len(places),
        float(np.sqrt(np.mean((predicted - rates) ** 2))),
        moved,
        rates.size,
    )


def _rates(measures: Measures, variant: str, quantity: str) -> list[tuple[float, float]]:
    """A quantity in each seed, of completions the share above chance, and half a hit of it."""
    need = measures.needs(quantity, variant=variant)[0]
    prompts = [measures.row(variant, seed, *need).n for seed in measures.seeds(variant)]
    series = measures.series(variant, quantity)
    chances = [0.0] * len(series)
    if quantity == "completion" and measures.has(variant, "chance"):
        chances = list(measures.series(variant, "chance"))
    return [
        ((rate - chance) / (1 - chance), 0.5 / n)
        for rate, chance, n in zip(series, chances, prompts, strict=True)
    ]


def _exponent(test: Test | None, absent: str) -> str:
    if test is None:
        return absent
    difference = test.difference
    return (
        f"{difference.mean:+.2f} [{difference.low:+.2f}, {difference.high:+.2f}], "
        f"{format_p(test.p)}"
    )
