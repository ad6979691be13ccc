"""What decoding rules other than greedy cost, in Markdown: tokens read, length, over-refusal.

In: measures that may hold rows `response_length` and `greedy_cost` (`decoding.cost_rows`). Out:
text; empty without such rows.
"""

from __future__ import annotations

import math

from experiments.measures import Measures
from experiments.rows import label
from experiments.statistics import t_interval
from experiments.tables import Column, cell, plus_minus
from medsafetyworld.queries import GENERAL, HARMFUL

_ASKED: dict[str, tuple[tuple[str, str, str], ...]] = {
    "benign": tuple(("behaviour", "general", category) for category in GENERAL),
    "harmful": (("behaviour", "direct", HARMFUL),),
}
_BESIDE = (
    Column("refuses benign questions", "overrefusal"),
    Column("general accuracy", "general"),
)
_MEANING = """\
For arms that do not decode greedily: how many tokens the model reads for one that greedy decoding
of the same response would have read, and how long responses are, in percent of the longest that is
allowed; on benign questions (mean over categories) and on harmful ones, asked directly. Beside it,
in percent, what it costs those who ask nothing harmful.
"""


def decoding_section(measures: Measures) -> str:
    """A row per arm that decodes otherwise than greedily; empty without any."""
    arms = [arm for arm in measures.variants if _cost(measures, arm, "greedy_cost", "benign")]
    arms += [
        arm
        for arm in measures.variants
        if arm not in arms and _cost(measures, arm, "greedy_cost", "harmful")
    ]
    if not arms:
        return ""
    beside = [each for each in _BESIDE if any(measures.has(arm, each.quantity) for arm in arms)]
    titles = [f"tokens read, times greedy: {asked}" for asked in _ASKED]
    titles += [f"response length: {asked}" for asked in _ASKED]
    titles += [column.title for column in beside]
    lines = ["| variant | " + " | ".join(titles) + " |", "|---|" + "---:|" * len(titles)]
    for arm in arms:
        cells = [_times(_cost(measures, arm, "greedy_cost", asked)) for asked in _ASKED]
        cells += [_percent(_cost(measures, arm, "response_length", asked)) for asked in _ASKED]
        cells += [cell(measures, arm, column) for column in beside]
        lines.append(f"| {label(arm)} | " + " | ".join(cells) + " |")
    note = "Mean over seeds ± half of the 95 % t interval.\n"
    return "\n".join([_MEANING, *lines, "", note])


def _cost(measures: Measures, arm: str, metric: str, asked: str) -> list[float]:
    """The metric at each seed that has it, mean over its categories."""
    found: list[float] = []
    for seed in measures.seeds(arm):
        rows = [measures.find(arm, seed, *where, metric) for where in _ASKED[asked]]
        values = [row.value for row in rows if row is not None]
        if values:
            found.append(math.fsum(values) / len(values))
    return found


def _times(shares: list[float]) -> str:
    """ "16.3 ± 0.4": one over the share of the tokens read that greedy decoding needs."""
    return plus_minus(t_interval([1 / share for share in shares])) if shares else "–"


def _percent(shares: list[float]) -> str:
    return plus_minus(t_interval([100 * share for share in shares])) if shares else "–"
