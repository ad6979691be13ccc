"""`draw_world`: the causal graph as a picture, compounds on the left and outcomes on the right.

A single-edge is a solid curve from a compound to an outcome; a pair-edge is two dashed curves that
meet in a small square and go on to the outcome together. Blue circles are safe, vermilion diamonds
unsafe (Okabe-Ito). Every column is ordered by barycentres, so that curves cross as little as may
be. Of a big world a neighbourhood is drawn, and the title says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from experiments.figure_style import DPI, styled
from medsafetyworld.graph import Edge, World

SAFE, UNSAFE, INK = "#0072B2", "#D55E00", "#333333"
MARKERS = {False: ("o", SAFE), True: ("D", UNSAFE)}
"""Marker and colour of an outcome by whether it is unsafe."""

MOST_COMPOUNDS, MOST_OUTCOMES = 160, 60
"""Larger worlds are sampled; more names than this fit no screen."""

SAMPLED_OUTCOMES, SAMPLED_SINGLES, SAMPLED_PAIRS = 12, 6, 1
"""Size of a sampled neighbourhood: outcomes, and edges of each."""

LEFT, MIDDLE, RIGHT = 0.0, 0.5, 1.0
"""Horizontal places of compounds, pairs and outcomes."""

SWEEPS = 40

Node = TypeVar("Node")


@dataclass(frozen=True, slots=True)
class Layout:
    """Height in [0, 1] of everything drawn, by its index or edge."""

    compounds: dict[int, float]
    pairs: dict[Edge, float]
    outcomes: dict[int, float]


@styled
def draw_world(world: World) -> Figure:
    """The picture of a world; of a big one, of a neighbourhood."""
    sampled = len(world.compounds) > MOST_COMPOUNDS or len(world.outcomes) > MOST_OUTCOMES
    edges = neighbourhood(world) if sampled else world.edges
    layout = arrange(edges)
    rows = max(len(layout.compounds), 2 * len(layout.outcomes), len(layout.pairs))
    figure = Figure(figsize=(10.5, 2.0 + 0.118 * max(rows, 34)), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.15, h_pad=0.12)  # pyright: ignore
    axes = figure.subplots()
    font = 6.6 if len(layout.compounds) > 40 else 8.5
    _curves(axes, world, edges, layout)
    _compounds(axes, world, layout, font)
    _outcomes(axes, world, edges, layout)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.invert_yaxis()
    axes.set_axis_off()
    figure.suptitle(_title(world, edges, layout, sampled), fontsize=11, color=INK)
    figure.legend(handles=_legend(), loc="outside lower center", ncols=5, fontsize=8.5)
    return figure


def save_world_figure(world: World, path: Path) -> None:
    """Writes the picture as PNG; the same world gives the same bytes."""
    figure = draw_world(world)
    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=DPI, metadata={"Software": None})


def neighbourhood(world: World) -> tuple[Edge, ...]:
    """A few edges of a dozen outcomes, found one from another through shared compounds."""
    causes: dict[int, list[Edge]] = {}
    reached: dict[int, list[int]] = {}
    for edge in world.single_edges:
        causes.setdefault(edge.outcome, []).append(edge)
        reached.setdefault(edge.compounds[0], []).append(edge.outcome)
    chosen = [0]
    for outcome in chosen:
        for edge in causes[outcome][:SAMPLED_SINGLES]:
            for neighbour in reached[edge.compounds[0]]:
                if neighbour not in chosen and len(chosen) < SAMPLED_OUTCOMES:
                    chosen.append(neighbour)
    # A world that falls apart has too few neighbours; the next outcomes fill up.
    fill = (outcome for outcome in range(len(world.outcomes)) if outcome not in chosen)
    chosen += [outcome for outcome, _ in zip(fill, range(SAMPLED_OUTCOMES - len(chosen)))]  # noqa: B905
    return (*_singles_among(chosen, causes, reached), *_pairs_of(world, chosen))


def _singles_among(
    chosen: Sequence[int], causes: dict[int, list[Edge]], reached: dict[int, list[int]]
) -> list[Edge]:
    """Up to `SAMPLED_SINGLES` edges of each outcome, those of shared compounds first."""
    members = set(chosen)
    singles: list[Edge] = []
    for outcome in chosen:
        shared_first = sorted(
            causes[outcome], key=lambda edge: -len(members.intersection(reached[edge.compounds[0]]))
        )
        singles += shared_first[:SAMPLED_SINGLES]
    return singles


def _pairs_of(world: World, chosen: Sequence[int]) -> list[Edge]:
    counts = dict.fromkeys(chosen, 0)
    pairs: list[Edge] = []
    for edge in world.pair_edges:
        if counts.get(edge.outcome, SAMPLED_PAIRS) < SAMPLED_PAIRS:
            counts[edge.outcome] += 1
            pairs.append(edge)
    return pairs


def arrange(edges: Sequence[Edge]) -> Layout:
    """Orders each column by the mean height of its neighbours, back and forth.

    The order with the least total edge length is kept, because sweeping need not converge.
    """
    compounds = {c: 0.0 for c in sorted({c for edge in edges for c in edge.compounds})}
    outcomes = _spread({outcome: float(outcome) for outcome in {edge.outcome for edge in edges}})
    best, least = (compounds, outcomes), float("inf")
    for _ in range(SWEEPS):
        compounds = _spread(_means([(c, outcomes[e.outcome]) for e in edges for c in e.compounds]))
        outcomes = _spread(_means([(e.outcome, compounds[c]) for e in edges for c in e.compounds]))
        length = sum(abs(compounds[c] - outcomes[e.outcome]) for e in edges for c in e.compounds)
        if length < least:
            best, least = (compounds, outcomes), length
    compounds, outcomes = best
    pairs = {
        edge: (sum(compounds[c] for c in edge.compounds) / 2 + outcomes[edge.outcome]) / 2
        for edge in edges
        if len(edge.compounds) == 2
    }
    # Half a row off, so that no dashed curve runs straight along a solid one.
    shift = 0.5 / len(compounds)
    return Layout(compounds, {e: y + shift for e, y in _spread(pairs).items()}, outcomes)


def _means(heights: Sequence[tuple[int, float]]) -> dict[int, float]:
    """The mean height of each node's neighbours."""
    found: dict[int, list[float]] = {}
    for node, height in heights:
        found.setdefault(node, []).append(height)
    return {node: sum(values) / len(values) for node, values in found.items()}


