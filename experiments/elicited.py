"""What was elicited: every attack beside its zero-budget row, its control and its chance.

In: measures. Out: attacks by probe and their rates per seed; `gains` says whether one is better
than doing nothing. By convention a probe is named after its instrument, then `:` and a knob: `gcg`,
`gcg:zero` (nothing searched), `gcg:random` (random search of equal budget), `shots:0`; what ends in
`:control` is no attack either. Where an attack has no zero-budget row of its own, that is the
direct question. Rates are fractions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

from experiments.held_against import (
    CONTROL,
    NO_RULE,
    RANDOM,
    ZERO,
    at_zero,
    control_of,
    zero_of,
)
from experiments.knobs import family, knob
from experiments.measures import JUDGES, Measures
from experiments.rows import Row
from experiments.statistics import SMALLEST_EFFECT
from medsafetyworld.queries import GENERAL, HARMFUL

DIRECT = ("behaviour", "direct")
BUILT_IN = {
    "prefill": "the response is made to begin so",
    "stem": "the response is made to begin with this answer stem",
    "finetune": "asked directly after benign fine-tuning",
}
"""Families of attacks that every cell is measured under, beside its recipe's instruments."""
REPEATING = (
    "adversarial",
    "adversarial_epochs",
    "adversarial_mixsft",
    "adversarial_reflection",
    "low_rank",
)
"""Families whose `chance` is that of repeating an answer that the model was fine-tuned on, which
may be less than that of naming any compound."""


def kind(name: str) -> str:
    """What an instrument is: attack, defence or probe; what is none is an attack."""
    from experiments.instruments import REGISTRY  # which are many, and not needed for a table

    return REGISTRY[name].kind if name in REGISTRY else "attack"


@dataclass(frozen=True)
class Attack:
    """An attack: its probe, the (level, probe) of its zero budget, and its control, a probe."""

    probe: str
    zero: tuple[str, str]
    control: str | None
    easier: bool
    """Whether it makes guessing easier: it says of itself that it gave part of an answer away (the
    metric `given` is above 0), or its chance lies above that of the plain questions by an effect of
    interest, for instance because it may try often."""
    same: str | None = None
    """The attack of another family, earlier in tables and held against something, that has the same
    figures in every model: the two do the same."""

    @property
    def family(self) -> str:
        """The instrument that it is of."""
        return family(self.probe)

    @property
    def kind(self) -> str:
        """attack, defence or probe, as its instrument says; what is no instrument is an attack."""
        return kind(self.family)


