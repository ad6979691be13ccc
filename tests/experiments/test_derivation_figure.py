"""Laws of a proof's picture: every fact has its box, every rule its stem, and nothing overlaps."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from experiments.derivation_figure import INK, LOOKS, draw_derivation, save_derivation_figure
from medsafetyworld.building import build_world
from medsafetyworld.derivation import Proof, answerable, derive, say
from medsafetyworld.graph import World
from medsafetyworld.presets import WORLD_PRESETS
from medsafetyworld.rules import ASSOCIATION, LOGIC
from medsafetyworld.semantics import Direction, state
from medsafetyworld.spec import WorldSpec

SMALL = build_world(WORLD_PRESETS["smoke-two-hop"])
DEEP = build_world(
    WorldSpec(
        compounds=20,
        mediators=(12, 10),
        outcomes=4,
        single_edges=20,
        pair_edges=6,
        triple_edges=3,
        seed=3,
    )
)


def recalled(world: World) -> Proof:
    """A proof with forward facts and co-occurrences at its leaves."""
    told = {state(Direction.FORWARD, each) for each in world.edges}
    told |= {state(Direction.COOCCURRENCE, each, effect_first=True) for each in world.edges}
    proof = answerable(world, 0, told, ASSOCIATION)
    assert proof is not None
    return proof


def warned(world: World) -> Proof:
    """A proof of a chain of triples from warnings alone."""
    chain = max(world.chains, key=lambda chain: len(chain.compounds))
    told = {state(Direction.WARNING, each) for each in world.edges}
    proof = derive(state(Direction.REVERSE, chain), told, LOGIC)
    assert proof is not None
    return proof


def stated(world: World) -> Proof:
    """A proof of one node: the fact itself is stated."""
    fact = state(Direction.REVERSE, world.edges[0])
    return Proof(fact)


PROOFS = {
    "recalled": (SMALL, recalled(SMALL)),
    "deep": (DEEP, recalled(DEEP)),
    "warned": (DEEP, warned(DEEP)),
    "stated": (SMALL, stated(SMALL)),
}
each_proof = pytest.mark.parametrize(("world", "proof"), PROOFS.values(), ids=PROOFS)


def boxes(figure: Figure) -> list[FancyBboxPatch]:
    return [patch for patch in figure.axes[0].patches if isinstance(patch, FancyBboxPatch)]


@each_proof
def test_every_fact_has_a_box_and_every_rule_its_name(world: World, proof: Proof) -> None:
    figure = draw_derivation(world, proof)
    nodes = list(proof.nodes())
    assert len(boxes(figure)) == proof.size
    written = " ".join(text.get_text() for text in figure.axes[0].texts)
    for node in nodes:
        words = [word.strip(",") for word in say(world, node.fact).split()]
        assert set(words) <= {word.strip(",") for word in written.split()}
    slanted = [t.get_text() for t in figure.axes[0].texts if t.get_fontstyle() == "italic"]
    assert Counter(slanted) == Counter(str(node.rule) for node in nodes if node.rule)
    for rule in proof.rules:
        assert rule.sentence.split(":")[0].split(",")[0] in written


@each_proof
def test_what_is_stated_wears_its_direction(world: World, proof: Proof) -> None:
    figure = draw_derivation(world, proof)
    looks = Counter((box.get_edgecolor(), box.get_linestyle()) for box in boxes(figure))
    leaves = Counter(node.fact.direction for node in proof.nodes() if node.rule is None)
    for direction, count in leaves.items():
        colour = to_rgba(LOOKS[direction][0])
        assert sum(n for (edge, _), n in looks.items() if edge == colour) == count
    concluded = sum(node.rule is not None for node in proof.nodes())
    assert sum(n for (edge, _), n in looks.items() if edge == to_rgba(INK)) == concluded


def test_the_look_of_a_direction_needs_no_colour() -> None:
    assert len({str(style) for _, style in LOOKS.values()}) == len(LOOKS) == len(Direction)


@each_proof
def test_nothing_is_clipped_and_no_two_boxes_overlap(world: World, proof: Proof) -> None:
    figure = draw_derivation(world, proof, "the corpus of a variant with a long name")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    drawn = boxes(figure)
    extents = [box.get_window_extent(renderer) for box in drawn]
    texts = [text.get_window_extent(renderer) for text in figure.axes[0].texts if text.get_text()]
    width, height = canvas.get_width_height()
    for extent in (*extents, *texts):
        assert extent.x0 >= 0
        assert extent.x1 <= width
        assert extent.y0 >= 0
        assert extent.y1 <= height
    assert not any(
        one.overlaps(other) for place, one in enumerate(extents) for other in extents[:place]
    )
    for text in texts:
        # A text is in one box as a whole, or outside of all of them.
        touched = [box for box in extents if box.overlaps(text)]
        assert len(touched) <= 1
        assert all(box.x0 <= text.x0 and text.x1 <= box.x1 for box in touched)


def test_premises_stand_below_what_they_prove() -> None:
    drawn = boxes(draw_derivation(DEEP, PROOFS["deep"][1]))
    conclusion, *others = drawn
    assert all(box.get_y() >= conclusion.get_y() + conclusion.get_height() for box in others)


def test_the_same_proof_gives_the_same_bytes(tmp_path: Path) -> None:
    world, proof = PROOFS["recalled"]
    for name in ("a.png", "b.png"):
        save_derivation_figure(world, proof, tmp_path / name, "a corpus")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
