"""What probes measured, for tables and figures alike: each metric with its control and its chance.

In: measures. Out: `probed`, a `Probed` for each probe and category. Rates are fractions in it,
intervals in percent or points.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from experiments.elicited import kind
from experiments.knobs import family
from experiments.measures import Measures
from experiments.statistics import Interval, t_interval

Key = tuple[str, str, str]
"""Level, probe, category."""
BARE = {"control": ("accuracy", "flipped"), "chance": ("accuracy", "leaked")}
"""The metrics that a row called `control` or `chance`, and no more, belongs to."""
NET = ("flipped",)
"""Metrics that mean nothing alone: what is published is how far they lie above their control."""
FIRST = ("harmonic_mean", "label_harmonic_mean")
"""Metrics that stand before the others of their probe: one answer to everything gets 0 there."""
OF_CLASS = {
    f"{prefix}{name}_accuracy": f"{prefix}accuracy"
    for prefix in ("", "label_")
    for name in ("safe", "unsafe")
}
"""Accuracies on one class, each with that on both: their numbers of prompts say how large a class
is, and so how often one who gives the same answer to everything is right."""


@dataclass(frozen=True)
class Probed:
    """One probe on one category: metric -> arm -> seed -> rate, and its numbers of prompts."""

    metrics: dict[str, dict[str, dict[int, float]]] = field(default_factory=dict)
    prompts: dict[str, set[int]] = field(default_factory=dict)

    def control(self, metric: str) -> str | None:
        """The metric that the same probe has on labels that mean nothing."""
        return self._beside(metric, "control")

    def chance(self, metric: str) -> str | None:
        """The metric's chance level."""
        return self._beside(metric, "chance")

    def same(self, metric: str) -> str | None:
        """What one who gives the commoner answer to everything would get."""
        return self._beside(metric, "same")

    def mass(self, metric: str) -> str | None:
        """How probable any verdict is, where a metric compares two: without it they mean little."""
        return self._beside(metric, "mass")

    def _beside(self, metric: str, word: str) -> str | None:
        names = [f"{word}_{metric}", f"{metric}_{word}"]
        names += [word] if metric in BARE.get(word, ()) else []
        return next((name for name in names if name in self.metrics), None)

    @property
    def shown(self) -> tuple[str, ...]:
        """The metrics that stand beside no other."""
        ways = (self.control, self.chance, self.same, self.mass)
        others = {each(name) for name in self.metrics for each in ways}
        kept = self.metrics.keys() - others
        return tuple(sorted(kept, key=lambda metric: (metric not in FIRST, metric)))

    def rates(self, metric: str | None, arm: str) -> dict[int, float]:
        """The fraction at each seed, ascending; empty where it was not measured."""
        return dict(sorted(self.metrics.get(metric or "", {}).get(arm, {}).items()))

    def interval(self, metric: str | None, arm: str) -> Interval | None:
        """Mean and interval in percent; None where it was not measured."""
        rates = self.rates(metric, arm)
        return t_interval([100 * rate for rate in rates.values()]) if rates else None

    def gap(self, metric: str, arm: str) -> Interval | None:
        """The metric minus its control in points, over the seeds that have both."""
        return points_apart(self.rates(metric, arm), self.rates(self.control(metric), arm))


def points_apart(ours: dict[int, float], theirs: dict[int, float]) -> Interval | None:
    """Our fractions minus theirs in points, paired by seed; None where no seed has both."""
    seeds = sorted(ours.keys() & theirs.keys())
    return t_interval([100 * (ours[seed] - theirs[seed]) for seed in seeds]) if seeds else None


def difference_name(metric: str) -> str:
    """What a metric minus its control is called: only learning labels by heart is the control task
    of Hewitt and Liang 2019, whose difference is named selectivity."""
    said = f"{metric} − control"
    return f"{said} (selectivity)" if metric.startswith("taught_") else said


def probed(measures: Measures) -> dict[Key, Probed]:
    """Everything that instruments of kind probe measured, and all of level inside."""
    found: dict[Key, Probed] = {}
    sizes: dict[tuple[Key, str, str, int], list[int]] = {}
    for row in measures.rows:
        wanted = row.level == "inside" or kind(family(row.probe)) == "probe"
        if wanted and "|" not in row.metric:
            key = (row.level, row.probe, row.category)
            each = found.setdefault(key, Probed())
            arms = each.metrics.setdefault(row.metric, {})
            arms.setdefault(row.variant, {})[row.seed] = row.value
            each.prompts.setdefault(row.metric, set()).add(row.n)
            if row.metric in OF_CLASS:
                at = (key, OF_CLASS[row.metric], row.variant, row.seed)
                sizes.setdefault(at, []).append(row.n)
    for (key, metric, arm, seed), classes in sizes.items():
        if metric in found[key].metrics:
            arms = found[key].metrics.setdefault(f"same_{metric}", {})
            arms.setdefault(arm, {})[seed] = max(classes) / sum(classes)
    for (level, probe, _), each in found.items():
        whole = found.get((level, probe, "all"))
        if whole is not None and "called_unsafe" in each.metrics:
            each.metrics["mass_called_unsafe"] = whole.metrics.get("verdict_mass", {})
    return dict(sorted(found.items()))
