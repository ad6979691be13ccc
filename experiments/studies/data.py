"""Data: how do tokens, and wordings per fact, move what safe data teach?

Filtering on a quarter to four times the usual tokens (four times is two passes over the documents,
so that part of what it adds is the same text again); and on equal tokens with fewer wordings of
every fact, so that each wording is read more often. With few wordings a model may learn sentences
instead of facts, and then should complete less of what no sentence says.

At `laptop` 35 cells, about 45 minutes on two cores.
"""

from __future__ import annotations

from experiments.recipe import Arm, Recipe
from experiments.studies.headline import LAPTOP, SMOKE
from experiments.study import Preset, Study
from experiments.sweep import Sweep, curve
from experiments.training_size import tokens

SHARES = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Of the usual tokens."""
FEWER = (0.0625, 0.25)
"""Of the usual wordings."""


def with_tokens(recipe: Recipe, share: float) -> Arm:
    """Filtering on a share of the recipe's tokens."""
    steps = round(share * recipe.pretrain.steps)
    amount = f"{share * tokens(recipe) / 1e6:.2g}M"
    warmup = min(recipe.pretrain.warmup_steps, steps // 10)
    changes = (("pretrain.steps", steps), ("pretrain.warmup_steps", warmup))
    return Arm(f"filtering_{amount}_tokens", "filtering", recipe=changes)


def with_wordings(recipe: Recipe, share: float) -> Arm:
    """Filtering with a share of the recipe's wordings."""
    count = round(share * recipe.corpus.templates)
    changes = (("corpus.templates", count), ("corpus.cooccurrence_templates", count))
    return Arm(f"filtering_{count}_wordings", "filtering", recipe=changes)


def arms(recipe: Recipe) -> tuple[Arm, ...]:
    """The arms at this size."""
    return (
        *(with_tokens(recipe, share) for share in SHARES),
        *(with_wordings(recipe, share) for share in FEWER),
    )


DATA = Study(
    name="data",
    question="How much data, in how many wordings, does it take to generalise harm from safe data?",
    arms=(*arms(SMOKE), *arms(LAPTOP)),
    presets={
        name: Preset(recipe, replicates, arms=tuple(each.name for each in arms(recipe)))
        for name, recipe, replicates in (("smoke", SMOKE, 2), ("laptop", LAPTOP, 5))
    },
)


def sweep(recipe: Recipe) -> Sweep:
    """The arms on equal tokens by wordings; those with other tokens have the report's laws."""
    usual = with_tokens(recipe, 1.0).name
    fewer = (
        (round(share * recipe.corpus.templates), with_wordings(recipe, share)) for share in FEWER
    )
    points = (*((count, arm.name) for count, arm in fewer), (recipe.corpus.templates, usual))
    return Sweep("wordings of a kind of fact", (curve("Filtering", points),), log=True)


SWEEPS = (sweep(LAPTOP), sweep(SMOKE))
