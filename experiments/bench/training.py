"""Training speed: our `train` against plain PyTorch and Hugging Face, and against the peak.

Operations a token: 6 x parameters + 12 x layers x row length x d_model (products of queries with
keys and of weights with values, forward and twice backward, nothing taken off for the causal half;
Chowdhery et al. 2022, arXiv:2204.02311, appendix B). Every competitor does whole optimiser steps
of the laptop study: same rows, gradient clipping, AdamW.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.bench.worker import Clocks, Lap, Once, Work, clocks, lap, timed

if TYPE_CHECKING:
    from tiny_models.config import ModelConfig, TrainConfig


def flops_a_token(model: ModelConfig) -> float:
    """Floating-point operations of training on one token, by the formula above."""
    from tiny_models.config import parameter_count

    return 6.0 * parameter_count(model) + 12.0 * model.layers * model.context * model.d_model


def prepare_ours(
    preset: str | None = None, steps: int = 20, context: int | None = None, **changes: Any
) -> Work:
    """`steps` updates in the middle of a run of `tiny_models.train`; a unit is a token.

    `changes` go to the recipe.
    """
    from experiments.bench.subject import batches, model_config, train_config
    from tiny_models.config import parameter_count
    from tiny_models.training import train
    from tiny_models.transformer import init_params

    model = model_config(preset, context)
    config = train_config(
        steps=3 * steps, log_every=steps, checkpoint_every=3 * steps, warmup_steps=0, **changes
    )
    params, batch_at = init_params(model, 0), batches(model, config.batch_rows)

    def run(directory: Path, progress: Callable[[object], None]) -> None:
        train(
            params=params,
            model=model,
            config=config,
            batch_at=batch_at,
            directory=directory,
            progress=progress,
        )

    def once() -> Lap:
        return lap(steps * config.batch_rows * model.context, *first_and_second_line(run))

    once()
    facts = {
        "parameters": parameter_count(model),
        "flops_a_token": flops_a_token(model),
        "context": model.context,
    }
    return Work(once, {**facts, "micro_rows": config.micro_rows})


class _SeenEnough(Exception):
    """Ends a training that was measured."""


def first_and_second_line(
    run: Callable[[Path, Callable[[object], None]], None],
) -> tuple[Clocks, Clocks]:
    """The clocks at the first two lines of a training's log; `run` gets directory and progress.

    Between them lies the real loop, with its figures written and the next rows drawn, but without
    compiling and without a checkpoint, if the training is longer; it is left at the second line.
    """
    lines: list[Clocks] = []

    def progress(_: object) -> None:
        lines.append(clocks())
        if len(lines) == 2:
            raise _SeenEnough

    with tempfile.TemporaryDirectory() as directory, contextlib.suppress(_SeenEnough):
        run(Path(directory), progress)
    return lines[0], lines[1]


def prepare_torch(
    kind: str,
    compiled: bool = False,
    micro_rows: list[int] | None = None,
    dtypes: list[str] | None = None,
) -> Work:
    """The same steps by PyTorch; a unit is a token. `kind` is plain or huggingface.

    Where several micro-batches or number formats are given, each is tried and the fastest kept: by
    processor seconds, or where torch has several threads, by the wall's.
    """
    import torch

    from experiments.bench.subject import model_config, train_config

    model, config = model_config(), train_config()
    tried: list[tuple[float, int, str, Once]] = []
    for rows, dtype in product(micro_rows or [config.batch_rows], dtypes or ["float32"]):
        step = torch_step(kind, compiled, rows, dtype, model, config)
        once = timed(step, config.batch_rows * model.context)
        once()
        laps = [once() for _ in range(3)]
        best = min(each.busy if torch.get_num_threads() == 1 else each.seconds for each in laps)
        tried.append((best, rows, dtype, once))
    _, rows, dtype, once = min(tried, key=lambda each: each[0])
    chosen = {"micro_rows": [rows], "dtypes": [dtype]}
    return Work(once, {"micro_rows": rows, "dtype": dtype, "tried": len(tried)}, chosen)


def torch_step(
    kind: str, compiled: bool, micro_rows: int, dtype: str, model: ModelConfig, config: TrainConfig
) -> Callable[[], float]:
    """A fresh model's optimiser step by torch; it returns the loss before the update."""
    import torch

    from experiments.bench.subject import batches
    from experiments.bench.torch_llama import optimizer_of

    net, logits_of = plain(model) if kind == "plain" else huggingface(model)
    optimizer = optimizer_of(net, config)
    tokens = torch.from_numpy(batches(model, config.batch_rows)(0)[0].astype("int64"))

    def loss_of(rows: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bfloat16"):
            logits = logits_of(rows[:, :-1])
        logits = logits.float().flatten(0, 1)
        return torch.nn.functional.cross_entropy(logits, rows[:, 1:].flatten())

    fast_loss: Any = torch.compile(loss_of, dynamic=False) if compiled else loss_of

    def step() -> float:
        total = 0.0
        for rows in tokens.split(micro_rows):
            loss = fast_loss(rows) * (micro_rows / config.batch_rows)
            loss.backward()
            total += loss.item()
        torch.nn.utils.clip_grad_norm_(net.parameters(), config.clip_norm)
        optimizer.step()
        optimizer.zero_grad()
        return total

    return step


def plain(model: ModelConfig) -> tuple[Any, Any]:
    """Our architecture in plain PyTorch with weights of ours, and its logits of token ids."""
    from experiments.bench.torch_llama import Llama, state_dict
    from tiny_models.transformer import init_params

    net = Llama(model)
    net.load_state_dict(state_dict(init_params(model, 0)))
    return net, net


def huggingface(model: ModelConfig) -> tuple[Any, Any]:
    """`LlamaForCausalLM` with weights of ours, and its logits of token ids."""
    from transformers import LlamaConfig, LlamaForCausalLM

    from experiments.bench.torch_llama import state_dict
    from tiny_models.transformer import init_params

    config = LlamaConfig(
        vocab_size=model.vocab_size,
        hidden_size=model.d_model,
        intermediate_size=model.hidden,
        num_hidden_layers=model.layers,
        num_attention_heads=model.heads,
        num_key_value_heads=model.kv_heads,
        max_position_embeddings=model.context,
        rms_norm_eps=model.norm_eps,
        rope_parameters={"rope_type": "default", "rope_theta": model.rope_theta},
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=0,
    )
    net = LlamaForCausalLM(config)
    net.model.load_state_dict(state_dict(init_params(model, 0)))
    return net, lambda tokens: net(input_ids=tokens, use_cache=False).logits
