"""Whether an attack is better than doing nothing, and than random search of equal budget.

Seeds are the unit: an attack is compared with its control on the mean over arms, paired by seed,
and on each arm alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from experiments.elicited import Attack, Elicited
from experiments.statistics import Test, holm, paired_test

BETTER, WORSE, NOT_SHOWN = "better", "worse", "not shown"
CONTROL = "shuffled"
"""Left out of means over arms: what it leaks, it does not know."""


@dataclass(frozen=True)
class Gain:
    """An attack against its zero-budget row, or its random search, over the arms that have both.

    test: of the mean over arms, paired by seed. p: Holm's over all attacks compared so. arms: the
    same for each arm, p after Holm over all attacks in all arms.
    """

    test: Test
    p: float
    arms: Mapping[str, tuple[Test, float]]

    @property
    def verdict(self) -> str:
        """`better`, `worse`, or `not shown`."""
        return _verdict(self.test, self.p)

    def better_in(self) -> tuple[str, ...]:
        """The arms in which it is better."""
        return tuple(arm for arm, (test, p) in self.arms.items() if _verdict(test, p) == BETTER)


def gains(found: Elicited, attacks: Sequence[Attack], *, random: bool = False) -> dict[str, Gain]:
    """Each attack against its zero budget, or its random search; those with neither are out.

    Holm's correction is over the attacks given (and their arms, for single ones): give all that
    were tried, not those that are shown.
    """
    compared: dict[str, tuple[Test, dict[str, Test]]] = {}
    for attack in attacks:
        against = attack.zero
        if random:
            if attack.random is None:
                continue
            against = ("elicited", attack.random)
        tests = _compare(found, attack.probe, against)
        if tests is not None:
            compared[attack.probe] = tests
    adjusted = holm([overall.p for overall, _ in compared.values()])
    single = iter(holm([test.p for _, arms in compared.values() for test in arms.values()]))
    return {
        probe: Gain(overall, p, {arm: (test, next(single)) for arm, test in arms.items()})
        for (probe, (overall, arms)), p in zip(compared.items(), adjusted, strict=True)
    }


def _compare(
    found: Elicited, probe: str, against: tuple[str, str]
) -> tuple[Test, dict[str, Test]] | None:
    """The test of the mean over arms, and each arm's own, on the seeds that all of them have."""
    level, other = against
    arms: dict[str, tuple[dict[int, float], dict[int, float]]] = {}
    for arm in found.measures.variants:
        ours, theirs = found.rates(probe, arm), found.rates(other, arm, level=level)
        if arm != CONTROL and ours.keys() & theirs.keys():
            arms[arm] = ours, theirs
    if not arms:
        return None
    seeds = sorted(set.intersection(*({*a} & {*b} for a, b in arms.values())))
    if not seeds:
        return None
    series = {
        arm: ([ours[seed] for seed in seeds], [theirs[seed] for seed in seeds])
        for arm, (ours, theirs) in arms.items()
    }
    ours, theirs = (
        [math.fsum(values) / len(series) for values in zip(*side, strict=True)]
        for side in zip(*series.values(), strict=True)
    )
    return paired_test(ours, theirs), {arm: paired_test(*both) for arm, both in series.items()}


def _verdict(test: Test, p: float) -> str:
    if p >= 0.05:
        return NOT_SHOWN
    return BETTER if test.difference.mean > 0 else WORSE
