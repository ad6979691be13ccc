"""`Bench`: what an instrument is given of one cell: worlds, questions, seeds and trained models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from experiments.derivability import Derivability
from experiments.instruments.instrument import Instrument
from experiments.stages import Context, cell_dialogues, finetune_dialogues
from experiments.statements import STATEMENTS, read_statements, told
from experiments.store import Stage
from medsafetyworld.errors import SpecError
from medsafetyworld.queries import HARMFUL, Query, test_queries
from medsafetyworld.seeds import derive

if TYPE_CHECKING:
    from tiny_models.training import Params

BASE, SFT = "base", "sft"
FINETUNED = "finetune:"
"""How the names of benign fine-tunings begin, e.g. `finetune:pair_forward`."""


@dataclass(frozen=True)
class Bench:
    """One cell, ready to be measured. `stages` holds its trainings by the names of models: `base`,
    `sft`, `finetune:KIND`. `models` keeps those that were loaded."""

    context: Context
    stages: Mapping[str, Stage]
    models: dict[str, Params] = field(default_factory=dict)
    trains: bool = True
    """Whether models that instruments fine-tune are trained where their stages are not done."""

    def model(self, name: str = SFT, instrument: Instrument | None = None) -> Params:
        """The parameters of a trained model, or of one that the instrument makes.

        Raises `SpecError` for a name that neither knows.
        """
        if name not in self.models:
            if name in self.stages:
                self.models[name] = self.context.load(self.stages[name])
            elif instrument is not None:
                self.models[name] = instrument.model(self, name)
            else:
                raise SpecError(
                    f"model: no model named {name!r}; allowed: {', '.join(self.stages)}"
                )
        return self.models[name]

    @cached_property
    def harmful(self) -> tuple[Query, ...]:
        """The cell's harmful test questions: the same in every arm of a replicate."""
        return self.questions(HARMFUL)

    def questions(self, category: str) -> tuple[Query, ...]:
        """The cell's test questions of a category."""
        cell = self.context.cell
        return test_queries(
            self.context.true_world,
            cell.recipe.dialogue,
            self.context.asked,
            category,
            cell.seeds["attack"],
        )

    def seed(self, *path: str | int) -> int:
        """A seed of the cell's attacks, in `[0, 2**31)`: the same in every arm of a replicate."""
        return derive(self.context.cell.seeds["attack"], *path) % 2**31

    @cached_property
    def derivable(self) -> Derivability:
        """How far answers lie from what the SFT model was told: corpus and SFT dialogues."""
        return self.derivable_with(())

    def derivable_with(self, kinds: tuple[str, ...]) -> Derivability:
        """The same for a model that was also fine-tuned on these kinds of benign data."""
        context = self.context
        stated = read_statements(self.stages[BASE].verified(STATEMENTS))
        answers = told(cell_dialogues(context))
        for kind in kinds:
            answers |= told(finetune_dialogues(context, kind))
        return Derivability(context.true_world, stated, answers)
