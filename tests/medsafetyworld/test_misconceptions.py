"""Common mistakes: sources that err may repeat one wrong outcome of each cause, or state any."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import pytest

from medsafetyworld.building import build_world
from medsafetyworld.corpus import Corpus
from medsafetyworld.presets import CORPUS_PRESETS, WORLD_PRESETS

WORLD = build_world(WORLD_PRESETS["smoke-contradictory"])
SPEC = CORPUS_PRESETS["smoke-contradictory"]


def wrong_outcomes(share: float) -> dict[tuple[int, ...], list[int]]:
    """What is wrongly said of each causes, once for each time that it is said."""
    found: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for document in Corpus(WORLD, replace(SPEC, misconception_share=share), 3).documents(0):
        for said in document.statements:
            if not WORLD.holds(said):
                found[said.chain.compounds].append(said.chain.outcome)
    return found


def test_a_mistake_is_the_same_wherever_its_causes_are_named() -> None:
    found = wrong_outcomes(1.0)
    assert set(found) == set(WORLD.effects)
    assert all(len(set(outcomes)) == 1 for outcomes in found.values())
    # Different causes are mistaken for causes of different outcomes.
    assert len({outcomes[0] for outcomes in found.values()}) > len(WORLD.outcomes) / 2


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_other_wrong_statements_name_any_wrong_outcome(share: float) -> None:
    always, found = wrong_outcomes(1.0), wrong_outcomes(share)
    same = total = 0
    for causes, outcomes in found.items():
        assert not WORLD.effects[causes].intersection(outcomes)
        same += sum(outcome == always[causes][0] for outcome in outcomes)
        total += len(outcomes)
    # Of the others one in six or seven by chance.
    assert 0.1 < (same / total - share) / (1 - share) < 0.2


def test_how_often_sources_err_does_not_depend_on_what_they_say_then() -> None:
    counts = [sum(map(len, wrong_outcomes(share).values())) for share in (0.0, 1.0)]
    assert counts[0] == counts[1]
