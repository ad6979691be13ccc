"""Laws of the figures: one look a variant, same bytes each time, nothing needed that is absent."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import pytest
from matplotlib.figure import Figure

from experiments import figures
from experiments.depth_figure import depth_figure
from experiments.figure_style import CHANCE_COLOUR, MARKS, OTHER_MARK, mark
from experiments.measures import Measures, measure
from experiments.rows import VARIANTS
from experiments.studies import STUDIES

from fake_study import DEPTHS, TRUTH, fake_curves, fake_rows, two_hop_rows, with_depths

DRAWINGS = (figures.safety_utility, figures.capability_bars, figures.three_levels)


@pytest.fixture(scope="module")
def measures() -> Measures:
    return measure(fake_rows())


def test_every_arm_has_a_name_and_a_look_that_nothing_beside_it_has() -> None:
    assert set(MARKS) <= set(VARIANTS)
    for study in STUDIES.values():
        arms = [arm.name for arm in study.arms]
        assert len({mark(arm) for arm in arms}) == len(arms), study.name
        assert OTHER_MARK not in {mark(arm) for arm in arms}
        for preset in study.presets.values():
            chosen = preset.arms or tuple(arms)
            if set(chosen) <= set(MARKS):
                for part in zip(*(MARKS[arm] for arm in chosen), strict=True):
                    assert len(set(part)) == len(chosen), f"{study.name}: {part}"
    assert mark("an arm of yours") == OTHER_MARK


def test_the_same_data_give_the_same_bytes_whatever_the_users_style(
    measures: Measures, tmp_path: Path
) -> None:
    first = figures.save(figures.safety_utility(measures), tmp_path / "a")
    with matplotlib.rc_context({"font.size": 31, "axes.grid": False, "savefig.dpi": 20}):
        second = figures.save(figures.safety_utility(measures), tmp_path / "b")
    for one, two in zip(first, second, strict=True):
        assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize("draw", DRAWINGS)
@pytest.mark.parametrize(("variants", "seeds"), [(("filtering",), 1), (("baseline", "srp"), 2)])
def test_a_small_study_can_be_drawn(draw, variants: tuple[str, ...], seeds: int) -> None:
    rows = fake_rows(seeds, {name: TRUTH[name] for name in variants})
    assert isinstance(draw(measure(rows)), Figure)


def test_the_papers_points_stand_in_the_panel_of_their_attack(measures: Measures) -> None:
    def hollow(axis) -> set[tuple[float, float]]:
        return {
            (float(line.get_xdata()[0]), float(line.get_ydata()[0]))
            for line in axis.lines
            if line.get_fillstyle() == "none"
        }

    prefill, finetune, mixed = figures.safety_utility(measures).axes
    assert hollow(prefill) == {(73.46, 30.6), (53.89, 0.0), (75.0, 7.6)}
    assert hollow(finetune) == {(73.46, 43.2), (53.89, 0.0)}
    assert hollow(mixed) == {(75.0, 2.2)}


def test_nothing_of_single_hop_stands_beside_two_hop_results() -> None:
    figure = figures.safety_utility(measure(two_hop_rows(), hops=2))
    assert [axis.get_title() for axis in figure.axes][-1].endswith("safe reverse facts")
    for axis in figure.axes:
        assert not any(line.get_fillstyle() == "none" for line in axis.lines)
    assert not any("paper" in text.get_text() for text in figure.legends[0].get_texts())


def test_the_depth_figure_has_every_arm_at_its_depth_by_each_rule_set() -> None:
    figure = depth_figure(measure(with_depths(fake_rows())))
    association, _, logic, _ = figure.axes
    for axis, rules in ((logic, 0), (association, 1)):
        ticks = [text.get_text().partition("\n")[0] for text in axis.get_xticklabels()]
        assert ticks == sorted({DEPTHS[name][rules] for name in TRUTH})
        drawn = {}
        for variant in TRUTH:
            (mean,) = [
                line.get_xdata()
                for line in axis.lines
                if line.get_color() == MARKS[variant][0] and line.get_linestyle() == "-"
            ]
            drawn[variant] = [ticks[round(x)] for x in mean]
        assert drawn == {name: [DEPTHS[name][rules]] for name in TRUTH}
        levels = [line for line in axis.lines if line.get_color() == CHANCE_COLOUR]
        assert [float(line.get_ydata()[0]) for line in levels] == [pytest.approx(10.0)]


def test_completions_alone_have_one_column_of_depth() -> None:
    rows = [row for row in with_depths(fake_rows(2)) if row.level == "capability"]
    axes = depth_figure(measure([row for row in rows if row.variant != "baseline"])).axes
    assert len(axes) == 2
    shown = [text.get_text().partition("\n")[0] for text in axes[0].get_xticklabels()]
    assert shown == ["1", "none"], "the safe completions, stated all of them, are not drawn"


def test_drawing_leaves_the_callers_style_alone(measures: Measures) -> None:
    before = dict(matplotlib.rcParams)
    figures.capability_bars(measures)
    assert dict(matplotlib.rcParams) == before


def test_learning_curves_average_over_seeds() -> None:
    axis = figures.learning_curves({"srp": [[(0, 2.0), (1e6, 1.0)], [(0, 4.0), (1e6, 2.0)]]}).axes[
        0
    ]
    assert list(axis.lines[-1].get_ydata()) == [3.0, 1.5]
    assert len(figures.learning_curves(fake_curves(3)).axes[0].lines) == 3 * (3 + 1)


def test_arms_that_share_a_pretraining_are_one_curve_with_both_names() -> None:
    curves = fake_curves(2)
    other = [seed[:-1] for seed in curves["srp"]]
    both = {"srp_sft_only": list(curves["filtering"]), **curves, "rewrite": other}
    (axis,) = (figure := figures.learning_curves(both)).axes
    assert len(axis.lines) == 3 * (2 + 1)
    named = [text.get_text() for text in figure.legends[0].get_texts()]
    assert named == ["Filtering;\nreflection in SFT only", "Rewrite", "SRP"]


def test_learning_curves_that_share_no_point_are_refused() -> None:
    with pytest.raises(ValueError, match="share no token count"):
        figures.learning_curves({"srp": [[(0, 1.0)], [(1, 1.0)]]})
