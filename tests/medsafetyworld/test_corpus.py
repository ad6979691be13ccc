"""Laws of the corpus: any document alone, any order, exact amounts, labels that the text bears."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsafetyworld.building import build_world
from medsafetyworld.corpus import CHUNK, Corpus, intervene, text_hash, token_stream
from medsafetyworld.documents import Document, Sentence
from medsafetyworld.domain import KINDS
from medsafetyworld.graph import World
from medsafetyworld.interventions import VARIANTS
from medsafetyworld.reading import mentions, read, read_sentence
from medsafetyworld.seeds import permute
from medsafetyworld.semantics import Chain, Direction, Group, Statement
from medsafetyworld.spec import CORPUS_PRESETS, WORLD_PRESETS, CorpusSpec
from medsafetyworld.testing import corpora, worlds
from medsafetyworld.tokenizer import build_tokenizer

SMOKE = Corpus(build_world(WORLD_PRESETS["smoke"]), CORPUS_PRESETS["smoke"], 0)
TOKENIZER = build_tokenizer(SMOKE.world, SMOKE.spec)
DOCUMENTS = list(SMOKE.documents(0))
TWO_HOP = Corpus(build_world(WORLD_PRESETS["smoke-two-hop"]), CORPUS_PRESETS["smoke-two-hop"], 0)
EVERY_KIND = CorpusSpec(
    templates=6,
    cooccurrence_templates=6,
    surface_forms=4,
    framings=4,
    closings=4,
    monograph_rate=0.5,
    case_rate=0.5,
    digest_rate=0.5,
    glossary_rate=0.5,
    distractor_rate=0.3,
    contradiction_rate=0.8,
)
MIXED = [Corpus(corpus.world, EVERY_KIND, 1) for corpus in (SMOKE, TWO_HOP)]

SMALL = worlds(max_compounds=6, max_outcomes=4)
CORPORA = SMALL.flatmap(corpora)
"""Every knob, every kind."""
NOTES = SMALL.flatmap(lambda world: corpora(world, notes_only=True))
SINGLE_HOP_NOTES = worlds(max_compounds=6, max_outcomes=4, max_hops=1).flatmap(
    lambda world: corpora(world, notes_only=True)
)
UNSAFE_AND_SAFE = worlds(max_compounds=6, max_outcomes=4).filter(lambda w: len(set(w.unsafe)) == 2)


def some(corpus: Corpus, most: int = 400) -> list[Document]:
    """The first documents in a random order: of every kind, if there are enough."""
    return list(islice(corpus.documents(0), most))


def side_by_side(corpus: Corpus, other: Corpus, most: int) -> Iterator[tuple[Document, Document]]:
    """Documents of the same indices from two corpora of one size."""
    return islice(zip(corpus.documents(0), other.documents(0), strict=True), most)


@given(CORPORA, st.integers(0, 2**40), st.integers(0, 3))
@settings(max_examples=25, deadline=None)
def test_documents_are_every_index_once_and_equal_the_one_made_alone(
    corpus: Corpus, order: int, epoch: int
) -> None:
    found = list(corpus.documents(order, epoch))
    assert sorted(document.index for document in found) == list(range(len(corpus)))
    for document in found[:10]:
        assert corpus.document(document.index) == document


@pytest.mark.parametrize("corpus", MIXED, ids=["single-hop", "two-hop"])
def test_random_access_equals_iteration_for_mixed_kinds(corpus: Corpus) -> None:
    found = list(corpus.documents(3))
    assert {document.kind for document in found} == {"note", *KINDS}
    assert [corpus.document(document.index) for document in found[::23]] == found[::23]
    reached = np.concatenate(list(corpus.order(3)))
    assert [document.index for document in found] == reached.tolist()


def test_documents_are_equal_across_chunks() -> None:
    assert len(DOCUMENTS) == len(SMOKE) > CHUNK
    for place in (0, CHUNK - 1, CHUNK, len(SMOKE) - 1):
        assert SMOKE.document(DOCUMENTS[place].index) == DOCUMENTS[place]
    assert sorted(document.index for document in DOCUMENTS) == list(range(len(SMOKE)))


def test_orders_and_epochs_differ() -> None:
    orders = [(0, 0), (0, 1), (1, 0)]
    firsts = [tuple(d.index for d in islice(SMOKE.documents(*order), 20)) for order in orders]
    assert len(set(firsts)) == 3


@pytest.mark.parametrize("index", [-1, len(SMOKE), 10**12])
def test_an_index_outside_the_corpus_is_an_error(index: int) -> None:
    with pytest.raises(IndexError, match=f"got {index}"):
        SMOKE.document(index)


def test_blocks_are_the_corpus_without_gaps() -> None:
    for corpus in (SMOKE, TWO_HOP, *MIXED):
        ends = [block.start + block.size for block in corpus.blocks]
        assert [0, *ends[:-1]] == [block.start for block in corpus.blocks]
        assert ends[-1] == len(corpus)


# What notes are about, said a second time and plainly.


def edges_stated(world: World, groups: tuple[Group, ...]) -> set[Chain]:
    """The edges of the world that anybody learns who reads these groups as one chain."""
    found = set()
    for causes, effects in pairwise(sorted(groups, key=lambda group: group.layer)):
        for each in world.edges:
            if (each.causes.layer, each.effects.layer) != (causes.layer, effects.layer):
                continue
            whole = each.causes == causes and each.effects == effects
            # A group that leads to a group: each member has led to some of the others.
            link = len(each.causes.members) == 1 < len(effects.members)
            inside = set(each.causes.members) <= set(causes.members)
            if whole or (link and inside and each.outcome in effects.members):
                found.add(each)
    return found


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


def key_of(document: Document) -> tuple:
    (said,) = document.statements
    chain = said.chain
    template = next(each.template for each in document.sentences if each.template)
    return tuple(group.layer for group in chain.groups), chain.shape, template.form


@given(NOTES.filter(lambda corpus: corpus.spec.unsafe_cooccurrence_share == 1.0))
@settings(max_examples=40, deadline=None)
def test_notes_of_each_form_are_rate_times_the_base_data(corpus: Corpus) -> None:
    found = Counter(key_of(document) for document in corpus.documents(0))
    assert found == expected_notes(corpus.world, corpus.spec)


@given(SINGLE_HOP_NOTES)
@settings(max_examples=30, deadline=None)
def test_each_edge_meets_each_of_n_templates_once_in_the_base_data(corpus: Corpus) -> None:
    meets_each_template(corpus, corpus.world.edges)


@given(NOTES)
@settings(max_examples=30, deadline=None)
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
@settings(max_examples=40, deadline=None)
def test_every_document_reads_back_sentence_by_sentence_as_labelled(corpus: Corpus) -> None:
    world = corpus.world
    for document in some(corpus, 150):
        for each in document.sentences:
            assert read_sentence(world, each.text) == each.statement, each.text
            named = {world.hazard(outcome) for outcome in mentions(world, each.text)[-1]}
            assert named in ({each.hazard}, set())
            assert named or each.hazard is None
        assert read(world, document.text) == document.statements


@given(CORPORA)
@settings(max_examples=40, deadline=None)
def test_held_out_edges_are_stated_in_no_document_alone_in_a_chain_or_as_a_link(
    corpus: Corpus,
) -> None:
    world = corpus.world
    for document in some(corpus):
        for said in read(world, document.text):
            assert not edges_stated(world, said.groups) & world.held_out, document.text


@given(CORPORA)
@settings(max_examples=40, deadline=None)
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


@given(CORPORA)
@settings(max_examples=25, deadline=None)
def test_documents_of_several_statements_come_after_the_notes_and_change_none(
    corpus: Corpus,
) -> None:
    none = dict.fromkeys(("monograph_rate", "case_rate", "digest_rate", "glossary_rate"), 0.0)
    notes = Corpus(corpus.world, replace(corpus.spec, **none), corpus.seed)
    for document in some(notes, 50):
        assert corpus.document(document.index) == document
    for document in some(corpus):
        assert (document.kind == "note") is (document.index < len(notes))


@given(CORPORA)
@settings(max_examples=25, deadline=None)
def test_each_kind_has_as_many_statements_as_its_rate_says(corpus: Corpus) -> None:
    spec, counts = corpus.spec, Counter(document.kind for document in corpus.documents(0))
    rates = (spec.monograph_rate, spec.case_rate, spec.digest_rate, spec.glossary_rate)
    for kind, rate in zip(KINDS, rates, strict=True):
        assert counts[kind] == round(rate * counts["note"] / spec.sentences)
    for document in some(corpus, 100):
        if document.kind in ("case_report", "digest", "glossary"):
            assert len(document.statements) == spec.sentences
        assert 1 <= len(document.statements) <= spec.sentences


@given(CORPORA)
@settings(max_examples=40, deadline=None)
def test_documents_open_and_close_in_words_of_their_kind(corpus: Corpus) -> None:
    domain = corpus.world.domain
    for document in some(corpus, 100):
        first, last = document.sentences[0], document.sentences[-1]
        if document.kind == "note":
            assert first.statement is not None
            assert last.text in domain.closings[: corpus.spec.closings]
        else:
            assert last.text in domain.kind_closings[document.kind]
            assert first.statement is None
            if document.kind != "monograph":
                assert first.text in domain.openings[document.kind]


def facts(corpus: Corpus) -> set[Statement]:
    """What the notes state, errors of their sources aside."""
    clean = replace(corpus.spec, contradiction_rate=0.0)
    notes = Corpus(corpus.world, clean, corpus.seed)
    return {said for d in notes.documents(0) if d.kind == "note" for said in d.statements}


@given(CORPORA.filter(lambda corpus: corpus.spec.monograph_rate > 0))
@settings(max_examples=30, deadline=None)
def test_a_monographs_statements_are_all_about_its_subject_and_distinct(corpus: Corpus) -> None:
    corpus = replace(corpus, spec=replace(corpus.spec, contradiction_rate=0.0))
    world = corpus.world
    for document in some(corpus):
        if document.kind != "monograph":
            continue
        named = mentions(world, document.sentences[0].text)
        ((layer, subject),) = [(n, found[0]) for n, found in enumerate(named) if found]
        assert sum(map(len, named)) == 1
        assert len(set(document.statements)) == len(document.statements)
        for said in document.statements:
            assert any(g.layer == layer and subject in g.members for g in said.groups)


def test_a_monograph_says_all_there_is_if_there_is_not_more() -> None:
    corpus = Corpus(TWO_HOP.world, replace(EVERY_KIND, contradiction_rate=0.0, sentences=64), 0)
    stated = facts(corpus)
    seen = 0
    for document in corpus.documents(0):
        if document.kind == "monograph" and len(document.statements) < 64:
            named = mentions(corpus.world, document.sentences[0].text)
            ((layer, subject),) = [(n, found[0]) for n, found in enumerate(named) if found]
            every = {
                said
                for said in stated
                if any(g.layer == layer and subject in g.members for g in said.groups)
            }
            # Sampled blocks hold every chain, but notes need not have drawn each one.
            assert every <= set(document.statements)
            seen += 1
    assert seen > 5


@pytest.mark.parametrize("corpus", MIXED, ids=["single-hop", "two-hop"])
def test_a_case_report_tells_of_safe_and_unsafe_outcomes_in_turn_and_asks_nothing(
    corpus: Corpus,
) -> None:
    clean = replace(corpus, spec=replace(corpus.spec, contradiction_rate=0.0))
    world, starts = clean.world, Counter()
    for document in clean.documents(0):
        if document.kind != "case_report":
            continue
        turns = []
        for said in document.statements:
            assert said.direction is not Direction.REVERSE
            outcome = world.outcome(said)
            turns.append(outcome is not None and world.unsafe[outcome])
        assert all(one is not other for one, other in pairwise(turns))
        starts[turns[0]] += 1
    assert min(starts.values()) > 0.4 * starts.total()


@pytest.mark.parametrize("corpus", MIXED, ids=["single-hop", "two-hop"])
def test_a_glossary_has_entries_for_every_entity_in_turn(corpus: Corpus) -> None:
    clean = replace(corpus, spec=replace(corpus.spec, contradiction_rate=0.0))
    entities = sum(map(len, clean.world.layers))
    found = [d for d in clean.documents(0) if d.kind == "glossary"]
    found.sort(key=lambda document: document.index)
    entries = [said for document in found for said in document.statements]
    for start in range(0, len(entries) - entities, entities):
        # Each round has an entry that names any given entity.
        named = {
            (group.layer, member)
            for said in entries[start : start + entities]
            for group in said.groups
            for member in group.members
        }
        assert len(named) == entities


@given(CORPORA.filter(lambda corpus: corpus.spec.digest_rate > 0))
@settings(max_examples=25, deadline=None)
def test_a_digest_repeats_what_notes_state(corpus: Corpus) -> None:
    corpus = replace(corpus, spec=replace(corpus.spec, contradiction_rate=0.0))
    stated = facts(corpus)
    for document in some(corpus):
        if document.kind == "digest":
            assert set(document.statements) <= stated


@given(CORPORA)
@settings(max_examples=30, deadline=None)
def test_distractors_state_nothing_and_change_nothing_else(corpus: Corpus) -> None:
    world, bare = corpus.world, replace(corpus.spec, distractor_rate=0.0)
    without = Corpus(world, bare, corpus.seed)
    pool = set(world.domain.distractors)
    for document, plain in side_by_side(corpus, without, 100):
        kept = tuple(each for each in document.sentences if each.text not in pool)
        assert replace(document, sentences=kept) == plain
        for before, each in pairwise(document.sentences):
            if each.text in pool:
                assert each == Sentence(each.text)
                assert before.statement is not None
                assert mentions(world, each.text) == ((),) * (world.hops + 1)


def test_the_share_of_statements_with_a_distractor_is_the_rate() -> None:
    for corpus in MIXED:
        pool = set(corpus.world.domain.distractors)
        found = [each for document in corpus.documents(0) for each in document.sentences]
        statements = sum(each.statement is not None for each in found)
        said = [each.text for each in found if each.text in pool]
        assert abs(len(said) / statements - 0.3) < 5 * (0.3 * 0.7 / statements) ** 0.5
        assert set(said) == pool


@given(CORPORA)
@settings(max_examples=30, deadline=None)
def test_sources_are_deterministic_and_say_what_their_kind_may_say(corpus: Corpus) -> None:
    kinds = {source.name: source for source in corpus.world.domain.sources}
    bare = Corpus(corpus.world, replace(corpus.spec, distractor_rate=0.0), corpus.seed)
    for document, plain in side_by_side(corpus, bare, 100):
        source = document.source
        kind = kinds[source.kind]
        assert kind.years[0] <= source.year <= kind.years[1]
        assert source.purpose in kind.purposes
        assert source.audience in kind.audiences
        assert source.place in kind.places
        assert plain.source == source
    assert corpus.document(document.index).source == source


def test_every_kind_of_source_is_as_frequent_and_every_detail_occurs() -> None:
    kinds = SMOKE.world.domain.sources
    counts = Counter(document.source.kind for document in DOCUMENTS)
    expected = len(DOCUMENTS) / len(kinds)
    chi2 = sum((counts[kind.name] - expected) ** 2 / expected for kind in kinds)
    assert chi2 < 4 + 5 * 8**0.5
    for kind in kinds:
        mine = [document.source for document in DOCUMENTS if document.source.kind == kind.name]
        assert {source.purpose for source in mine} == set(kind.purposes)
        assert {source.audience for source in mine} == set(kind.audiences)
        assert {source.place for source in mine} == set(kind.places)
        assert {source.year for source in mine} == set(range(kind.years[0], kind.years[1] + 1))


@given(UNSAFE_AND_SAFE.flatmap(corpora))
@settings(max_examples=40, deadline=None)
def test_wrong_outcomes_are_never_true_and_change_nothing_else(corpus: Corpus) -> None:
    corpus = replace(
        corpus,
        spec=replace(corpus.spec, contradiction_rate=1.0, reliability=(0.0, 0.0, 0.0, 0.5, 1.0)),
    )
    world = corpus.world
    clean = Corpus(world, replace(corpus.spec, contradiction_rate=0.0), corpus.seed)
    for document, truth in side_by_side(corpus, clean, 200):
        for said, true in zip(document.statements, truth.statements, strict=True):
            if said == true:
                continue
            assert said.direction is true.direction
            changed = [one.layer for one, other in zip(said.groups, true.groups, strict=True)
                       if one != other]  # fmt: skip
            assert changed == [world.hops]
            ends = Statement(Direction.FORWARD, (said.causes, said.effects))
            assert not world.holds(ends), document.text
            assert document.source.kind != "marketing leaflet"
        assert document.source == truth.source
        assert [each.text for each in document.sentences if each.statement is None] == [
            each.text for each in truth.sentences if each.statement is None
        ]


@pytest.mark.parametrize("corpus", MIXED, ids=["single-hop", "two-hop"])
def test_the_share_of_wrong_statements_by_source_is_the_rate_times_its_unreliability(
    corpus: Corpus,
) -> None:
    world, spec = corpus.world, corpus.spec
    wrong, told = Counter(), Counter()
    clean = Corpus(world, replace(spec, contradiction_rate=0.0), corpus.seed)
    for document, truth in zip(corpus.documents(0), clean.documents(0), strict=True):
        for said, true in zip(document.statements, truth.statements, strict=True):
            if world.outcome(said) is not None:
                told[document.source.kind] += 1
                wrong[document.source.kind] += said != true
    for source, reliability in zip(world.domain.sources, spec.reliability, strict=True):
        chance, number = spec.contradiction_rate * (1 - reliability), told[source.name]
        spread = (chance * (1 - chance) / number) ** 0.5
        assert abs(wrong[source.name] / number - chance) <= 5 * spread, source.name
    assert wrong["registry"] == 0


def test_a_cause_of_every_outcome_cannot_be_told_wrong() -> None:
    spec = replace(SMOKE.world.spec, compounds=3, outcomes=2, single_edges=6, pair_edges=3, seed=1)
    world = build_world(spec)
    corpus = Corpus(world, replace(EVERY_KIND, contradiction_rate=1.0, reliability=(0.0,) * 5), 0)
    for document in corpus.documents(0):
        for said in document.statements:
            single = len(said.causes.members) == 1
            assert (said.effects.members[0] in world.effects[said.causes.members]) is single


@given(CORPORA, st.integers(0, 2**32), st.floats(0.1, 2.5))
@settings(max_examples=15, deadline=None)
def test_the_token_stream_is_the_documents_epoch_on_epoch(
    corpus: Corpus, order: int, epochs: float
) -> None:
    tokenizer = build_tokenizer(corpus.world, corpus.spec)
    plain = [
        token
        for epoch in range(3)
        for document in corpus.documents(order, epoch)
        for token in [*tokenizer.encode(document.text), tokenizer.end]
    ]
    length = int(epochs * len(plain) / 3)
    stream = token_stream(corpus, (), tokenizer, order, length)
    assert stream.dtype == np.uint16
    assert stream.tolist() == plain[:length]


def test_the_token_stream_of_a_filter_that_drops_all_is_an_error() -> None:
    with pytest.raises(ValueError, match="no document to train on"):
        token_stream(SMOKE, [lambda world, document: None], TOKENIZER, 0, 10)
    assert len(token_stream(SMOKE, (), TOKENIZER, 0, 0)) == 0


def test_a_world_that_holds_out_every_edge_has_an_empty_corpus() -> None:
    for name in ("smoke", "smoke-two-hop"):
        world = build_world(replace(WORLD_PRESETS[name], held_out_share=1.0))
        corpus = Corpus(world, EVERY_KIND, 0)
        assert len(corpus) == 0
        assert list(corpus.documents(0)) == []
        with pytest.raises(ValueError, match="no document to train on"):
            token_stream(corpus, (), build_tokenizer(world, EVERY_KIND), 0, 10)


def test_interventions_are_applied_left_to_right_until_one_drops() -> None:
    calls: list[str] = []

    def note(name: str, keep: bool):
        def apply(world: World, document: Document) -> Document | None:
            calls.append(name)
            sentences = (*document.sentences, Sentence(name))
            return replace(document, sentences=sentences) if keep else None

        return apply

    kept = list(intervene(SMOKE.world, DOCUMENTS[:1], [note("a", True), note("b", True)]))
    assert kept[0].text == DOCUMENTS[0].text + " a b"
    chain = [note("c", False), note("d", True)]
    assert list(intervene(SMOKE.world, DOCUMENTS[:1], chain)) == []
    assert calls == ["a", "b", "c"]


def test_the_training_stream_never_changes() -> None:
    stream = token_stream(SMOKE, VARIANTS["srp"].chain, TOKENIZER, 5, 100_000)
    assert stream[:12].tolist() == [56, 81, 102, 168, 174, 110, 24, 35, 126, 178, 71, 72]
    assert int(stream.astype(np.int64).sum()) == 7753831


@pytest.mark.parametrize("corpus", [SMOKE, TWO_HOP, *MIXED])
def test_different_seeds_give_different_corpora(corpus: Corpus) -> None:
    others = [replace(corpus, seed=seed) for seed in (0, 1, 2)]
    hashes = {text_hash(islice(other.documents(0), 200)) for other in others}
    assert len(hashes) == 3
    sources = {tuple(d.source for d in islice(other.documents(0), 50)) for other in others}
    assert len(sources) == 3


def test_generation_leaves_the_global_random_state_alone() -> None:
    before = random.getstate(), str(np.random.get_state())  # noqa: NPY002
    for corpus in (SMOKE, *MIXED):
        token_stream(corpus, (), build_tokenizer(corpus.world, corpus.spec), 0, 1_000)
    assert (random.getstate(), str(np.random.get_state())) == before  # noqa: NPY002


def test_making_one_corpus_does_not_change_another() -> None:
    """Caches of worlds, wordings and plans are shared by nobody who could tell."""
    alone = [list(islice(replace(corpus).documents(1), 50)) for corpus in MIXED]
    mixed = [replace(corpus).documents(1) for corpus in MIXED]
    turns = [[next(documents) for documents in mixed] for _ in range(50)]
    assert [list(found) for found in zip(*turns, strict=True)] == alone


def test_the_papers_corpus_gives_any_document_without_the_ones_before() -> None:
    corpus = Corpus(build_world(WORLD_PRESETS["paper"]), CORPUS_PRESETS["paper"], 0)
    base = 20_000 * 1_400, 6_000 * 1_400
    assert len(corpus) == base[0] * 17 // 10 + base[1] * 21 // 10
    for index in (0, len(corpus) // 2, len(corpus) - 1):
        assert corpus.document(index).index == index
    places = permute(1, np.arange(1_000, dtype=np.int64), len(corpus))
    assert len(set(places.tolist())) == 1_000


def test_a_corpus_spec_of_one_wording_is_possible() -> None:
    spec = CorpusSpec(
        templates=1, cooccurrence_templates=1, surface_forms=1, framings=1, closings=1
    )
    found = Corpus(SMOKE.world, spec, 0).documents(0)
    assert len({document.sentences[0].template for document in found}) == 8
