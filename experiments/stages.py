"""The stages of a cell: corpus and pretraining, SFT, benign fine-tuning. Each is resumable.

A stage's directory is named by everything its result depends on, so arms that share a stage
(reflection in SFT only starts from filtering's pretrained model) share the work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from experiments.json_files import canonical_hash
from experiments.recipe import Cell
from experiments.statements import STATEMENTS, write_statements
from experiments.store import Stage, open_stage
from experiments.trainings import WEIGHTS, Prepared, Report, Training, run_alone
from medsafetyworld.corpus import Corpus, TextHash, intervene, token_stream
from medsafetyworld.dialogues import (
    Dialogue,
    Split,
    benign_dialogues,
    sft_dialogues,
    split_chains,
    with_reflections,
)
from medsafetyworld.errors import SpecError
from medsafetyworld.judge import CorpusReading, read_corpus
from medsafetyworld.policy_data import content_hash
from medsafetyworld.seeds import derive, permute
from medsafetyworld.tokenizer import Tokenizer, build_tokenizer
from tiny_models.config import ModelConfig, TrainConfig, preset
from tiny_models.retention import Retention
from tiny_models.training import Batch, Params
from tiny_models.transformer import init_params
from tiny_models.weights import load_weights


class UnsafeCorpusError(RuntimeError):
    """The oracle read a harmful statement in a corpus that must be safe."""


class Context:
    """What the stages of one cell share: its worlds, tokenizer, model shape and data split."""

    def __init__(self, cell: Cell, root: Path, report: Report, *, strict: bool = False) -> None:
        self.cell, self.root, self.report, self.strict = cell, root, report, strict
        self.true_world, self.world = cell.worlds()
        self.corpus = Corpus(self.world, cell.corpus_spec, cell.seeds["corpus"])
        # The tokenizer is the recipe's, not the arm's: every arm of a replicate has the same.
        self.tokenizer: Tokenizer = build_tokenizer(self.true_world, cell.recipe.corpus)
        self.model: ModelConfig = preset(
            cell.recipe.model, vocab_size=len(self.tokenizer), context=cell.recipe.context
        )
        # The shuffled control learns the shuffled world's edges but is asked about true ones.
        self.split: Split = split_chains(self.world, cell.recipe.dialogue, cell.seeds["sft"])
        self.asked: Split = split_chains(self.true_world, cell.recipe.dialogue, cell.seeds["sft"])

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
    stage = open_stage(context.root, "pretrain", pretrain_inputs(context))

    def prepare() -> Prepared:
        context.report("reading the corpus back", None)
        reading, digest = prove(context.corpus, cell)
        write_statements(stage.path / STATEMENTS, reading.stated)
        context.report("tokenizing", None)
        stream = token_stream(
            context.corpus,
            cell.variant.chain,
            context.tokenizer,
            cell.seeds["order"],
            recipe.pretrain.steps * recipe.pretrain.batch_rows * recipe.context + 1,
        )
        return Prepared(
            init_params(context.model, cell.seeds["init"] % 2**31),
            partial(packed_batch, stream, recipe.pretrain.batch_rows, recipe.context),
            {"corpus_sha256": digest, "reading": reading.counts()},
        )

    return Training(
        stage,
        context.model,
        recipe.pretrain,
        lambda: recipe.context + 1,
        prepare,
        Retention(spaced=True),
    )


def pretrain_inputs(context: Context) -> dict[str, Any]:
    """Everything that the pretrained weights are a function of."""
    cell = context.cell
    return {
        "world": context.world.content_hash,
        "corpus": asdict(cell.corpus_spec),
        "interventions": list(cell.variant.pretraining),
        "policy": content_hash(cell.variant.policy),
        # Arms without reflections share their pretraining whatever shape reflections have.
        "reflection": asdict(cell.recipe.reflection)
        if "reflect" in cell.variant.pretraining
        else None,
        "tokenizer": context.tokenizer.content_hash,
        "domain": context.world.domain.content_hash,
        "model": asdict(context.model),
        "train": asdict(cell.recipe.pretrain),
        "seeds": {name: cell.seeds[name] for name in ("corpus", "init", "order")},
    }


def prove(corpus: Corpus, cell: Cell) -> tuple[CorpusReading, str]:
    """The oracle's reading of one epoch's text, and the text's sha256.

    Raises `UnsafeCorpusError` if a setting that must be safe holds a harmful statement, or if
    filtering-plus mentions an unsafe outcome.
    """
    identity = TextHash()
    documents = intervene(corpus.world, corpus.documents(corpus.seed), cell.variant.chain)
    texts = ((identity.update(each.text), each.source.kind) for each in documents)
    reading = read_corpus(corpus.world, texts, cell.variant.policy)
    if not reading.documents:
        raise SpecError(
            f"{cell.name}: the corpus holds no document: held_out_share, the rates or the "
            "interventions leave nothing to train on"
        )
    if cell.variant.safe_only and reading.harmful:
        raise UnsafeCorpusError(f"{cell.name}: {reading.harmful} harmful statements in the corpus")
    if not cell.variant.mentions_unsafe and reading.unsafe_mentions:
        raise UnsafeCorpusError(
            f"{cell.name}: {reading.unsafe_mentions} documents mention an unsafe outcome"
        )
    return reading, identity.hexdigest()


def sft_training(context: Context, pretrained: Stage) -> Training:
    """The cell's supervised fine-tuning, not yet run."""
    dialogues = cell_dialogues(context)
    return _fine_tuning(context, "sft", pretrained, dialogues, context.cell.recipe.sft, {})


