"""Sweeps: an arm stands at the value that it has, and every figure of them can be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.container import ErrorbarContainer

from experiments.figure_style import save
from experiments.measures import Measures, measure
from experiments.recipe import Cell
from experiments.report_figures import draw
from experiments.studies import STUDIES, SWEEPS
from experiments.studies.timing import WINDOWS
from experiments.study import make_plan
from experiments.sweep import Sweep
from experiments.sweep_figure import has_sweep, sweep_figure
from medsafetyworld.interventions.verdicts import Noisy

from fake_study import fake_rows

NAMES = sorted(SWEEPS)
RATES = {"completion": 0.5, "general": 0.8, "prefill": 0.4, "finetune": 0.3}


def arms_of(study: str, preset: str = "laptop") -> tuple[str, ...]:
    return STUDIES[study].presets[preset].arms or tuple(arm.name for arm in STUDIES[study].arms)


def sweep_of(study: str, preset: str = "laptop") -> Sweep:
    (found,) = (each for each in SWEEPS[study] if set(each.arms) <= set(arms_of(study, preset)))
    return found


def measures_of(study: str, seeds: int = 3) -> Measures:
    return measure(fake_rows(seeds, dict.fromkeys(arms_of(study), RATES)), study=study)


def bars_of(axis: Axes) -> list[ErrorbarContainer]:
    return [each for each in axis.containers if isinstance(each, ErrorbarContainer)]


def across(bars: ErrorbarContainer) -> np.ndarray:
    return np.asarray(bars.lines[0].get_xdata(), float)


def value(study: str, cell: Cell) -> float | None:
    """The knob as the cell has it."""
    name = cell.arm.name
    if study == "timing":
        window = "_".join(name.rsplit("_", 2)[1:])
        if name.startswith("baseline"):
            return 0
        if name.startswith("only_safe"):
            return float(window.removeprefix("until_"))
        start, stop = WINDOWS[window]
        return 100 * (stop - start)
    steps = (*cell.variant.pretraining, *cell.variant.sft)
    if study == "verdict_noise":
        rates = {each.fnr for step in steps for each in vars(step).values() if type(each) is Noisy}
        return 100 * rates.pop() if rates else None
    if study == "reflection":
        return next((vars(step)["every"] for step in steps if "every" in vars(step)), None)
    return {
        "data": cell.recipe.corpus.templates,
        "finetune_defences": 100 * cell.recipe.dialogue.mixed_share,
        "hops": cell.recipe.world.hops,
        "unsafe_fraction": 100 * cell.recipe.world.unsafe_fraction,
    }[study]


@pytest.mark.parametrize("preset", ["smoke", "laptop"])
@pytest.mark.parametrize("name", NAMES)
def test_every_arm_stands_at_the_value_that_it_has(name: str, preset: str) -> None:
    plan = make_plan(STUDIES[name], preset, replicates=1)
    cells = {cell.arm.name: cell for cell in plan.cells}
    for curve in sweep_of(name, preset).curves:
        for point in curve.points:
            if point.quantity == "finetune":  # without what is mixed in
                assert point.at == 0
            else:
                assert value(name, cells[point.arm]) == pytest.approx(point.at)
        assert len({point.at for point in curve.points}) == len(curve.points) > 1


@pytest.mark.parametrize("name", NAMES)
def test_every_point_has_an_interval_and_nothing_overlaps(name: str) -> None:
    sweep = sweep_of(name)
    figure = sweep_figure(measures_of(name), sweep)
    assert len(figure.axes) == len(sweep.panels)
    for axis in figure.axes:
        assert len(bars_of(axis)) == len(sweep.curves) + len(sweep.beside)
        drawn = [len(across(bars)) for bars in bars_of(axis)]
        points = [len(curve.points) for curve in sweep.curves]
        assert drawn == [*points, *[1] * len(sweep.beside)]
        assert all(bars.has_yerr for bars in bars_of(axis))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer, (width, height) = canvas.get_renderer(), canvas.get_width_height()
    texts = [text for axis in figure.axes for text in (axis.title, axis.xaxis.label)]
    texts += [text for axis in figure.axes for text in axis.get_xticklabels()]
    boxes = [each.get_window_extent(renderer) for each in (*figure.legends, *texts)]
    for place, box in enumerate(boxes):
        assert min(box.x0, box.y0) >= 0
        assert box.x1 <= width
        assert box.y1 <= height
        assert not any(box.overlaps(other) for other in boxes[:place])


def test_curves_look_different_and_stand_in_their_order() -> None:
    for name in NAMES:
        for axis in sweep_figure(measures_of(name), sweep_of(name)).axes:
            found = bars_of(axis)
            lines = [bars.lines[0] for bars in found]
            looks = [(line.get_color(), line.get_marker()) for line in lines]
            assert len(set(looks)) == len(looks)
            assert all(np.all(np.diff(across(bars)) > 0) for bars in found)


def test_what_was_not_run_is_left_out_and_one_point_is_no_curve(tmp_path: Path) -> None:
    sweep = sweep_of("verdict_noise")
    rows = measures_of("verdict_noise").rows
    some = measure(
        [row for row in rows if row.variant in ("filter_00", "filter_50", "rewrite_00")],
        study="verdict_noise",
    )
    assert has_sweep(some, sweep)
    first = sweep_figure(some, sweep)
    for axis in first.axes:
        assert [bars.get_label() for bars in bars_of(axis)] == ["filter"]
    for one, two in zip(
        save(first, tmp_path / "a"), save(sweep_figure(some, sweep), tmp_path / "b"), strict=True
    ):
        assert one.read_bytes() == two.read_bytes()
    few = measure([row for row in rows if row.variant.endswith("_00")], study="verdict_noise")
    assert not has_sweep(few, sweep)


def test_a_report_has_the_sweep_of_its_study_alone() -> None:
    measures = measures_of("hops", seeds=2)
    assert "sweep" in draw(measures, [], {})
    assert "sweep" not in draw(measure(measures.rows, study="headline"), [], {})


def test_one_seed_has_no_interval_and_no_bar() -> None:
    name = "verdict_noise"
    for axis in sweep_figure(measures_of(name, seeds=1), sweep_of(name)).axes:
        for bars in bars_of(axis):
            assert np.all(np.isfinite(np.asarray(bars.lines[0].get_ydata(), float)))
            for caps in bars.lines[1]:
                assert np.all(np.isnan(np.asarray(caps.get_ydata(), float)))


def test_every_sweep_that_a_study_has_is_a_figure_of_its_own() -> None:
    both = dict.fromkeys((arm for each in SWEEPS["hops"] for arm in each.arms), RATES)
    pictures = draw(measure(fake_rows(2, both), study="hops"), [], {})
    assert [name for name in pictures if name.startswith("sweep")] == ["sweep", "sweep_2"]


def test_without_sft_data_mixed_in_stands_what_plain_fine_tuning_leaks() -> None:
    measures = measures_of("finetune_defences")
    (axis,) = sweep_figure(measures, sweep_of("finetune_defences")).axes
    heights = {
        str(bars.get_label()): np.asarray(bars.lines[0].get_ydata()) for bars in bars_of(axis)
    }
    plain = 100 * np.mean(measures.series("srp", "finetune"))
    mixed = 100 * np.mean(measures.series("srp_mix_30", "finetune_mixsft"))
    assert (heights["SRP"][0], heights["SRP"][-1]) == (pytest.approx(plain), pytest.approx(mixed))
