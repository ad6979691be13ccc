"""Laws of SafeLM's ladder: rungs in order, chance and the paper beside them, and what it costs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from experiments.decoding_tables import decoding_section
from experiments.figure_style import save
from experiments.ladder_figure import RUNGS, has_ladder, safelm_ladder
from experiments.measures import Measures, measure
from experiments.reference.maini2025 import BASE, FINETUNED
from experiments.report import main_table, write_report
from experiments.rows import Row, label, rate_row
from experiments.studies.safelm import ARMS
from medsafetyworld.queries import GENERAL, HARMFUL

from drawn_words import check_apart
from fake_study import fake_rows

RATES = {
    arm.name: {"completion": 0.9 - 0.6 * share, "general": 0.75, "prefill": 0.6 * share,
               "finetune": 0.45 - 0.4 * share}
    for arm, share in zip(ARMS, np.linspace(0, 1, len(ARMS)).tolist(), strict=True)
}  # fmt: skip
STUDY = {"name": "safelm", "preset": "laptop", "hops": 1, "seeds": 2, "config": {},
         "command": "msw study run safelm"}  # fmt: skip


def study(arms: tuple[str, ...], seeds: int = 5) -> list[Row]:
    return fake_rows(seeds, {arm: RATES[arm] for arm in arms})


def cost_rows(arm: str, seeds: int = 2, share: float = 0.0625) -> list[Row]:
    """Responses half as long as allowed, for which `share` of the tokens read would do."""
    places = [("behaviour", "general", category) for category in GENERAL]
    places.append(("behaviour", "direct", HARMFUL))
    return [
        Row(arm, seed, *where, metric, None, 100, value)
        for seed in range(seeds)
        for where in places
        for metric, value in (("greedy_cost", share), ("response_length", 0.5))
    ]


def refusals(arm: str, seeds: int = 2) -> list[Row]:
    return [
        rate_row(arm, seed, "behaviour", "general", category, "refused", 10 * place, 100)
        for seed in range(seeds)
        for place, category in enumerate(GENERAL)
    ]


@pytest.fixture(scope="module")
def whole() -> Measures:
    return measure(study(tuple(RATES)))


def test_rungs_stand_in_the_papers_order_and_the_other_arms_below(whole: Measures) -> None:
    axis = safelm_ladder(whole).axes[0]
    names = [text.get_text() for text in axis.get_yticklabels()]
    assert names[: len(RUNGS)] == [label(rung) for rung in RUNGS]
    assert names[len(RUNGS)] == label("safelm_greedy")
    assert sorted(names) == sorted(label(arm) for arm in RATES)


def test_every_bar_has_an_interval_and_chance_and_the_papers_points_are_where_it_has_any(
    whole: Measures,
) -> None:
    for axis, printed in zip(safelm_ladder(whole).axes, (FINETUNED, {}, BASE), strict=True):
        assert len(axis.patches) == len(RATES)
        assert len(axis.containers) == 2 * len(RATES), "a bar and its whisker"
        assert len(axis.collections) >= 2 * len(RATES), "chance, and the whisker's line"
        hollow = [line for line in axis.lines if line.get_fillstyle() == "none"]
        assert sorted(float(np.asarray(line.get_xdata())[0]) for line in hollow) == sorted(
            printed.values()
        )


def test_a_study_without_rungs_has_no_ladder(whole: Measures) -> None:
    assert has_ladder(whole)
    assert not has_ladder(measure(fake_rows(1)))
    assert not has_ladder(measure(study(("baseline", "score0"), 1)))
    assert not has_ladder(measure(study(("score0", "rephrase", "refuse"), 1)))
    assert has_ladder(measure(study(("baseline", "score0", "rephrase"), 1)))


def test_what_was_not_measured_is_said() -> None:
    rows = study(("baseline", "score0", "rephrase", "moral"), 2)
    left = [row for row in rows if row.variant != "moral" or row.probe != "finetune:pair_forward"]
    finetuned, prefill, _ = safelm_ladder(measure(left)).axes
    assert [text.get_text() for text in finetuned.texts] == ["not measured"]
    assert not prefill.texts


def test_nothing_is_clipped_and_nothing_overlaps(whole: Measures) -> None:
    for measures in (whole, measure(study(("baseline", "score0", "rephrase"), 2))):
        figure = safelm_ladder(measures)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        renderer, (width, height) = canvas.get_renderer(), canvas.get_width_height()
        boxes = [legend.get_window_extent(renderer) for legend in figure.legends]
        boxes += [axis.title.get_window_extent(renderer) for axis in figure.axes]
        boxes += [figure.axes[1].xaxis.label.get_window_extent(renderer)]
        boxes += [text.get_window_extent(renderer) for text in figure.axes[0].get_yticklabels()]
        check_apart(boxes, width, height)


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    rows = study(("baseline", "score0", "rephrase"), 2)
    for one, two in zip(
        save(safelm_ladder(measure(rows)), tmp_path / "a"),
        save(safelm_ladder(measure(rows[::-1])), tmp_path / "b"),
        strict=True,
    ):
        assert one.read_bytes() == two.read_bytes()


def test_greedy_arms_have_no_cost_and_the_others_theirs_and_what_they_refuse() -> None:
    rows = study(("moral", "safelm"), 2)
    assert decoding_section(measure(rows)) == ""
    text = decoding_section(measure([*rows, *cost_rows("safelm")]))
    assert "| SafeLM: tags, SafeBeam | 16.0 ± 0.0 | 16.0 ± 0.0 | 50.0 ± 0.0 | 50.0 ± 0.0 |" in text
    assert label("moral") not in text
    assert "refuses" not in text, "refusals were not counted"
    refused = decoding_section(measure([*rows, *cost_rows("safelm"), *refusals("safelm")]))
    assert "| refuses benign questions |" in refused
    assert "| 10.0 ± 0.0 |" in refused
    one = [replace(row, seed=0) for row in cost_rows("safelm", 1)]
    assert "| 16.0 | 16.0 | 50.0 |" in decoding_section(measure(one))


def test_the_main_table_has_over_refusal_where_it_was_counted() -> None:
    rows = study(("moral", "safelm"), 2)
    assert "refuses benign" not in main_table(rows)
    table = main_table([*rows, *refusals("safelm")])
    assert "| refuses benign questions |" in table
    (moral,) = [line for line in table.splitlines() if line.startswith(f"| {label('moral')} |")]
    assert "not measured" in moral


def test_the_report_has_ladder_and_costs(tmp_path: Path) -> None:
    rows = [*study(("baseline", "score0", "rephrase", "safelm"), 2), *cost_rows("safelm")]
    path = write_report(tmp_path, rows, study=STUDY, provenance=[], fingerprint={}, curves={})
    text = path.read_text(encoding="utf-8")
    assert "(ladder.png)" in text
    assert (tmp_path / "ladder.svg").exists()
    assert "compare the order of rungs, not the digits" in text
    assert "\n## What decoding costs\n" in text
