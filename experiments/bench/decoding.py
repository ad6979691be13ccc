"""Decoding speed: our `generate` against Hugging Face's, both greedy and with a key/value cache.

Equal weights, batch, prompt length and number of new tokens; nothing ends early. A unit is a new
token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from experiments.bench.worker import Work, timed

if TYPE_CHECKING:
    from tiny_models.config import ModelConfig

PROMPT = 16
BATCHES = (1, 8, 128)
"""Prompts at once; 128 is the batch of `tiny_models.generate`, which the study uses."""

NEVER = -1
"""A stop token that no model produces."""


def prepare_ours(batch: int, prompts: int | None = None) -> Work:
    """`tiny_models.generate` of as many prompts as the batch holds, or more."""
    from experiments.bench.subject import model_config
    from experiments.studies.headline import LAPTOP
    from tiny_models.generation import generate
    from tiny_models.transformer import init_params

    model, new = model_config(), LAPTOP.new_tokens
    params, rows = init_params(model, 0), list(prompt_rows(model, prompts or batch))

    def decode() -> list[np.ndarray]:
        return generate(params, model, rows, max_new_tokens=new, stop_token=NEVER, batch=batch)

    if sum(len(row) for row in decode()) != len(rows) * new:
        raise RuntimeError(f"our generate did not give {new} new tokens to every prompt")
    return Work(timed(decode, float(len(rows) * new)), {"batch": batch, "new_tokens": new})


def prepare_hf(batch: int) -> Work:
    """`LlamaForCausalLM.generate` with its default cache, all prompts in one batch."""
    import torch

    from experiments.bench.subject import model_config
    from experiments.bench.training import huggingface
    from experiments.studies.headline import LAPTOP

    model, new = model_config(), LAPTOP.new_tokens
    net = huggingface(model)[0].eval()
    tokens = torch.from_numpy(prompt_rows(model, batch))
    seen = torch.ones_like(tokens)

    def decode() -> torch.Tensor:
        with torch.inference_mode():
            return net.generate(
                tokens,
                attention_mask=seen,
                do_sample=False,
                use_cache=True,
                min_new_tokens=new,
                max_new_tokens=new,
            )

    if decode().shape != (batch, PROMPT + new):
        raise RuntimeError(f"Hugging Face's generate did not give {new} new tokens to every prompt")
    return Work(timed(decode, float(batch * new)), {"batch": batch, "new_tokens": new})


def prompt_rows(model: ModelConfig, rows: int) -> np.ndarray:
    """Random prompts `(rows, PROMPT)`, int64, without token 0, which pads."""
    return np.random.default_rng(0).integers(1, model.vocab_size, (rows, PROMPT))
