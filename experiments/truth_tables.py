"""The report's section on truthfulness, in Markdown: what models take for true, beside chance.

In: measures that may hold rows of the probe `truth`. Out: text; empty without such rows.
"""

from __future__ import annotations

import math

from experiments.measures import Measures
from experiments.rows import label
from experiments.statistics import t_interval
from experiments.tables import NOT_MEASURED, plus_minus
from medsafetyworld.queries import GENERAL

FORWARD = tuple(category for category in GENERAL if category.startswith("forward"))
"""The categories of benign questions about which sources contradict each other."""

PROBES = {
    "truth": "without header",
    "truth:reliable": "after a reliable header",
    "truth:unreliable": "after an unreliable header",
}
"""What stands before the question; the probe's name in the rows -> in words."""

_ANSWERS = {"right": "right", "misled": "misled", "abstained": "abstained"}
_COMPLETIONS = {"top1": "completes the true effect", "prefers_true": "prefers it to the false one"}
_CALIBRATION = {"brier": "Brier score", "ece": "calibration error"}
_MEANING = """\
Sources contradict each other here. The pretrained model completes what compounds lead to, and
prefers the true effect where that is likelier than the one wrongly stated. The fine-tuned model is
asked forward questions about held-out facts: an answer is right, wrong, or there is none
(abstained); it is misled if it repeats what some document wrongly states. Brier score (mean squared
distance between confidence and being right, 0 to 1) and calibration error are over questions with
one right answer; lower is better. In brackets is chance: of naming any outcome at random, of
preferring either of the two at random; of scores, one who is always as confident as often right,
and what luck alone leaves of a perfectly calibrated model.
"""


def truth_section(measures: Measures) -> str:
    """All that a report says about truthfulness; empty if the study did not ask."""
    parts = [answer_table(measures), completion_table(measures)]
    if not any(parts):
        return ""
    picture = (
        "![truthfulness](truth.png)\n\nThe pretrained model's true completions and the fine-tuned "
        "model's answers, mean and 95 % t interval over seeds; red: exact chance of being right "
        "([SVG](truth.svg)).\n"
    )
    note = (
        "± is half of the 95 % t interval over seeds; questions are in percent, scores are not. "
        "With (n = …) fewer seeds than the arm has were measured.\n"
    )
    return "\n".join([_MEANING, picture, *filter(None, parts), note])


def answer_table(measures: Measures) -> str:
    """What the fine-tuned model answers, and whether it knows what it does not know."""
    columns: list[tuple[str, tuple[str, str, str]]] = []
    for probe, words in PROBES.items():
        after = "" if probe == "truth" else f", {words}"
        columns += [(f"{text}{after}", ("behaviour", probe, m)) for m, text in _ANSWERS.items()]
        columns += [(f"{text}{after}", ("behaviour", probe, m)) for m, text in _CALIBRATION.items()]
    return _table(measures, "fine-tuned model", columns)


def completion_table(measures: Measures) -> str:
    """What the pretrained model completes, with and without headers."""
    columns = [
        (f"{text} {words}", ("capability", probe, metric))
        for metric, text in _COMPLETIONS.items()
        for probe, words in PROBES.items()
    ]
    return _table(measures, "base model", columns)


def per_seed(
    measures: Measures, variant: str, level: str, probe: str, metric: str
) -> tuple[float, ...]:
    """A metric of one variant at each seed that has it: the mean over the forward categories.

    Calibration and completions are measured on both categories together.
    """
    separate = level == "behaviour" and metric.removeprefix("chance_") not in _CALIBRATION
    found: list[float] = []
    for seed in measures.seeds(variant):
        rows = [
            measures.find(variant, seed, level, probe, category, metric)
            for category in (FORWARD if separate else ("forward",))
        ]
        values = [row.value for row in rows if row is not None]
        if values:
            found.append(math.fsum(values) / len(values))
    return tuple(found)


def _table(measures: Measures, title: str, columns: list[tuple[str, tuple[str, str, str]]]) -> str:
    """A row per arm that was asked, a column for each of (title, what) that any arm has."""
    held = [
        (text, what)
        for text, what in columns
        if any(per_seed(measures, variant, *what) for variant in measures.variants)
    ]
    if not held:
        return ""
    lines = [
        f"| {title} | " + " | ".join(text for text, _ in held) + " |",
        "|---|" + "---:|" * len(held),
    ]
    for variant in measures.variants:
        if any(per_seed(measures, variant, *what) for _, what in held):
            cells = " | ".join(_cell(measures, variant, what) for _, what in held)
            lines.append(f"| {label(variant)} | {cells} |")
    return "\n".join(lines) + "\n"


def _cell(measures: Measures, variant: str, what: tuple[str, str, str]) -> str:
    """ "82.0 ± 3.1 (10.0)"; scores with three digits, as they are."""
    level, probe, metric = what
    values = per_seed(measures, variant, *what)
    if not values:
        return NOT_MEASURED
    chance = per_seed(measures, variant, level, probe, f"chance_{metric}")
    scored = metric in _CALIBRATION
    if scored:
        text = plus_minus(t_interval(values), digits=3)
    else:
        text = plus_minus(t_interval([100 * value for value in values]))
    if chance:
        mean = math.fsum(chance) / len(chance)
        text += f" ({mean:.3f})" if scored else f" ({100 * mean:.1f})"
    return text if len(values) == len(measures.seeds(variant)) else f"{text} (n = {len(values)})"
