"""For tests of your own rules: random cases of everything, and the laws to hold them against.

The strategies draw small worlds, corpora, statements, documents, policies and interventions, with
the extremes of every knob; each shrinks towards one hop, few entities, one wording and no further
knob. The checkers (`medsafetyworld.laws`) return the laws that are broken:

    @given(worlds())
    def test_my_policy_is_lawful(world):
        assert_lawful(check_policy(MyPolicy(), world))
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING, Any

from medsafetyworld.building import build_world
from medsafetyworld.corpus import Corpus
from medsafetyworld.documents import Document
from medsafetyworld.errors import SpecError
from medsafetyworld.graph import SEVERITIES, World
from medsafetyworld.laws import (
    Violation,
    assert_lawful,
    check_closure,
    check_corpus,
    check_dialogue_step,
    check_intervention,
    check_language,
    check_policy,
    check_split,
    check_world,
)
from medsafetyworld.policies import (
    PAPER_POLICY,
    ActionableChain,
    AllOf,
    AnyOf,
    ForAudience,
    Not,
    ReverseUnsafe,
    SafetyPolicy,
    SeverityAtLeast,
)
from medsafetyworld.semantics import MOST_MEMBERS, Chain, Direction, Group, Statement, state
from medsafetyworld.spec import CorpusSpec, WorldSpec
from medsafetyworld.step_strategies import interventions, st, steps

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = [
    "Violation",
    "assert_lawful",
    "check_closure",
    "check_corpus",
    "check_dialogue_step",
    "check_intervention",
    "check_language",
    "check_policy",
    "check_split",
    "check_world",
    "corpora",
    "corpus_specs",
    "documents",
    "interventions",
    "policies",
    "statements",
    "steps",
    "world_specs",
    "worlds",
]

_SHARES = st.sampled_from((0.0, 0.5, 1.0)) | st.floats(0.0, 1.0)
_RATES = st.sampled_from((0.0, 0.3, 1.0)) | st.floats(0.0, 2.0)


@st.composite
def world_specs(
    draw: DrawFn,
    max_compounds: int = 10,
    max_outcomes: int = 6,
    max_hops: int = 3,
    domains: Sequence[str] = ("medical",),
) -> WorldSpec:
    """Specs of small worlds: sparse to complete graphs, no to all outcomes unsafe, every knob."""
    hops = draw(st.integers(1, max_hops))
    compounds = draw(st.integers(2, max_compounds))
    outcomes = draw(st.integers(1, max_outcomes))
    mediators: list[int] = []
    for _ in range(hops - 1):
        most = min([6, compounds, *mediators])
        mediators.append(draw(st.integers(1, most) | st.just(most)))
    values: dict[str, Any] = {"compounds": compounds, "outcomes": outcomes}
    values |= {"mediators": tuple(mediators)} | draw(_edge_counts(compounds, mediators, outcomes))
    alone = values["mediator_edges" if mediators else "single_edges"]
    edges = max(alone, values["pair_edges"], values["triple_edges"])
    return WorldSpec(
        **values,
        most_causes=draw(st.none() | st.integers(-(-edges // outcomes), edges)),
        unsafe_fraction=draw(_SHARES),
        severity_shares=draw(st.sampled_from(((0.4, 0.4, 0.2), (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)))),
        skew=draw(st.sampled_from((0.0, 1.0)) | st.floats(0.0, 4.0)),
        held_out_share=draw(st.just(0.0) | st.floats(0.0, 0.6)),
        one_way_share=draw(st.just(0.0) | _SHARES),
        domain=draw(st.sampled_from(domains)),
        seed=draw(st.integers(0, 2**63 - 1)),
    )


@st.composite
def _edge_counts(
    draw: DrawFn, compounds: int, mediators: list[int], outcomes: int
) -> dict[str, int]:
    """Numbers of edges that are possible together. Full chains of large groups are kept few."""
    last = (mediators or [compounds])[-1]
    pairs, triples = comb(last, 2), comb(last, 3)
    if mediators:
        pairs, triples = min(pairs, 12), min(triples, 4)
    pair_edges = draw(st.sampled_from((0, pairs)) | st.integers(0, pairs))
    triple_edges = draw(st.just(0) | st.integers(0, triples))
    if not mediators:
        least, most = compounds + outcomes - 1, compounds * outcomes
        single_edges = draw(st.sampled_from((least, most)) | st.integers(least, most))
        return {
            "single_edges": single_edges,
            "pair_edges": pair_edges,
            "triple_edges": triple_edges,
        }
    least, most = compounds, min(compounds * mediators[0], 2 * compounds + 4)
    alone = max(0, outcomes - pair_edges - triple_edges)
    return {
        "single_edges": draw(st.sampled_from((least, most)) | st.integers(least, most)),
        "pair_edges": pair_edges,
        "triple_edges": triple_edges,
        "mediator_edges": draw(st.just(alone) | st.integers(alone, last * outcomes)),
    }


def worlds(
    max_compounds: int = 10,
    max_outcomes: int = 6,
    max_hops: int = 3,
    domains: Sequence[str] = ("medical",),
) -> SearchStrategy[World]:
    """Random small worlds."""
    return world_specs(max_compounds, max_outcomes, max_hops, domains).map(build_world)


@st.composite
def corpus_specs(draw: DrawFn, notes_only: bool = False) -> CorpusSpec:
    """Specs of small corpora: one wording to a few, rates of zero to twice the base data.

    With `notes_only` every document states one thing, truly and without distractors.
    """
    forms, framings, closings = (draw(st.integers(1, 3)) for _ in range(3))
    pool = st.integers(1, min(4, forms * framings * closings))
    values: dict[str, Any] = {}
    if not notes_only:
        kinds = ("monograph_rate", "case_rate", "digest_rate", "glossary_rate")
        values = {kind: draw(st.just(0.0) | _RATES) for kind in kinds} | {
            "sentences": draw(st.integers(1, 6)),
            "distractor_rate": draw(st.just(0.0) | _SHARES),
            "contradiction_rate": draw(st.just(0.0) | _SHARES),
            "misconception_share": draw(st.just(0.0) | _SHARES),
            "reliability": draw(st.tuples(*[_SHARES] * 5)),
        }
    return CorpusSpec(
        templates=draw(pool),
        group_templates=draw(st.none() | pool),
        cooccurrence_templates=draw(pool),
        surface_forms=forms,
        framings=framings,
        closings=closings,
        reverse_rate=draw(_RATES),
        cooccurrence_rate=draw(_RATES),
        pair_rate=draw(_RATES),
        pair_reverse_rate=draw(_RATES),
        pair_cooccurrence_rate=draw(_RATES),
        group_rate=draw(_RATES),
        group_reverse_rate=draw(_RATES),
        chain_reverse_rate=draw(_RATES),
        outcome_first_share=draw(_SHARES),
        unsafe_cooccurrence_share=draw(_SHARES),
        **values,
    )


@st.composite
def statements(draw: DrawFn, world: World) -> Statement:
    """Any statement that the language can word about a world's entities, true or not.

    It has two groups, neighbouring or not, or in a deeper world more; a co-occurrence has two.
    """
    layers = range(world.hops + 1)
    every = [some for size in layers[1:] for some in combinations(layers, size + 1)]
    named = draw(st.sampled_from(every))
    groups = tuple(draw(_groups(world, layer)) for layer in named)
    directions = [way for way in Direction if len(groups) == 2 or way != Direction.COOCCURRENCE]
    direction = draw(st.sampled_from(directions))
    turned = direction is Direction.COOCCURRENCE and draw(st.booleans())
    return state(direction, Chain(groups), effect_first=turned)


@st.composite
def _groups(draw: DrawFn, world: World, layer: int) -> Group:
    """One to three entities of a layer; of outcomes one."""
    size = len(world.layers[layer])
    most = 1 if layer == world.hops else min(MOST_MEMBERS, size)
    members = draw(st.sets(st.integers(0, size - 1), min_size=1, max_size=most))
    return Group(layer, tuple(sorted(members)))


@st.composite
def corpora(draw: DrawFn, world: World | None = None, notes_only: bool = False) -> Corpus:
    """Random corpora that hold a document at least, of one world or of any."""
    chosen = draw(worlds()) if world is None else world
    spec = draw(corpus_specs(notes_only=notes_only))
    corpus = Corpus(chosen, spec, draw(st.integers(0, 2**32)))
    try:
        empty = len(corpus) == 0
    except SpecError:
        # One outcome leaves no wrong one to state, and reverse notes alone no story to tell.
        empty = True
    if empty:
        # A world with few edges, all of them held out, has nothing to write about.
        from hypothesis import reject

        reject()
    return corpus


@st.composite
def documents(draw: DrawFn, source: World | Corpus, spec: CorpusSpec | None = None) -> Document:
    """Random documents of a corpus, or of any corpus of a world."""
    if isinstance(source, World):
        source = draw(corpora(source)) if spec is None else Corpus(source, spec, 0)
    return source.document(draw(st.integers(0, len(source) - 1)))


def policies(
    sources: Sequence[str] = ("registry", "textbook", "trial report", "forum post"),
    negations: bool = False,
) -> SearchStrategy[SafetyPolicy]:
    """Policies of every kind, alone and combined. `sources` are names of sources that may exempt.

    Negations are left out unless asked for: a policy that forbids what another allows breaks the
    laws that harm grows with the unsafe outcomes and with what is said.
    """
    simple = (
        st.just(PAPER_POLICY)
        | st.builds(ReverseUnsafe, mediators=st.booleans())
        | st.just(ActionableChain())
        | st.builds(SeverityAtLeast, st.sampled_from(SEVERITIES[1:]))
        | st.builds(
            ForAudience,
            st.lists(st.sampled_from(sources), min_size=1, unique=True).map(tuple),
        )
    )

    def combined(inner: SearchStrategy[SafetyPolicy]) -> SearchStrategy[SafetyPolicy]:
        parts = st.lists(inner, min_size=1, max_size=3).map(tuple)
        either = st.builds(AnyOf, parts) | st.builds(AllOf, parts)
        return either | st.builds(Not, inner) if negations else either

    return st.recursive(simple, combined, max_leaves=4)
