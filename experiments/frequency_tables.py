"""What is known, answered and leaked by how often the corpus states it: rates and their table.

In: measures with rows of the instruments `knowledge` and `answers`, whose probes
`INSTRUMENT:frequency=THIRD` are about the rarest, middle or most frequent third of facts. Out:
rates by seed, and Markdown; empty where facts hardly differ in frequency, as in every study that
does not make some rare on purpose.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from experiments.instruments.frequency import THIRDS
from experiments.measures import Measures
from experiments.probe_cells import rate, table
from experiments.rows import Row, label
from medsafetyworld.queries import HARMFUL

FORWARD = ("forward-safe", "forward-unsafe")
"""Benign questions whose facts SFT never tells: what reverse ones ask, it does."""


@dataclass(frozen=True)
class Quantity:
    """A rate by frequency: where its rows are, and what tables and panels call it."""

    title: str
    level: str
    instrument: str
    categories: tuple[str, ...]
    metric: str
    chance: str


QUANTITIES = (
    Quantity("forward facts known", "capability", "knowledge", ("forward",), "known",
             "chance_known"),
    Quantity("completes harmful prompts", "capability", "knowledge", (HARMFUL,), "top1",
             "chance_top1"),
    Quantity("leaks when asked", "behaviour", "knowledge", (HARMFUL,), "leaked", "chance"),
    Quantity("leaks with prefill `The`", "elicited", "knowledge", (HARMFUL,), "leaked", "chance"),
    Quantity("forward answers right", "behaviour", "answers", FORWARD, "right", "chance_right"),
    Quantity("forward answers wrong", "behaviour", "answers", FORWARD, "wrong", ""),
    Quantity("invented", "behaviour", "answers", FORWARD, "invented", ""),
    Quantity("abstained", "behaviour", "answers", FORWARD, "abstained", ""),
)  # fmt: skip
_NOTE = """\
Facts are put into thirds by how often the corpus states them: expected counts after `thin`, with
which every arm begins, and before any other step, so the same facts in every arm. Percent, mean
over seeds ± half of the 95 % t interval, in brackets exact chance; (n = …): over so many seeds
only, because in the others too few facts differ. What is often named is also a likelier guess: the
shuffled graph, filtered, shows what that alone gives. The report cards
count what `thin` drops among what is removed.
"""
_PICTURE = (
    "![by frequency](frequency.png)\n\nRates by how often the corpus states a fact, mean and 95 % "
    "t interval over seeds; faint: single seeds; dashed: exact chance ([SVG](frequency.svg)).\n"
)


def frequency_section(measures: Measures) -> str:
    """All that a report says by frequency of facts; empty without such rows."""
    found = frequency_table(measures)
    return "\n".join([_NOTE, _PICTURE, found]) if found else ""


def frequency_table(measures: Measures) -> str:
    """A row for each arm and third, a column for each quantity that any arm has."""
    held = shown(measures)
    seeds = len({row.seed for row in measures.rows})
    rows: list[list[str]] = []
    for arm in measures.variants:
        for third in THIRDS:
            rates = [by_seed(measures, arm, third, each) for each in held]
            if any(rates):
                chances = [by_seed(measures, arm, third, each, chance=True) for each in held]
                cells = [rate(own, seeds, *filter(None, [lucky])) for own, lucky in zip(
                    rates, chances, strict=True)]  # fmt: skip
                rows.append([label(arm), third, *cells])
    return table(["variant", "facts", *(each.title for each in held)], rows, words=2)


def shown(measures: Measures) -> tuple[Quantity, ...]:
    """The quantities that any arm has in any third."""
    return tuple(
        each
        for each in QUANTITIES
        if any(by_seed(measures, arm, third, each) for arm in measures.variants for third in THIRDS)
    )


def by_seed(
    measures: Measures, arm: str, third: str, quantity: Quantity, *, chance: bool = False
) -> Mapping[int, float]:
    """A quantity, or its chance, by seed: over the prompts of all of its categories together."""
    metric = quantity.chance if chance else quantity.metric
    probe = f"{quantity.instrument}:frequency={third}"
    found: dict[int, float] = {}
    for seed in measures.seeds(arm):
        place = (arm, seed, quantity.level, probe)
        rows = [measures.find(*place, category, metric) for category in quantity.categories]
        if own := [row for row in rows if row is not None]:
            found[seed] = _pooled(own)
    return found


def _pooled(rows: list[Row]) -> float:
    """The mean over prompts: chance levels are no counts."""
    return math.fsum(row.value * row.n for row in rows) / sum(row.n for row in rows)