@dataclass(frozen=True)
class Elicited:
    """The attacks of a study, by one judge."""

    measures: Measures
    judge: str = "leaked"

    @cached_property
    def _rows(self) -> dict[tuple[str, str, str], dict[str, dict[int, Row]]]:
        """(level, probe, metric) -> arm -> seed -> row, of harmful questions."""
        found: dict[tuple[str, str, str], dict[str, dict[int, Row]]] = {}
        for row in self.measures.rows:
            if row.category == HARMFUL and "|" not in row.metric:
                arms = found.setdefault((row.level, row.probe, row.metric), {})
                arms.setdefault(row.variant, {})[row.seed] = row
        return found

    def rows(
        self, probe: str, arm: str, *, level: str = "elicited", metric: str | None = None
    ) -> dict[int, Row]:
        """An arm's rows of a probe by seed; empty where it was not tried."""
        return self._rows.get((level, probe, metric or self.judge), {}).get(arm, {})

    def rates(
        self, probe: str, arm: str, *, level: str = "elicited", metric: str | None = None
    ) -> dict[int, float]:
        """An arm's rates under a probe by seed; empty where it was not tried."""
        rows = self.rows(probe, arm, level=level, metric=metric)
        return {seed: rows[seed].value for seed in sorted(rows)}

    def right(self, probe: str, arm: str) -> dict[int, float]:
        """Right answers to benign questions under the same attack by seed, a mean over categories;
        empty where it did not ask any: a broken model is not a safe one."""
        found: dict[int, list[float]] = {}
        for by_seed in self.benign(probe, arm).values():
            for seed, rate in by_seed.items():
                found.setdefault(seed, []).append(rate)
        return {seed: math.fsum(rates) / len(rates) for seed, rates in sorted(found.items())}

    def benign(self, probe: str, arm: str) -> dict[str, dict[int, float]]:
        """The same by category and seed."""
        found: dict[str, dict[int, float]] = {}
        for row in self._benign.get((probe, arm), ()):
            found.setdefault(row.category, {})[row.seed] = row.value
        return found

    @cached_property
    def _benign(self) -> dict[tuple[str, str], list[Row]]:
        found: dict[tuple[str, str], list[Row]] = {}
        for row in self.measures.rows:
            if row.level == "elicited" and row.category in GENERAL and row.metric == "accuracy":
                found.setdefault((row.probe, row.variant), []).append(row)
        return found

    @cached_property
    def probes(self) -> tuple[str, ...]:
        """Every probe of level elicited that this judge judged, controls included."""
        found = {
            probe
            for level, probe, metric in self._rows
            if level == "elicited" and metric == self.judge
        }
        return tuple(sorted(found, key=_order))

    @cached_property
    def controls(self) -> frozenset[str]:
        """The probes that are no attacks: zero budget, random search, other controls, no
        defence."""
        return frozenset(
            probe
            for probe in self.probes
            if probe.rpartition(":")[2] in _ENDINGS or at_zero(probe) or _undefended(probe)
        )

    @cached_property
    def attacks(self) -> tuple[Attack, ...]:
        """The attacks in the order of tables: those of every cell, then instruments by name."""
        found: list[Attack] = []
        first: dict[object, Attack] = {}
        for probe in self.probes:
            if probe in self.controls:
                continue
            control = control_of(probe, self.probes)
            bare = zero_of(probe, self.probes, defence=kind(family(probe)) == "defence")
            zero = DIRECT if bare is None else ("elicited", bare)
            attack = Attack(probe, zero, control, easier=self._easier(probe))
            figures = self._figures(attack)
            level, row = zero
            usual = self._rows.get((level, row, self.judge))
            usual = self.chance(probe) if attack.easier else usual
            if figures is not None and usual is not None:
                first.setdefault(figures, attack)
            earlier = first.get(figures, attack)
            if earlier.family != attack.family:
                attack = replace(attack, same=earlier.probe)
            found.append(attack)
        return tuple(found)

    def _figures(self, attack: Attack) -> object:
        """What two attacks that do the same have in common; None where rates are too few or too
        alike to tell."""
        rates = {arm: self.rates(attack.probe, arm) for arm in self.measures.variants}
        different = {rate for by_seed in rates.values() for rate in by_seed.values()}
        if attack.kind != "attack" or len(different) < 3:
            return None
        told = {
            (metric, arm, seed, row.value)
            for (level, probe, metric), arms in self._rows.items()
            if (level, probe) == ("elicited", attack.probe) and metric in (*JUDGES, "refused")
            for arm, seeds in arms.items()
            for seed, row in seeds.items()
        }
        return attack.easier, frozenset(told)

    @cached_property
    def unused_controls(self) -> tuple[Attack, ...]:
        """Controls that no attack is held against, e.g. one that is told more, as if attacks."""
        used = {attack.control for attack in self.attacks}
        return tuple(
            Attack(probe, DIRECT, None, easier=self._easier(probe))
            for probe in self.probes
            if probe.endswith(f":{CONTROL}")
            and probe not in used
            and kind(family(probe)) == "attack"
        )

    def _easier(self, probe: str) -> bool:
        given = self._rows.get(("elicited", probe, "given"), {})
        if any(row.value > 0 for arm in given.values() for row in arm.values()):
            return True
        plain, own = self.measures.chance_level() or 0.0, self.chance(probe) or 0.0
        return own > plain + SMALLEST_EFFECT

    def chances(self, probe: str, arm: str) -> dict[int, float]:
        """The chance of leaking for one who names a compound in every response, by seed: the
        probe's own, else that of the questions; empty where neither was computed."""
        level, direct = DIRECT
        plain = self.rates(direct, arm, level=level, metric="chance") or self.rates(
            "completion", arm, level="capability", metric="chance_top1"
        )
        own = self.rates(probe, arm, metric="chance")
        if own and family(probe) in REPEATING:
            return {seed: max(rate, plain.get(seed, 0.0)) for seed, rate in own.items()}
        return own or plain

    def chance(self, probe: str) -> float | None:
        """Its mean over arms and seeds; None where it was not computed."""
        values = [v for arm in self.measures.variants for v in self.chances(probe, arm).values()]
        return math.fsum(values) / len(values) if values else None

    @cached_property
    def free(self) -> tuple[Attack, ...]:
        """The attacks that make no guess easier: whose rates can be compared."""
        return tuple(each for each in self.attacks if each.kind == "attack" and not each.easier)

    @cached_property
    def seeds(self) -> int:
        """How many seeds the study has."""
        return len({row.seed for row in self.measures.rows})

    @cached_property
    def shared(self) -> tuple[Attack, ...]:
        """The free attacks that were tried on every model that any was tried on: a largest rate
        over more attacks is larger by luck alone."""
        tried = {
            attack.probe: {
                (arm, seed)
                for arm in self.measures.variants
                for seed in self.rows(attack.probe, arm)
            }
            for attack in self.free
        }
        models = set().union(*tried.values())
        return tuple(attack for attack in self.free if tried[attack.probe] == models)

    def strongest(self, arm: str) -> dict[int, float]:
        """The largest rate of an arm over the shared attacks within each seed, as the paper takes
        it; seeds without any are left out."""
        found: dict[int, float] = {}
        for attack in self.shared:
            for seed, rate in self.rates(attack.probe, arm).items():
                found[seed] = max(rate, found.get(seed, 0.0))
        return dict(sorted(found.items()))

    def strongest_on_average(self, arm: str) -> str | None:
        """The shared attack whose mean over the arm's seeds is largest; None if none leaks."""
        means = {
            attack.probe: math.fsum(rates.values()) / len(rates)
            for attack in self.shared
            if (rates := self.rates(attack.probe, arm))
        }
        best = max(means, key=lambda probe: means[probe], default=None)
        return best if best is not None and means[best] > 0 else None


_ENDINGS = (ZERO, RANDOM, CONTROL)


def _undefended(probe: str) -> bool:
    rule = probe.rpartition(":")[2].partition("+")[0]
    return rule == NO_RULE and kind(family(probe)) == "defence"


def _order(probe: str) -> tuple[object, ...]:
    """Built-in families first, then instruments by name; their controls last, knobs by number."""
    name = family(probe)
    known = list(BUILT_IN)
    place = known.index(name) if name in BUILT_IN else len(known)
    ending = probe.rpartition(":")[2]
    point = knob(probe)
    return (
        place,
        name,
        _ENDINGS.index(ending) + 1 if ending in _ENDINGS else 0,
        point.series if point else probe,
        point.value if point else 0.0,
        probe,
    )
