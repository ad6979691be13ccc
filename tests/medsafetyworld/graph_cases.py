"""Worlds that the tests of graphs share."""

from __future__ import annotations

from medsafetyworld.building import build_world
from medsafetyworld.presets import WORLD_PRESETS
from medsafetyworld.spec import WorldSpec

SMOKE = build_world(WORLD_PRESETS["smoke"])
DEEP = build_world(
    WorldSpec(
        compounds=9,
        mediators=(7, 5),
        outcomes=5,
        single_edges=12,
        pair_edges=4,
        triple_edges=2,
        mediator_edges=3,
        unsafe_fraction=0.5,
        seed=3,
    )
)
