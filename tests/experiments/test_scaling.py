"""Scaling laws: what is built into the data is what the fit finds, seed by seed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.figure_style import save
from experiments.measures import Measures, measure
from experiments.recipe import Arm
from experiments.rows import Row, rate_row
from experiments.scaling import fits, methods, scaling_section
from experiments.scaling_figure import scaling_figure
from experiments.studies import STUDIES
from experiments.study import Study, make_plan
from medsafetyworld.queries import HARMFUL

PROMPTS = 100_000


def config(study: str = "scaling", preset: str = "laptop") -> dict[str, Any]:
    return make_plan(STUDIES[study], preset, replicates=1).summary()


def made_up(
    law: str, exponents: tuple[float, float], seeds: int = 4, spread: float = 0.0
) -> Measures:
    """Completions of the scaling study's arms by a law whose height differs between seeds."""
    (sizes,) = methods(config()).values()
    rng = np.random.default_rng(0)
    rows: list[Row] = []
    for seed in range(seeds):
        height = 0.1 * (1 + 0.2 * seed)
        for name, size in sizes.items():
            exponent = np.array(exponents) + spread * rng.standard_normal(2)
            ratios = np.array([size["parameters"] / 1e5, size["tokens"] / 1e6])
            value = height * float(np.prod(ratios**exponent))
            rate = value if law == "power" else value / (1 + value)
            hits = round(PROMPTS * rate)
            key = (name, seed, "capability", "completion", HARMFUL, "top1")
            rows.append(rate_row(*key, hits, PROMPTS))
    return measure(rows, study="scaling")


@pytest.mark.parametrize("law", ["power", "logistic"])
def test_the_law_that_is_built_in_is_found_and_misses_nothing(law: str) -> None:
    wanted = (0.3, 0.2)
    found = {fit.law: fit for fit in fits(made_up(law, wanted), config())}
    right = found.pop(law)
    (wrong,) = found.values()
    for exponent, factor in zip(wanted, ("parameters", "tokens"), strict=True):
        assert right.exponents[factor].difference.mean == pytest.approx(exponent, abs=1e-3)
    assert right.error < 1e-4 < 1e-3 < wrong.error
    assert (right.arms, right.method, right.quantity) == (12, "filtering", "completion")


def test_the_interval_is_over_seeds() -> None:
    for fit in fits(made_up("power", (0.3, 0.0), seeds=4, spread=0.03), config()):
        test = fit.exponents["parameters"]
        assert test.n == 4
        assert test.difference.low is not None
        assert test.difference.high is not None
        assert test.difference.low < 0.3 < test.difference.high or fit.law == "logistic"
        assert test.p < 0.05


def test_the_figure_has_a_panel_a_quantity_and_a_line_an_amount(tmp_path: Path) -> None:
    figure = scaling_figure(made_up("logistic", (0.3, 0.2), spread=0.05), config())
    (axis,) = figure.axes
    labels = axis.get_legend_handles_labels()[1]
    assert labels == [f"filtering, {amount} tokens" for amount in ("1.2M", "2.3M", "4.6M")]
    again = scaling_figure(made_up("logistic", (0.3, 0.2), spread=0.05), config())
    for name, each in (("a", figure), ("b", again)):
        save(each, tmp_path / name)
    for kind in ("png", "svg"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()


def test_two_seeds_too_few_arms_and_arms_alike_are_not_fitted() -> None:
    measures = made_up("power", (0.3, 0.2), seeds=2)
    assert scaling_section(measures, config()) == ""
    measures = made_up("power", (0.3, 0.2))
    few = config()
    few["arms"] = few["arms"][:3]
    assert {fit.arms for fit in fits(measures, few)} == {3}
    few["arms"] = few["arms"][:2]
    assert fits(measures, few) == ()
    assert scaling_section(measures, config("headline")) == ""
    assert scaling_section(measures, {}) == ""


def test_arms_that_change_anything_else_are_no_part_of_a_fit() -> None:
    found = methods(config("data"))
    assert list(found) == ["filtering"]
    assert len(found["filtering"]) == 5
    study = STUDIES["data"]
    arms = (*study.arms, Arm("other", "filtering", corpus=(("reverse_rate", 0.1),)))
    every = replace(study.presets["laptop"], arms=tuple(arm.name for arm in arms))
    wider = Study(study.name, study.question, arms, {"laptop": every})
    assert len(methods(make_plan(wider, "laptop", replicates=1).summary())) == 2


def test_the_section_has_a_row_a_law_and_says_what_was_not_varied() -> None:
    text = scaling_section(made_up("power", (0.3, 0.2)), config())
    assert text.count("| filtering (12 arms) |") == 2
    assert "+0.30 [+0.30, +0.30]" in text
    sizes = config()
    sizes["arms"] = [arm for arm in sizes["arms"] if arm["name"].endswith("_2.3M_tokens")]
    assert "not varied" in scaling_section(made_up("power", (0.3, 0.2)), sizes)


def test_completions_are_fitted_above_chance() -> None:
    plain = made_up("power", (0.3, 0.2))
    chance = 0.2
    rows = [
        rate_row(*row.key, round(PROMPTS * (chance + (1 - chance) * row.value)), PROMPTS)
        for row in plain.rows
    ]
    rows += [replace(row, metric="chance_top1", hits=None, value=chance) for row in plain.rows]
    (fit,) = [fit for fit in fits(measure(rows, study="scaling"), config()) if fit.law == "power"]
    assert fit.exponents["tokens"].difference.mean == pytest.approx(0.2, abs=1e-3)
    assert (fit.moved, fit.rates) == (0, 48)


@pytest.mark.parametrize("share", [0.25, 0.5])
def test_rates_that_were_moved_are_counted_and_many_allow_no_exponent(share: float) -> None:
    plain = made_up("power", (0.3, 0.2)).rows
    count = round(share * len(plain))
    rows = [replace(row, hits=0, value=0.0) for row in plain[:count]] + [*plain[count:]]
    measures = measure(rows, study="scaling")
    found = fits(measures, config())
    assert {(fit.moved, fit.rates) for fit in found} == {(count, 48)}
    assert [bool(fit.exponents) for fit in found] == [share < 1 / 3] * 2
    lines = [line for line in scaling_section(measures, config()).splitlines() if "12 arms" in line]
    assert all(line.endswith(f"| {count} of 48 |") for line in lines)
    assert ("| – | – |" in lines[0]) == (share > 1 / 3)
