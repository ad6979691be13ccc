"""Laws of the figures: one look a variant, same bytes each time, nothing needed that is absent."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import pytest
from matplotlib.figure import Figure

from experiments import figures
from experiments.figure_style import MARKS
from experiments.measures import Measures, measure
from experiments.rows import VARIANTS

from fake_study import TRUTH, fake_curves, fake_rows

DRAWINGS = (figures.safety_utility, figures.capability_bars, figures.three_levels)


@pytest.fixture(scope="module")
def measures() -> Measures:
    return measure(fake_rows())


def test_every_variant_has_a_colour_and_a_marker_of_its_own() -> None:
    assert set(MARKS) == set(VARIANTS)
    assert len({colour for colour, _ in MARKS.values()}) == len(MARKS)
    assert len({marker for _, marker in MARKS.values()}) == len(MARKS)


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


def test_learning_curves_that_share_no_point_are_refused() -> None:
    with pytest.raises(ValueError, match="share no token count"):
        figures.learning_curves({"srp": [[(0, 1.0)], [(1, 1.0)]]})
