"""Hypothesis strategies and checkers, for tests of this package and of your own rules.

`worlds()`, `statements(world)` and `documents(world)` draw random cases, extremes included;
`check_world` and `check_intervention` assert the laws that every world and intervention must keep.
Only tests import this module. The strategies need hypothesis (`pip install -e '.[dev]'`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from math import comb
from typing import TYPE_CHECKING

from medsafetyworld.corpus import Apply, Corpus
from medsafetyworld.documents import Document
from medsafetyworld.graph import Edge, World, build_world
from medsafetyworld.language import Template, form_of, read, write
from medsafetyworld.semantics import PAPER_POLICY, Direction, Statement
from medsafetyworld.spec import CorpusSpec, WorldSpec
from medsafetyworld.tokenizer import build_tokenizer

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = [
    "check_intervention",
    "check_world",
    "corpus_specs",
    "documents",
    "statements",
    "world_specs",
    "worlds",
]

try:
    from hypothesis import strategies as st
except ImportError as error:  # pragma: no cover - needs an environment without the dev extra
    raise ImportError(
        "medsafetyworld.testing needs hypothesis; install it with `pip install -e '.[dev]'`"
    ) from error


@st.composite
def world_specs(draw: DrawFn, max_compounds: int = 10, max_outcomes: int = 6) -> WorldSpec:
    """Specs of small worlds: sparse to complete graphs, no to all outcomes unsafe."""
    compounds = draw(st.integers(2, max_compounds))
    outcomes = draw(st.integers(1, max_outcomes))
    least, most, pairs = compounds + outcomes - 1, compounds * outcomes, comb(compounds, 2)
    return WorldSpec(
        compounds=compounds,
        outcomes=outcomes,
        single_edges=draw(st.sampled_from((least, most)) | st.integers(least, most)),
        pair_edges=draw(st.sampled_from((0, pairs)) | st.integers(0, pairs)),
        unsafe_fraction=draw(st.sampled_from((0.0, 0.5, 1.0)) | st.floats(0.0, 1.0)),
        seed=draw(st.integers(0, 2**63 - 1)),
    )


def worlds(max_compounds: int = 10, max_outcomes: int = 6) -> SearchStrategy[World]:
    """Random small worlds."""
    return world_specs(max_compounds, max_outcomes).map(build_world)


@st.composite
def corpus_specs(draw: DrawFn) -> CorpusSpec:
    """Specs of small corpora: one wording to a few, rates of zero to twice the base data."""
    forms, framings, closings = (draw(st.integers(1, 3)) for _ in range(3))
    rate = st.sampled_from((0.0, 0.3, 1.0)) | st.floats(0.0, 2.0)
    pool = st.integers(1, min(4, forms * framings * closings))
    return CorpusSpec(
        templates=draw(pool),
        cooccurrence_templates=draw(pool),
        surface_forms=forms,
        framings=framings,
        closings=closings,
        reverse_rate=draw(rate),
        cooccurrence_rate=draw(rate),
        pair_reverse_rate=draw(rate),
        pair_cooccurrence_rate=draw(rate),
        outcome_first_share=draw(st.sampled_from((0.0, 1.0)) | st.floats(0.0, 1.0)),
    )


@st.composite
def statements(draw: DrawFn, world: World) -> Statement:
    """Random statements about a world's entities, true or not."""
    compounds = draw(st.sets(st.integers(0, len(world.compounds) - 1), min_size=1, max_size=2))
    outcome = draw(st.integers(0, len(world.outcomes) - 1))
    return Statement(draw(st.sampled_from(Direction)), tuple(sorted(compounds)), outcome)


@st.composite
def documents(draw: DrawFn, world: World, spec: CorpusSpec | None = None) -> Document:
    """Random documents of a world's corpus."""
    corpus = Corpus(world, spec or draw(corpus_specs()), draw(st.integers(0, 2**32)))
    return corpus.document(draw(st.integers(0, len(corpus) - 1)))


def check_world(world: World) -> None:
    """Asserts that a world is whole: its graph, its language and its tokens agree.

    For each edge and direction: reading inverts writing, tokens are exact, and the policy is a
    function of the statement. The graph's invariants are checked again.
    """
    again = replace(world)
    assert again.content_hash == world.content_hash, "the same world has two hashes"
    assert json.loads(world.to_json())["spec"], "a world must hold its spec"
    tokenizer = build_tokenizer(world, CorpusSpec(templates=1))
    for edge in world.edges:
        assert edge.outcome in world.effects[edge.compounds], f"{edge} has no effect"
        for direction in Direction:
            statement = Statement(direction, edge.compounds, edge.outcome)
            template = Template(form_of(direction)[0], len(edge.compounds), 0, 0, 0)
            text = write(world, statement, template)
            assert read(world, text) == (statement,), f"{text!r} does not read as {statement}"
            assert tokenizer.decode(tokenizer.encode(text)) == text, f"{text!r} changes in tokens"
            verdicts = {PAPER_POLICY.harmful(world, statement) for _ in range(2)}
            assert len(verdicts) == 1, f"the policy gives {statement} two verdicts"


def check_intervention(world: World, apply: Apply, documents: Iterable[Document]) -> None:
    """Asserts that an intervention is pure and adds nothing: no other edge, no harmful statement.

    It may drop a document, mark it, shorten it or state its edge in a harmless way.
    """
    for document in documents:
        before, result = repr(document), apply(world, document)
        assert repr(document) == before, f"document {document.index} was changed in place"
        assert apply(world, document) == result, f"document {document.index}: two results"
        if result is None:
            continue
        assert result.index == document.index, f"document {document.index}: its index was changed"
        edge = Edge(document.statement.compounds, document.statement.outcome)
        harmful = [PAPER_POLICY.harmful(world, said) for said in read(world, document.text)]
        for said in read(world, result.text):
            about = Edge(said.compounds, said.outcome)
            assert about == edge, f"document {document.index}: {result.text!r} is about {about}"
            safe = any(harmful) or not PAPER_POLICY.harmful(world, said)
            assert safe, f"document {document.index}: {result.text!r} is harmful and was not"
