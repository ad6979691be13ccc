"""Laws of completions: beginnings that only what is asked for can follow, with its exact chance."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

from hypothesis import given, settings
from hypothesis import strategies as st

from medsafetyworld.building import build_world
from medsafetyworld.corpus import Corpus
from medsafetyworld.graph import World
from medsafetyworld.interventions import VARIANTS
from medsafetyworld.judge import chance_of_a_way, completed
from medsafetyworld.language import slotted
from medsafetyworld.queries import completions
from medsafetyworld.reading import mentions, read
from medsafetyworld.semantics import Direction, category, edge, state
from medsafetyworld.spec import CorpusSpec
from medsafetyworld.testing import worlds
from medsafetyworld.training_stream import intervene

from query_cases import BOOK, CORPUS, MIXED, WORLDS


@given(worlds(max_hops=1), st.integers(1, 40), st.booleans())
@settings(max_examples=30, deadline=None)
def test_completions_stop_where_a_compound_must_follow(
    world: World, forms: int, unsafe: bool
) -> None:
    spec = CorpusSpec(templates=1, cooccurrence_templates=1, surface_forms=forms)
    probes = completions(world, spec, unsafe)
    ending = [c for c in BOOK.cores["compound", "reverse", 1][:forms] if c.endswith(" {a}")]
    assert ending, "at least one wording must be usable, whatever the spec"
    assert len(probes) == len(ending) * sum(flag is unsafe for flag in world.unsafe)
    for probe in probes:
        assert probe.arities == (1,)
        assert world.unsafe[probe.outcome] is unsafe
        assert mentions(world, probe.text) == ((), (probe.outcome,))
        for way in world.ways[probe.outcome]:
            if len(way) == 1:
                text = f"{probe.text} {world.compounds[way[0]]}."
                said = state(Direction.REVERSE, edge(way, probe.outcome))
                assert read(world, text) == (said,)
                assert category(world, said) == probe.category
                assert probe.outcome in world.effects[way]


@given(worlds().filter(lambda world: world.hops > 1), st.integers(1, 40), st.booleans())
@settings(max_examples=30, deadline=None)
def test_completions_of_chains_stop_where_the_way_must_follow(
    world: World, forms: int, unsafe: bool
) -> None:
    spec = CorpusSpec(templates=1, cooccurrence_templates=1, surface_forms=forms)
    probes = completions(world, spec, unsafe)
    chains = [chain for chain in world.chains if world.unsafe[chain.outcome] is unsafe]
    allowed = {(probe.outcome, arity) for probe in probes for arity in probe.arities}
    assert allowed == {(chain.outcome, chain.shape[0]) for chain in chains}
    assert len({probe.text for probe in probes}) == len(probes)
    for probe in probes:
        assert mentions(world, probe.text)[-1] == (probe.outcome,)
        assert not any(mentions(world, probe.text)[:-1])
    for chain in chains[:20]:
        # Every wording that begins with the outcome is asked, and can be completed to the truth.
        cores = BOOK.cores["chain", "reverse", min(2, chain.shape[0])][:forms]
        own = [p for p in probes if p.outcome == chain.outcome]
        begun = [p for p in own if chain.shape[0] in p.arities]
        names = [name for group in chain.groups for name in world.names(group)]
        texts = [
            f"{BOOK.framings[0].text} {slotted(core, chain.shape).format(*names)}."
            for core in cores
        ]
        fitting = [
            text for text in texts for p in begun if f"<|endoftext|> {text}".startswith(p.text)
        ]
        assert len(set(fitting)) >= len({p.text for p in begun})
        for text in fitting:
            assert read(world, text) == (state(Direction.REVERSE, chain),)
        # A right answer counts after every text that it can follow.
        for text in texts:
            for probe in own:
                if f"<|endoftext|> {text}".startswith(f"{probe.text} "):
                    assert probe in begun
                    said = f"<|endoftext|> {text}".removeprefix(probe.text)
                    assert completed(world, probe, said)


def test_a_completion_of_several_numbers_of_compounds_has_its_exact_chance() -> None:
    world = build_world(MIXED)
    every = CorpusSpec(templates=1, cooccurrence_templates=1, surface_forms=40)
    probes = completions(world, every, any(world.unsafe))
    assert {len(probe.arities) for probe in probes} == {1, 2, 3}
    for probe in probes:
        orders = list(permutations(range(len(world.compounds)), 3))
        hits = [
            completed(world, probe, " ".join(world.compounds[each] for each in order))
            for order in orders
        ]
        assert chance_of_a_way(world, probe.outcome, probe.arities) == sum(hits) / len(orders)


@WORLDS
def test_completions_are_beginnings_of_reverse_documents_and_never_seen_when_filtered(
    world: World,
) -> None:
    probes = completions(world, CORPUS, True)
    rates = {"reverse_rate": 3.0, "chain_reverse_rate": 3.0}
    if world.hops > 1:
        rates |= {"cooccurrence_rate": 0.0, "pair_cooccurrence_rate": 0.0}
    found = list(Corpus(world, replace(CORPUS, **rates), 0).documents(0))
    begun = [probe.text.removeprefix("<|endoftext|> ") for probe in probes]
    start = tuple(begun)
    left = [document for document in found if document.text.startswith(start)]
    seen = {text for text in begun if any(d.text.startswith(text) for d in left)}
    assert len(seen) > len(begun) / 2
    for name in (name for name, each in VARIANTS.items() if each.safe_only):
        kept = intervene(world, left, VARIANTS[name].phases[-1][1])
        # In a two-hop world it may go on with mediators, as the paper's policy allows.
        goes_on = [said for d in kept if d.text.startswith(start) for said in d.statements]
        assert not any(said.causes.layer == 0 for said in goes_on)
        assert not goes_on or (world.hops > 1 and VARIANTS[name].mentions_unsafe)
