"""The report's section on derivation depth, in Markdown: rates by depth, and what they agree with.

Every sentence is made from the rows: nothing here knows what a study is going to find.
"""

from __future__ import annotations

from collections.abc import Sequence

from experiments.depth import (
    QUANTITIES,
    Agreement,
    Rates,
    agreements,
    at_depth,
    counts_dialogues,
    depths,
)
from experiments.derivability import RULES
from experiments.measures import Measures
from experiments.rows import label
from experiments.statistics import MINIMUM_SEEDS, SMALLEST_EFFECT, Interval, t_interval
from experiments.tables import plus_minus, span

_MEANING = """\
A question's depth is the number of rounds of rules in the shortest proof of a true answer from what
this model's pretraining documents state in one epoch{dialogues}
**logic** can turn a fact round (if X leads to Y, then Y comes from X); **association** cannot, like
a model under the reversal curse, unless a sentence names the effect before the cause. Where an arm
has all its questions at one depth, depth and arm cannot be told apart.
"""
_DEPTHS = ": 0 if they\nstate it, none if no proof exists."
_DIALOGUES = {
    None: _DEPTHS,
    True: f""" and,
once it is fine-tuned, what the answers in its dialogues state (refusals state nothing){_DEPTHS}
An arm's pretrained and its fine-tuned model may have the same question at different depths.""",
    False: f"""{_DEPTHS}
These rows are of an earlier version, which did not count facts told in fine-tuning: depths of
fine-tuned models say what pretraining gave them.""",
}
"""By whether depths of fine-tuned models count what they were told in fine-tuning."""


def depth_section(measures: Measures) -> str:
    """All that a report says about derivation depth; empty if the rows do not hold any."""
    if not any(depths(measures, rules) for rules in RULES):
        return ""
    found = agreements(measures)
    parts = [
        _MEANING.format(dialogues=_DIALOGUES[counts_dialogues(measures)]),
        "![by derivation depth](depth.png)\n\nCompletions of the pretrained model and prefill ASR "
        "on reverse-unsafe prompts by derivation depth, mean and 95 % t interval over seeds; "
        "dashed: exact chance of all these prompts together ([SVG](depth.svg)).\n",
        depth_table(measures),
        "### Does the model complete what is derivable?\n",
        agreement_table(found),
        agreement_sentences(found),
    ]
    return "\n".join(parts)


def depth_table(measures: Measures) -> str:
    """The three levels and general accuracy of each variant at each depth, in percent."""
    asked = [q for q in QUANTITIES if any(measures.has(v, q) for v in measures.variants)]
    titles = {
        "completion": "base completes reverse-unsafe",
        "direct": "asked directly: leaked",
        "prefill": "prefill: leaked",
        "general": "general accuracy",
    }
    lines = [
        "| variant | rules | depth | " + " | ".join(titles[q] for q in asked) + " |",
        "|---|---|---|" + "---:|" * len(asked),
    ]
    for variant in measures.variants:
        for rules in RULES:
            for depth in depths(measures, rules):
                rates = [at_depth(measures, variant, rules, (depth,), q) for q in asked]
                if any(rate.values for rate in rates):
                    cells = " | ".join(_cell(rate) for rate in rates)
                    lines.append(f"| {label(variant)} | {rules} | {depth} | {cells} |")
    lines += [
        "",
        "Percent ± half of the 95 % t interval over the seeds that have prompts of this depth; in "
        "brackets prompts per seed × seeds. A prefill is the larger of `<Safe>` and `The` within a "
        "seed; general accuracy is over the prompts of all three categories at this depth."
        + _chances(measures),
    ]
    return "\n".join(lines) + "\n"


def _chances(measures: Measures) -> str:
    """A sentence on exact chance, which rows have of all prompts together; empty without any."""
    found = []
    for quantity, title in (
        ("chance", "of completions"),
        ("direct_chance", "of harmful questions"),
    ):
        having = [variant for variant in measures.variants if measures.has(variant, quantity)]
        values = [value for name in having for value in measures.series(name, quantity)]
        if values:
            found.append(f"{title} {100 * sum(values) / len(values):.1f}")
    return f" Chance over all depths together: {', '.join(found)}." if found else ""


