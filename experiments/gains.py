"""Whether an attack is better than doing nothing, than guessing, and than its control.

Seeds are the unit: an attack is compared on the mean over arms, paired by seed, and on each arm
alone. One that makes guessing easier is held against its chance, every other against its zero
budget; what is above that and not above chance may be luck.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from experiments.elicited import Attack, Elicited
from experiments.held_against import unfit
from experiments.statistics import Test, holm, paired_test, t_interval

BETTER, WORSE, NOT_SHOWN, LUCK = "better", "worse", "not shown", "not above chance"
SHUFFLED = "shuffled"
"""Left out of means over arms: what it leaks, it does not know."""

Sides = dict[str, tuple[dict[int, float], dict[int, float]]]
"""By arm, its rates by seed and those that they are held against."""


@dataclass(frozen=True)
class Gain:
    """An attack against something, over the arms that have both.

    test: of the mean over arms, paired by seed. p: Holm's over all attacks compared so. arms: the
    same for each arm, p after Holm over all attacks in all arms. lucky: the arms, and None for the
    mean over them, whose rates are not shown to lie above chance (one-sided 95 % t interval over
    seeds).
    """

    test: Test
    p: float
    arms: Mapping[str, tuple[Test, float]]
    lucky: frozenset[str | None] = frozenset()

    @property
    def verdict(self) -> str:
        """`better`, `not above chance`, `worse`, or `not shown`."""
        return _verdict(self.test, self.p, lucky=None in self.lucky)

    def better_in(self) -> tuple[str, ...]:
        """The arms in which it is better."""
        return tuple(
            arm
            for arm, (test, p) in self.arms.items()
            if _verdict(test, p, lucky=arm in self.lucky) == BETTER
        )


@dataclass(frozen=True)
class Compared:
    """Every attack of one kind, shown or not, by probe: against its zero budget or, where guessing
    is easier, its chance; and against its control. Holm's correction is over all of each."""

    usual: Mapping[str, Gain]
    control: Mapping[str, Gain]


def compared(found: Elicited, attacks: Sequence[Attack]) -> Compared:
    """The comparisons of all attacks of one kind."""
    return Compared(gains(found, attacks), gains(found, attacks, control=True))


def gains(found: Elicited, attacks: Sequence[Attack], *, control: bool = False) -> dict[str, Gain]:
    """Each attack against its zero budget or its chance, or against its control; those without are
    out. Two that do the same are one test, but each is held against a control of its own.

    Holm's correction is over the attacks given (and their arms, for single ones): give all that
    were tried, not those that are shown.
    """
    every = {attack.probe: _tests(_sides(found, attack, control=control)) for attack in attacks}
    whose = {
        attack.probe: attack.same
        if attack.same and not control and every.get(attack.same)
        else attack.probe
        for attack in attacks
    }
    tests: dict[str, tuple[Test, dict[str, Test]]] = {}
    lucky: dict[str, frozenset[str | None]] = {}
    for attack in attacks:
        made = every[attack.probe]
        if made is not None and whose[attack.probe] == attack.probe:
            tests[attack.probe] = made
            free = attack.kind == "attack" and not attack.easier and not control
            lucky[attack.probe] = _lucky(found, attack, made[1]) if free else frozenset()
    adjusted = holm([overall.p for overall, _ in tests.values()])
    single = iter(holm([test.p for _, arms in tests.values() for test in arms.values()]))
    made = {
        probe: Gain(
            overall, p, {arm: (test, next(single)) for arm, test in arms.items()}, lucky[probe]
        )
        for (probe, (overall, arms)), p in zip(tests.items(), adjusted, strict=True)
    }
    return {probe: made[own] for probe, own in whose.items() if own in made}


def _sides(found: Elicited, attack: Attack, *, control: bool) -> Sides:
    """What is compared, in the arms whose mean says something of the attack."""
    sides: Sides = {}
    for arm in found.measures.variants:
        if arm == SHUFFLED or unfit(attack.probe, arm, found.measures.study):
            continue
        if control:
            theirs = found.rates(attack.control, arm) if attack.control else {}
        elif attack.easier:
            theirs = found.chances(attack.probe, arm)
        else:
            level, zero = attack.zero
            theirs = found.rates(zero, arm, level=level)
        ours = found.rates(attack.probe, arm)
        if ours.keys() & theirs.keys():
            sides[arm] = ours, theirs
    return sides


def _tests(sides: Sides) -> tuple[Test, dict[str, Test]] | None:
    """The test of the mean over arms, and each arm's own, on the seeds that all of them have."""
    seeds = _shared({*a} & {*b} for a, b in sides.values())
    if not seeds:
        return None
    series = {
        arm: ([ours[seed] for seed in seeds], [theirs[seed] for seed in seeds])
        for arm, (ours, theirs) in sides.items()
    }
    ours, theirs = (
        [math.fsum(values) / len(series) for values in zip(*side, strict=True)]
        for side in zip(*series.values(), strict=True)
    )
    return paired_test(ours, theirs), {arm: paired_test(*both) for arm, both in series.items()}


def _lucky(found: Elicited, attack: Attack, arms: Iterable[str]) -> frozenset[str | None]:
    """Where rates are not shown to lie above chance; nowhere if chance was not computed."""
    above: dict[str, dict[int, float]] = {}
    for arm in arms:
        rates, chances = found.rates(attack.probe, arm), found.chances(attack.probe, arm)
        shared = sorted(rates.keys() & chances.keys())
        if shared:
            above[arm] = {seed: rates[seed] - chances[seed] for seed in shared}
    low = {arm for arm, own in above.items() if not _positive([*own.values()])}
    seeds = _shared({*own} for own in above.values())
    means = [math.fsum(own[seed] for own in above.values()) / len(above) for seed in seeds]
    return frozenset(low | ({None} if means and not _positive(means) else set()))


def _shared(seeds: Iterable[set[int]]) -> list[int]:
    """The seeds that all have."""
    every = list(seeds)
    return sorted(set.intersection(*every)) if every else []


def _positive(values: Sequence[float]) -> bool:
    low = t_interval(values, 0.9).low  # both tails together have a tenth, one of them a twentieth
    return low is not None and low > 0


def _verdict(test: Test, p: float, *, lucky: bool) -> str:
    if p >= 0.05:
        return NOT_SHOWN
    if test.difference.mean <= 0:
        return WORSE
    return LUCK if lucky else BETTER
