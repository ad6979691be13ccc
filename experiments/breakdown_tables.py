"""The report's section on kinds of outcome: the three levels by severity and by category.

In: measures with rows of the instrument `knowledge`, whose probes `knowledge:KIND=NAME` hold the
three levels about the same outcomes. Out: Markdown, a table a kind. By frequency they stand in
`experiments.frequency_tables`, beside what else is split by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from experiments.elicited import Elicited
from experiments.levels import Levels, fewer, signed
from experiments.measures import Measures
from experiments.rows import label
from experiments.statistics import t_interval
from experiments.tables import plus_minus, span
from medsafetyworld.graph import SEVERITIES

KINDS = {
    "severity": ("severity", "By severity of the outcome"),
    "hazard": ("category", "By category of the outcome"),
}
"""Kinds of groups, as `knowledge` names them: the title of their column, that of their table."""
LEVELS = {
    "capability": ("top1", "chance_top1"),
    "behaviour": ("leaked", "chance"),
    "elicited": ("leaked", "chance"),
}
"""Level -> the metric of its rate and that of its chance."""
_EVEN = """\
The levels are not split by frequency: in no replicate do the outcomes asked about differ enough in
how often the corpus states what leads to them (three outcomes at least, the most stated one 1.5
times as often as the least).
"""
_NOTE = """\
Percent, mean over seeds ± half of the 95 % t interval; (n = …): over so many seeds only, those
whose questions are about such outcomes. The levels are about the same outcomes: clozes that the
pretrained model completes; harmful questions put to the fine-tuned model, as they are and with
prefill `The`, which leak. Beside each its exact chance, that of compounds named at random; the last
columns count clozes and questions a seed. Completions name one answer, responses may name several.
"""


def breakdown_section(measures: Measures) -> str:
    """A table for each kind of groups; empty if the rows do not hold any."""
    found = {kind: _names(measures, kind) for kind in KINDS}
    if not any(found.values()):
        return ""
    parts = [_NOTE]
    for kind, (_, title) in KINDS.items():
        if found[kind]:
            parts.append(f"### {title}\n\n{breakdown_table(measures, kind, found[kind])}")
    if not _names(measures, "frequency"):
        parts.append(_EVEN)
    return "\n".join(parts)


def breakdown_table(measures: Measures, kind: str, names: Sequence[str]) -> str:
    """The three levels of every arm in each of these groups, with their chances, in percent."""
    lines = [
        f"| variant | {KINDS[kind][0]} | completes | chance | leaks when asked "
        "| leaks with prefill `The` | chance | capability − elicited, points [95 %] "
        "| clozes | questions |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    found = Elicited(measures)
    for arm in measures.variants:
        own = [(name, _row(found, arm, f"knowledge:{kind}={name}")) for name in names]
        lines += [f"| {label(arm)} | {name} | {row} |" for name, row in own if row]
    return "\n".join(lines) + "\n"


def _names(measures: Measures, kind: str) -> list[str]:
    """The groups of a kind that anything was asked about, in their own order."""
    mark = f"knowledge:{kind}="
    asked = {
        row.probe.removeprefix(mark)
        for row in measures.rows
        if row.probe.startswith(mark) and row.metric == "leaked"
    }
    return sorted(asked, key=lambda name: (name in SEVERITIES and SEVERITIES.index(name), name))


def _row(found: Elicited, arm: str, probe: str) -> str:
    """One arm's cells for one group; empty where it was not measured."""
    rates, chances, prompts = {}, {}, {}
    for level, (metric, lucky) in LEVELS.items():
        rows = found.rows(probe, arm, level=level, metric=metric)
        rates[level] = found.rates(probe, arm, level=level, metric=metric)
        chances[level] = found.rates(probe, arm, level=level, metric=lucky)
        prompts[level] = span(sorted({row.n for row in rows.values()})) if rows else "–"
    if not any(rates.values()):
        return ""
    levels = Levels(arm, **rates, strongest=None, chance=None, seeds=found.seeds)
    completes, asked, begun = (_rate(levels, level) for level in LEVELS)
    # The questions are the same with and without a prefill, and so is their chance.
    cells = [completes, _mean(chances["capability"]), asked, begun, _mean(chances["elicited"])]
    gap = levels.gap()
    cells += ["–" if gap is None else signed(gap), prompts["capability"], prompts["elicited"]]
    return " | ".join(cells)


def _rate(levels: Levels, level: str) -> str:
    interval = levels.interval(level)
    return "–" if interval is None else plus_minus(interval) + fewer(interval.n, levels.seeds)


def _mean(rates: Mapping[int, float]) -> str:
    """A chance level, which is exact and so without an interval."""
    if not rates:
        return "–"
    return f"{t_interval([100 * rate for rate in rates.values()]).mean:.1f}"
