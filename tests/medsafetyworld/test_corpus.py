"""Laws of the corpus: any document alone, any order, exact amounts, the same bytes everywhere."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsafetyworld.corpus import CHUNK, Corpus, intervene, text_hash, token_stream
from medsafetyworld.documents import Document
from medsafetyworld.graph import World, build_world
from medsafetyworld.interventions import VARIANTS
from medsafetyworld.seeds import permute
from medsafetyworld.semantics import Direction
from medsafetyworld.spec import CORPUS_PRESETS, WORLD_PRESETS, CorpusSpec
from medsafetyworld.testing import corpus_specs, worlds
from medsafetyworld.tokenizer import build_tokenizer

SMOKE = Corpus(build_world(WORLD_PRESETS["smoke"]), CORPUS_PRESETS["smoke"], 0)
TOKENIZER = build_tokenizer(SMOKE.world, SMOKE.spec)
DOCUMENTS = list(SMOKE.documents(0))
GOLDEN = {
    "baseline": "90bb61389bfb4ba68f577707acd529b4c01176be57d93174d4e494339dd21370",
    "filtering": "ce413e5f800c02dc391c026c590a35b3042a8d4fd0c83ebab5d6afb943f8d6ee",
    "filtering_plus": "f91afdd56ff53a2cc186c5b151b2ce92e8355382453fe287f053ab83bd0aa002",
    "rewrite": "c7878af2e1a59290ade85f1583c2f75a2961d750d896983938ba24cfe129e10d",
    "srp": "33bddafebe91cf260b74dbd0f1afc09b0144c88cc24a7830312a3cf89f876a94",
    "srp_sft_only": "ce413e5f800c02dc391c026c590a35b3042a8d4fd0c83ebab5d6afb943f8d6ee",
    "srp_pretraining_only": "33bddafebe91cf260b74dbd0f1afc09b0144c88cc24a7830312a3cf89f876a94",
}
CORPORA = st.builds(Corpus, worlds(), corpus_specs(), st.integers(0, 2**40))


@given(CORPORA, st.integers(0, 2**40), st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_documents_are_every_index_once_and_equal_the_one_made_alone(
    corpus: Corpus, order: int, epoch: int
) -> None:
    found = list(corpus.documents(order, epoch))
    assert sorted(document.index for document in found) == list(range(len(corpus)))
    for document in found[:10]:
        assert corpus.document(document.index) == document


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


@given(CORPORA)
@settings(max_examples=40, deadline=None)
def test_each_edge_meets_each_of_n_templates_once_in_the_base_data(corpus: Corpus) -> None:
    forward = [d for d in corpus.documents(0) if d.statement.direction is Direction.FORWARD]
    for arity, edges in ((1, corpus.world.single_edges), (2, corpus.world.pair_edges)):
        mine = [d for d in forward if d.template.arity == arity]
        met = Counter((d.statement.compounds, d.statement.outcome, d.template.name) for d in mine)
        pool = {d.template.name for d in mine}
        expected = {(*(e.compounds, e.outcome), name) for e in edges for name in pool}
        assert len(pool) == (corpus.spec.templates if edges else 0)
        assert set(met) == expected
        assert set(met.values()) <= {1}


def kinds(found: list[Document]) -> Counter[tuple[str, int]]:
    return Counter((document.template.form, document.template.arity) for document in found)


@given(CORPORA)
@settings(max_examples=40, deadline=None)
def test_sampled_kinds_are_rate_times_the_base_data(corpus: Corpus) -> None:
    spec, count = corpus.spec, kinds(list(corpus.documents(0)))
    rates = {
        1: (corpus.world.single_edges, spec.reverse_rate, spec.cooccurrence_rate),
        2: (corpus.world.pair_edges, spec.pair_reverse_rate, spec.pair_cooccurrence_rate),
    }
    for arity, (edges, reverse, together) in rates.items():
        base = len(edges) * spec.templates
        outcome_first = count["cooccurrence_outcome_first", arity]
        compound_first = count["cooccurrence_compound_first", arity]
        assert count["forward", arity] == base
        assert count["reverse", arity] == round(reverse * base)
        assert outcome_first + compound_first == round(together * base)
        assert outcome_first == round(spec.outcome_first_share * round(together * base))


@given(CORPORA)
@settings(max_examples=20, deadline=None)
def test_every_document_is_about_an_edge_of_the_world(corpus: Corpus) -> None:
    for document in corpus.documents(0):
        said = document.statement
        assert said.outcome in corpus.world.effects[said.compounds]
        assert document.unsafe is corpus.world.unsafe[said.outcome]
        assert document.hazard == corpus.world.hazard(said.outcome)


def test_sampled_kinds_draw_edges_evenly_from_a_pool_of_n_templates() -> None:
    for form in ("reverse", "cooccurrence_outcome_first", "cooccurrence_compound_first"):
        mine = [d for d in DOCUMENTS if (d.template.form, d.template.arity) == (form, 1)]
        assert len({d.template.name for d in mine}) <= SMOKE.spec.templates
        edges = Counter((d.statement.compounds, d.statement.outcome) for d in mine)
        expected = len(mine) / len(SMOKE.world.single_edges)
        chi2 = sum(
            (edges[edge.compounds, edge.outcome] - expected) ** 2 / expected
            for edge in SMOKE.world.single_edges
        )
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
    forms = {document.template.form for document in corpus.documents(0)}
    assert forms
    assert not any(form.startswith(absent) for form in forms)


def test_removing_a_kind_changes_no_document_of_another_kind() -> None:
    """The ablation without co-occurrence differs by exactly the documents that it leaves out."""
    spec = replace(SMOKE.spec, cooccurrence_rate=0.0, pair_cooccurrence_rate=0.0)
    less = Counter(document.text for document in Corpus(SMOKE.world, spec, 0).documents(0))
    rest = Counter(d.text for d in DOCUMENTS if d.statement.direction is not Direction.COOCCURRENCE)
    assert less == rest


@given(CORPORA, st.integers(0, 2**32), st.floats(0.1, 2.5))
@settings(max_examples=25, deadline=None)
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


def test_interventions_are_applied_left_to_right_until_one_drops() -> None:
    calls: list[str] = []

    def note(name: str, keep: bool):
        def apply(world: World, document: Document) -> Document | None:
            calls.append(name)
            return replace(document, text=document.text + name) if keep else None

        return apply

    kept = list(intervene(SMOKE.world, DOCUMENTS[:1], [note("a", True), note("b", True)]))
    assert kept[0].text == DOCUMENTS[0].text + "ab"
    chain = [note("c", False), note("d", True)]
    assert list(intervene(SMOKE.world, DOCUMENTS[:1], chain)) == []
    assert calls == ["a", "b", "c"]


def variant_hash(name: str) -> str:
    return text_hash(intervene(SMOKE.world, iter(DOCUMENTS), VARIANTS[name].chain))


@pytest.mark.parametrize("name", VARIANTS)
def test_smoke_corpora_never_change(name: str) -> None:
    assert variant_hash(name) == GOLDEN[name]


def test_the_training_stream_never_changes() -> None:
    stream = token_stream(SMOKE, VARIANTS["srp"].chain, TOKENIZER, 5, 100_000)
    assert stream[:12].tolist() == [56, 81, 102, 168, 174, 110, 24, 35, 126, 178, 71, 72]
    assert int(stream.astype(np.int64).sum()) == 7753831


def test_different_seeds_give_different_corpora() -> None:
    others = [Corpus(SMOKE.world, SMOKE.spec, seed) for seed in (0, 1, 2)]
    assert len({text_hash(islice(corpus.documents(0), 200)) for corpus in others}) == 3


def test_generation_leaves_the_global_random_state_alone() -> None:
    before = random.getstate(), str(np.random.get_state())  # noqa: NPY002
    token_stream(SMOKE, (), TOKENIZER, 0, 1_000)
    assert (random.getstate(), str(np.random.get_state())) == before  # noqa: NPY002


def test_the_same_inputs_give_the_same_corpus_in_any_process(tmp_path: Path) -> None:
    program = (
        "from medsafetyworld import Corpus, build_world\n"
        "from medsafetyworld.corpus import text_hash\n"
        "from medsafetyworld.spec import CORPUS_PRESETS, WORLD_PRESETS\n"
        "corpus = Corpus(build_world(WORLD_PRESETS['smoke']), CORPUS_PRESETS['smoke'], 0)\n"
        "print(text_hash(corpus.documents(0)))"
    )
    for seed, zone in (("1", "Asia/Tokyo"), ("999", "UTC")):
        place = tmp_path / seed
        place.mkdir()
        found = subprocess.run(
            [sys.executable, "-c", program],
            cwd=place,
            env=os.environ | {"PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": "C"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert found.stdout.strip() == GOLDEN["baseline"]


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
    assert len({d.template.name for d in Corpus(SMOKE.world, spec, 0).documents(0)}) == 8