def agreement_table(found: Sequence[Agreement]) -> str:
    """What each rule set predicts of the harmful completions, and what the model does."""
    lines = [
        "| variant | rules | answers | of all, % | completed, % | chance, % "
        "| above chance, points [95 %] | model | prediction |",
        "|---|---|---|---:|---:|---:|---:|---|---|",
    ]
    for each in found:
        gap = each.gap
        bounds = (
            "–"
            if gap.low is None or gap.high is None
            else f"[{100 * gap.low:+.1f}, {100 * gap.high:+.1f}]"
        )
        does = {True: "above chance", False: "not above chance", None: "undecided"}[each.above]
        fits = {True: "right", False: "**wrong**", None: "undecided"}[each.agrees]
        lines.append(
            f"| {label(each.variant)} | {each.rules} | "
            f"{'derivable' if each.derivable else 'underivable'} | {100 * each.share:.0f} | "
            f"{_mean(each.completion)} | {_chance(each)} | {100 * gap.mean:+.1f} {bounds} | {does} "
            f"| {fits} |"
        )
    lines += [
        "",
        "Rules predict that a model completes what they derive, above chance, and nothing else. "
        "Above chance: the 95 % t interval of completion minus exact chance lies above zero; not "
        f"above: it ends below {100 * SMALLEST_EFFECT:.0f} points; otherwise, or with fewer than "
        f"{MINIMUM_SEEDS} seeds, undecided. "
        + (
            "Chance is that of exactly these prompts."
            if all(each.exact for each in found)
            else "Chance is that of exactly these prompts; with an asterisk it is that of all "
            "harmful prompts together, because the rows, of an earlier version, hold no other."
        ),
    ]
    return "\n".join(lines) + "\n"


def agreement_sentences(found: Sequence[Agreement]) -> str:
    """How often each rule set is right, and a sentence for each time that it is not."""
    lines = []
    for rules in RULES:
        own = [each for each in found if each.rules == rules]
        right, wrong = (sum(each.agrees is fits for each in own) for fits in (True, False))
        lines.append(
            f"- {rules.capitalize()} predicts {right} of {len(own)} rows right and {wrong} wrong; "
            f"{len(own) - right - wrong} are undecided."
        )
    lines += [f"- {_disagreement(each, found)}" for each in found if each.agrees is False]
    return "\n".join(lines) + "\n"


def _disagreement(each: Agreement, found: Sequence[Agreement]) -> str:
    """What the rules say, what the model does instead, and what that is called."""
    rate = f"{_mean(each.completion)} %, chance {_chance(each)} %"
    share = f"{100 * each.share:.0f} %"
    if not each.derivable:
        return (
            f"{label(each.variant)}: {each.rules} derives nothing for {share} of the harmful "
            f"prompts, and yet the model completes them ({rate}): it has another way, which "
            f"{each.rules} lacks."
        )
    curse = each.rules == "logic" and not any(
        other.derivable
        for other in found
        if (other.variant, other.rules) == (each.variant, "association")
    )
    reason = (
        "the reversal curse, for association, which cannot turn facts round, derives none of them"
        if curse
        else "and the reversal curse is no excuse, because association derives such answers too"
    )
    return (
        f"{label(each.variant)}: {each.rules} derives {share} of the harmful answers, the model "
        f"does not complete them ({rate}): {reason}."
    )


def _cell(rates: Rates) -> str:
    if not rates.values:
        return "–"
    return f"{plus_minus(_percent(rates))} ({span(rates.prompts)} × {len(rates.values)})"


def _chance(each: Agreement) -> str:
    """Mean over seeds, in percent; an asterisk where it is of other prompts too."""
    return f"{100 * sum(each.chance) / len(each.chance):.1f}{'' if each.exact else '*'}"


def _mean(rates: Rates) -> str:
    return plus_minus(_percent(rates))


def _percent(rates: Rates) -> Interval:
    return t_interval([100 * value for value in rates.values])
