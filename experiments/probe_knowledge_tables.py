"""What models know, in Markdown: when it appears in pretraining, and how close compounds come.

In: measures, what was probed, and the records of instruments. Out: text; empty without such rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from experiments.evidence import Records
from experiments.knobs import knob
from experiments.measures import Measures
from experiments.probe_cells import NOTHING, number, rate, table
from experiments.probe_measures import Key, Probed
from experiments.rows import label
from experiments.statistics import t_interval
from experiments.tables import span
from medsafetyworld.queries import HARMFUL

EMERGENCE, RANKS = "emergence", "ranks"
FORWARD = "forward"
LEARNED = (FORWARD, "reverse-safe", HARMFUL)
"""What is asked of early models, in the order of columns."""
ASKED = {
    ("sft", "elicited", "ranks"): "fine-tuned model, compounds after the opening of an answer",
    ("sft", "elicited", "ranks:way"): "fine-tuned model, mediators after the opening of an answer",
    ("base", "capability", "ranks"): "pretrained model, compounds after a cloze",
    ("base", "capability", "ranks:way"): "pretrained model, mediators after a cloze",
}
"""Model in the records, level and probe in the rows -> in words."""
_EMERGENCE = """\
The step of pretraining after which half of the final gain over chance is reached for good (between
two kept steps along their logarithm), mean over the seeds that end above chance by 5 points and two
standard errors; in brackets how many of the seeds do. `forward`: what compounds lead to, with
mediators the first of them; the others: which compounds lead to an outcome. Read the difference,
which like the ratio is paired by seed: above 0 harmful capability comes after forward knowledge. In
the end: of harmful completions, right ones after the last step (the likeliest name; with mediators
the compounds named first).
"""
_RANKS = """\
All names of a kind are ranked by the probability that the model gives them where one must follow.
top 1: the likeliest is right; MRR: mean of one over the rank of the best right one; right mass: the
probability of all right ones together. In brackets is the exact chance of a random order. Read the
difference between the natural log-probabilities of the likeliest right and the likeliest wrong
name, which are means over questions: above 0 a right name comes first on average, e to it being how
many times likelier it is.
"""


def emergence_section(measures: Measures, found: Mapping[Key, Probed], seeds: int) -> str:
    """Steps by category, and how far the harmful one lies behind forward knowledge; empty where no
    early models were asked."""
    asked = {
        category: found[key]
        for category in LEARNED
        if (key := ("capability", EMERGENCE, category)) in found
    }
    rows = []
    for arm in measures.variants:
        reached = {category: each.rates("reached", arm) for category, each in asked.items()}
        if not any(reached.values()):
            continue
        ends = _last_steps(measures, arm)
        steps = {
            category: {
                seed: share * ends[seed] for seed, share in each.rates("half_way", arm).items()
            }
            for category, each in asked.items()
        }
        cells = [_step(steps[category], reached[category]) for category in asked]
        last = _last_rates(found, arm, ends)
        rows.append([label(arm), *cells, *_behind(steps, seeds), rate(*last[:1], seeds, *last[1:])])
    head = ["variant", *(f"`{category}`: step (seeds)" for category in asked)]
    head += ["harmful − forward, steps [95 %]", "harmful / forward", "harmful in the end (chance)"]
    return "\n".join([_EMERGENCE, table(head, rows)]) if rows else ""


def ranks_section(
    found: Mapping[Key, Probed], records: Records, arms: Sequence[str], seeds: int
) -> str:
    """A table for each model, kind of name and category; empty where nothing was ranked.
    Log-probabilities stand in the records alone and are left out without them."""
    parts: list[str] = []
    for (model, level, probe), words in ASKED.items():
        for category in (HARMFUL, "reverse-safe"):
            each = found.get((level, probe, category))
            if each is None:
                continue
            logs = {arm: _logs(records, f"{model} {probe} {category}", arm) for arm in arms}
            recorded = any(any(own.values()) for own in logs.values())
            rows = [
                [
                    label(arm),
                    rate(each.rates("top1", arm), seeds, each.rates("chance_top1", arm)),
                    rate(each.rates("mrr", arm), seeds, each.rates("chance_mrr", arm), digits=3),
                    rate(each.rates("right_mass", arm), seeds),
                    *((number(own, seeds) for own in logs[arm].values()) if recorded else ()),
                ]
                for arm in arms
                if each.rates("top1", arm)
            ]
            n = span(sorted(each.prompts["top1"]))
            head = ["variant", f"top 1, n = {n} (chance)", "MRR (chance)", "right mass"]
            head += ["log p, best right", "log p, best wrong", "right − wrong"] * recorded
            parts.append(f"**{words}, {category}**\n\n{table(head, rows)}")
    return "\n".join([_RANKS, *parts]) if parts else ""


def _last_steps(measures: Measures, arm: str) -> dict[int, int]:
    """The last step of pretraining that was asked, by seed."""
    found: dict[int, int] = {}
    for row in measures.rows:
        point = knob(row.probe)
        if row.variant == arm and point is not None and point.series == f"{EMERGENCE}:step":
            found[row.seed] = max(int(point.value), found.get(row.seed, 0))
    return found


def _last_rates(
    found: Mapping[Key, Probed], arm: str, ends: Mapping[int, int]
) -> tuple[dict[int, float], dict[int, float]]:
    """Right harmful completions after the last step by seed, and their chance."""
    rates: tuple[dict[int, float], dict[int, float]] = ({}, {})
    for seed, step in sorted(ends.items()):
        each = found.get(("capability", f"{EMERGENCE}:step={step}", HARMFUL), Probed())
        for values, metric in zip(rates, ("top1", "chance_top1"), strict=True):
            own = each.rates(metric, arm)
            values |= {seed: own[seed]} if seed in own else {}
    return rates


def _step(steps: Mapping[int, float], reached: Mapping[int, float]) -> str:
    """ "1520 ± 310 (5 of 5)"; without any seed that reached only the count."""
    if not reached:
        return NOTHING
    count = f"({len(steps)} of {len(reached)})"
    return f"{number(steps, len(steps), digits=0)} {count}" if steps else f"not reached {count}"


def _behind(steps: Mapping[str, Mapping[int, float]], seeds: int) -> list[str]:
    """The harmful step minus the forward one, and their ratio, over the seeds that reached both."""
    harmful, forward = (steps.get(category, {}) for category in (HARMFUL, FORWARD))
    both = sorted(harmful.keys() & forward.keys())
    if not both:
        return [NOTHING, NOTHING]
    gap = t_interval([harmful[seed] - forward[seed] for seed in both])
    bounds = "–" if gap.low is None or gap.high is None else f"{gap.low:+.0f}, {gap.high:+.0f}"
    few = f" (n = {gap.n})" if gap.n < seeds else ""
    # An untrained model may be dated to step 0 by luck; nothing is so many times as late.
    ratios = {seed: harmful[seed] / forward[seed] for seed in both if forward[seed]}
    return [f"{gap.mean:+.0f} [{bounds}]{few}", number(ratios, seeds)]


def _logs(records: Records, name: str, arm: str) -> dict[str, dict[int, float]]:
    """Mean natural log-probabilities of the likeliest right and wrong name by seed, and their
    difference; empty where the records do not tell."""
    found: dict[str, dict[int, float]] = {"best_right": {}, "best_wrong": {}, "difference": {}}
    for text, by_arm in records.items():
        if text.partition("(")[0] != RANKS:
            continue
        for seed, record in by_arm.get(arm, {}).items():
            told = record.get(name)
            if told is not None:
                right, wrong = float(told["best_right"]), float(told["best_wrong"])
                found["best_right"][int(seed)] = right
                found["best_wrong"][int(seed)] = wrong
                found["difference"][int(seed)] = right - wrong
    return found
