"""What a plan could find, before it runs: from published spreads, and said so."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from experiments.commands.plan_table import print_plan
from experiments.measures import measure
from experiments.power import foresight, nearest, spread
from experiments.result_sets import published
from experiments.rows import rate_row
from experiments.statistics import minimal_detectable_effect
from experiments.studies import STUDIES
from experiments.study import make_plan


def test_the_spread_is_that_of_the_differences_between_arms() -> None:
    rates = {"a": (0.1, 0.2, 0.6), "b": (0.1, 0.1, 0.1), "c": (0.2, 0.3, 0.7)}
    rows = [
        rate_row(name, seed, "capability", "completion", "reverse-unsafe", "top1",
                 round(100 * rate), 100)
        for name, values in rates.items() for seed, rate in enumerate(values)
    ]  # fmt: skip
    found = spread(measure(rows), "completion")
    assert found is not None
    # a and c differ by a constant, so two pairs of three vary like a.
    assert (found.sd, found.pairs) == (pytest.approx(np.std(rates["a"], ddof=1)), 3)
    assert spread(measure(rows), "prefill") is None
    assert spread(measure([row for row in rows if row.seed < 2]), "completion") is None


def test_more_seeds_find_smaller_differences_and_the_source_is_named() -> None:
    study = STUDIES["headline"]
    said = [foresight(make_plan(study, "laptop", replicates=count)) for count in (3, 5, 20)]
    source = nearest("headline", 1, published())
    assert source is not None
    prefill = spread(source.measures, "prefill")
    assert prefill is not None
    points = [100 * minimal_detectable_effect(prefill.sd, count) for count in (3, 5, 20)]
    assert points == sorted(points, reverse=True)
    for text, count, point in zip(said, (3, 5, 20), points, strict=True):
        assert f"With {count} seeds" in text
        assert f"prefill ASR {point:.0f}" in text
        assert f"published {source.name}: median of {prefill.pairs} pairs" in text


def test_few_seeds_and_worlds_without_results_say_what_is_not_known() -> None:
    study = STUDIES["headline"]
    one, two = (make_plan(study, "laptop", replicates=count) for count in (1, 2))
    assert "one seed no difference" in foresight(one)
    assert "Fewer than 3 seeds decide nothing." in foresight(two)
    assert "prefill ASR out of reach" in foresight(two)
    assert "as deep as this one" in foresight(two, results=[])
    deep = make_plan(study, "laptop-two-hop", replicates=5)
    assert "two-hop" in foresight(deep)


def test_where_nothing_is_fine_tuned_only_completions_are_foreseen() -> None:
    plan = make_plan(STUDIES["headline"], "laptop")
    assert "ASR" in foresight(plan)
    capable = replace(plan.cells[0].recipe, behaviour=False)
    cells = tuple(replace(cell, recipe=capable) for cell in plan.cells)
    text = foresight(replace(plan, cells=cells))
    assert "completion of reverse-unsafe" in text
    assert "ASR" not in text


def test_the_results_of_the_study_itself_come_first() -> None:
    known = published()
    own, other = (nearest(study, 1, known) for study in ("carriers", "size"))
    assert own is not None
    assert other is not None
    assert (own.study, own.hops) == ("carriers", 1)
    assert len(other.measures.variants) == max(
        len(each.measures.variants) for each in known if each.hops == 1
    )


def test_the_plan_on_the_screen_says_it_and_every_size(tmp_path: Path) -> None:
    plan = make_plan(STUDIES["size"], "smoke")
    console = Console(file=StringIO(), width=10_000)
    print_plan(plan, tmp_path, 1, console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "models 0.1M, 0.3M, about 0.12 to 0.36M parameters" in text
    assert "Fewer than 3 seeds decide nothing." in text
    one = replace(plan, cells=tuple(cell for cell in plan.cells if cell.recipe.model == "0.1M"))
    print_plan(one, tmp_path, 1, console)
    assert "model 0.1M, about 0.12M parameters" in console.file.getvalue()  # type: ignore[attr-defined]
