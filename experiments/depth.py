"""Results by derivation depth: what models complete and leak, against how far it is to derive.

Rows whose metric is `METRIC|RULES=DEPTH` (`experiments.derivability`) hold the hits among the
prompts whose shortest proof has that depth under what the model was told; `+dialogues` after the
rules says that a fine-tuned model's dialogues are counted, which studies of earlier versions did
not. In: measures. Out: rates per seed at a depth, and where a rule set and a model agree. Fractions
throughout.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from experiments.derivability import DIALOGUES, RULES, UNDERIVABLE
from experiments.measures import Measures, MissingMeasurement
from experiments.rows import Row
from experiments.statistics import MINIMUM_SEEDS, SMALLEST_EFFECT, Interval, t_interval

QUANTITIES = ("completion", "direct", "prefill", "general")
"""What is shown by depth, by the names of `measures`."""


@dataclass(frozen=True)
class Rates:
    """Rates at one depth: one a seed, each of so many prompts; empty if no prompt lies there."""

    values: tuple[float, ...]
    prompts: tuple[int, ...]


@dataclass(frozen=True)
class Agreement:
    """Whether what a rule set derives of the harmful answers is what the model completes.

    derivable: which of the prompts this is about, those whose answer the rules derive or the
    others; share: how many of all they are, mean over seeds. chance: of exactly these prompts;
    exact: False where the rows hold only the chance of all prompts together, which then stands in.
    """

    variant: str
    rules: str
    derivable: bool
    share: float
    completion: Rates
    chance: tuple[float, ...]
    exact: bool

    @cached_property
    def gap(self) -> Interval:
        """Completion minus chance, over seeds."""
        return t_interval(
            [rate - level for rate, level in zip(self.completion.values, self.chance, strict=True)]
        )

    @property
    def above(self) -> bool | None:
        """Whether the model completes these prompts above chance; None where undecided.

        Not above: with its interval less than 5 points above.
        """
        low, high = self.gap.low, self.gap.high
        if low is None or high is None or self.gap.n < MINIMUM_SEEDS:
            return None
        if low > 0:
            return True
        return False if high < SMALLEST_EFFECT else None

    @property
    def agrees(self) -> bool | None:
        """Whether the model does what the rules predict; None where undecided."""
        return None if self.above is None else self.above is self.derivable


def depths(measures: Measures, rules: str) -> tuple[str, ...]:
    """The depths that any prompt has under a rule set, ascending, underivable last."""
    found = {
        row.metric.partition(mark)[2]
        for row in measures.rows
        for mark in (f"|{rules}=", f"|{rules}{DIALOGUES}=")
        if mark in row.metric
    }
    return tuple(sorted(found, key=lambda depth: (depth == UNDERIVABLE, depth.zfill(9))))


def counts_dialogues(measures: Measures) -> bool | None:
    """Whether the depths of fine-tuned models count what their dialogues state; None without such
    depths."""
    tuned = [r.metric for r in measures.rows if r.level != "capability" and "|" in r.metric]
    return any(f"{DIALOGUES}=" in metric for metric in tuned) if tuned else None


def at_depth(
    measures: Measures, variant: str, rules: str, wanted: tuple[str, ...], quantity: str
) -> Rates:
    """`quantity` among the prompts of these depths, per seed; seeds without such prompts are out.

    prefill: the larger of both prefills within the seed. general: over the prompts of all three
    categories together, because a category may have none at a depth.
    """
    values, prompts = [], []
    for seed in measures.seeds(variant):
        probes = [
            _pooled(measures, (variant, seed, *need), rules, wanted)
            for need in measures.needs(quantity)
        ]
        if quantity == "general":
            probes = [(sum(hits for hits, _ in probes), sum(n for _, n in probes))]
        if not any(n for _, n in probes):
            continue
        if not all(n for _, n in probes):
            raise MissingMeasurement(
                f"variant {variant!r}, seed {seed}: {quantity} lacks a probe at {rules} depth "
                f"{', '.join(wanted)}"
            )
        values.append(max(hits / n for hits, n in probes))
        prompts.append(max(n for _, n in probes))
    return Rates(tuple(values), tuple(prompts))


def derivable_shares(measures: Measures, variant: str, rules: str) -> tuple[float, ...]:
    """Share of the harmful completions that the rules derive, per seed; empty if unknown."""
    return tuple(
        known / (known + unknown)
        for seed in measures.seeds(variant)
        for known, unknown in [_split(measures, variant, seed, rules)]
        if known + unknown
    )


def agreements(measures: Measures) -> tuple[Agreement, ...]:
    """For each variant and rule set the derivable prompts and the underivable, where there are.

    The shuffled control is left out: it derives answers about its own graph, and those that are
    true of the other one are so by coincidence.
    """
    found = []
    for variant in measures.variants:
        if variant == "shuffled":
            continue
        for rules in RULES:
            shares = derivable_shares(measures, variant, rules)
            for derivable in (True, False):
                wanted = _wanted(measures, rules, derivable)
                rates = at_depth(measures, variant, rules, wanted, "completion")
                if not rates.values:
                    continue
                share = sum(shares) / len(shares)
                having = [
                    seed
                    for seed in measures.seeds(variant)
                    if _split(measures, variant, seed, rules)[0 if derivable else 1]
                ]
                exact = [_chance(measures, variant, seed, rules, wanted) for seed in having]
                chance = [
                    measures.value(variant, seed, "chance") if own is None else own
                    for seed, own in zip(having, exact, strict=True)
                ]
                found.append(
                    Agreement(
                        variant,
                        rules,
                        derivable,
                        share if derivable else 1 - share,
                        rates,
                        tuple(chance),
                        None not in exact,
                    )
                )
    return tuple(found)


def _chance(
    measures: Measures, variant: str, seed: int, rules: str, wanted: tuple[str, ...]
) -> float | None:
    """Chance of the completions at these depths; None where the rows do not say."""
    level, probe, category, metric = measures.needs("chance")[0]
    together = measures.row(variant, seed, level, probe, category, metric)
    rows = _rows(measures, together.key, rules, wanted)
    prompts = _pooled(measures, (variant, seed, *measures.needs("completion")[0]), rules, wanted)[1]
    if prompts == together.n:
        return together.value
    if sum(row.n for row in rows) != prompts:
        return None
    return sum(row.value * row.n for row in rows) / prompts


def _split(measures: Measures, variant: str, seed: int, rules: str) -> tuple[int, int]:
    """Harmful completions whose answer the rules derive, and the others, in one seed."""
    need = (variant, seed, *measures.needs("completion")[0])
    known, unknown = (
        _pooled(measures, need, rules, _wanted(measures, rules, derivable))[1]
        for derivable in (True, False)
    )
    return known, unknown


def _wanted(measures: Measures, rules: str, derivable: bool) -> tuple[str, ...]:
    found = depths(measures, rules)
    return tuple(depth for depth in found if (depth != UNDERIVABLE) is derivable)


def _pooled(
    measures: Measures,
    key: tuple[str, int, str, str, str, str],
    rules: str,
    wanted: tuple[str, ...],
) -> tuple[int, int]:
    """Hits and prompts of one row's metric at these depths together."""
    rows = _rows(measures, key, rules, wanted)
    return sum(row.hits or 0 for row in rows), sum(row.n for row in rows)


def _rows(
    measures: Measures,
    key: tuple[str, int, str, str, str, str],
    rules: str,
    wanted: tuple[str, ...],
) -> list[Row]:
    """The rows of one row's metric at these depths, with dialogues counted or without."""
    *place, metric = key
    found = [
        measures.find(*place, f"{metric}|{name}={depth}")  # pyright: ignore
        for depth in wanted
        for name in (rules, rules + DIALOGUES)
    ]
    return [row for row in found if row is not None]
