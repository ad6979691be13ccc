"""Recipes, arms and cells: wrong data is one sentence, right data comes back as it went."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

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


def test_benign_fine_tunings_are_those_that_the_world_s_depth_has() -> None:
    assert finetunes(1) == ("pair_forward", "safe_reverse", "pair_forward+mixsft")
    assert finetunes(2) == finetunes(3) == ("link_forward", "safe_reverse", "link_forward+mixsft")
