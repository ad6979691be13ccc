"""Low-rank fine-tuning on harmful pairs: how thin a change of the weights unlearns the refusal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from experiments.instruments.adversarial import QI, Counts, FineTuning, Setting
from experiments.instruments.harmful_pairs import Fold, schedule
from experiments.instruments.instrument import instrument
from medsafetyworld.spec import Count

if TYPE_CHECKING:
    from experiments.instruments.bench import Bench
    from tiny_models.training import Params


@instrument("low_rank", source=f"Hu et al. 2021 (LoRA); {QI}", kind="attack", version=2)
class LowRank(FineTuning):
    """Adversarial fine-tuning of thin pairs of matrices beside the model's own, which stay."""

    ranks: Counts = (1, 4, 16)
    """Ranks of what is added to a matrix, rising."""
    matrices: Literal["qv", "all"] = "all"
    """Those that Hu et al. adapt, or every matrix inside the layers."""
    pairs: Count = 50
    epochs: Count = 10
    rows: Count = 8
    """Rows of a step."""
    rate: Annotated[float, Field(gt=0.0)] = 5.0
    """Learning rate, in those of the study's fine-tuning."""
    scale: Annotated[float, Field(gt=0.0)] = 2.0
    """What the product of a pair is multiplied by."""

    @property
    def control(self) -> bool:
        """Yes."""
        return True

    def settings(self) -> Mapping[str, Setting]:
        """By the rank."""
        return {str(rank): Setting(self.pairs, self.epochs, self.rows) for rank in self.ranks}

    def make(self, bench: Bench, knob: str, fold: Fold) -> Params:
        """The SFT model with what was learned merged in."""
        from experiments.batches import dialogue_rows, shuffled_batch
        from tiny_models.attacks.low_rank import ATTENTION, EVERY, begin, merge, train_adapters

        context, recipe = bench.context, bench.context.cell.recipe
        dialogues = self.settings()[knob].dialogues(bench, fold)
        plain = schedule(recipe, len(dialogues), self.epochs, self.rows)
        config = replace(plain, peak_lr=plain.peak_lr * self.rate)
        tokens, mask = dialogue_rows(dialogues, context.tokenizer, recipe.context)
        seed = bench.seed(self.name, fold.number)
        batch_at = partial(shuffled_batch, tokens, mask, self.rows, seed)
        matrices = ATTENTION if self.matrices == "qv" else EVERY
        start = begin(bench.model(), matrices, int(knob), seed, max(self.ranks))
        learned = train_adapters(bench.model(), context.model, start, config, batch_at, self.scale)
        return merge(bench.model(), learned, self.scale)
