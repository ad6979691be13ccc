"""The laws of graphs: a world that breaks one is refused by its name."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from medsafetyworld.errors import SpecError
from medsafetyworld.semantics import Chain, Group, edge

from graph_cases import DEEP, SMOKE


def ordered(edges: set[Chain]) -> tuple[Chain, ...]:
    return tuple(sorted(edges, key=lambda e: (e.causes.layer, len(e.causes.members), e)))


def damaged() -> list[tuple[str, str, dict]]:
    """Name, law and changed fields of single-hop worlds that must not be."""
    edges, first, pair = SMOKE.edges, SMOKE.single_edges[0], SMOKE.pair_edges[0]
    lone = next(
        e
        for e in SMOKE.single_edges
        if len(SMOKE.effects[e.compounds]) == 1
        and sum(len(way) == 1 for way in SMOKE.ways[e.outcome]) > 1
    )
    other = next(e for e in SMOKE.single_edges if len(SMOKE.effects[e.compounds]) > 1)
    spare = next(
        edge(other.compounds, outcome)
        for outcome in range(len(SMOKE.outcomes))
        if outcome not in SMOKE.effects[other.compounds]
    )
    singles = set(SMOKE.single_edges)
    several, alone = "has one, two or three different causes", "leads from a layer to one entity"
    return [
        ("dropped", "number of edges", {"edges": edges[1:]}),
        ("added", "sorted", {"edges": (*edges, edge((0, 1), 0))}),
        ("one more", "number of edges", {"edges": ordered({*edges, edge((0, 9), 0)})}),
        ("twice", "no edge appears twice", {"edges": (first, first, *edges[2:])}),
        (
            "pair twice",
            "no pair or triple of causes appears twice",
            {"edges": (*edges[:-1], edge(edges[-2].compounds, edges[-1].outcome))},
        ),
        ("compound", "joins entities", {"edges": (edge((24,), first.outcome), *edges[1:])}),
        ("negative", "joins entities", {"edges": (edge((-1,), first.outcome), *edges[1:])}),
        ("outcome", "joins entities", {"edges": (edge(first.compounds, 8), *edges[1:])}),
        ("empty", several, {"edges": (edge((), 0), *edges[1:])}),
        ("four", several, {"edges": (*edges[:-1], edge((1, 2, 3, 4), 0))}),
        ("two effects", alone, {"edges": (*edges[1:], Chain((Group(0, (1,)), Group(1, (0, 1)))))}),
        ("a chain", alone, {"edges": (*edges[1:], Chain((Group(0, (1,)),)))}),
        ("layer", alone, {"edges": (*edges[1:], edge((1,), 0, layer=1))}),
        ("skips a layer", alone, {"edges": (Chain((Group(0, (1,)), Group(2, (0,)))), *edges[1:])}),
        ("backwards", alone, {"edges": (Chain((Group(1, (1,)), Group(0, (0,)))), *edges[1:])}),
        ("pair first", "no edge appears twice", {"edges": (pair, *edges[1:])}),
        (
            "pair order",
            "increasing order",
            {"edges": (*edges[:-1], edge(edges[-1].compounds[::-1], edges[-1].outcome))},
        ),
        ("self pair", "different", {"edges": (*edges[:-1], edge((3, 3), 0))}),
        (
            "bare compound",
            "every compound is the cause",
            {"edges": ordered((singles - {lone}) | {spare} | set(SMOKE.pair_edges))},
        ),
        ("bare outcome", "every mediator and outcome has a cause", {"edges": bare_outcome(7)}),
        ("unsorted", "sorted", {"edges": (edges[1], edges[0], *edges[2:])}),
        (
            "unsafe count",
            "unsafe outcomes",
            {"severity": (int(not SMOKE.severity[0]), *SMOKE.severity[1:])},
        ),
        ("marks", "a system and a severity", {"severity": SMOKE.severity[1:]}),
        (
            "level",
            "severity is an integer",
            {"severity": tuple(4 * bool(s) for s in SMOKE.severity)},
        ),
        ("systems", "a system and a severity", {"systems": SMOKE.systems[1:]}),
        ("names", "number of entities", {"morphemes": SMOKE.morphemes[1:]}),
        ("mediators", "number of entities", {"mediators": (("x y z",),)}),
        ("same name", "names are distinct", {"morphemes": SMOKE.morphemes[:1] * 24}),
        ("same outcome", "names are distinct", {"outcomes": SMOKE.outcomes[:1] * 8}),
    ]


def bare_outcome(bare: int) -> tuple[Chain, ...]:
    """As many edges of each kind, but none that leads to one outcome."""
    kept = {e for e in SMOKE.single_edges if e.outcome != bare}
    free = (
        edge((compound,), outcome)
        for compound in range(len(SMOKE.compounds))
        for outcome in range(len(SMOKE.outcomes))
        if outcome != bare
    )
    lonely = {e.compounds for e in SMOKE.single_edges} - {e.compounds for e in kept}
    kept |= {edge(compounds, bare - 1) for compounds in lonely}
    for each in free:
        if len(kept) == len(SMOKE.single_edges):
            break
        kept.add(each)
    return ordered(kept | {edge(e.compounds, min(e.outcome, bare - 1)) for e in SMOKE.pair_edges})


@pytest.mark.parametrize(
    ("law", "fields"), [case[1:] for case in damaged()], ids=[c[0] for c in damaged()]
)
def test_a_damaged_world_is_refused_with_the_law_it_breaks(law: str, fields: dict) -> None:
    with pytest.raises(SpecError, match=f"world: .*{law}"):
        replace(SMOKE, **fields)


def damaged_deep() -> list[tuple[str, str, dict]]:
    """The same for a world with two layers of mediators."""
    edges = DEEP.edges
    first, second, last = (DEEP.edges_into(layer) for layer in (1, 2, 3))
    lone = Counter(e.outcome for e in second)
    moved = next(e for e in second if lone[e.outcome] == 1)
    elsewhere = edge(moved.causes.members, (moved.outcome + 1) % 5, layer=1)
    skipping = Chain((Group(0, (0,)), Group(2, (0,))))
    pair = Chain((Group(0, (0, 1)), Group(1, (0,))))
    return [
        ("skips a layer", "leads from a layer to one entity", {"edges": (*edges, skipping)}),
        ("pair to a mediator", "only edges to outcomes have", {"edges": (pair, *edges[1:])}),
        ("bare mediator", "every mediator and outcome has a cause",
         {"edges": ordered({*edges, elsewhere} - {moved})}),
        ("no mediator edge", "number of edges of each kind", {"edges": (*first, *last)}),
        ("mediator names", "number of entities", {"mediators": DEEP.mediators[:1]}),
        ("same name", "names are distinct",
         {"mediators": (DEEP.mediators[0], (*DEEP.mediators[0][:1], *DEEP.mediators[1][1:]))}),
        ("order of layers", "sorted", {"edges": (*second, *first, *last)}),
        ("a mediator for an outcome", "joins entities",
         {"edges": ordered({*edges, edge((6,), 0, layer=2)} - {last[0]})}),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("law", "fields"), [c[1:] for c in damaged_deep()], ids=[c[0] for c in damaged_deep()]
)
def test_a_damaged_deep_world_is_refused_with_the_law_it_breaks(law: str, fields: dict) -> None:
    with pytest.raises(SpecError, match=f"world: .*{law}"):
        replace(DEEP, **fields)


def test_more_causes_than_the_spec_allows_are_refused() -> None:
    counts = Counter((e.outcome, len(e.causes.members)) for e in SMOKE.edges)
    most = max(counts.values())
    assert replace(SMOKE, spec=replace(SMOKE.spec, most_causes=most)).edges == SMOKE.edges
    with pytest.raises(SpecError, match="no outcome has more edges of one arity than most_causes"):
        replace(SMOKE, spec=replace(SMOKE.spec, most_causes=most - 1))
