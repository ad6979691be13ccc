"""Worlds that the tests of questions and of completions share."""

from __future__ import annotations

import pytest

from medsafetyworld.building import build_world
from medsafetyworld.domain import load_domain
from medsafetyworld.presets import CORPUS_PRESETS, WORLD_PRESETS
from medsafetyworld.spec import WorldSpec

BOOK = load_domain()
SMOKE = build_world(WORLD_PRESETS["smoke"])
TWO_HOP = build_world(WORLD_PRESETS["smoke-two-hop"])
WORLDS = pytest.mark.parametrize("world", [SMOKE, TWO_HOP], ids=["single-hop", "two-hop"])
CORPUS = CORPUS_PRESETS["smoke"]


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
