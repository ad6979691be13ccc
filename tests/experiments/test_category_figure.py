"""Laws of the picture of category counts: every count is a bar and a number, zero included."""

from __future__ import annotations

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import Rectangle

from experiments.category_figure import LOOKS, TITLES, category_counts
from medsafetyworld.semantics import Direction

CATEGORIES = {
    "no_cooccurrence": {},
    "rewrite": {"forward-safe": 71_600, "forward-unsafe": 48_400, "warning-unsafe": 950},
    "filtering": {"forward-safe": 71_600, "forward-unsafe": 48_400, "reverse-safe": 1_200_000},
    "baseline": {"forward-safe": 71_600, "reverse-unsafe": 14_519, "cooccurrence-safe": 999_600},
}


def test_every_count_is_a_bar_and_a_number() -> None:
    figure = category_counts(CATEGORIES)
    assert len(figure.axes) == len(TITLES) == len(Direction)
    for axis, direction in zip(figure.axes, TITLES, strict=True):
        bars = [patch for patch in axis.patches if isinstance(patch, Rectangle)]
        expected = [
            CATEGORIES[variant].get(f"{direction}-{safety}", 0)
            for variant in ("baseline", "filtering", "rewrite", "no_cooccurrence")
            for safety in LOOKS
        ]
        assert [bar.get_width() for bar in bars] == expected
        assert len(axis.texts) == len(expected)
        assert [text.get_text() == "0" for text in axis.texts] == [n == 0 for n in expected]
        assert axis.get_xlim()[1] > max(expected)
    numbers = {text.get_text() for axis in figure.axes for text in axis.texts}
    assert numbers == {"0", "950", "14.5k", "48.4k", "71.6k", "1M", "1.2M"}


def test_variants_stand_in_the_published_order_under_their_names() -> None:
    rows = [label.get_text() for label in category_counts(CATEGORIES).axes[0].get_yticklabels()]
    assert rows[:3] == ["Baseline", "Filtering", "Rewrite"]
    assert len(rows) == 4


def test_safe_and_unsafe_bars_differ_without_colour() -> None:
    assert "hatch" in LOOKS["unsafe"]
    assert "hatch" not in LOOKS["safe"]


def test_nothing_is_clipped_and_no_two_numbers_overlap() -> None:
    many = {f"variant {place}": CATEGORIES["filtering"] for place in range(9)}
    for categories in (CATEGORIES, many, {"one": {}}):
        figure = category_counts(categories)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        renderer = canvas.get_renderer()
        texts = [*figure.texts, *(text for axis in figure.axes for text in axis.texts)]
        boxes = [text.get_window_extent(renderer) for text in texts]
        boxes += [legend.get_window_extent(renderer) for legend in figure.legends]
        width, height = canvas.get_width_height()
        assert all(box.x0 >= 0 and box.x1 <= width for box in boxes)
        assert all(box.y0 >= 0 and box.y1 <= height for box in boxes)
        assert not any(
            one.overlaps(other) for place, one in enumerate(boxes) for other in boxes[:place]
        )
