"""Temporary strategies until medsafetyworld.testing has them."""

from __future__ import annotations

from math import comb

from hypothesis import assume
from hypothesis import strategies as st

from medsafetyworld.building import build_world
from medsafetyworld.corpus import Corpus
from medsafetyworld.documents import Document
from medsafetyworld.graph import World
from medsafetyworld.semantics import Direction, Group, Statement
from medsafetyworld.spec import CorpusSpec, WorldSpec

SHARES = ((1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.25, 0.25, 0.5), (0.4, 0.4, 0.2))


@st.composite
def world_specs(draw, max_compounds=10, max_outcomes=6, max_hops=4):
    hops = draw(st.integers(1, max_hops))
    compounds = draw(st.integers(2, max_compounds))
    outcomes = draw(st.integers(1, max_outcomes))
    sizes = []
    for _ in range(hops - 1):
        sizes.append(draw(st.integers(1, (sizes or [compounds])[-1])))
    mediators = tuple(sizes)
    last = (compounds, *mediators)[-1]
    pairs, triples = comb(last, 2), min(comb(last, 3), 12)
    pair_edges = draw(st.sampled_from((0, pairs)) | st.integers(0, pairs))
    triple_edges = draw(st.just(0) | st.integers(0, triples))
    if hops == 1:
        least, most, mediator_edges = compounds + outcomes - 1, compounds * outcomes, 0
    else:
        least, most = compounds, compounds * mediators[0]
        need = max(0, outcomes - pair_edges - triple_edges)
        assume(need <= last * outcomes)
        mediator_edges = draw(st.just(need) | st.integers(need, last * outcomes))
    single_edges = draw(st.sampled_from((least, most)) | st.integers(least, most))
    alone = single_edges if hops == 1 else mediator_edges
    room = -(-max(alone, pair_edges, triple_edges, 1) // outcomes)
    return WorldSpec(
        compounds=compounds,
        mediators=mediators,
        outcomes=outcomes,
        single_edges=single_edges,
        pair_edges=pair_edges,
        triple_edges=triple_edges,
        mediator_edges=mediator_edges,
        unsafe_fraction=draw(st.sampled_from((0.0, 0.5, 1.0)) | st.floats(0.0, 1.0)),
        severity_shares=draw(st.sampled_from(SHARES)),
        skew=draw(st.sampled_from((0.0, 0.0, 1.0, 3.5))),
        most_causes=draw(st.sampled_from((None, None, room, room + 1))),
        held_out_share=draw(st.sampled_from((0.0, 0.0, 0.3, 1.0))),
        one_way_share=draw(st.sampled_from((0.0, 0.0, 0.4, 1.0))),
        seed=draw(st.integers(0, 2**63 - 1)),
    )


def worlds(max_compounds=10, max_outcomes=6, max_hops=4):
    return world_specs(max_compounds, max_outcomes, max_hops).map(build_world)


@st.composite
def corpus_specs(draw):
    forms, framings, closings = (draw(st.integers(1, 3)) for _ in range(3))
    rate = st.sampled_from((0.0, 0.3, 1.0)) | st.floats(0.0, 2.0)
    kind = st.sampled_from((0.0, 0.0, 0.5))
    pool = st.integers(1, min(3, forms * framings * closings))
    return CorpusSpec(
        templates=draw(pool),
        group_templates=draw(st.none() | pool),
        cooccurrence_templates=draw(pool),
        surface_forms=forms,
        framings=framings,
        closings=closings,
        reverse_rate=draw(rate),
        cooccurrence_rate=draw(rate),
        pair_reverse_rate=draw(rate),
        pair_cooccurrence_rate=draw(rate),
        group_rate=draw(rate),
        group_reverse_rate=draw(rate),
        chain_reverse_rate=draw(rate),
        outcome_first_share=draw(st.sampled_from((0.0, 1.0)) | st.floats(0.0, 1.0)),
        unsafe_cooccurrence_share=draw(st.sampled_from((0.0, 0.5, 1.0, 1.0))),
        monograph_rate=draw(kind),
        case_rate=draw(kind),
        digest_rate=draw(kind),
        glossary_rate=draw(kind),
        sentences=draw(st.integers(1, 6)),
        distractor_rate=draw(st.sampled_from((0.0, 0.5, 1.0))),
        contradiction_rate=draw(st.sampled_from((0.0, 0.0, 1.0))),
    )


@st.composite
def statements(draw, world: World):
    direction = draw(st.sampled_from(Direction))
    every = direction is not Direction.COOCCURRENCE
    layers = range(world.hops + 1)
    most = world.hops + 1 if every else 2
    chosen = sorted(draw(st.sets(st.sampled_from(layers), min_size=2, max_size=most)))
    groups = []
    for layer in chosen:
        size = len(world.layers[layer])
        limit = 1 if layer == world.hops else min(3, size)
        members = draw(st.sets(st.integers(0, size - 1), min_size=1, max_size=limit))
        groups.append(Group(layer, tuple(sorted(members))))
    if not every and draw(st.booleans()):
        groups.reverse()
    return Statement(direction, tuple(groups))


@st.composite
def documents(draw, world: World, spec: CorpusSpec | None = None) -> Document:
    corpus = Corpus(world, spec or draw(corpus_specs()), draw(st.integers(0, 2**32)))
    assume(len(corpus) > 0)
    return corpus.document(draw(st.integers(0, len(corpus) - 1)))