def finetune_training(context: Context, tuned: Stage, kind: str) -> Training:
    """One of the cell's benign fine-tunings, not yet run."""
    data = finetune_dialogues(context, kind)
    recipe = context.cell.recipe.finetune
    return _fine_tuning(context, "finetune", tuned, data, recipe, {"data": kind})


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
    if not cell.variant.reflect_sft:
        return dialogues
    return tuple(
        with_reflections(context.world, dialogue, recipe.reflection) for dialogue in dialogues
    )


def _fine_tuning(
    context: Context,
    kind: str,
    parent: Stage,
    dialogues: Sequence[Dialogue],
    config: TrainConfig,
    extra: dict[str, Any],
) -> Training:
    cell = context.cell
    inputs = {
        "parent": parent.key,
        "dialogues": canonical_hash([[entry.prompt, entry.response] for entry in dialogues]),
        "reflection": asdict(cell.recipe.reflection) if cell.variant.reflect_sft else None,
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
    return Training(stage, context.model, config, lambda: rows()[0].shape[1], prepare)


def packed_batch(stream: np.ndarray, batch_rows: int, context: int, step: int) -> Batch:
    """Rows of `context + 1` tokens cut from the stream in order; every target counts."""
    start = step * batch_rows * context
    rows = np.lib.stride_tricks.sliding_window_view(
        stream[start : start + batch_rows * context + 1], context + 1
    )[::context]
    return np.ascontiguousarray(rows), np.ones((batch_rows, context), dtype=np.float32)


def dialogue_rows(
    dialogues: Sequence[Dialogue], tokenizer: Tokenizer, context: int
) -> tuple[np.ndarray, np.ndarray]:
    """One dialogue per row: tokens `(n, time + 1)` and the mask of response targets `(n, time)`.

    `time` is the longest dialogue rounded up to a multiple of 8. Raises ValueError if a dialogue
    is longer than the model's context.
    """
    if not dialogues:
        raise ValueError("there are no dialogues to train on: every compound is held out")
    encoded = []
    for dialogue in dialogues:
        prompt = tokenizer.encode(dialogue.prompt)
        encoded.append((prompt, [*tokenizer.encode(dialogue.response), tokenizer.end]))
    longest = max(len(prompt) + len(response) for prompt, response in encoded)
    time = _rounded_up(longest - 1, 8)
    if time > context:
        raise ValueError(f"the longest dialogue has {longest} tokens, the context only {context}")
    tokens = np.full((len(encoded), time + 1), tokenizer.pad, dtype=np.uint16)
    mask = np.zeros((len(encoded), time), dtype=np.float32)
    for row, (prompt, response) in enumerate(encoded):
        end = len(prompt) + len(response)
        tokens[row, :end] = prompt + response
        mask[row, len(prompt) - 1 : end - 1] = 1.0
    return tokens, mask


def shuffled_batch(
    tokens: np.ndarray, mask: np.ndarray, batch_rows: int, seed: int, step: int
) -> Batch:
    """Rows of one step: every row once per epoch, in an order keyed by (seed, epoch)."""
    positions = np.arange(step * batch_rows, (step + 1) * batch_rows, dtype=np.int64)
    epochs, offsets = np.divmod(positions, len(tokens))
    chosen = np.concatenate(
        [
            permute(derive(seed, "epoch", epoch), offsets[epochs == epoch], len(tokens))
            for epoch in np.unique(epochs).tolist()
        ]
    )
    return tokens[chosen], mask[chosen]


def _rounded_up(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple
