"""Two worlds to read about, and some of their names."""

from __future__ import annotations

from medsafetyworld.building import build_world
from medsafetyworld.spec import WorldSpec

WORLD = build_world(WorldSpec(compounds=6, outcomes=4, single_edges=9, pair_edges=1))
A, A2, A3, A4 = WORLD.compounds[:4]
C, C2 = WORLD.outcomes[:2]
DEEP = build_world(
    WorldSpec(compounds=9, mediators=(8, 6), outcomes=4, single_edges=9, pair_edges=4, seed=1)
)
D, D2 = DEEP.compounds[:2]
M, M2 = DEEP.mediators[0][:2]
N = DEEP.mediators[1][0]
E, E2 = DEEP.outcomes[:2]
