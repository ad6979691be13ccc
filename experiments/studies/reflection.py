"""Reflection: which of its parts does SRP need? (Li et al. 2026, C5-C7 and SRP-Hint)

Intervals of 1, 2 and 4 sentences; verdicts on half of the segments; a hint of what comes next; two
controls, verdicts before their segment instead of after it, and verdicts that are drawn with their
categories; severities in place of body systems; and reflections in pretraining only, in SFT only,
and in both.

Notes have two sentences, of which the second states nothing, so intervals would all be alike. Half
as many statements again as notes have are told in digests, four to a document, and rows are twice
as long, so that an interval of four fits in one; batches hold as many tokens as elsewhere.

An Unsafe verdict ends its document, so density is confounded with dose: the denser the verdicts,
the sooner one ends the document, and the less of it is read. In the arms `_on` documents go on
after an Unsafe verdict, so that they lose no text: only these compare density alone. Of the words
that the filter leaves, intervals of 1, 2 and 4 keep 81, 91 and 95 % in the world of `laptop`; drawn
verdicts would keep 71 %. Those go on too, and their comparator is `every_1_on`.

Expected, and to be held against the rows: denser reflections are more robust (C7); in SFT only they
protect less than in both (C5), in pretraining only hardly at all (C6); hints help a little; drawn
verdicts protect no better than filtering. Whether the place matters, the paper does not say.

At `laptop` 70 cells, about 60 minutes on two cores.
"""

from __future__ import annotations

from dataclasses import replace

from experiments.recipe import Arm, Recipe
from experiments.studies.headline import LAPTOP, LAPTOP_TWO_HOP, SMOKE, two_hop
from experiments.study import Preset, Study
from experiments.sweep import Sweep, curve


def _both(parameters: str) -> str:
    """Filtering and reflections of one shape in pretraining and SFT; no segment ends by length."""
    shape = f"reflect({parameters}, words=200)"
    return f"filter | {shape}; sft: {shape}"


_EACH = "reflect(every=1, words=200)"

ARMS = (
    Arm("filtering", "filter"),
    Arm("every_1", _both("every=1")),
    Arm("every_2", _both("every=2")),
    Arm("every_4", _both("every=4")),
    Arm("every_1_on", _both("every=1, stop=False")),
    Arm("every_2_on", _both("every=2, stop=False")),
    Arm("every_4_on", _both("every=4, stop=False")),
    Arm("half_of_them", _both("every=1, share=0.5")),
    Arm("hint", _both("every=1, hint=True")),
    Arm("before", _both("every=1, before=True")),
    Arm("random", _both("every=1, by=noisy(0.5, 0.5), category=drawn, stop=False")),
    Arm("severity", _both("every=1, category=severity")),
    Arm("srp_sft_only", f"filter; sft: {_EACH}"),
    Arm("srp_pretraining_only", f"filter | {_EACH}"),
)


def with_digests(recipe: Recipe) -> Recipe:
    """The recipe with documents of several statements, and rows that hold one."""
    return replace(
        recipe,
        corpus=replace(recipe.corpus, digest_rate=0.5, sentences=4),
        context=2 * recipe.context,
        pretrain=replace(
            recipe.pretrain,
            batch_rows=recipe.pretrain.batch_rows // 2,
            micro_rows=recipe.pretrain.micro_rows // 2,
        ),
    )


REFLECTION = Study(
    name="reflection",
    question="How often, where, in which words and in which stages must a model reflect?",
    arms=ARMS,
    presets={
        "smoke": Preset(with_digests(SMOKE), replicates=2),
        "laptop": Preset(with_digests(LAPTOP), replicates=5),
        "smoke-two-hop": Preset(with_digests(two_hop(SMOKE, "smoke")), replicates=2),
        "laptop-two-hop": Preset(with_digests(LAPTOP_TWO_HOP), replicates=5),
    },
)

SWEEP = Sweep(
    "sentences between reflections",
    (
        curve("a document ends at Unsafe", ((each, f"every_{each}") for each in (1, 2, 4))),
        curve("documents go on", ((each, f"every_{each}_on") for each in (1, 2, 4))),
    ),
    beside=("filtering", "srp_sft_only", "srp_pretraining_only", "random"),
)
