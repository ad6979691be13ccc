"""The shape of a model and the recipe of a training run, as frozen, validated values.

Nothing here computes. `ModelConfig` fixes every array shape of a Llama-style decoder, `TrainConfig`
fixes every update; both refuse unknown fields, wrong types and NaN, and both travel as JSON inside
each checkpoint. The presets follow the SmolLM2 family (Allal et al. 2025, arXiv:2502.02737); "135M"
is its smallest published member. A preset once published never changes meaning.
"""

from __future__ import annotations

import difflib
from typing import Any, Literal, TypeAlias

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

Dtype: TypeAlias = Literal["float32", "bfloat16"]
AttentionKernel: TypeAlias = Literal["plain", "xla", "cudnn"]
"""How training computes causal attention: our formula, jax's, or cuDNN's fused kernel."""

_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


def _require(holds: bool, sentence: str) -> None:
    if not holds:
        raise ValueError(sentence)


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class ModelConfig:
    """Shape of a decoder: token ids in `[0, vocab_size)`, rows of at most `context` tokens.

    `hidden` is the inner width of the SwiGLU block; `heads` query heads share `kv_heads` key/value
    heads. Raises `pydantic.ValidationError` (a `ValueError`) whose sentence names the field and
    what is allowed.
    """

    vocab_size: int
    d_model: int
    layers: int
    heads: int
    kv_heads: int
    hidden: int
    context: int
    rope_theta: float = 10000.0
    norm_eps: float = 1e-5

    def __post_init__(self) -> None:
        for field in (
            "vocab_size",
            "d_model",
            "layers",
            "heads",
            "kv_heads",
            "hidden",
            "context",
            "rope_theta",
            "norm_eps",
        ):
            value = getattr(self, field)
            _require(0 < value < 2**31, f"{field} must be positive and below 2**31, not {value}.")
        _require(
            self.d_model % self.heads == 0,
            f"heads must divide d_model={self.d_model}, which {self.heads} does not.",
        )
        _require(
            self.heads % self.kv_heads == 0,
            f"kv_heads must divide heads={self.heads}, which {self.kv_heads} does not.",
        )
        _require(
            self.head_dim % 2 == 0,
            f"d_model / heads must be even, because rotary positions turn pairs of features, not "
            f"{self.head_dim}.",
        )

    @property
    def head_dim(self) -> int:
        """Features per attention head."""
        return self.d_model // self.heads


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class TrainConfig:
    """Recipe of a training run; units are optimiser steps and rows.

    Each step averages the gradient over `batch_rows` rows, `micro_rows` at a time (smaller fits
    caches and memory better and changes the result by rounding only). `final_lr_fraction` times
    `peak_lr` is where the cosine and the wsd decay end; `decay_fraction` of all steps is the length
    of the wsd decay. Weight decay acts on matrices, not on norm gains. `b1` and `b2` are those of
    AdamW, and with "muon" of the part that stays with Adam: embedding and norm gains; Muon's own
    momentum is optax's. `dtype` is that of the stream and of the forward and backward products,
    the logits too: in bfloat16 they are rounded before the softmax. Parameters, optimiser state
    and the arithmetic inside norms, softmax and loss are float32 in any case. `attention="cudnn"`
    needs an NVIDIA GPU and `dtype="bfloat16"`.
    """

    steps: int
    batch_rows: int
    micro_rows: int
    peak_lr: float
    warmup_steps: int = 0
    schedule: Literal["cosine", "wsd", "constant"] = "cosine"
    final_lr_fraction: float = 0.1
    decay_fraction: float = 0.2
    weight_decay: float = 0.0
    b1: float = 0.9
    b2: float = 0.95
    clip_norm: float = 1.0
    optimizer: Literal["adamw", "muon"] = "adamw"
    dtype: Dtype = "float32"
    attention: AttentionKernel = "plain"
    checkpoint_every: int = 500
    log_every: int = 50

    def __post_init__(self) -> None:
        for field in ("steps", "batch_rows", "micro_rows", "checkpoint_every", "log_every"):
            value = getattr(self, field)
            _require(
                1 <= value < 2**31, f"{field} must be at least 1 and below 2**31, not {value}."
            )
        for field in ("peak_lr", "clip_norm"):
            value = getattr(self, field)
            _require(value > 0, f"{field} must be positive, not {value}.")
        for field in ("b1", "b2"):
            value = getattr(self, field)
            _require(0 <= value < 1, f"{field} must lie in [0, 1), not {value}.")
        for field in ("final_lr_fraction", "decay_fraction"):
            value = getattr(self, field)
            _require(0 <= value <= 1, f"{field} must lie in [0, 1], not {value}.")
        _require(
            self.weight_decay >= 0,
            f"weight_decay must be at least 0, not {self.weight_decay}.",
        )
        _require(
            0 <= self.warmup_steps <= self.steps,
            f"warmup_steps must lie in [0, steps={self.steps}], not {self.warmup_steps}.",
        )
        _require(
            self.batch_rows % self.micro_rows == 0,
            f"micro_rows must divide batch_rows={self.batch_rows}, not be {self.micro_rows}.",
        )
        _require(
            self.attention != "cudnn" or self.dtype == "bfloat16",
            f"attention='cudnn' computes in bfloat16 only: dtype must be 'bfloat16', not "
            f"{self.dtype!r}.",
        )


# Named by the parameters outside the embedding, which depends on the vocabulary; "135M" by its
# published total.
PRESETS: dict[str, dict[str, Any]] = {
    "0.1M": {"d_model": 64, "layers": 2, "heads": 2, "kv_heads": 2, "hidden": 176},
    "0.3M": {"d_model": 96, "layers": 3, "heads": 3, "kv_heads": 3, "hidden": 256},
    "1M": {"d_model": 128, "layers": 5, "heads": 4, "kv_heads": 4, "hidden": 352},
    "3M": {"d_model": 192, "layers": 7, "heads": 6, "kv_heads": 6, "hidden": 512},
    "10M": {"d_model": 320, "layers": 8, "heads": 5, "kv_heads": 5, "hidden": 864},
    "30M": {"d_model": 512, "layers": 10, "heads": 8, "kv_heads": 4, "hidden": 1376},
    "135M": {
        "d_model": 576,
        "layers": 30,
        "heads": 9,
        "kv_heads": 3,
        "hidden": 1536,
        "rope_theta": 100000.0,
    },
}


def preset(name: str, *, vocab_size: int, context: int) -> ModelConfig:
    """The preset `name` for a vocabulary and a greatest row length.

    Raises `ValueError` naming the nearest and all allowed names when `name` is unknown.
    SmolLM2-135M as published is `preset("135M", vocab_size=49152, context=2048)`.
    """
    if name not in PRESETS:
        near = difflib.get_close_matches(name, PRESETS, n=1, cutoff=0.0)[0]
        raise ValueError(
            f"No model preset is called {name!r}: the nearest is {near!r}, allowed are "
            f"{', '.join(PRESETS)}."
        )
    return ModelConfig(vocab_size=vocab_size, context=context, **PRESETS[name])


def parameter_count(config: ModelConfig) -> int:
    """Exact number of trained numbers; the embedding counts once because the output shares it."""
    attention = 2 * config.d_model * config.head_dim * (config.heads + config.kv_heads)
    swiglu = 3 * config.d_model * config.hidden
    norms = 2 * config.d_model
    return (
        config.vocab_size * config.d_model
        + config.layers * (attention + swiglu + norms)
        + config.d_model
    )
