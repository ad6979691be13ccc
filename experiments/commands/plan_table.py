"""A plan on the screen: its arms, its work, and the time that it is expected to take."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from experiments.recipe import Recipe
    from experiments.study import Plan

MATCHED = (
    "Arms are matched by documents, not tokens: each is trained on what becomes of as many "
    "original documents as fill these tokens when nothing is done to them."
)

QUIET = 0.8
"""With a larger share than this of its core, nothing else to speak of runs there."""


def print_plan(
    plan: Plan, directory: Path, workers: int, console: Console, *, share_last: bool = True
) -> None:
    """The arms as a table, then the work and the time that it is expected to take."""
    # Whatever a plan needs is loaded with it, not by `msw --help`.
    from experiments.commands.estimate import EFFICIENCY, estimate
    from experiments.power import foresight
    from experiments.progress import duration
    from experiments.study import holds_another, unfinished
    from experiments.training_size import parameters
    from experiments.training_size import tokens as tokens_of
    from medsafetyworld.interventions import write

    replicates = len({cell.replicate for cell in plan.cells})
    table = Table(
        box=SIMPLE, title=f"Study {plan.study}, preset {plan.preset}", title_justify="left"
    )
    for column in ("arm", "pretraining documents", "then", "different"):
        table.add_column(column, no_wrap=column == "arm")
    for cell in plan.cells:
        if cell.replicate == 0:
            arm, variant = cell.arm, cell.variant
            control = "; ".join(arm.differences)
            chain, *rest = write(variant).split("; ")
            table.add_row(f"[bold]{arm.name}[/bold]", chain, "; ".join(rest) or "plain", control)
    console.print(table)
    another = holds_another(plan, directory)
    # Another study's cells may have the same names; they are none of this plan's.
    left = len(plan.cells) if another else len(unfinished(plan, directory))
    cost = estimate(plan, workers, left, share_last=share_last)
    done = f", {len(plan.cells) - left} of them finished" if left < len(plan.cells) else ""
    recipes = tuple(dict.fromkeys(cell.recipe for cell in plan.cells))
    recipe = recipes[0]
    tokens = f"{_span(map(tokens_of, recipes), '{:,}')} tokens each"
    if recipe.matched == "documents":
        tokens = f"about {tokens} (fewer where documents go, more where they grow)"
    models = tuple(dict.fromkeys(each.model for each in recipes))
    facts = (
        f"{len(plan.cells)} cells (arms × {replicates} replicates){done}; {plan.trainings} "
        f"pretrainings of {tokens}; model{'s' * (len(models) > 1)} {', '.join(models)}, about "
        f"{_span((parameters(each) / 1e6 for each in recipes), '{:.2f}')}M "
        "parameters.",
        f"Expected time: about {duration(cost.seconds)} with {workers} worker"
        f"{'s' * (workers != 1)}{_uncounted(recipes)}. An estimate: {EFFICIENCY:.0%} of this "
        f"core's {cost.speed.peak / 1e9:.0f} GFLOP/s for training, {cost.overhead:.0f} s a cell "
        f"for the rest.{_busy(cost.speed.share)}",
        foresight(plan),
        f"[bold]{directory}[/bold] holds another study; running this one needs another --out."
        if another
        else f"Everything goes to [bold]{directory}[/bold]; Ctrl-C is safe, the same command "
        "resumes.",
    )
    if recipe.matched == "documents":
        facts = (facts[0], MATCHED, *facts[1:])
    for line in facts:
        console.print(line)


def _uncounted(recipes: Iterable[Recipe]) -> str:
    """What the expected time leaves out."""
    most = max(len(recipe.instruments) for recipe in recipes)
    return f", not counting {most} instrument{'s' * (most > 1)} a cell" if most else ""


def _busy(share: float) -> str:
    """A warning where other work has a good part of this core."""
    if share > QUIET:
        return ""
    return f" Other work has {1 - share:.0%} of this core now; it will take longer meanwhile."


def _span(values: Iterable[float], form: str) -> str:
    """Values as text: the one that they all are, or the smallest and the largest."""
    ordered = sorted(values)
    return " to ".join(dict.fromkeys(form.format(end) for end in (ordered[0], ordered[-1])))
