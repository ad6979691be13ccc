"""`draw_world`: the causal graph as a picture, compounds on the left and outcomes on the right.

Mediators stand in boxes between them, layer by layer. The causes of an edge from a pair meet in a
small square, of a triple in a triangle, and go on to the effect together. Safe is blue and solid,
circles; unsafe is vermilion (Okabe-Ito) and dashed on every way to an unsafe outcome, whose diamond
fills with its severity. Of a big world a neighbourhood is drawn, and the title says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from experiments.figure_style import DPI, styled
from experiments.text_width import text_width
from experiments.world_layout import Entity, Layout, arrange, entities, fits, neighbourhood, warned
from medsafetyworld.graph import SEVERITIES, World
from medsafetyworld.semantics import Chain, Group
from medsafetyworld.world_views import counts

SAFE, UNSAFE, INK = "#0072B2", "#D55E00", "#333333"
LINES = {False: (SAFE, "-", 0.8), True: (UNSAFE, (0, (4.5, 1.4)), 1.05)}
"""Colour, line style and width of an edge by whether it leads to an unsafe outcome."""
FILLS = ("full", "none", "left", "full")
"""How the marker of an outcome is filled, by severity: a safe one is a full circle."""
JOINTS = {2: "s", 3: "^"}
"""Where the causes of an edge from a pair or a triple meet."""

PLAIN_GAP, GAP, WIDE_GAP = 1.9, 3.6, 5.6
"""Inches between two layers: of single-edges alone, with pairs, and of a world without mediators,
where most edges are."""
ROW, MEDIATOR_ROW, LEAST = 1.29, 1.8, 4.0
"""Heights of a compound and a mediator, in font sizes; the least height of a layer, in inches."""
LINE, BOTTOM, MARGIN, PAD = 0.19, 0.72, 0.16, 0.09
"""Inches for a line of the title, for the legend, at the sides and around names."""


@dataclass(frozen=True, slots=True)
class Page:
    """Where things stand, in inches from the upper left corner."""

    width: float
    height: float
    top: float
    arrive: tuple[float, ...]
    """Where curves reach each layer."""
    leave: tuple[float, ...]
    """Where they go on: the same place, but for boxes."""
    layout: Layout
    font: float
    """Size of the names of compounds and mediators, in points."""

    def y(self, height: float) -> float:
        """The place of a height in (0, 1)."""
        return self.top + height * self.body

    @property
    def body(self) -> float:
        """Height of the layers."""
        return self.height - self.top - BOTTOM

    def group(self, group: Group) -> list[float]:
        """The places of a group's members."""
        return [self.y(self.layout.layers[group.layer][member]) for member in group.members]


