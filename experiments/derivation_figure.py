"""`draw_derivation`: a proof as a tree, the conclusion on top and what texts state at its leaves.

Arrows lead from premises to what follows; the rule stands on the stem where they meet. A stated
sentence wears its direction's colour and border. The rules used are spelt out below.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import wrap
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from experiments.figure_style import DPI, styled
from experiments.text_width import text_width
from medsafetyworld.derivation import Proof, say
from medsafetyworld.graph import World
from medsafetyworld.rules import Rule
from medsafetyworld.semantics import Direction

INK, FAINT = "#333333", "#555555"
NAMES = {direction: str(direction) for direction in Direction} | {
    Direction.COOCCURRENCE: "co-occurrence"
}
LOOKS: dict[Direction, tuple[str, Any]] = {
    Direction.FORWARD: ("#0072B2", "-"),
    Direction.REVERSE: ("#D55E00", (0, (4.5, 1.4))),
    Direction.COOCCURRENCE: ("#009E73", (0, (1.2, 1.2))),
    Direction.WARNING: ("#CC79A7", (0, (4.5, 1.4, 1.2, 1.4))),
}
"""Colour (Okabe-Ito) and border of a stated sentence."""

FONT, LINE = 8.5, 0.155
"""Size of sentences in points, height of a line in inches."""
WORDS = 30
"""Characters in a line of a box."""
PAD, GAP, STEM, MARGIN, LEAST = 0.1, 0.25, 0.66, 0.2, 5.6
"""Inches: inside a box, between boxes, between levels, around all; least width of the rules."""


@dataclass(frozen=True, slots=True)
class Box:
    """A node of the tree with its text and its place, in inches."""

    proof: Proof
    level: int
    """0 for the conclusion."""
    lines: tuple[str, ...]
    x: float
    """Its middle."""
    width: float
    span: float
    """The room that it and all below it take from left to right."""
    premises: tuple[Box, ...]

    @property
    def height(self) -> float:
        """Of all lines with what is around them."""
        return LINE * len(self.lines) + 2 * PAD

    def nodes(self) -> Iterator[Box]:
        """This box and all below it."""
        yield self
        for premise in self.premises:
            yield from premise.nodes()

    def moved(self, right: float) -> Box:
        """The same tree further right."""
        premises = tuple(premise.moved(right) for premise in self.premises)
        return replace(self, x=self.x + right, premises=premises)


@styled
def draw_derivation(world: World, proof: Proof, source: str = "what is stated") -> Figure:
    """The picture of a proof; `source` says where its leaves come from, e.g. a variant's corpus."""
    tree = _grown(world, proof, 0)
    title = f"Derived at depth {proof.depth} from {source}"
    rules = [rule for rule in Rule if rule in proof.rules]
    notes = [f"{rule.capitalize()}: {rule.sentence}" for rule in rules]
    body = max(tree.span, text_width([title], 11), LEAST if notes else 0.0)
    tree = tree.moved(MARGIN + (body - tree.span) / 2)
    width = body + 2 * MARGIN
    notes = [line for note in notes for line in wrap(note, int(body / 0.062))]
    tops = _tops(tree)
    height = tops[-1] + LINE * len(notes) + MARGIN
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.set_axis_off()
    for box in tree.nodes():
        _arrows(axes, box, tops)
        _box(axes, box, tops[box.level])
    axes.text(width / 2, MARGIN, title, ha="center", va="center", fontsize=11, color=INK)
    for place, line in enumerate(notes):
        y = tops[-1] + LINE * (place + 0.5)
        axes.text(MARGIN, y, line, va="center", fontsize=8, color=FAINT)
    return figure


def save_derivation_figure(world: World, proof: Proof, path: Path, source: str) -> None:
    """Writes the picture as PNG; the same proof gives the same bytes."""
    figure = draw_derivation(world, proof, source)
    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=DPI, metadata={"Software": None})


def _grown(world: World, proof: Proof, level: int) -> Box:
    """The tree of a proof from 0 on rightwards, each node over the middle of its premises."""
    lines = tuple(wrap(say(world, proof.fact), WORDS))
    if proof.rule is None:
        lines = (f"stated, {NAMES[proof.fact.direction]}", *lines)
    width = text_width(lines, FONT, "bold") + 2 * PAD
    grown = [_grown(world, premise, level + 1) for premise in proof.premises]
    total = sum(box.span for box in grown) + GAP * max(len(grown) - 1, 0)
    left = max(width - total, 0.0) / 2
    premises: list[Box] = []
    for box in grown:
        premises.append(box.moved(left))
        left += box.span + GAP
    span = max(width, total)
    middle = (premises[0].x + premises[-1].x) / 2 if premises else span / 2
    x = min(max(middle, width / 2), span - width / 2)
    return Box(proof, level, lines, x, width, span, tuple(premises))


def _tops(tree: Box) -> list[float]:
    """Where each level begins, and last where all of them end."""
    tops = [2.1 * MARGIN]
    nodes = list(tree.nodes())
    for level in range(max(box.level for box in nodes) + 1):
        tallest = max(box.height for box in nodes if box.level == level)
        tops.append(tops[-1] + tallest + STEM)
    # Nothing stands below the last level but a little air.
    return [*tops[:-1], tops[-1] - STEM + MARGIN]


def _arrows(axes: Axes, box: Box, tops: Sequence[float]) -> None:
    """A bar over the premises, a stem from it to what follows, and on the stem the rule."""
    if box.proof.rule is None:
        return
    end, bar, start = tops[box.level] + box.height, tops[box.level + 1] - 0.2, tops[box.level + 1]
    line = {"color": INK, "linewidth": 1.0, "solid_capstyle": "round", "zorder": 1}
    for premise in box.premises:
        axes.plot([premise.x, premise.x], [start, bar], **line)
    ends = [box.x, *(premise.x for premise in box.premises)]
    axes.plot([min(ends), max(ends)], [bar, bar], **line)
    arrow = {"arrowstyle": "-|>", "color": INK, "linewidth": 1.0, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", (box.x, end), (box.x, bar), arrowprops=arrow)
    axes.text(
        box.x + 0.09,
        (end + bar) / 2 + 0.02,
        str(box.proof.rule),
        va="center",
        fontsize=FONT,
        style="italic",
        color=INK,
    )


def _box(axes: Axes, box: Box, top: float) -> None:
    """A sentence; a stated one in the look of its direction, the conclusion with a thick border."""
    stated = box.proof.rule is None
    colour, style = LOOKS[box.proof.fact.direction] if stated else (INK, "-")
    axes.add_patch(
        FancyBboxPatch(
            (box.x - box.width / 2, top),
            box.width,
            box.height,
            boxstyle="round,pad=0,rounding_size=0.06",
            facecolor=to_rgba(colour, 0.1) if stated else "white",
            edgecolor=colour,
            linestyle=style,
            linewidth=1.8 if box.level == 0 else 1.2,
        )
    )
    for place, line in enumerate(box.lines):
        axes.text(
            box.x,
            top + PAD + LINE * (place + 0.5),
            line,
            ha="center",
            va="center",
            fontsize=FONT,
            color=INK,
            weight="bold" if (place == 0 and stated) or box.level == 0 else "normal",
        )
