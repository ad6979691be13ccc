"""Worlds and specs that the tests of splits and of dialogues share."""

from __future__ import annotations

from hypothesis import strategies as st

from medsafetyworld.building import build_world
from medsafetyworld.presets import WORLD_PRESETS
from medsafetyworld.spec import DialogueSpec

SMOKE = build_world(WORLD_PRESETS["smoke"])
TWO_HOP = build_world(WORLD_PRESETS["smoke-two-hop"])
SPECS = st.builds(
    DialogueSpec,
    questions=st.integers(1, 4),
    reverse_probability=st.sampled_from((0.0, 0.5, 1.0)),
    test_share=st.floats(0.01, 0.99),
)
