"""Recipes, arms and cells: wrong data is one sentence, right data comes back as it went."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from experiments.changes import FIELDS, differences
from experiments.recipe import Arm, Cell, cell_from_dict, finetunes
from medsafetyworld.errors import SpecError
from medsafetyworld.policies import POLICIES
from medsafetyworld.spec import make

from tiny_recipe import RECIPE, TWO_HOP, cell

NONE = (("cooccurrence_rate", 0.0), ("pair_cooccurrence_rate", 0.0))


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"corpus": (("cooccurence_rate", 0.0),)}, "'cooccurence_rate' is no rate or share"),
        ({"corpus": (("templates", 8.0),)}, "'templates' is no rate or share of a corpus"),
        ({"corpus": (("reliability", 0.5),)}, "'reliability' is no rate or share of a corpus"),
        ({"corpus": (("reverse_rate", -0.5),)}, "reverse_rate must be"),
        ({"corpus": (("outcome_first_share", 1.5),)}, "outcome_first_share must be"),
        ({"corpus": (("pair_rate", float("nan")),)}, "must be a finite number"),
        ({"corpus": (("pair_rate", 0.0), ("pair_rate", 1.0))}, "'pair_rate' is given twice"),
        ({"corpus": ("pair_rate",)}, "corpus"),
        ({"policy": "mediator-awar"}, "did you mean 'mediator-aware'?"),
        ({"variant": "filterin"}, "variant"),
        ({"recipe": (("pretrain.step", 3),)}, "an arm may change (did you mean 'pretrain.steps'?)"),
        ({"recipe": (("world.seed", 3),)}, "'world.seed' is no field that an arm may change"),
        ({"recipe": (("stems", 1), ("stems", 2))}, "'stems' is given twice"),
        ({"recipe": (("stems", True),)}, "recipe"),
    ],
)
def test_an_arm_that_cannot_be_is_one_sentence(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SpecError) as caught:
        make(Arm, **{"name": "arm", "variant": "filtering"} | values)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "arm",
    [
        Arm("plain", "baseline"),
        Arm("none", "filtering", corpus=NONE),
        Arm("strict", "srp", policy="mediator-aware"),
        Arm("all", "rewrite", corpus=NONE, policy="mediator-aware", shuffled=True),
        Arm("sized", "filtering", recipe=(("model", "0.3M"), ("corpus.group_templates", None))),
    ],
    ids=lambda arm: arm.name,
)
@pytest.mark.parametrize("recipe", [RECIPE, replace(TWO_HOP, behaviour=False)])
def test_a_cell_comes_back_from_json_as_it_was(recipe: Any, arm: Arm) -> None:
    asked = Cell(recipe, arm, 3, 2026)
    assert cell_from_dict(json.loads(json.dumps(asked.to_dict()))) == asked


@pytest.mark.parametrize(
    ("field", "value"),
    [("corpus", [["templates", 8]]), ("policy", "papr"), ("policy", 1), ("cooccurrence", False)],
)
def test_a_stored_arm_that_cannot_be_names_its_place(field: str, value: object) -> None:
    stored = cell("filtering").to_dict()
    stored["arm"][field] = value
    with pytest.raises(SpecError, match=rf"cells/x\.json.*arm.*{field}") as caught:
        cell_from_dict(stored, "cells/x.json")
    assert "\n" not in str(caught.value)


def test_an_arm_changes_its_own_corpus_and_policy_and_says_so() -> None:
    plain = cell("filtering")
    changed = cell("filtering", corpus=NONE, policy="mediator-aware", shuffled=True)
    assert plain.corpus_spec == RECIPE.corpus
    assert changed.corpus_spec == replace(RECIPE.corpus, **dict(NONE))
    assert plain.variant.policy == POLICIES["paper"] != changed.variant.policy
    assert plain.arm.differences == ()
    assert changed.arm.differences == (
        "cooccurrence_rate 0",
        "pair_cooccurrence_rate 0",
        "policy mediator-aware",
        "trained on a shuffled graph (control)",
    )


def test_an_arm_s_changes_are_its_cell_s_recipe_and_applied_twice_change_nothing() -> None:
    changes = (
        ("model", "0.3M"),
        ("pretrain.steps", 7),
        ("world.unsafe_fraction", 0.5),
        ("world.severity_shares", (0.5, 0.5, 0.0)),
    )
    made = cell("filtering", recipe=RECIPE)
    sized = Cell(RECIPE, Arm("sized", "filtering", recipe=changes), 0, 7)
    assert made.recipe == RECIPE
    assert sized.recipe == replace(
        RECIPE,
        model="0.3M",
        pretrain=replace(RECIPE.pretrain, steps=7),
        world=replace(RECIPE.world, unsafe_fraction=0.5, severity_shares=(0.5, 0.5, 0.0)),
    )
    assert Cell(sized.recipe, sized.arm, 0, 7) == sized
    assert sized.arm.differences == (
        "model 0.3M",
        "pretrain.steps 7",
        "world.unsafe_fraction 0.5",
        "world.severity_shares 0.5, 0.5, 0.0",
    )
    assert differences(RECIPE, sized.recipe) == tuple(
        sorted(changes, key=lambda change: FIELDS.index(change[0]))
    )


def test_an_arm_without_changes_is_written_down_as_before_there_were_any() -> None:
    assert "recipe" not in cell("filtering").to_dict()["arm"]
    stored = cell("filtering").to_dict()
    stored["arm"]["recipe"] = [["pretrain.steps", 1.5]]
    with pytest.raises(SpecError, match=r"cells/x\.json.*steps must be an integer"):
        cell_from_dict(stored, "cells/x.json")


def test_benign_fine_tunings_are_those_that_the_world_s_depth_has() -> None:
    assert finetunes(1) == ("pair_forward", "safe_reverse", "pair_forward+mixsft")
    assert finetunes(2) == finetunes(3) == ("link_forward", "safe_reverse", "link_forward+mixsft")
