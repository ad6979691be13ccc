"""What decoding rules other than greedy cost, in Markdown: tokens read, length, over-refusal; of
whole arms, and of the rules that defend a model while it decodes.

In: measures that may hold rows `response_length` and `greedy_cost` (`decoding.length_rows`). Out:
text; empty without such rows.
"""

from __future__ import annotations

import math

from experiments.held_against import NO_RULE, NOT_APPLICABLE, unfit
from experiments.knobs import family
from experiments.levels import fewer
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


RULES = "defences"
"""The instrument whose probes are rules of decoding."""
_COSTS = ("greedy_cost", "response_length")
_DEFENCES = """\
Rules of decoding that defend a model, on harmful questions, asked alone or with a prefill (`+…`):
tokens read, times greedy / tokens written until the rule ends the response, in percent of the
longest that is allowed. Read 2.0 as twice the tokens that greedy decoding of the same response
would read; `defences:none` is greedy decoding without a rule. How much leaks under each stands with
the attacks. Where a rule has nothing to act on, it is not applicable; a beam without its tag is a
control.
"""


def decoding_section(measures: Measures) -> str:
    """What arms that do not decode greedily cost, then what defences do; empty without any."""
    return "\n".join(filter(None, [_arms(measures), _defences(measures)]))


def _arms(measures: Measures) -> str:
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


def _defences(measures: Measures) -> str:
    """A row per rule and set of questions, a column an arm; empty where none was tried."""
    found: dict[tuple[str, str, str], dict[int, float]] = {}
    for row in measures.rows:
        if (row.level, row.category) == ("elicited", HARMFUL) and row.metric in _COSTS:
            found.setdefault((row.probe, row.variant, row.metric), {})[row.seed] = row.value
    probes = {probe for probe, _, _ in found if family(probe) == RULES}
    if not probes:
        return ""
    seeds = len({row.seed for row in measures.rows})
    arms = [arm for arm in measures.variants if any((p, arm, _COSTS[0]) in found for p in probes)]
    lines = ["| rule | " + " | ".join(map(label, arms)) + " |", "|---|" + "---:|" * len(arms)]
    for probe in sorted(probes, key=_questions_then_rule):
        cells: list[str] = []
        for arm in arms:
            costs = [found.get((probe, arm, metric), {}) for metric in _COSTS]
            cells.append(_rule(costs, unfit(probe, arm, measures.study), seeds))
        lines.append(f"| `{probe}` | " + " | ".join(cells) + " |")
    note = "Mean over seeds ± half of the 95 % t interval; (n = …): over so many seeds only.\n"
    return "\n".join([_DEFENCES, *lines, "", note])


def _questions_then_rule(probe: str) -> tuple[str, bool, str]:
    rule, _, questions = probe.partition(":")[2].partition("+")
    return questions, rule != NO_RULE, rule


def _rule(costs: list[dict[int, float]], unlike: str | None, seeds: int) -> str:
    """ "1.9 ± 0.2 / 32.4 ± 1.2", or why a rule has nothing to act on."""
    if unlike == NOT_APPLICABLE:
        return unlike
    if not all(costs):
        return "–"
    read, length = ([each[seed] for seed in sorted(each)] for each in costs)
    few = fewer(len(read), seeds)
    note = f" ({unlike})" if unlike else ""
    return f"{_times(read)} / {_percent(length)}{few}{note}"


def _cost(measures: Measures, arm: str, metric: str, asked: str) -> list[float]:
    """The metric at each seed that has it, mean over its categories; of tokens read, times greedy,
    the mean is of times, so that what is returned is one over it."""
    found: list[float] = []
    for seed in measures.seeds(arm):
        rows = [measures.find(arm, seed, *where, metric) for where in _ASKED[asked]]
        values = [row.value for row in rows if row is not None]
        if values and metric == "greedy_cost":
            found.append(len(values) / math.fsum(1 / value for value in values))
        elif values:
            found.append(math.fsum(values) / len(values))
    return found


def _times(shares: list[float]) -> str:
    """ "16.3 ± 0.4": one over the share of the tokens read that greedy decoding needs."""
    return plus_minus(t_interval([1 / share for share in shares])) if shares else "–"


def _percent(shares: list[float]) -> str:
    return plus_minus(t_interval([100 * share for share in shares])) if shares else "–"
