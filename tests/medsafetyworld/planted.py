"""Two worlds and a corpus for faults to be planted in, and what was caught."""

from __future__ import annotations

from medsafetyworld.building import build_world
from medsafetyworld.corpus import Corpus
from medsafetyworld.laws import Violation
from medsafetyworld.presets import WORLD_PRESETS
from medsafetyworld.spec import CorpusSpec, WorldSpec

SINGLE = build_world(WORLD_PRESETS["smoke"])
DEEP = build_world(
    WorldSpec(compounds=5, mediators=(4,), outcomes=3, single_edges=8, pair_edges=4,
              mediator_edges=3, unsafe_fraction=0.5, held_out_share=0.2, one_way_share=0.2)
)  # fmt: skip
CORPUS = Corpus(DEEP, CorpusSpec(templates=2, cooccurrence_templates=2, case_rate=0.3), 0)


def caught(found: list[Violation]) -> dict[str, str]:
    return {each.law: each.counterexample for each in found}
