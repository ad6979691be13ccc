"""The stages of a cell: corpus and pretraining, SFT, benign fine-tuning. Each is resumable.

A stage's directory is named by everything its result depends on, so arms that share a stage
(reflection in SFT only starts from filtering's pretrained model) share the work.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from experiments.batches import dialogue_rows, packed_batch, shuffled_batch
from experiments.classifier import classifiers_of, with_classifiers
from experiments.json_files import canonical_hash
from experiments.proof import prove
from experiments.recipe import Cell
from experiments.report_cards import CARD, write_card
from experiments.statements import STATEMENTS, write_statements
from experiments.step_sources import step_sources
from experiments.store import Stage, open_stage
from experiments.token_losses import loss_codes, token_losses
from experiments.trainings import WEIGHTS, Prepared, Report, Training, run_alone
from medsafetyworld.amounts import document_stream, documents_within
from medsafetyworld.corpus import Corpus
from medsafetyworld.dialogues import (
    Dialogue,
    Split,
    benign_dialogues,
    sft_dialogues,
    split_chains,
)
from medsafetyworld.errors import SpecError
from medsafetyworld.graph import World
from medsafetyworld.interventions.algebra import Step
from medsafetyworld.interventions.notation import written
from medsafetyworld.interventions.reflection import Reflect
from medsafetyworld.interventions.variants import Variant
from medsafetyworld.policy_data import content_hash
from medsafetyworld.report_card import Tally
from medsafetyworld.seeds import derive
from medsafetyworld.tokenizer import Tokenizer, build_tokenizer
from medsafetyworld.training_stream import TokenStream, token_stream
from tiny_models.config import ModelConfig, TrainConfig, preset
from tiny_models.retention import Retention
from tiny_models.training import Params
from tiny_models.transformer import init_params
from tiny_models.weights import load_weights


class Context:
    """What the stages of one cell share: its worlds, tokenizer, model shape and data split."""

    def __init__(self, cell: Cell, root: Path, report: Report, *, strict: bool = False) -> None:
        self.cell, self.root, self.report, self.strict = cell, root, report, strict
        self.true_world, self.world = cell.worlds()
        self.corpus = Corpus(self.world, cell.corpus_spec, cell.seeds["corpus"])
        # The tokenizer is the recipe's, not the variant's: all variants on it have the same.
        self.tokenizer: Tokenizer = build_tokenizer(
            self.true_world, cell.recipe.corpus, cell.recipe.wordings(self.true_world)
        )
        self.model: ModelConfig = preset(
            cell.recipe.model, vocab_size=len(self.tokenizer), context=cell.recipe.context
        )
        # The shuffled control learns the shuffled world's edges but is asked about true ones.
        self.split: Split = split_chains(self.world, cell.recipe.dialogue, cell.seeds["sft"])
        self.asked: Split = split_chains(self.true_world, cell.recipe.dialogue, cell.seeds["sft"])

    @cached_property
    def variant(self) -> Variant:
        """The cell's; where its verdicts are learned, their classifiers are trained first."""
        return with_classifiers(self, self.cell.variant)

    @cached_property
    def originals(self) -> int:
        """Documents that the token budget holds if nothing is done to them; equal in all arms."""
        recipe, seeds = self.cell.recipe, self.cell.seeds
        untouched = Corpus(self.world, recipe.corpus, seeds["corpus"])
        return documents_within(untouched, self.tokenizer, seeds["order"], recipe.budget)

    @cached_property
    def of_originals(self) -> TokenStream:
        """What becomes of that many documents. Raises `SpecError` if it fills no batch."""
        cell, recipe = self.cell, self.cell.recipe
        chain_at, order = self.variant.chain_at, cell.seeds["order"]
        stream = document_stream(self.corpus, chain_at, self.tokenizer, order, self.originals)
        if len(stream.tokens) <= recipe.pretrain.batch_rows * recipe.context:
            raise SpecError(
                f"{cell.name}: what the interventions leave of {self.originals:,} documents fills "
                "no batch; match arms by tokens, or train on more"
            )
        return stream

    @cached_property
    def pretrain_config(self) -> TrainConfig:
        """The recipe's; with documents matched it has as many steps as the documents fill."""
        config = self.cell.recipe.pretrain
        if self.cell.recipe.matched == "tokens":
            return config
        batch = config.batch_rows * self.cell.recipe.context
        steps = (len(self.of_originals.tokens) - 1) // batch
        return replace(config, steps=steps, warmup_steps=min(config.warmup_steps, steps))

    def stream(self) -> TokenStream:
        """The tokens that pretraining reads."""
        if self.cell.recipe.matched == "documents":
            return self.of_originals
        chain_at, order = self.variant.chain_at, self.cell.seeds["order"]
        return token_stream(self.corpus, chain_at, self.tokenizer, order, self.cell.recipe.budget)

    def load(self, stage: Stage) -> Params:
        """The final weights of a finished stage, compared with its manifest."""
        return load_weights(stage.verified(WEIGHTS), self.model)


