"""Laws of the world's picture: every edge of a small world of any depth, danger by its look."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from experiments import world_layout
from experiments.text_width import text_width
from experiments.world_figure import FILLS, JOINTS, LINES, UNSAFE, draw_world, save_world_figure
from experiments.world_layout import (
    SAMPLED_COMPOUNDS,
    SAMPLED_MEDIATORS,
    SAMPLED_OUTCOMES,
    arrange,
    fits,
    neighbourhood,
    warned,
)
from medsafetyworld.building import build_world
from medsafetyworld.graph import SEVERITIES
from medsafetyworld.presets import WORLD_PRESETS
from medsafetyworld.semantics import Chain
from medsafetyworld.spec import WorldSpec

THREE_HOP = WorldSpec(
    compounds=30,
    mediators=(16, 12),
    outcomes=8,
    single_edges=34,
    pair_edges=10,
    triple_edges=4,
    mediator_edges=5,
)
SPECS = {
    "single-hop": WORLD_PRESETS["smoke"],
    "two-hop": WORLD_PRESETS["smoke-two-hop"],
    "three-hop": THREE_HOP,
    "triples": replace(WORLD_PRESETS["smoke"], triple_edges=5),
}
BIG = {
    "single-hop": WorldSpec(compounds=400, outcomes=80, single_edges=800, pair_edges=200),
    "two-hop": WorldSpec(
        compounds=400, mediators=(300,), outcomes=70, single_edges=420, pair_edges=300
    ),
}


@cache
def drawn(spec: WorldSpec) -> Figure:
    return draw_world(build_world(spec))


def boxes(figure: Figure) -> list[Rectangle]:
    return [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]


def figure_texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def curves(figure: Figure) -> dict[str, int]:
    """Number of curves by line style."""
    found = [c for c in figure.axes[0].collections if isinstance(c, LineCollection)]
    styles = [c.get_linestyle() for c in found]
    return {str(style): len(c.get_segments()) for style, c in zip(styles, found, strict=True)}


def pieces(edges: Collection[Chain]) -> int:
    """An edge from one cause is one curve; from several, one to the joint from each, and one on."""
    arities = [len(each.causes.members) for each in edges]
    return sum(1 if arity == 1 else arity + 1 for arity in arities)


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_a_small_world_is_drawn_whole(spec: WorldSpec) -> None:
    world, figure = build_world(spec), drawn(spec)
    texts = figure_texts(figure)
    assert {name for layer in world.layers[:-1] for name in layer} <= set(texts)
    assert all(any(text.startswith(name) for text in texts) for name in world.outcomes)
    assert sum(curves(figure).values()) == pieces(world.edges)
    assert len(boxes(figure)) == sum(spec.mediators)
    lines = figure.axes[0].lines
    for arity, marker in JOINTS.items():
        meeting = [line for line in lines if line.get_marker() == marker]
        assert len(meeting) == sum(len(each.causes.members) == arity for each in world.edges)


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_every_way_to_an_unsafe_outcome_and_no_other_edge_is_warned(spec: WorldSpec) -> None:
    world = build_world(spec)
    found = warned(world, world.edges)
    harmful = [chain for chain in world.chains if world.unsafe[chain.outcome]]
    assert found >= {each for chain in harmful for each in world.edges_of(chain)}
    into = {(each.causes.layer, member) for each in found for member in each.causes.members}
    for each in found:
        effect = (each.effects.layer, each.outcome)
        assert effect in into or (effect[0] == world.hops and world.unsafe[effect[1]])
    safe = build_world(replace(spec, unsafe_fraction=0.0))
    assert not warned(safe, safe.edges)
    solid, dashed = curves(drawn(spec)).values()
    assert (solid, dashed) == (pieces(set(world.edges) - found), pieces(found))


def test_danger_is_seen_without_colour() -> None:
    world = build_world(replace(WORLD_PRESETS["smoke"], outcomes=20, single_edges=60))
    assert set(world.severity) == {0, 1, 2, 3}
    (_, safe_style, _), (_, unsafe_style, _) = LINES[False], LINES[True]
    assert safe_style != unsafe_style
    figure = draw_world(world)
    outcomes = [line for line in figure.axes[0].lines if line.get_marker() in ("o", "D")]
    looks = {
        (line.get_marker(), line.get_fillstyle(), str(line.get_markerfacecolor()))
        for line in outcomes
    }
    assert len(outcomes) == 20
    assert len(looks) == len(FILLS), "each severity has a look of its own"
    labels = " ".join(figure_texts(figure))
    for outcome, level in enumerate(world.severity):
        named = f"{world.outcomes[outcome]} ({SEVERITIES[level]}: {world.systems[outcome]})"
        assert (named in labels) is world.unsafe[outcome]
    assert any(line.get_color() == UNSAFE for line in outcomes)


@pytest.mark.parametrize(
    ("field", "size"), [("compounds", 161), ("mediators", (81,)), ("outcomes", 61)]
)
def test_one_layer_too_large_is_enough_for_a_sample(field: str, size: object) -> None:
    spec = WorldSpec(compounds=160, mediators=(80,), outcomes=60, single_edges=161, pair_edges=61)
    assert fits(build_world(spec))
    assert not fits(build_world(replace(spec, **{field: size})))


def test_too_many_edges_are_sampled() -> None:
    assert not fits(build_world(WorldSpec(single_edges=600, pair_edges=1)))
    assert fits(build_world(WorldSpec(single_edges=600, pair_edges=0)))


@pytest.mark.parametrize("spec", BIG.values(), ids=BIG)
def test_a_big_world_is_sampled_and_the_title_says_so(spec: WorldSpec) -> None:
    world = build_world(spec)
    assert not fits(world)
    edges = neighbourhood(world)
    assert set(edges) <= set(world.edges)
    assert len(set(edges)) == len(edges)
    layout = arrange(edges)
    compounds, *mediators, outcomes = (len(layer) for layer in layout.layers)
    assert 1 < outcomes <= SAMPLED_OUTCOMES
    assert compounds <= SAMPLED_COMPOUNDS
    assert all(count <= SAMPLED_MEDIATORS for count in mediators)
    # Nothing hangs in the air: whatever acts in the sample has its own causes there.
    reached = {(each.effects.layer, each.outcome) for each in edges}
    acting = {(each.causes.layer, member) for each in edges for member in each.causes.members}
    assert {entity for entity in acting if entity[0] > 0} <= reached
    title = drawn(spec).get_suptitle().replace("\u00a0", " ")
    assert "A sample" in title
    assert "400 compounds" in title
    assert f"{len(edges)} edges drawn" in " ".join(title.split())
    assert "A sample" not in drawn(SPECS["two-hop"]).get_suptitle()


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_sweeping_shortens_the_edges(spec: WorldSpec) -> None:
    world = build_world(spec)
    swept = arrange(world.edges).layers
    plain = tuple({i: (i + 0.5) / len(names) for i in range(len(names))} for names in world.layers)

    def length(layers: tuple[dict[int, float], ...]) -> float:
        return sum(
            abs(layers[each.causes.layer][cause] - layers[each.effects.layer][each.outcome])
            for each in world.edges
            for cause in each.causes.members
        )

    assert [set(layer) for layer in swept] == [set(layer) for layer in plain]
    assert length(swept) < 0.8 * length(plain)


def test_of_several_beginnings_the_best_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    edges = build_world(replace(WORLD_PRESETS["smoke"], pair_edges=0)).edges

    def length(starts: int) -> float:
        monkeypatch.setattr(world_layout, "STARTS", starts)
        low, high = arrange(edges).layers
        return sum(abs(low[each.compounds[0]] - high[each.outcome]) for each in edges)

    assert length(12) < length(1)


def test_the_picture_does_not_depend_on_the_order_of_the_edges() -> None:
    world = build_world(THREE_HOP)
    assert arrange(world.edges[::-1]) == arrange(world.edges)


WORLDS = [*SPECS.values(), *BIG.values(), WORLD_PRESETS["laptop-two-hop"]]


@pytest.mark.parametrize("spec", WORLDS)
def test_nothing_is_clipped_no_two_names_overlap_and_boxes_hold_theirs(spec: WorldSpec) -> None:
    figure = drawn(spec)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    texts = [*figure.axes[0].texts, *figure.texts]
    extents = [text.get_window_extent(renderer) for text in texts]
    extents += [legend.get_window_extent(renderer) for legend in figure.legends]
    width, height = canvas.get_width_height()
    for extent in extents:
        assert extent.x0 >= 0
        assert extent.x1 <= width
        assert extent.y0 >= 0
        assert extent.y1 <= height
    assert not any(
        one.overlaps(other) for place, one in enumerate(extents) for other in extents[:place]
    )
    names = [t for t in figure.axes[0].texts if t.get_horizontalalignment() == "center"]
    for box, name in zip(boxes(figure), names, strict=True):
        outer, inner = box.get_window_extent(renderer), name.get_window_extent(renderer)
        assert outer.x0 <= inner.x0
        assert inner.x1 <= outer.x1
        assert outer.y0 <= inner.y0
        assert inner.y1 <= outer.y1


def test_a_title_wider_than_the_page_is_wrapped() -> None:
    spec = WorldSpec(
        compounds=4000,
        mediators=(2000, 1500),
        outcomes=300,
        single_edges=5000,
        pair_edges=1000,
        triple_edges=400,
        mediator_edges=500,
    )
    figure = drawn(spec)
    lines = figure.get_suptitle().split("\n")
    assert len(lines) == 3
    assert text_width(lines, 11) < figure.get_figwidth()


def test_the_same_world_gives_the_same_bytes(tmp_path: Path) -> None:
    world = build_world(SPECS["two-hop"])
    save_world_figure(world, tmp_path / "a.png")
    save_world_figure(world, tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
