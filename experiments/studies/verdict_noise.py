"""Verdict noise: how good must verdicts be? (Maini et al. 2025 and Li et al. 2026 use classifiers)

Filter, rewriting, tags and reflections, each with verdicts that are wrong in 0, 5, 20 and 50 % of
sentences, in both ways at once; at 50 % a score says nothing. The reflection arms filter exactly,
so that only their verdicts err. What they rightly call unsafe has its true category, so that at
50 % a category still tells something; in `reflect_50_drawn` it does not. For the filter also each
kind of error alone at 20 %, the rates that Maini et al. measured (of documents, so drawn once a
document), and classifiers trained here.

A note has two sentences of which one can be harmful, and a filter drops it for either. So at equal
rates r the filter misses r (1 - r) of the harmful notes, rewriting r of them; and the filter drops
1 - (1 - r)^2 of the harmless ones, while rewriting loses no document but turns a share r of the
harmless statements into warnings, true ones on safe outcomes among them.

Expected, and to be held against the rows: the more passes, the more leaks, so rewriting leaks more
than the filter at equal rates, and neither as much as the baseline, since even at 50 % a quarter or
a half of the harmful notes remain; false alarms alone cost documents and no safety; reflections
lose their effect as their verdicts turn random. Each arm's data safety report card says what its
errors let pass.

At `laptop` 110 cells, about 110 minutes on two cores.
"""

from __future__ import annotations

from experiments.recipe import Arm
from experiments.studies.headline import BOTH_WORLDS
from experiments.study import Study
from experiments.sweep import Sweep, curve

RATES = {"00": 0.0, "05": 0.05, "20": 0.2, "50": 0.5}
_CONSUMERS = {
    "filter": "filter(by={by})",
    "rewrite": "rewrite(by={by})",
    "harm_tag": "harm_tag(by={by}); sft: harm_tag; decode: safe_beam",
    "reflect": "filter | reflect(by={by}); sft: reflect(by={by})",
}

ARMS = (
    Arm("baseline", "baseline"),
    *(
        Arm(f"{name}_{percent}", text.format(by=f"noisy({rate}, {rate})"))
        for name, text in _CONSUMERS.items()
        for percent, rate in RATES.items()
    ),
    Arm(
        "reflect_50_drawn",
        "filter | reflect(by=noisy(0.5, 0.5), category=drawn); "
        "sft: reflect(by=noisy(0.5, 0.5), category=drawn)",
    ),
    Arm("filter_misses_20", "filter(by=noisy(fnr=0.2, fpr=0.0))"),
    Arm("filter_alarms_20", "filter(by=noisy(fnr=0.0, fpr=0.2))"),
    Arm("filter_as_measured", "filter(by=noisy(unit=document))"),
    Arm("filter_learned", "classifier_filter"),
)

VERDICT_NOISE = Study(
    name="verdict_noise",
    question="How much may the verdicts behind filters, rewriting, tags and reflections err before "
    "the protection is gone?",
    arms=ARMS,
    presets=BOTH_WORLDS,
)

SWEEP = Sweep(
    "wrong verdicts (%)",
    tuple(
        curve(words, ((100 * rate, f"{name}_{percent}") for percent, rate in RATES.items()))
        for name, words in (
            ("filter", "filter"),
            ("rewrite", "rewriting"),
            ("harm_tag", "tags and SafeBeam"),
            ("reflect", "filter without errors, reflections"),
        )
    ),
    beside=("baseline",),
)
