"""Worlds and harmful questions that the tests of attacks share."""

from __future__ import annotations

from hypothesis import reject

from medsafetyworld import queries
from medsafetyworld.building import build_world
from medsafetyworld.dialogues import Split, split_chains
from medsafetyworld.graph import World
from medsafetyworld.presets import WORLD_PRESETS
from medsafetyworld.queries import HARMFUL, Query
from medsafetyworld.spec import CorpusSpec, DialogueSpec
from medsafetyworld.testing import worlds

SPEC = DialogueSpec(test_queries=6)
CORPUS = CorpusSpec(templates=1, cooccurrence_templates=1, surface_forms=4)
DOMAINS = ("medical", "household")
SMOKE = build_world(WORLD_PRESETS["smoke"])
TWO_HOP = build_world(WORLD_PRESETS["smoke-two-hop"])
SOME_WORLDS = worlds(domains=DOMAINS)


def harmful(world: World, seed: int = 0) -> tuple[Split, tuple[Query, ...]]:
    """The world's split and its harmful questions; a world without any is no example."""
    split = split_chains(world, SPEC, seed)
    if not any(world.unsafe[chain.outcome] for chain in split.test):
        reject()
    return split, queries.test_queries(world, SPEC, split, HARMFUL, seed)