@styled
def draw_world(world: World) -> Figure:
    """The picture of a world; of a big one, of a neighbourhood."""
    edges = world.edges if fits(world) else neighbourhood(world)
    layout = arrange(edges)
    page, title = _page(world, layout, _title(world, edges, layout))
    figure = Figure(figsize=(page.width, page.height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, page.width)
    axes.set_ylim(page.height, 0)
    axes.set_axis_off()
    danger = warned(world, edges)
    # Unsafe ones last, so that safe ones do not hide them.
    for unsafe in (False, True):
        _curves(axes, [each for each in edges if (each in danger) is unsafe], page, unsafe)
    _compounds(axes, world, page)
    _mediators(axes, world, page, {e for each in danger for e in entities(each.causes)})
    _outcomes(axes, world, edges, page)
    figure.suptitle(title, fontsize=11, color=INK, y=1 - 0.1 / page.height, va="top")
    handles = _legend(world)
    columns = -(-len(handles) // 2)
    figure.legend(handles=handles, loc="lower center", ncols=columns, fontsize=8.5)
    return figure


def save_world_figure(world: World, path: Path) -> None:
    """Writes the picture as PNG; the same world gives the same bytes."""
    figure = draw_world(world)
    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=DPI, metadata={"Software": None})


def _page(world: World, layout: Layout, title: str) -> tuple[Page, str]:
    """A page as wide as its names need and as high as its fullest layer, and the title on it."""
    counts = [len(layer) for layer in layout.layers]
    font = 6.6 if counts[0] > 40 else 8.5
    rows = max(
        ROW * max(counts[0], len(layout.joints)), MEDIATOR_ROW * max(counts[1:-1], default=0)
    )
    body = max(rows * font / 72, 0.236 * counts[-1], LEAST)
    names = [
        [world.layers[layer][index] for index in drawn] for layer, drawn in enumerate(layout.layers)
    ]
    x = MARGIN + text_width(names[0], font) + PAD
    arrive, leave = [x], [x]
    for layer in names[1:-1]:
        arrive.append(leave[-1] + PLAIN_GAP)
        leave.append(arrive[-1] + text_width(layer, font) + 2 * PAD)
    arrive.append(leave[-1] + (WIDE_GAP if world.hops == 1 else GAP))
    leave.append(arrive[-1])
    labels = [_outcome_label(world, outcome) for outcome in layout.layers[-1]]
    width = arrive[-1] + 2 * PAD + text_width(labels, 9, "bold") + MARGIN
    lines = [part for line in title.split("\n") for part in wrap(line, int(width / 0.084))]
    top = 0.25 + LINE * len(lines)
    page = Page(width, top + body + BOTTOM, top, tuple(arrive), tuple(leave), layout, font)
    return page, "\n".join(lines)


def _curves(axes: Axes, edges: Sequence[Chain], page: Page, unsafe: bool) -> None:
    """The edges of one safety, and the points where several causes meet."""
    colour, style, width = LINES[unsafe]
    curves: list[NDArray[np.float64]] = []
    for each in edges:
        start, end = page.leave[each.causes.layer], page.arrive[each.effects.layer]
        starts, (goal,) = page.group(each.causes), page.group(each.effects)
        if each in page.layout.joints:
            x, y = (start + end) / 2, page.y(page.layout.joints[each])
            curves += [_curve(start, cause, x, y) for cause in starts]
            start, starts = x, [y]
            axes.plot(x, y, JOINTS[len(each.causes.members)], color=colour, markersize=4)
        curves += [_curve(start, cause, end, goal) for cause in starts]
    alpha = 0.8 if len(edges) < 60 else 0.6
    axes.add_collection(
        LineCollection(
            curves,
            colors=colour,
            linewidths=width,
            linestyles=[style],  # pyright: ignore
            alpha=alpha,
        )
    )


def _curve(x0: float, y0: float, x1: float, y1: float) -> NDArray[np.float64]:
    """An S from one point to another that leaves and arrives horizontally; shape (24, 2)."""
    t = np.linspace(0.0, 1.0, 24)
    return np.stack([x0 + (x1 - x0) * t, y0 + (y1 - y0) * t * t * (3 - 2 * t)], axis=1)


def _compounds(axes: Axes, world: World, page: Page) -> None:
    x, drawn = page.arrive[0], page.layout.layers[0]
    places = page.group(Group(0, tuple(drawn)))
    axes.plot([x] * len(places), places, ".", color=INK, markersize=5)
    for compound, y in zip(drawn, places, strict=True):
        axes.text(
            x - PAD,
            y,
            world.compounds[compound],
            ha="right",
            va="center_baseline",
            fontsize=page.font,
            color=INK,
        )


def _mediators(axes: Axes, world: World, page: Page, danger: set[Entity]) -> None:
    """Boxes, with a dashed border on the way to an unsafe outcome."""
    for layer, drawn in list(enumerate(page.layout.layers))[1:-1]:
        left, right = page.arrive[layer], page.leave[layer]
        tall = min(0.2, 0.8 * page.body / len(drawn))
        for index, height in drawn.items():
            y = page.y(height)
            colour, style, _ = LINES[(layer, index) in danger]
            axes.add_patch(
                Rectangle(
                    (left, y - tall / 2),
                    right - left,
                    tall,
                    facecolor="white",
                    edgecolor=colour,
                    linestyle=style,
                    linewidth=0.8,
                    zorder=3,
                )
            )
            axes.text(
                (left + right) / 2,
                y,
                world.layers[layer][index],
                ha="center",
                va="center_baseline",
                fontsize=page.font,
                color=INK,
                zorder=4,
            )


def _outcomes(axes: Axes, world: World, edges: Sequence[Chain], page: Page) -> None:
    for outcome, height in page.layout.layers[-1].items():
        x, y = page.arrive[-1], page.y(height)
        drawn = sum(edge.outcome == outcome and edge.effects.layer == world.hops for edge in edges)
        mark = _mark(world.severity[outcome])
        axes.plot(x, y, **mark, markersize=5 + min(drawn, 16) / 4)
        axes.text(
            x + 1.6 * PAD,
            y,
            _outcome_label(world, outcome),
            ha="left",
            va="center_baseline",
            fontsize=9,
            color=mark["color"],
            weight="bold" if world.unsafe[outcome] else "normal",
        )


def _outcome_label(world: World, outcome: int) -> str:
    name = world.outcomes[outcome]
    if not world.unsafe[outcome]:
        return name
    return f"{name} ({SEVERITIES[world.severity[outcome]]}: {world.systems[outcome]})"


def _mark(severity: int) -> dict[str, Any]:
    """Marker, colour and filling of an outcome of this severity."""
    marker, colour = ("D", UNSAFE) if severity else ("o", SAFE)
    filled = "white" if FILLS[severity] == "none" else colour
    return {
        "marker": marker,
        "color": colour,
        "markerfacecolor": filled,
        "markerfacecoloralt": "white",
        "fillstyle": "left" if FILLS[severity] == "left" else "full",
    }


def _title(world: World, edges: Sequence[Chain], layout: Layout) -> str:
    sizes = counts(world)
    unsafe = f" ({sizes.pop('unsafe outcomes'):,} unsafe)"
    # Spaces that do not break keep a number beside what it counts.
    counted = ", ".join(
        f"{count:,} {name}{unsafe if name == 'outcomes' else ''}".replace(" ", "\u00a0")
        for name, count in sizes.items()
        if not name.endswith("unsafe outcomes")
    )
    whole = f"World {world.content_hash[:8]}: {counted}"
    if len(edges) == len(world.edges):
        return whole
    return (
        f"{whole}\nA sample: a neighbourhood of {len(layout.layers[-1])} outcomes "
        f"({len(edges)} edges drawn; colours tell of these alone)"
    )


def _legend(world: World) -> list[Line2D]:
    def dot(label: str, **look: object) -> Line2D:
        return Line2D([], [], **{"linestyle": "", "color": INK, "label": label, **look})  # pyright: ignore

    levels = ("safe outcome", *(f"unsafe outcome: {name}" for name in SEVERITIES[1:]))
    arities = {len(each.causes.members) for each in world.edges}
    meeting = ((2, "a pair acts together"), (3, "a triple acts together"))
    ways = ((False, "leads to safe outcomes only"), (True, "leads to an unsafe outcome"))
    things = [
        dot("compound", marker=".", markersize=6),
        *([dot("mediator", marker="s", markersize=8, mfc="white")] if world.hops > 1 else []),
        *(
            dot(label, marker=JOINTS[arity], markersize=5)
            for arity, label in meeting
            if arity in arities
        ),
    ]
    outcomes = [dot(label, **_mark(level)) for level, label in enumerate(levels)]
    paths = [
        Line2D([], [], color=LINES[unsafe][0], linestyle=LINES[unsafe][1], label=label)
        for unsafe, label in ways
    ]
    # Filled column by column, two rows each.
    return [*things[:2], *outcomes, *paths, *things[2:]]
