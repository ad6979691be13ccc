"""Laws of the pieces of charts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from experiments.figure_style import MARKS
from experiments.html.svg import Scale, marker, ticks


@given(st.floats(-50, 50), st.floats(0.01, 500))
def test_ticks_are_few_round_and_inside(low: float, span: float) -> None:
    found = ticks(low, low + span)
    assert 1 <= len(found) <= 6
    assert all(low - 1e-6 * span <= tick <= low + span + 1e-6 * span for tick in found)


def test_scales_end_where_they_say_and_markers_are_all_different() -> None:
    assert Scale(0, 100, 10, 110).at(50) == 60
    assert Scale(0, 100, 10, 110, pad=10).at(0) == 20
    assert Scale(0, 100, 110, 10, pad=10).at(0) == 100
    assert Scale(0, 100, 10, 110).at(400) == 110
    codes = {code for _, code in MARKS.values()}
    assert len({marker(code, 0, 0, 5) for code in codes}) == len(codes)
