"""A model as a Hugging Face directory: Llama architecture, float32, readable without this code.

In: parameters, their configuration and the ids of the marking tokens. Out: `config.json`,
`generation_config.json`, `model.safetensors` and whatever text files the caller adds (tokenizer,
model card). Written with numpy alone; neither torch nor transformers need be installed. Matrices
are transposed, because ours are `(inputs, outputs)`; rotary pairs already lie as Hugging Face
stores them, across the halves of a head.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tiny_models.checkpoint import flush, json_bytes, make_directory, write_atomically
from tiny_models.config import ModelConfig
from tiny_models.transformer import Params

_LAYER_MATRICES = {
    "self_attn.q_proj": ("attention", "q"),
    "self_attn.k_proj": ("attention", "k"),
    "self_attn.v_proj": ("attention", "v"),
    "self_attn.o_proj": ("attention", "o"),
    "mlp.gate_proj": ("mlp", "gate"),
    "mlp.up_proj": ("mlp", "up"),
    "mlp.down_proj": ("mlp", "down"),
}
_LAYER_GAINS = {"input_layernorm": "attention_norm", "post_attention_layernorm": "mlp_norm"}


@dataclass(frozen=True, kw_only=True)
class MarkTokens:
    """Ids of the tokens that mark a sequence's start, its end and its padding."""

    start: int
    end: int
    pad: int


def export_hugging_face(
    directory: Path,
    params: Params,
    config: ModelConfig,
    marks: MarkTokens,
    texts: Mapping[str, str] | None = None,
) -> None:
    """Writes the model to `directory`, which appears whole or not at all.

    `texts` are further files, name to content. Raises `FileExistsError` for a target that holds
    something, `ValueError` for a mark outside the vocabulary or a file name that is ours or no
    plain name.
    """
    files = {
        "config.json": json_bytes(llama_config(config, marks), indent=2),
        "generation_config.json": json_bytes(_generation_config(marks), indent=2),
        "model.safetensors": _safetensors(params, config),
    }
    for name, text in (texts or {}).items():
        if name in {*files, "", ".."} or Path(name).name != name:
            raise ValueError(
                f"a further file must have a plain name other than {', '.join(files)}, not "
                f"{name!r}."
            )
        files[name] = text.encode("utf-8")
    check_target(directory)
    make_directory(directory.parent)
    partial = directory.with_name(f".{directory.name}.{secrets.token_hex(4)}.partial")
    partial.mkdir()
    try:
        for name, content in files.items():
            write_atomically(partial / name, content)
        os.rename(partial, directory)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    flush(directory.parent)


def check_target(directory: Path) -> None:
    """Raises `FileExistsError` unless `directory` is free: absent, or an empty directory."""
    if directory.is_symlink() or (
        directory.exists() and not (directory.is_dir() and not any(directory.iterdir()))
    ):
        raise FileExistsError(f"{directory} already holds something; choose another directory.")


def llama_config(config: ModelConfig, marks: MarkTokens) -> dict[str, Any]:
    """The content of `config.json`. Raises `ValueError` for a mark outside the vocabulary."""
    for name, token in (("start", marks.start), ("end", marks.end), ("pad", marks.pad)):
        if not 0 <= token < config.vocab_size:
            raise ValueError(
                f"the {name} token must lie in [0, vocab_size={config.vocab_size}), not {token}."
            )
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": config.vocab_size,
        "hidden_size": config.d_model,
        "intermediate_size": config.hidden,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.kv_heads,
        "head_dim": config.head_dim,
        "hidden_act": "silu",
        "max_position_embeddings": config.context,
        "rms_norm_eps": config.norm_eps,
        # Said twice: transformers 5 reads the second, others the first.
        "rope_theta": config.rope_theta,
        "rope_parameters": {"rope_type": "default", "rope_theta": config.rope_theta},
        "attention_bias": False,
        "mlp_bias": False,
        "attention_dropout": 0.0,
        "tie_word_embeddings": True,
        "use_cache": True,
        # Likewise: the name before and after transformers 4.56.
        "torch_dtype": "float32",
        "dtype": "float32",
        **_mark_ids(marks),
    }


def llama_tensors(params: Params, config: ModelConfig) -> dict[str, np.ndarray]:
    """Our parameters under their Hugging Face names, float32; the tied output is left out."""
    tensors = {
        "model.embed_tokens.weight": np.asarray(params["embedding"]),
        "model.norm.weight": np.asarray(params["norm"]),
    }
    for number in range(config.layers):
        layer = params["layers"][str(number)]
        for name, (part, matrix) in _LAYER_MATRICES.items():
            tensors[f"model.layers.{number}.{name}.weight"] = np.asarray(layer[part][matrix]).T
        for name, gain in _LAYER_GAINS.items():
            tensors[f"model.layers.{number}.{name}.weight"] = np.asarray(layer[gain])
    return {
        name: np.ascontiguousarray(tensor, np.float32) for name, tensor in sorted(tensors.items())
    }


def _safetensors(params: Params, config: ModelConfig) -> bytes:
    import safetensors.numpy

    # transformers refuses a file that does not say which framework's layout it has.
    return safetensors.numpy.save(llama_tensors(params, config), metadata={"format": "pt"})


def _generation_config(marks: MarkTokens) -> dict[str, Any]:
    return {"do_sample": False, **_mark_ids(marks)}


def _mark_ids(marks: MarkTokens) -> dict[str, int]:
    return {
        "bos_token_id": marks.start,
        "eos_token_id": marks.end,
        "pad_token_id": marks.pad,
    }
