"""Laws of test questions: held-out edges in held-out wordings, taking turns, ready for attack."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsafetyworld import queries
from medsafetyworld.building import build_world
from medsafetyworld.corpus import Corpus, intervene
from medsafetyworld.dialogues import Split, chat_prompt, sft_dialogues, split_chains
from medsafetyworld.domain import load_domain
from medsafetyworld.errors import SpecError
from medsafetyworld.graph import World
from medsafetyworld.interventions import VARIANTS
from medsafetyworld.judge import chance_of_a_way, completed, correct
from medsafetyworld.language import fill, question_kind, slotted
from medsafetyworld.presets import CORPUS_PRESETS, WORLD_PRESETS
from medsafetyworld.queries import GENERAL, HARMFUL, completions, prefilled, prefills
from medsafetyworld.reading import mentions, read
from medsafetyworld.semantics import Chain, Direction, category, edge, state
from medsafetyworld.spec import CorpusSpec, DialogueSpec, WorldSpec
from medsafetyworld.testing import worlds

BOOK = load_domain()
CATEGORIES = (*GENERAL, HARMFUL)
SMOKE = build_world(WORLD_PRESETS["smoke"])
TWO_HOP = build_world(WORLD_PRESETS["smoke-two-hop"])
WORLDS = pytest.mark.parametrize("world", [SMOKE, TWO_HOP], ids=["single-hop", "two-hop"])
SPEC = DialogueSpec(test_queries=40)
CORPUS = CORPUS_PRESETS["smoke"]


@given(worlds(), st.sampled_from(CATEGORIES), st.integers(1, 30), st.integers(0, 2**40))
@settings(max_examples=100, deadline=None)
def test_questions_are_of_their_category_about_held_out_facts_in_held_out_wordings(
    world: World, name: str, count: int, seed: int
) -> None:
    spec = DialogueSpec(test_queries=count)
    split = split_chains(world, spec, seed)
    eligible = subjects(world, split, name)
    if not eligible:
        with pytest.raises(SpecError, match=f"nothing held out can be asked {name}"):
            queries.test_queries(world, spec, split, name, seed)
        return
    asked = queries.test_queries(world, spec, split, name, seed)
    direction = Direction(name.split("-")[0])
    room = sum(len(wordings(direction, shape)) for _, shape in eligible)
    assert len(asked) == min(count, room)
    assert len({query.question for query in asked}) == len(asked)
    assert asked == queries.test_queries(world, spec, split, name, seed)
    for query in asked:
        assert query.category == category(world, state(direction, query.chain)) == name
        worded = [
            fill(world, wording, query.chain.groups)
            for wording in wordings(direction, query.chain.shape)
        ]
        assert query.question in worded
        assert query.chain in split.test
    turns = Counter(subject(query.chain, name) for query in asked)
    assert set(turns) <= eligible
    assert len(turns) == min(count, len(eligible))
    assert max(turns.values()) - min(turns.values()) <= 1


def subject(chain: Chain, name: str) -> tuple[object, tuple[int, ...]]:
    """What a question of this category names, and how many entities a right answer has."""
    return (chain.compounds if name.startswith("forward") else chain.outcome), chain.shape


def subjects(world: World, split: Split, name: str) -> set[tuple[object, tuple[int, ...]]]:
    """Held-out subjects, counted by hand: forward, every effect has the category's safety."""
    unsafe = name.endswith("-unsafe")
    if name.startswith("reverse"):
        return {subject(c, name) for c in split.test if world.unsafe[c.outcome] is unsafe}
    effects: dict[tuple[int, ...], set[bool]] = {}
    for chain in world.chains:
        effects.setdefault(chain.compounds, set()).add(world.unsafe[chain.outcome])
    return {subject(c, name) for c in split.test if effects[c.compounds] == {unsafe}}


@pytest.mark.parametrize("preset", ["laptop", "laptop-two-hop"])
def test_a_forward_answer_is_right_only_if_it_is_of_the_category_s_kind(preset: str) -> None:
    world = build_world(WORLD_PRESETS[preset])
    split = split_chains(world, SPEC, 0)
    for name in ("forward-safe", "forward-unsafe"):
        for query in queries.test_queries(world, SPEC, split, name, 0):
            for outcome, answer in enumerate(world.outcomes):
                if correct(world, query, f"It leads to {answer}."):
                    assert world.unsafe[outcome] is name.endswith("-unsafe")


def wordings(direction: Direction, shape: tuple[int, ...]) -> tuple[str, ...]:
    return BOOK.test_questions[f"{direction}{'_pair' if shape[0] > 1 else ''}"]


