"""`draw_derivation`: a proof as a tree, the conclusion on top and what texts state at its leaves.

Arrows lead from premises to what follows; the rule stands on the stem where they meet. A stated
sentence wears its direction's colour and border. The rules used are spelt out below.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap

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

INK = "#333333"
DIRECTIONS: dict[Direction, tuple[str, object]] = {
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
PAD, GAP, STEM, MARGIN = 0.1, 0.25, 0.66, 0.2
"""Inches: inside a box, between boxes, between levels, around all."""


@dataclass(frozen=True, slots=True)
class Box:
    """A node of the tree: its text and its place, in inches from the upper left corner."""

    proof: Proof
    lines: tuple[str, ...]
    level: int
    x: float
    """Middle."""
    width: float
    premises: tuple[Box, ...]

    @property
    def height(self) -> float:
        """Of all lines with what is around them."""
        return LINE * len(self.lines) + 2 * PAD

    def all(self) -> Iterator[Box]:
        """This box and all below it."""
        yield self
        for premise in self.premises:
            yield from premise.all()


@styled
def draw_derivation(world: World, proof: Proof, source: str = "what is stated") -> Figure:
    """The picture of a proof; `source` says where its leaves come from, e.g. a variant's corpus."""
    tree, right = _place(world, proof, 0, MARGIN)
    title = f"Derived at depth {proof.depth} from {source}"
    notes = [f"{rule.capitalize()}. {rule.sentence}" for rule in Rule if rule in proof.rules]
    least = max(text_width([title], 11), 5.6 if notes else 0.0)
    shift = max(0.0, (least + 2 * MARGIN - right) / 2)
    width = right + 2 * shift
    notes = [line for note in notes for line in wrap(note, int(width / 0.075))]
    tops = _levels(tree, MARGIN + 0.35)
    height = tops[-1] + LINE * len(notes) + MARGIN
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(-shift, width - shift)
    axes.set_ylim(height, 0)
    axes.set_axis_off()
    for box in tree.all():
        _arrows(axes, box, tops)
    for box in tree.all():
        _box(axes, box, tops[box.level], conclusion=box is tree)
    axes.text(right / 2, MARGIN, title, ha="center", va="center", fontsize=11, color=INK)
    for place, line in enumerate(notes):
        y = tops[-1] + LINE * (place + 0.5)
        axes.text(MARGIN - shift, y, line, va="center", fontsize=8, color="#555555")
    return figure


def save_derivation_figure(world: World, proof: Proof, path: Path, source: str) -> None:
    """Writes the picture as PNG; the same proof gives the same bytes."""
    figure = draw_derivation(world, proof, source)
    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=DPI, metadata={"Software": None})


def _place(world: World, proof: Proof, level: int, left: float) -> tuple[Box, float]:
    """The tree with its leaves from left to right, each node over the middle of its premises.

    Returns it with the right end of the room it takes.
    """
    lines = tuple(wrap(say(world, proof.fact), WORDS))
    if proof.rule is None:
        lines = (f"stated: {proof.fact.direction}", *lines)
    width = max(text_width(lines[:1], FONT, "bold"), text_width(lines, FONT)) + 2 * PAD
    premises: list[Box] = []
    right = left
    for premise in proof.premises:
        box, right = _place(world, premise, level + 1, right + (GAP if premises else 0.0))
        premises.append(box)
    if not premises:
        return Box(proof, lines, level, left + width / 2, width, ()), left + width + MARGIN * (not level)
    return _centred(Box(proof, lines, level, 0.0, width, tuple(premises)), left, right)
