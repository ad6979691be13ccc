"""Depths of answers under the corpora of the arms, where theory says what they are."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from experiments.derivability import Derivability, rows_by_depth
from experiments.proof import prove
from experiments.recipe import Recipe
from experiments.rows import rate_row
from experiments.stages import Context
from medsafetyworld.queries import HARMFUL, completions
from medsafetyworld.queries import test_queries as questions_of
from medsafetyworld.semantics import Direction, edge, state

from tiny_recipe import RECIPE, TWO_HOP, cell

NONE = (("cooccurrence_rate", 0.0), ("pair_cooccurrence_rate", 0.0))
MEDIATORS = {"policy": "mediator-aware"}


def depths(name: str, recipe: Recipe, **arm: Any) -> tuple[set[str], set[str]]:
    """Depths of the harmful completions by logic and by association."""
    the_cell = cell(name, recipe=recipe, **arm)
    context = Context(the_cell, Path("unused"), lambda stage, progress: None)
    derivable = Derivability(context.true_world, prove(context.corpus, the_cell)[0].stated)
    probes = completions(context.true_world, recipe.corpus, True)
    queries = questions_of(
        context.true_world, recipe.dialogue, context.asked, HARMFUL, the_cell.seeds["attack"]
    )
    found = [*map(derivable.of_completion, probes), *map(derivable.of_query, queries)]
    return {depth["logic"] for depth in found}, {depth["association"] for depth in found}


@pytest.mark.parametrize(
    ("name", "arm", "logic", "association"),
    [
        ("baseline", {}, "0", "0"),
        ("filtering", {}, "1", "1"),
        ("srp", {}, "1", "1"),
        ("filtering", {"corpus": NONE}, "1", "none"),
        ("filtering", {"corpus": (("outcome_first_share", 0.0),)}, "1", "none"),
        ("filtering", {"corpus": (("outcome_first_share", 1.0),)}, "1", "1"),
        ("filtering_plus", {}, "none", "none"),
    ],
)
def test_single_hop_harm_is_as_deep_as_theory_says(
    name: str, arm: dict[str, Any], logic: str, association: str
) -> None:
    assert depths(name, RECIPE, **arm) == ({logic}, {association})


@pytest.mark.parametrize(
    ("name", "arm", "logic", "association"),
    [
        ("baseline", {}, "0", "0"),
        ("filtering", {}, "1", "1"),
        ("filtering", MEDIATORS, "1", "none"),
        ("filtering_plus", {}, "none", "none"),
    ],
)
def test_two_hop_harm_is_as_deep_as_theory_says(
    name: str, arm: dict[str, Any], logic: str, association: str
) -> None:
    assert depths(name, TWO_HOP, **arm) == ({logic}, {association})


def test_a_forward_question_is_as_deep_as_its_nearest_effect() -> None:
    the_cell = cell("baseline")
    context = Context(the_cell, Path("unused"), lambda stage, progress: None)
    world = context.true_world
    query = questions_of(world, RECIPE.dialogue, context.asked, "forward-safe", 0)[0]
    (compounds, outcome) = query.chain.compounds, query.chain.outcome
    told = state(Direction.FORWARD, edge(compounds, outcome))
    turned = state(Direction.REVERSE, edge(compounds, outcome))
    found = [Derivability(world, stated).of_query(query) for stated in ([told], [turned], [])]
    assert [depth["logic"] for depth in found] == ["0", "1", "none"]
    assert [depth["association"] for depth in found] == ["0", "none", "none"]


def test_what_dialogues_tell_brings_an_answer_nearer_under_a_name_of_its_own() -> None:
    the_cell = cell("baseline")
    context = Context(the_cell, Path("unused"), lambda stage, progress: None)
    probe = completions(context.true_world, RECIPE.corpus, True)[0]
    way = min(way for way in context.true_world.ways[probe.outcome] if len(way) == 1)
    told = state(Direction.FORWARD, edge(way, probe.outcome))
    asked = Derivability(context.true_world, (), {told}).of_completion(probe)
    assert asked == {"logic+dialogues": "1", "association+dialogues": "none"}
    silent = Derivability(context.true_world, {told}, ()).of_completion(probe)
    assert silent == asked
    assert Derivability(context.true_world, {told}).of_completion(probe) == {
        "logic": "1",
        "association": "none",
    }


def test_of_several_answers_the_nearest_counts() -> None:
    world = cell("baseline").worlds()[0]
    probe = next(
        probe
        for probe in completions(world, RECIPE.corpus, True)
        if sum(len(way) == 1 for way in world.ways[probe.outcome]) > 1
    )
    first, second, *_ = sorted(way for way in world.ways[probe.outcome] if len(way) == 1)
    far = state(Direction.FORWARD, edge(first, probe.outcome))
    near = state(Direction.REVERSE, edge(second, probe.outcome))
    for stated, depth in (([far], "1"), ([far, near], "0")):
        assert Derivability(world, stated).of_completion(probe)["logic"] == depth


def test_rows_by_depth_part_the_prompts_and_keep_the_hits() -> None:
    hits = [True, False, True, True]
    found = [
        {"logic": logic, "association": association}
        for logic, association in (("1", "none"), ("1", "1"), ("0", "1"), ("1", "none"))
    ]
    row = partial(rate_row, "srp", 0, "behaviour", "direct", HARMFUL)
    rows = {each.metric: (each.hits, each.n) for each in rows_by_depth(row, "leaked", hits, found)}
    assert rows == {
        "leaked|logic=0": (1, 1),
        "leaked|logic=1": (2, 3),
        "leaked|association=1": (1, 2),
        "leaked|association=none": (2, 2),
    }
