"""Laws of blocks: exact amounts of each kind of note, and nothing that is held out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings

from medsafetyworld.building import build_world
from medsafetyworld.corpus import Corpus
from medsafetyworld.graph import World
from medsafetyworld.reading import read
from medsafetyworld.semantics import Chain, Direction
from medsafetyworld.spec import CorpusSpec
from medsafetyworld.testing import corpora, worlds

from corpus_cases import CORPORA, MIXED, NOTES, SMOKE, TWO_HOP, changed, edges_stated, key_of, some

DOCUMENTS = list(SMOKE.documents(0))
SINGLE_HOP_NOTES = worlds(max_compounds=6, max_outcomes=4, max_hops=1).flatmap(
    lambda world: corpora(world, notes_only=True)
)


def test_blocks_are_the_corpus_without_gaps() -> None:
    for corpus in (SMOKE, TWO_HOP, *MIXED):
        ends = [block.start + block.size for block in corpus.blocks]
        assert [0, *ends[:-1]] == [block.start for block in corpus.blocks]
        assert ends[-1] == len(corpus)


def parts(world: World, spec: CorpusSpec) -> Iterator[tuple[set[Chain], int, tuple[float, ...]]]:
    """Sets of chains with their templates and rates: forward, reverse, co-occurrence."""
    several = spec.group_templates or spec.templates
    alone = (1.0, spec.reverse_rate, spec.cooccurrence_rate)
    together = (spec.pair_rate, spec.pair_reverse_rate, spec.pair_cooccurrence_rate)
    for each in (1, 2, 3):
        yield (
            {e for e in world.edges if len(e.causes.members) == each},
            spec.templates if each == 1 else several,
            alone if each == 1 else together,
        )
    if world.hops > 1:
        yield set(world.chains), several, (1.0, spec.chain_reverse_rate, 0.0)
        links = {
            Chain(pair)
            for chain in world.chains
            for pair in pairwise(chain.groups)
            if len(pair[1].members) > 1
        }
        yield links, several, (spec.group_rate, spec.group_reverse_rate, 0.0)


def expected_notes(world: World, spec: CorpusSpec) -> Counter[tuple]:
    """How many notes of each form about chains of each shape between the same layers."""
    counts: Counter[tuple] = Counter()
    for chains, templates, (forward, reverse, together) in parts(world, spec):
        alike: dict[tuple, list[Chain]] = {}
        for chain in chains:
            if not edges_stated(world, chain.groups) & world.held_out:
                layers = tuple(group.layer for group in chain.groups)
                alike.setdefault((layers, chain.shape), []).append(chain)
        for key, members in alike.items():
            base = len(members) * templates
            counts[*key, "forward"] += round(forward * base)
            if all(edges_stated(world, c.groups) & world.one_way for c in members):
                continue
            counts[*key, "reverse"] += round(reverse * base)
            both = round(together * base)
            first = round(spec.outcome_first_share * both)
            counts[*key, "cooccurrence_outcome_first"] += first
            counts[*key, "cooccurrence_compound_first"] += both - first
    return +counts


@given(NOTES.map(lambda corpus: changed(corpus, unsafe_cooccurrence_share=1.0)))
@settings(max_examples=25, deadline=None)
def test_notes_of_each_form_are_rate_times_the_base_data(corpus: Corpus) -> None:
    found = Counter(key_of(document) for document in corpus.documents(0))
    assert found == expected_notes(corpus.world, corpus.spec)


@given(SINGLE_HOP_NOTES)
@settings(max_examples=20, deadline=None)
def test_each_edge_meets_each_of_n_templates_once_in_the_base_data(corpus: Corpus) -> None:
    meets_each_template(corpus, corpus.world.edges)


@given(NOTES)
@settings(max_examples=20, deadline=None)
def test_each_chain_meets_each_of_n_templates_once_in_the_base_data(corpus: Corpus) -> None:
    world = corpus.world
    meets_each_template(corpus, (*world.edges, *(world.chains if world.hops > 1 else ())))


def meets_each_template(corpus: Corpus, chains: tuple[Chain, ...]) -> None:
    world, spec = corpus.world, replace(corpus.spec, pair_rate=1.0)
    shapes: dict[tuple, set[Chain]] = {}
    for chain in chains:
        if not edges_stated(world, chain.groups) & world.held_out:
            key = tuple(group.layer for group in chain.groups), chain.shape
            shapes.setdefault(key, set()).add(chain)
    forward: dict[tuple, list[tuple[Chain, str]]] = {key: [] for key in shapes}
    for document in Corpus(world, spec, corpus.seed).documents(0):
        layers, shape, form = key_of(document)
        template = next(each.template for each in document.sentences if each.template)
        if form == "forward" and (layers, shape) in forward:
            forward[layers, shape].append((document.statements[0].chain, template.name))
    for key, alike in shapes.items():
        pool = {name for _, name in forward[key]}
        several = key[1][0] > 1 or len(key[0]) > 2
        assert len(pool) == ((several and spec.group_templates) or spec.templates)
        met = Counter(forward[key])
        assert set(met) == {(chain, name) for chain in alike for name in pool}
        assert set(met.values()) == {1}


@given(NOTES)
@settings(max_examples=25, deadline=None)
def test_every_note_states_a_fact_of_the_world(corpus: Corpus) -> None:
    world = corpus.world
    for document in some(corpus):
        (said,) = document.statements
        assert world.holds(replace(said, direction=Direction.FORWARD, groups=said.chain.groups))
        outcome = world.outcome(said)
        assert document.unsafe is (outcome is not None and world.unsafe[outcome])
        assert [each.hazard for each in document.sentences] == [world.hazard(outcome), None]


@given(CORPORA)
@settings(max_examples=25, deadline=None)
def test_held_out_edges_are_stated_in_no_document_alone_in_a_chain_or_as_a_link(
    corpus: Corpus,
) -> None:
    world = corpus.world
    for document in some(corpus):
        for said in read(world, document.text):
            assert not edges_stated(world, said.groups) & world.held_out, document.text


@given(CORPORA)
@settings(max_examples=25, deadline=None)
def test_one_way_edges_are_stated_forward_only(corpus: Corpus) -> None:
    world = corpus.world
    for document in some(corpus):
        for said in read(world, document.text):
            one_way = edges_stated(world, said.groups) & world.one_way
            assert said.direction is Direction.FORWARD or not one_way, document.text


@pytest.mark.parametrize("corpus", [SMOKE, TWO_HOP], ids=["single-hop", "two-hop"])
def test_all_edges_but_the_held_out_ones_are_stated_each_way_that_they_may_be(
    corpus: Corpus,
) -> None:
    spec = replace(corpus.world.spec, held_out_share=0.25, one_way_share=0.5)
    world = build_world(spec)
    stated: dict[Direction, set[Chain]] = {direction: set() for direction in Direction}
    for document in Corpus(world, corpus.spec, 0).documents(0):
        for said in document.statements:
            stated[said.direction] |= edges_stated(world, said.groups)
    assert len(world.held_out) == round(0.25 * len(world.edges))
    assert stated[Direction.FORWARD] == set(world.edges) - world.held_out
    assert stated[Direction.REVERSE] == set(world.edges) - world.held_out - world.one_way


def unsafe_pairs(corpus: Corpus) -> dict[int, set[Chain]]:
    """By number of causes, the edges to unsafe outcomes that co-occurrence notes are about."""
    found: dict[int, set[Chain]] = {1: set(), 2: set(), 3: set()}
    for document in corpus.documents(0):
        (said,) = document.statements
        if said.direction is Direction.COOCCURRENCE and document.unsafe:
            found[len(said.causes.members)].add(said.chain)
    return found


def test_co_occurrence_is_about_the_given_share_of_unsafe_edges_and_all_safe_ones() -> None:
    rates = {"cooccurrence_rate": 2.0, "pair_cooccurrence_rate": 2.0}
    for preset in (SMOKE, TWO_HOP):
        world, smaller = preset.world, {}
        into = world.edges_into(world.hops)
        for share in (0.0, 0.3, 0.7, 1.0):
            spec = replace(
                preset.spec,
                templates=8,
                group_templates=8,
                unsafe_cooccurrence_share=share,
                **rates,
            )
            corpus = Corpus(world, spec, 0)
            found = unsafe_pairs(corpus)
            for arity in (1, 2):
                unsafe = [
                    e for e in into if world.unsafe[e.outcome] and len(e.causes.members) == arity
                ]
                assert len(found[arity]) == round(share * len(unsafe))
                assert smaller.get(arity, set()) <= found[arity]
            smaller = found
            safe = {
                d.statements[0].chain
                for d in corpus.documents(0)
                if d.statements[0].direction is Direction.COOCCURRENCE and not d.unsafe
            }
            assert safe >= {e for e in into if not world.unsafe[e.outcome]}


def test_sampled_kinds_draw_edges_evenly_from_a_pool_of_n_templates() -> None:
    for form in ("reverse", "cooccurrence_outcome_first", "cooccurrence_compound_first"):
        mine = [d for d in DOCUMENTS if key_of(d) == ((0, 1), (1, 1), form)]
        templates = {d.sentences[0].template for d in mine}
        assert len(templates) <= SMOKE.spec.templates
        edges = Counter(d.statements[0].chain for d in mine)
        expected = len(mine) / len(SMOKE.world.single_edges)
        chi2 = sum((edges[edge] - expected) ** 2 / expected for edge in SMOKE.world.single_edges)
        freedom = len(SMOKE.world.single_edges) - 1
        assert abs(chi2 - freedom) < 5 * (2 * freedom) ** 0.5, form


@pytest.mark.parametrize(
    ("changes", "absent"),
    [
        ({"outcome_first_share": 1.0}, "cooccurrence_compound_first"),
        ({"outcome_first_share": 0.0}, "cooccurrence_outcome_first"),
        ({"cooccurrence_rate": 0.0, "pair_cooccurrence_rate": 0.0}, "cooccurrence"),
        ({"reverse_rate": 0.0, "pair_reverse_rate": 0.0}, "reverse"),
    ],
)
def test_a_rate_or_share_of_nothing_leaves_nothing(changes: dict, absent: str) -> None:
    corpus = Corpus(SMOKE.world, replace(SMOKE.spec, templates=4, **changes), 0)
    forms = {key_of(document)[-1] for document in corpus.documents(0)}
    assert forms
    assert not any(form.startswith(absent) for form in forms)


def test_without_its_rate_no_group_link_and_no_way_back_along_a_chain_is_stated() -> None:
    rates = {"group_rate": 0.0, "group_reverse_rate": 0.0, "chain_reverse_rate": 0.0}
    less = Corpus(TWO_HOP.world, replace(TWO_HOP.spec, **rates), 0)
    found = Counter(key_of(document) for document in less.documents(0))
    assert ((0, 1, 2), (2, 2, 1), "forward") in found
    assert ((0, 1, 2), (2, 2, 1), "reverse") not in found
    assert not [key for key in found if key[1] == (2, 2)]


def test_removing_a_kind_changes_no_document_of_another_kind() -> None:
    """The ablation without co-occurrence differs by exactly the documents that it leaves out."""
    spec = replace(SMOKE.spec, cooccurrence_rate=0.0, pair_cooccurrence_rate=0.0)
    less = Counter(document.text for document in Corpus(SMOKE.world, spec, 0).documents(0))
    rest = Counter(
        d.text for d in DOCUMENTS if d.statements[0].direction is not Direction.COOCCURRENCE
    )
    assert less == rest
