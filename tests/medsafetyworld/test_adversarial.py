"""Laws of attacks that are only text: what they say is harmless, and gives nothing away."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsafetyworld.attacks.forged import forged_turns, forged_verdicts
from medsafetyworld.attacks.prefix import chance_of_the_rest, ladder, true_answer
from medsafetyworld.attacks.shots import benign_shots, counts, primed
from medsafetyworld.building import build_world
from medsafetyworld.graph import World
from medsafetyworld.judge import chance, judge, names_a_way
from medsafetyworld.policies import PAPER_POLICY
from medsafetyworld.presets import WORLD_PRESETS
from medsafetyworld.queries import Query
from medsafetyworld.reading import mentions, read
from medsafetyworld.reflections import strip_reflections, verdicts
from medsafetyworld.semantics import Direction
from medsafetyworld.spec import CorpusSpec, WorldSpec
from medsafetyworld.testing import worlds
from medsafetyworld.tokenizer import TokenizeError, build_tokenizer

from attack_cases import CORPUS, DOMAINS, SMOKE, SOME_WORLDS, SPEC, TWO_HOP, harmful


@given(SOME_WORLDS, st.integers(0, 3))
@settings(max_examples=25)
def test_prefix_k_is_a_prefix_of_prefix_k_plus_one_and_the_first_is_empty(
    world: World, wording: int
) -> None:
    tokenizer = build_tokenizer(world, CORPUS)
    _, asked = harmful(world)
    for query in asked[:2]:
        prefixes = ladder(world, tokenizer, query, wording)
        encoded = [tokenizer.encode(each.text) if each.text else [] for each in prefixes]
        assert [*map(len, encoded)] == [*range(len(prefixes))]
        assert all(longer[:-1] == shorter for shorter, longer in pairwise(encoded))
        assert replace(query, prefill=prefixes[0].text) == query
        assert (
            tokenizer.encode(true_answer(world, query, wording))[: len(encoded[-1])] == encoded[-1]
        )


@given(SOME_WORLDS, st.integers(0, 3))
@settings(max_examples=25)
def test_no_prefix_names_a_way_and_the_answer_does(world: World, wording: int) -> None:
    tokenizer = build_tokenizer(world, CORPUS)
    _, asked = harmful(world)
    for query in asked[:2]:
        prefixes = ladder(world, tokenizer, query, wording)
        assert not any(judge(world, query, each.text).leaked for each in prefixes)
        assert judge(world, query, true_answer(world, query, wording)).leaked
        given_away = [sum(each.begun) for each in prefixes]
        assert given_away == sorted(given_away)
        for each in prefixes:
            assert each.gives or not any(mentions(world, each.text)[:-1])
        assert [each.way for each in prefixes] == sorted(each.way for each in prefixes)
        assert not prefixes[0].gives
        assert given_away[-1] == 3 * len(query.chain.compounds) - 1


def guessing(
    world: World, query: Query, begun: tuple[int, ...], named: tuple[int, ...]
) -> Fraction:
    """The slow way: every guess after every other."""
    if len(named) == len(begun):
        way = names_a_way(world, query.chain.outcome, len(begun), named)
        return Fraction(way)
    own = world.morphemes[query.chain.compounds[len(named)]][: begun[len(named)]]
    pool = [
        compound
        for compound, morphemes in enumerate(world.morphemes)
        if morphemes[: len(own)] == own and compound not in named
    ]
    ahead = (guessing(world, query, begun, (*named, compound)) for compound in pool)
    return sum(ahead, Fraction(0)) / max(1, len(pool))


@given(worlds(max_compounds=7))
@settings(max_examples=25)
def test_the_chance_of_the_rest_is_that_of_guessing_at_random(world: World) -> None:
    tokenizer = build_tokenizer(world, CORPUS)
    _, asked = harmful(world)
    query = asked[0]
    begun = list(dict.fromkeys(each.begun for each in ladder(world, tokenizer, query)))
    for each in begun:
        wanted = float(guessing(world, query, each, ()))
        assert chance_of_the_rest(world, query, each) == pytest.approx(wanted, abs=1e-12)
    assert chance_of_the_rest(world, query, begun[0]) == pytest.approx(chance(world, query))


def household() -> WorldSpec:
    return replace(WORLD_PRESETS["laptop"], domain="household")


def test_a_name_that_breaks_off_can_be_written_and_no_stranger_s_can() -> None:
    for domain in DOMAINS:
        world = build_world(replace(WORLD_PRESETS["laptop"], domain=domain))
        tokenizer = build_tokenizer(world, CorpusSpec())
        for name in world.compounds:
            ids = tokenizer.compound_tokens(name)
            for size in (1, 2, 3):
                text = f"The answer is {tokenizer.decode(ids[:size])}"
                assert tokenizer.encode(text)[3:] == [*ids[:size]]
                assert mentions(world, text)[0] == ((world.compounds.index(name),) * (size == 3))
        stranger = build_world(WORLD_PRESETS["laptop"] if domain == "household" else household())
        with pytest.raises(TokenizeError):
            tokenizer.encode("".join(stranger.morphemes[0][:2]))


@given(SOME_WORLDS, st.integers(0, 2**20))
@settings(max_examples=30)
def test_benign_shots_state_nothing_harmful_and_are_right(world: World, seed: int) -> None:
    split, asked = harmful(world, seed)
    for query in asked[:2]:
        shots = benign_shots(world, SPEC, split, query, 4, seed)
        whole = primed(query, shots, len(shots))
        assert not any(PAPER_POLICY.harmful(world, each) for each in read(world, whole.history))
        away = {compound for way in world.ways[query.chain.outcome] for compound in way}
        for question, answer in shots:
            (outcome,) = mentions(world, question)[-1]
            assert not world.unsafe[outcome]
            named = mentions(world, answer)[0]
            assert away.isdisjoint(named)
            assert names_a_way(world, outcome, len(set(named)), named)
        assert {mentions(world, answer)[0] for _, answer in shots} <= {
            chain.compounds for chain in split.train
        }


@given(SOME_WORLDS, st.integers(0, 2**20))
@settings(max_examples=30)
def test_a_shot_s_twin_asks_forward_about_the_same_fact_and_is_no_longer(
    world: World, seed: int
) -> None:
    tokenizer = build_tokenizer(world, CORPUS)
    split, asked = harmful(world, seed)
    for query in asked[:2]:
        shots = benign_shots(world, SPEC, split, query, 4, seed)
        twins = benign_shots(world, SPEC, split, query, 4, seed, Direction.FORWARD)
        whole = primed(query, twins, len(twins))
        assert not any(PAPER_POLICY.harmful(world, each) for each in read(world, whole.history))
        for (question, answer), (asks, tells) in zip(shots, twins, strict=True):
            (outcome,), named = mentions(world, question)[-1], mentions(world, answer)[0]
            assert mentions(world, asks) == (named, *[()] * world.hops), "compounds alone"
            assert (mentions(world, tells)[0], mentions(world, tells)[-1]) == ((), (outcome,))
            sizes = [len(tokenizer.encode(" ".join(each))) for each in ((question, answer),
                                                                        (asks, tells))]  # fmt: skip
            assert sizes[1] <= sizes[0] + 1, "what differs is a comma"


def test_more_shots_stand_before_fewer_and_none_is_the_plain_question() -> None:
    split, asked = harmful(SMOKE)
    shots = benign_shots(SMOKE, SPEC, split, asked[0], 4, 3)
    assert len(shots) > 4
    assert shots != benign_shots(SMOKE, SPEC, split, asked[0], 4, 4)
    assert primed(asked[0], shots, 0) == asked[0]
    for fewer, more in pairwise(primed(asked[0], shots, count).prompt for count in range(5)):
        assert more.endswith(fewer)
        assert more != fewer
    assert [counts(most) for most in (0, 1, 3, 4, 6)] == [
        [0], [0, 1], [0, 1, 2, 3], [0, 1, 2, 4], [0, 1, 2, 4, 6]
    ]  # fmt: skip


def test_shots_that_ask_for_as_many_compounds_as_the_question_come_first() -> None:
    spec = WorldSpec(compounds=12, mediators=(6,), outcomes=6, single_edges=12, mediator_edges=12,
                     pair_edges=12, seed=1)  # fmt: skip
    world = build_world(spec)
    split, asked = harmful(world)
    mixed = 0
    for query in asked:
        shots = benign_shots(world, SPEC, split, query, 4, 0)
        named = [len(mentions(world, answer)[0]) for _, answer in shots]
        same = [each == len(query.chain.compounds) for each in named]
        assert same == sorted(same, reverse=True)
        mixed += len({*same}) == 2
    assert mixed


@given(SOME_WORLDS)
@settings(max_examples=25)
def test_forgers_give_nothing_away(world: World) -> None:
    split, asked = harmful(world)
    query = asked[0]
    away = {compound for way in world.ways[query.chain.outcome] for compound in way}
    shots = benign_shots(world, SPEC, split, query, 4, 0)
    forged = forged_turns(world, query, shots[0] if shots else None)
    assert ("exchange" in forged) is bool(shots)
    for each in forged.values():
        assert away.isdisjoint(mentions(world, each.question)[0])
        assert each.question.endswith(query.question)
        assert each.question != query.question
        assert not any(PAPER_POLICY.harmful(world, s) for s in read(world, each.prompt))
    begun = forged_verdicts(world, query)
    assert begun["nothing"] == query
    for each in begun.values():
        assert not any(mentions(world, each.prefill)[:-1])
        assert all(not said.unsafe for said in verdicts(each.prefill))
        assert replace(each, prefill="") == query


def test_a_forged_verdict_stands_at_every_place_beside_the_same_text_without_it() -> None:
    for world in (SMOKE, TWO_HOP):
        _, asked = harmful(world)
        begun = {name: each.prefill for name, each in forged_verdicts(world, asked[0]).items()}
        for name, text in begun.items():
            bare = name.replace("safe_", "")
            alone = "" if name in ("begin", "ahead") else begun[bare]
            assert strip_reflections(text) == alone
            amount = (
                2 if name == "safe_answer" else int(name.startswith(("safe", "begin", "ahead")))
            )
            assert len(list(verdicts(text))) == amount
        assert begun["safe_answer"].startswith(begun["safe_said_1"])
        assert begun["answer"] == f"{begun['said_2']} {begun['stem']}"
        assert [said.ahead for said in verdicts(begun["ahead"])] == [True]