def pretrain(context: Context) -> Stage:
    """Corpus to pretrained weights, with the oracle's reading of the corpus beside them."""
    return run_alone(pretraining(context), context.report, strict=context.strict)


def sft(context: Context, pretrained: Stage) -> Stage:
    """Supervised fine-tuning of the pretrained model on the cell's dialogues."""
    return run_alone(sft_training(context, pretrained), context.report, strict=context.strict)


def finetune(context: Context, tuned: Stage, kind: str) -> Stage:
    """Benign fine-tuning of the SFT model; `kind` is one of `recipe.finetunes`."""
    training = finetune_training(context, tuned, kind)
    return run_alone(training, context.report, strict=context.strict)


def pretraining(context: Context) -> Training:
    """The cell's pretraining, not yet run. Weights at steps 0, 1, 2, 4, 8, ... are kept."""
    cell, recipe = context.cell, context.cell.recipe
    by_token = token_losses(cell.variant, context.model)
    stage = open_stage(context.root, "pretrain", pretrain_inputs(context))

    def prepare() -> Prepared:
        context.report("reading the corpus back", None)
        tally = Tally(context.world, context.tokenizer, cell.variant.policy)
        reading, digest = prove(context.corpus, cell, tally, context.variant)
        write_card(stage.path / CARD, tally.card())
        write_statements(stage.path / STATEMENTS, reading.stated)
        context.report("tokenizing", None)
        stream = context.stream()
        return Prepared(
            init_params(context.model, cell.seeds["init"] % 2**31),
            partial(
                packed_batch,
                stream.tokens,
                recipe.pretrain.batch_rows,
                recipe.context,
                codes=loss_codes(cell.variant, stream),
            ),
            {"corpus_sha256": digest, "reading": reading.counts()},
        )

    return Training(
        stage,
        context.model,
        context.pretrain_config,
        lambda: recipe.context + 1,
        prepare,
        Retention(spaced=True),
        by_token,
        cell.seeds,
    )


def pretrain_inputs(context: Context) -> dict[str, Any]:
    """Everything that the pretrained weights are a function of."""
    cell = context.cell
    return {
        "world": context.world.content_hash,
        "corpus": asdict(cell.corpus_spec),
        # Arms that differ in later stages alone share their pretraining.
        "interventions": [written(step) for step in cell.variant.pretraining],
        "policy": content_hash(cell.variant.policy),
        "reflection": asdict(cell.recipe.reflection)
        if any(isinstance(step, Reflect) for step in cell.variant.pretraining)
        else None,
        "tokenizer": context.tokenizer.content_hash,
        "domain": context.world.domain.content_hash,
        "model": asdict(context.model),
        "train": asdict(context.pretrain_config),
        **_matched(context),
        **classifiers_of(context, cell.variant),
        **step_sources(cell.variant.pretraining),
        "seeds": {name: cell.seeds[name] for name in ("corpus", "init", "order")},
    }


