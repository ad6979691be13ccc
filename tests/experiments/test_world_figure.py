"""Laws of the world's picture: it shows every edge of a small world and admits to a sample."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from experiments.world_figure import (
    MARKERS,
    SAMPLED_OUTCOMES,
    arrange,
    draw_world,
    neighbourhood,
    save_world_figure,
)
from medsafetyworld.graph import World, build_world
from medsafetyworld.spec import WORLD_PRESETS, WorldSpec


def small() -> World:
    return build_world(WORLD_PRESETS["smoke"])


def big() -> World:
    return build_world(WorldSpec(compounds=400, outcomes=80, single_edges=800, pair_edges=200))


def names_in(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def curves_in(figure: Figure) -> int:
    collections = figure.axes[0].collections
    return sum(len(c.get_segments()) for c in collections if isinstance(c, LineCollection))


def test_a_small_world_is_drawn_whole() -> None:
    world = small()
    figure = draw_world(world)
    drawn = names_in(figure)
    assert set(world.compounds) <= set(drawn)
    assert all(any(text.startswith(name) for text in drawn) for name in world.outcomes)
    assert curves_in(figure) == len(world.single_edges) + 3 * len(world.pair_edges)


def test_safe_and_unsafe_differ_in_marker_and_colour() -> None:
    (safe_marker, safe_colour), (unsafe_marker, unsafe_colour) = MARKERS.values()
    assert safe_marker != unsafe_marker
    assert safe_colour != unsafe_colour


def test_a_big_world_is_sampled_and_the_title_says_so() -> None:
    world = big()
    edges = neighbourhood(world)
    assert set(edges) <= set(world.edges)
    assert len(set(edges)) == len(edges)
    assert len({edge.outcome for edge in edges}) == SAMPLED_OUTCOMES
    title = draw_world(world).get_suptitle()
    assert "A sample" in title
    assert "400 compounds" in title
    assert "A sample" not in draw_world(small()).get_suptitle()


def test_sweeping_shortens_the_edges() -> None:
    world = small()
    layout = arrange(world.edges)

    def length(compounds: dict[int, float], outcomes: dict[int, float]) -> float:
        return sum(
            abs(compounds[c] - outcomes[e.outcome]) for e in world.edges for c in e.compounds
        )

    plain = (
        {c: (c + 0.5) / len(world.compounds) for c in range(len(world.compounds))},
        {o: (o + 0.5) / len(world.outcomes) for o in range(len(world.outcomes))},
    )
    assert length(layout.compounds, layout.outcomes) < 0.8 * length(*plain)


@pytest.mark.parametrize("world", [small(), big()], ids=["small", "big"])
def test_nothing_is_clipped_and_no_two_names_of_a_column_overlap(world: World) -> None:
    figure = draw_world(world)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    boxes = [text.get_window_extent(canvas.get_renderer()) for text in figure.axes[0].texts]
    width, height = canvas.get_width_height()
    for box in boxes:
        assert box.x0 >= 0
        assert box.x1 <= width
        assert box.y0 >= 0
        assert box.y1 <= height
    assert not any(
        one.overlaps(other) for place, one in enumerate(boxes) for other in boxes[:place]
    )


def test_the_same_world_gives_the_same_bytes(tmp_path: Path) -> None:
    save_world_figure(small(), tmp_path / "a.png")
    save_world_figure(small(), tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