def _spread(heights: dict[Node, float]) -> dict[Node, float]:
    """The same order at even distances in (0, 1)."""
    # Ties go by the node itself, so that the picture does not depend on the order of the edges.
    order = sorted(heights, key=lambda node: (heights[node], node))  # pyright: ignore
    return {node: (place + 0.5) / len(order) for place, node in enumerate(order)}


def _curves(axes: Axes, world: World, edges: Sequence[Edge], layout: Layout) -> None:
    """Every edge, safe ones first, so that unsafe ones are not hidden."""
    alpha = 0.75 if len(edges) < 100 else 0.5
    for unsafe in (False, True):
        own = [edge for edge in edges if world.unsafe[edge.outcome] is unsafe]
        singles = [
            _curve(LEFT, layout.compounds[e.compounds[0]], RIGHT, layout.outcomes[e.outcome])
            for e in own
            if len(e.compounds) == 1
        ]
        pairs = [edge for edge in own if len(edge.compounds) == 2]
        joined = [
            _curve(LEFT, layout.compounds[c], MIDDLE, layout.pairs[e])
            for e in pairs
            for c in e.compounds
        ]
        joined += [
            _curve(MIDDLE, layout.pairs[e], RIGHT, layout.outcomes[e.outcome]) for e in pairs
        ]
        colour = MARKERS[unsafe][1]
        axes.add_collection(LineCollection(singles, colors=colour, linewidths=0.9, alpha=alpha))
        axes.add_collection(
            LineCollection(
                joined, colors=colour, linewidths=0.9, alpha=alpha, linestyles=(0, (4, 2))
            )
        )
        axes.plot(
            [MIDDLE] * len(pairs), [layout.pairs[e] for e in pairs], "s", color=colour, markersize=4
        )


def _curve(x0: float, y0: float, x1: float, y1: float) -> NDArray[np.float64]:
    """An S from one point to another that leaves and arrives horizontally; shape (24, 2)."""
    t = np.linspace(0.0, 1.0, 24)
    return np.stack([x0 + (x1 - x0) * t, y0 + (y1 - y0) * t * t * (3 - 2 * t)], axis=1)


def _compounds(axes: Axes, world: World, layout: Layout, font: float) -> None:
    heights = layout.compounds
    axes.plot([LEFT] * len(heights), list(heights.values()), ".", color=INK, markersize=5)
    for compound, height in heights.items():
        axes.annotate(
            world.compounds[compound],
            (LEFT, height),
            xytext=(-5, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=font,
            color=INK,
        )


def _outcomes(axes: Axes, world: World, edges: Sequence[Edge], layout: Layout) -> None:
    for outcome, height in layout.outcomes.items():
        marker, colour = MARKERS[world.unsafe[outcome]]
        drawn = sum(edge.outcome == outcome for edge in edges)
        axes.plot(RIGHT, height, marker, color=colour, markersize=5 + min(drawn, 16) / 4)
        name = world.outcomes[outcome]
        axes.annotate(
            f"{name} (unsafe: {world.systems[outcome]})" if world.unsafe[outcome] else name,
            (RIGHT, height),
            xytext=(9, 0),
            textcoords="offset points",
            ha="left",
            va="center",
            fontsize=9,
            color=colour,
            weight="bold" if world.unsafe[outcome] else "normal",
        )


def _title(world: World, edges: Sequence[Edge], layout: Layout, sampled: bool) -> str:
    counts = world.counts()
    whole = (
        f"World {world.content_hash[:8]}: {counts['compounds']:,} compounds, "
        f"{counts['outcomes']:,} outcomes ({counts['unsafe outcomes']:,} unsafe), "
        f"{counts['single-edges']:,} single-edges, {counts['pair-edges']:,} pair-edges"
    )
    if not sampled:
        return whole
    return (
        f"{whole}\nA sample: a neighbourhood of {len(layout.outcomes)} outcomes with at most "
        f"{SAMPLED_SINGLES} single-edges and {SAMPLED_PAIRS} pair-edge of each "
        f"({len(edges)} edges drawn)"
    )


def _legend() -> list[Line2D]:
    return [
        Line2D([], [], linestyle="", marker=".", color=INK, markersize=6, label="compound"),
        *(
            Line2D([], [], linestyle="", marker=marker, color=colour, label=label)
            for (marker, colour), label in zip(
                MARKERS.values(), ("safe outcome", "unsafe outcome"), strict=True
            )
        ),
        Line2D([], [], color=INK, linewidth=1, label="single-edge"),
        Line2D(
            [],
            [],
            color=INK,
            linewidth=1,
            linestyle=(0, (4, 2)),
            marker="s",
            markersize=4,
            label="pair-edge: both together",
        ),
    ]