def _matched(context: Context) -> dict[str, Any]:
    """How many documents make the stream, where that is what is matched."""
    return {} if context.cell.recipe.matched == "tokens" else {"originals": context.originals}


def sft_training(context: Context, pretrained: Stage) -> Training:
    """The cell's supervised fine-tuning, not yet run."""
    dialogues = cell_dialogues(context)
    return fine_tuning(context, "sft", pretrained, dialogues, context.cell.recipe.sft, {})


def finetune_training(context: Context, tuned: Stage, kind: str) -> Training:
    """One of the cell's benign fine-tunings, not yet run."""
    data = finetune_dialogues(context, kind)
    recipe = context.cell.recipe.finetune
    return fine_tuning(context, "finetune", tuned, data, recipe, {"data": kind})


def finetune_dialogues(context: Context, kind: str) -> tuple[Dialogue, ...]:
    """The dialogues of one of the cell's benign fine-tunings."""
    cell, recipe = context.cell, context.cell.recipe
    name, _, mixed = kind.partition("+")
    data = benign_dialogues(
        context.world,
        recipe.dialogue,
        recipe.corpus,
        context.split,
        name,
        cell.seeds["sft"],
        cell.variant.policy,
    )
    data = changed(context.world, data, context.cell.variant.bound.finetune)
    if mixed:
        rng = np.random.default_rng(derive(cell.seeds["sft"], "mix"))
        pool = cell_dialogues(context)
        share = max(1, round(recipe.dialogue.mixed_share * len(data)))
        data = (*data, *(pool[index] for index in rng.permutation(len(pool))[:share].tolist()))
    return data


def cell_dialogues(context: Context) -> tuple[Dialogue, ...]:
    """The cell's SFT dialogues, with reflections where its variant has them."""
    cell, recipe = context.cell, context.cell.recipe
    dialogues = sft_dialogues(
        context.world,
        recipe.dialogue,
        recipe.corpus,
        context.split,
        cell.seeds["sft"],
        cell.variant.policy,
    )
    return changed(context.world, dialogues, context.cell.variant.bound.sft)


def changed(
    world: World, dialogues: Iterable[Dialogue], steps: Sequence[Step]
) -> tuple[Dialogue, ...]:
    """What becomes of dialogues under steps applied left to right."""
    left = tuple(dialogues)
    for step in steps:
        left = tuple(result for each in left for result in step.dialogue(world, each))
    return left


def fine_tuning(
    context: Context,
    kind: str,
    parent: Stage,
    dialogues: Sequence[Dialogue],
    config: TrainConfig,
    extra: dict[str, Any],
    *,
    lean: bool = False,
) -> Training:
    """A training on dialogues from another stage's weights, not yet run.

    `extra` tells its stage from others of this kind, and seeds the order of rows.
    """
    cell = context.cell
    inputs = {
        "parent": parent.key,
        "dialogues": canonical_hash([[entry.prompt, entry.response] for entry in dialogues]),
        "reflection": asdict(cell.recipe.reflection) if cell.variant.reflects else None,
        "train": asdict(config),
        "seed": cell.seeds["sft"],
        **extra,
    }

    def rows() -> tuple[np.ndarray, np.ndarray]:
        return dialogue_rows(dialogues, context.tokenizer, cell.recipe.context)

    def prepare() -> Prepared:
        tokens, mask = rows()
        order = derive(cell.seeds["sft"], kind, *extra.values())
        return Prepared(
            context.load(parent),
            partial(shuffled_batch, tokens, mask, config.batch_rows, order),
            {"dialogues": len(dialogues)},
        )

    stage = open_stage(context.root, kind, inputs)
    return Training(
        stage,
        context.model,
        config,
        lambda: rows()[0].shape[1],
        prepare,
        seeds=cell.seeds,
        lean=lean,
    )
