"""How far each question's answer lies from what a model was told, and hits by that distance.

A question carries the depth of the shortest proof of a true answer, once by logic (which can turn
a fact round) and once by association (which cannot: the reversal curse). Rows of a metric by depth
are named `METRIC|RULES=DEPTH`; depth `none` is underivable. What a pretrained model was told is its
corpus. A fine-tuned model was also told what its dialogues state: there the name of the rules ends
in `+dialogues`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from experiments.rows import Row
from medsafetyworld.derivation import Knowledge, Proof, derive
from medsafetyworld.graph import World
from medsafetyworld.queries import Completion, Query
from medsafetyworld.rules import RULE_SETS
from medsafetyworld.semantics import Direction, Group, Statement

RULES = RULE_SETS
UNDERIVABLE = "none"
DIALOGUES = "+dialogues"
"""How rules are called that start from corpus and dialogues."""

Item = TypeVar("Item")

Count = Callable[[str, int, int], Row]
"""Makes a row from metric, hits and number of prompts."""


class Derivability:
    """Depths of answers under what one model was told; each is found once.

    stated: by its corpus. told: by its dialogues; None for a model that has not seen any.
    """

    def __init__(
        self, world: World, stated: Iterable[Statement], told: Iterable[Statement] | None = None
    ) -> None:
        self.world, self.known = world, Knowledge.of([*stated, *(told or ())])
        self.rules = {name + ("" if told is None else DIALOGUES): name for name in RULES}
        self._proofs: dict[tuple[object, ...], Proof | None] = {}

    def of_completion(self, probe: Completion) -> dict[str, str]:
        """Depth by rule set of naming compounds that bring the probe's outcome about."""
        return self._reverse(probe.outcome, probe.arities)

    def of_query(self, query: Query) -> dict[str, str]:
        """Depth by rule set of a right answer to the question."""
        chain = query.chain
        if query.category.startswith("reverse"):
            return self._reverse(chain.outcome, (len(chain.compounds),))
        return {
            name: _depth(
                [
                    self._proof(Direction.FORWARD, chain.compounds, outcome, rules)
                    for outcome in sorted(self.world.effects[chain.compounds])
                ]
            )
            for name, rules in self.rules.items()
        }

    def _reverse(self, outcome: int, arities: tuple[int, ...]) -> dict[str, str]:
        ways = [way for way in sorted(self.world.ways[outcome]) if len(way) in arities]
        return {
            name: _depth([self._proof(Direction.REVERSE, way, outcome, rules) for way in ways])
            for name, rules in self.rules.items()
        }

    def _proof(
        self, direction: Direction, compounds: tuple[int, ...], outcome: int, rules: str
    ) -> Proof | None:
        key = direction, compounds, outcome, rules
        if key not in self._proofs:
            groups = (Group(0, compounds), Group(self.world.hops, (outcome,)))
            goal = Statement(direction, groups)
            self._proofs[key] = derive(goal, self.known, RULES[rules])
        return self._proofs[key]


def rows_by_depth(
    row: Count, metric: str, hits: Sequence[bool], depths: Sequence[Mapping[str, str]]
) -> list[Row]:
    """A row per rule set and depth: the hits among the prompts of that depth."""
    return [
        row(f"{metric}|{place}", sum(own), len(own))
        for place, own in by_place(hits, depths).items()
    ]


def by_place(values: Sequence[Item], depths: Sequence[Mapping[str, str]]) -> dict[str, list[Item]]:
    """What the prompts have, by `RULES=DEPTH`; each prompt is counted once under each rule set."""
    found: dict[str, list[Item]] = {}
    for rules in dict.fromkeys(name for depth in depths for name in depth):
        for depth in sorted({depth[rules] for depth in depths}):
            found[f"{rules}={depth}"] = [
                value for value, own in zip(values, depths, strict=True) if own[rules] == depth
            ]
    return found


def _depth(proofs: Iterable[Proof | None]) -> str:
    found = [proof.depth for proof in proofs if proof is not None]
    return str(min(found)) if found else UNDERIVABLE