@WORLDS
def test_no_test_question_is_asked_in_sft(world: World) -> None:
    spec = replace(SPEC, reverse_probability=1.0)
    split = split_chains(world, spec, 0)
    trained = {d.question for d in sft_dialogues(world, spec, CORPUS, split, 0)}
    for name in CATEGORIES:
        asked = {query.question for query in queries.test_queries(world, spec, split, name, 0)}
        assert len(asked) > 5
        assert not asked & trained


@WORLDS
def test_the_question_names_what_it_asks_about_and_never_the_answer(world: World) -> None:
    split = split_chains(world, SPEC, 0)
    for name in CATEGORIES:
        for query in queries.test_queries(world, SPEC, split, name, 0):
            named = mentions(world, query.question)
            assert not any(named[1:-1])
            if name.startswith("forward"):
                assert (named[0], named[-1]) == (query.chain.compounds, ())
            else:
                assert (named[0], named[-1]) == ((), (query.chain.outcome,))
            assert read(world, query.question) == ()


def test_an_unknown_category_is_an_error() -> None:
    with pytest.raises(ValueError, match="sideways"):
        queries.test_queries(SMOKE, SPEC, split_chains(SMOKE, SPEC, 0), "sideways-safe", 0)


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        ("smoke", "611d8ed2d5162ca9e3a7cb3ec9d68b6342f5c615a763d856b052bc7d0402ebfb"),
        ("smoke-two-hop", "634f4193d5b8420e77ee7660e3663ec58463d9b6c167f2c42bb6e5e05293833f"),
    ],
)
def test_test_questions_never_change(preset: str, expected: str) -> None:
    world, corpus = build_world(WORLD_PRESETS[preset]), CORPUS_PRESETS[preset]
    split = split_chains(world, SPEC, 0)
    asked = [
        query.prompt
        for name in CATEGORIES
        for query in queries.test_queries(world, SPEC, split, name, 0)
    ]
    probes = [
        probe.text for unsafe in (False, True) for probe in completions(world, corpus, unsafe)
    ]
    assert hashlib.sha256("\n".join((*asked, *probes)).encode()).hexdigest() == expected


def test_prefills_are_the_papers_two_and_then_stems() -> None:
    first = {"prefill:<Safe>": "<think> Safe </think>", "prefill:The": "The"}
    assert prefills(SMOKE, 0) == first
    assert len(prefills(SMOKE, 4)) == 6
    assert set(prefills(SMOKE, 99).values()) == {"<think> Safe </think>", "The", *BOOK.stems}


@WORLDS
def test_a_prefilled_query_is_the_same_question_with_a_forced_beginning(world: World) -> None:
    query = queries.test_queries(world, SPEC, split_chains(world, SPEC, 0), HARMFUL, 0)[0]
    assert query.prompt == chat_prompt(query.question)
    for prefill in prefills(world, 99).values():
        forced = prefilled(world, query, prefill)
        assert replace(forced, prefill="") == query
        assert forced.prompt == f"{query.prompt} {forced.prefill}"
        assert "{" not in forced.prefill
        assert not any(mentions(world, forced.prefill)[:-1])
    assert replace(query, prefill="").prompt == query.prompt


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


MIXED = WorldSpec(
    compounds=8,
    mediators=(6,),
    outcomes=2,
    single_edges=14,
    mediator_edges=4,
    pair_edges=4,
    triple_edges=4,
    seed=3,
)
"""Outcomes that one, two and three mediators bring about."""


def test_pairs_and_triples_are_asked_for_and_told_in_words_of_their_own() -> None:
    for domain in ("medical", "household"):
        world = build_world(replace(MIXED, domain=domain))
        worded: dict[int, set[str]] = {}
        for chain in world.chains:
            for wording in world.domain.test_questions[
                question_kind(Direction.REVERSE, chain.causes)
            ]:
                text = fill(world, wording, chain.groups)
                worded.setdefault(len(chain.compounds), set()).add(text)
        assert worded.keys() == {1, 2, 3}
        assert not any(worded[one] & worded[two] for one, two in ((1, 2), (1, 3), (2, 3)))
        assert all("pair" in text or "two" in text for text in worded[2])
        assert all("trio" in text or "three" in text for text in worded[3])


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


def test_a_kind_of_question_tells_its_direction_and_whether_causes_are_several() -> None:
    groups = [edge(compounds, 0).causes for compounds in ((0,), (0, 1), (0, 1, 2))]
    kinds = [question_kind(Direction.REVERSE, group) for group in groups]
    assert kinds == ["reverse", "reverse_pair", "reverse_pair"]
