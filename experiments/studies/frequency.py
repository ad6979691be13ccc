"""Frequency: is what the corpus rarely tells known, answered and leaked less?

In our worlds every fact is told as often as any other, and a world's `skew` does not change that:
under a power law few outcomes have many causes, but each of these has its documents, and the more
causes an outcome has, the more chance gets right. So all arms begin with `thin`: for each safety
the documents about one outcome are all kept, of the last one 0.5 %, in equal steps of log frequency
between them: at `laptop` 700 statements of an edge down to three. Thirds are made of that
(`knowledge`, `answers`), before any method, so that they hold the same facts in every arm.

Pretraining has the headline's steps: the thinned corpus, about a fifth as long, is read several
times. An outcome that is named often is also a likelier guess: the shuffled graph, in which every
outcome is told of as often as in the true one, shows what that alone gives. The arms have names of
their own, because no claim and no figure of a paper is about thinned corpora.

At `laptop` 20 cells, about 20 minutes on two cores.
"""

from __future__ import annotations

from dataclasses import replace

from experiments.recipe import Arm, Recipe
from experiments.studies.headline import LAPTOP, SMOKE
from experiments.study import Preset, Study

INSTRUMENTS = ("knowledge(questions=96)", "answers")

THIN = "thin(least=0.005)"
"""What makes facts rare, the same in every arm."""

ARMS = (
    Arm("thinned", THIN),
    Arm("thinned_filtering", f"{THIN} | filter"),
    Arm("thinned_srp", f"{THIN} | filter | reflect; sft: reflect"),
    Arm("shuffled", f"{THIN} | filter", shuffled=True),
)


def by_frequency(recipe: Recipe) -> Recipe:
    """The recipe with what is measured by frequency."""
    return replace(recipe, instruments=INSTRUMENTS)


FREQUENCY = Study(
    name="frequency",
    question="Is what the corpus rarely tells known, answered and leaked less?",
    arms=ARMS,
    presets={
        "smoke": Preset(by_frequency(SMOKE), replicates=2),
        "laptop": Preset(by_frequency(LAPTOP), replicates=5),
    },
)
