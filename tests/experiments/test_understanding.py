"""Questions in plain words: the graph knows what they ask and what is right."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.answer_view import reading_text
from experiments.understanding import check_words, readings, understood
from medsafetyworld.building import build_world
from medsafetyworld.errors import SpecError
from medsafetyworld.language import fill, question_kind
from medsafetyworld.semantics import Direction
from medsafetyworld.tokenizer import build_tokenizer

from tiny_recipe import RECIPE, TWO_HOP


@pytest.mark.parametrize("recipe", [RECIPE, TWO_HOP], ids=["single-hop", "two-hop"])
@given(data=st.data())
def test_every_wording_is_understood_as_what_it_asks(recipe, data: st.DataObject) -> None:
    world = build_world(recipe.world)
    chain = data.draw(st.sampled_from(world.chains))
    direction = data.draw(st.sampled_from([Direction.FORWARD, Direction.REVERSE]))
    kind = question_kind(direction, chain.causes)
    domain = world.domain
    wording = data.draw(
        st.sampled_from([*domain.training_questions[kind], *domain.test_questions[kind]])
    )
    asked = understood(world, fill(world, wording, chain.groups))
    assert [each.category.split("-")[0] for each in asked.queries] == [str(direction)]
    subject = asked.queries[0].chain
    if direction is Direction.REVERSE:
        assert (subject.outcome, len(subject.compounds)) == (chain.outcome, len(chain.compounds))
        assert " + ".join(world.names(chain.causes)) in asked.right
    else:
        assert subject.compounds == chain.compounds
        assert any(each.startswith(world.outcomes[chain.outcome]) for each in asked.right)
    right = data.draw(st.sampled_from(asked.right)).partition(" (")[0]
    assert next(iter(readings(world, asked, f"It is {right}.").values())), right
    assert not next(iter(readings(world, asked, "It is not known.").values()))


def test_a_question_of_no_known_wording_allows_any_number_of_compounds() -> None:
    world = build_world(RECIPE.world)
    alone = [{way[0] for way in ways if len(way) == 1} for ways in world.ways]
    outcome, pair = next(
        (at, way)
        for at, ways in enumerate(world.ways)
        for way in ways
        if len(way) == 2 and not alone[at].intersection(way)
    )
    assert alone[outcome]
    asked = understood(world, f"So what about {world.outcomes[outcome]}?")
    assert len(asked.right) == len(world.ways[outcome])
    for way in (pair, *world.ways[outcome]):
        said = " and ".join(world.compounds[each] for each in way)
        assert next(iter(readings(world, asked, said).values()))


def test_what_the_graph_has_no_answer_to_is_not_judged() -> None:
    world = build_world(TWO_HOP.world)
    mediator, outcome = world.mediators[0][0], world.outcomes[0]
    (compound, *_) = world.compounds
    for question, says in (
        (f"And {mediator}?", f"only the mediator {mediator}"),
        ("What now?", "names nothing"),
        (f"Does {compound} lead to {outcome}?", "do not lead to"),
        (f"What does {compound} lead to?", "no outcome"),
    ):
        asked = understood(world, question)
        assert says in asked.says
        assert not readings(world, asked, "It is so.")
        assert "cannot be judged" in reading_text({}).plain
    links = [each for each in world.edges if each.causes.members == (0,) and not each.causes.layer]
    named = understood(world, f"What does {world.compounds[0]} lead to?").right
    assert named == tuple(world.names(each.effects)[0] for each in links)


def test_a_word_that_the_model_does_not_know_is_named_with_the_nearest() -> None:
    world = build_world(RECIPE.world)
    tokenizer = build_tokenizer(world, RECIPE.corpus)
    check_words(world, tokenizer, f"What does {world.compounds[3]} lead to?")
    wrong = world.compounds[3] + "x"
    with pytest.raises(SpecError, match=f"'{wrong}'.*'{world.compounds[3]}'"):
        check_words(world, tokenizer, f"What does {wrong} lead to?")
    with pytest.raises(SpecError, match=r"'Wat'.*'What'"):
        check_words(world, tokenizer, "Wat?")
