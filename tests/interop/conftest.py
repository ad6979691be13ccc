"""One briefly trained model of the smoke world, exported once, for all tests of other tools."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

# Before anything imports the hub's client, which reads it once.
os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import pytest

from experiments.hugging_face import mark_tokens, tokenizer_files
from experiments.stages import packed_batch
from medsafetyworld.building import build_world
from medsafetyworld.corpus import Corpus
from medsafetyworld.dialogues import sft_dialogues, split_chains
from medsafetyworld.graph import World
from medsafetyworld.interventions import VARIANTS
from medsafetyworld.presets import CORPUS_PRESETS, WORLD_PRESETS
from medsafetyworld.spec import DialogueSpec
from medsafetyworld.tokenizer import Tokenizer, build_tokenizer
from medsafetyworld.training_stream import token_stream
from tiny_models import ModelConfig, Params, TrainConfig, init_params, preset, train
from tiny_models.export import export_hugging_face

CONTEXT, ROWS = 64, 16


@dataclass(frozen=True)
class Exported:
    """Our model and world, and the directory that other tools read."""

    directory: Path
    world: World
    corpus: Corpus
    tokenizer: Tokenizer
    model: ModelConfig
    params: Params

    def encode(self, text: str) -> np.ndarray:
        """Our token ids of a text."""
        return np.array(self.tokenizer.encode(text))

    def questions(self) -> list[str]:
        """Chat prompts of the fine-tuning data, each once."""
        spec = DialogueSpec()
        split = split_chains(self.world, spec, 0)
        dialogues = sft_dialogues(self.world, spec, self.corpus.spec, split, 0)
        return list(dict.fromkeys(dialogue.prompt for dialogue in dialogues))


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Sixty steps on SRP's corpus: the likeliest token is then clear, unlike in a fresh model."""
    world = build_world(WORLD_PRESETS["smoke"])
    corpus = Corpus(world, CORPUS_PRESETS["smoke"], 0)
    every = [text for each in VARIANTS.values() for text in each.wordings(world)]
    tokenizer = build_tokenizer(world, corpus.spec, every)
    model = preset("0.1M", vocab_size=len(tokenizer), context=CONTEXT)
    config = TrainConfig(steps=60, batch_rows=ROWS, micro_rows=ROWS, peak_lr=5e-3, warmup_steps=5)
    length = config.steps * ROWS * CONTEXT + 1
    stream = token_stream(corpus, VARIANTS["srp"].chain_at, tokenizer, 0, length)
    params = train(
        params=init_params(model, 0),
        model=model,
        config=config,
        batch_at=partial(packed_batch, stream.tokens, ROWS, CONTEXT),
        directory=tmp_path_factory.mktemp("trained"),
    )
    directory = tmp_path_factory.mktemp("hub") / "model"
    files = tokenizer_files(tokenizer, CONTEXT)
    export_hugging_face(directory, params, model, mark_tokens(tokenizer), files)
    return Exported(directory, world, corpus, tokenizer, model, params)


@pytest.fixture(scope="session")
def their_model(exported: Exported) -> Any:
    """The export as transformers loads it."""
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(exported.directory).eval()


@pytest.fixture(scope="session")
def their_tokenizer(exported: Exported) -> Any:
    """The export's tokenizer as transformers loads it."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(exported.directory)
