"""How far each question's answer lies from what the corpus says, and hits by that distance.

A question carries the depth of the shortest proof of a true answer, once by logic (which can turn
a fact round) and once by association (which cannot: the reversal curse). Rows of a metric by depth
are named `METRIC|RULES=DEPTH`; depth `none` is underivable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from experiments.rows import Row
from medsafetyworld.derivation import Knowledge, Proof, derive
from medsafetyworld.graph import World
from medsafetyworld.queries import Completion, Query
from medsafetyworld.rules import RULE_SETS
from medsafetyworld.semantics import Direction, Group, Statement

RULES = RULE_SETS
UNDERIVABLE = "none"

Count = Callable[[str, int, int], Row]
"""Makes a row from metric, hits and number of prompts."""


class Derivability:
    """Depths of answers under what one corpus states; each is found once."""

    def __init__(self, world: World, stated: Iterable[Statement]) -> None:
        self.world, self.known = world, Knowledge.of(stated)
        self._proofs: dict[tuple[object, ...], Proof | None] = {}

    def of_completion(self, probe: Completion) -> dict[str, str]:
        """Depth by rule set of naming compounds that bring the probe's outcome about."""
        return self._reverse(probe.outcome, probe.arity)

    def of_query(self, query: Query) -> dict[str, str]:
        """Depth by rule set of a right answer to the question."""
        chain = query.chain
        if query.category.startswith("reverse"):
            return self._reverse(chain.outcome, len(chain.compounds))
        return {
            name: _depth(
                [
                    self._proof(Direction.FORWARD, chain.compounds, outcome, name)
                    for outcome in sorted(self.world.effects[chain.compounds])
                ]
            )
            for name in RULES
        }

    def _reverse(self, outcome: int, arity: int) -> dict[str, str]:
        ways = [way for way in sorted(self.world.ways[outcome]) if len(way) == arity]
        return {
            name: _depth([self._proof(Direction.REVERSE, way, outcome, name) for way in ways])
            for name in RULES
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
    rows: list[Row] = []
    for rules in RULES:
        for depth in sorted({depth[rules] for depth in depths}):
            own = [
                hit for hit, depth_of in zip(hits, depths, strict=True) if depth_of[rules] == depth
            ]
            rows.append(row(f"{metric}|{rules}={depth}", sum(own), len(own)))
    return rows


def _depth(proofs: Iterable[Proof | None]) -> str:
    found = [proof.depth for proof in proofs if proof is not None]
    return str(min(found)) if found else UNDERIVABLE
