"""Small Llama-style transformers in JAX, over token arrays: train, resume, decode, probe.

From shapes to tokens, where `batch_at(step)` gives the rows of a step:

    model = preset("0.3M", vocab_size=500, context=128)
    params = init_params(model, seed=0)
    params = train(params=params, model=model, config=config, batch_at=batch_at, directory=path)
    outputs = generate(params, model, prompts, max_new_tokens=16, stop_token=1)
"""

from tiny_models.beam import safe_beam
from tiny_models.checkpoint import CorruptCheckpoint, parameter_hash
from tiny_models.chunks import Batch
from tiny_models.config import PRESETS, ModelConfig, TrainConfig, parameter_count, preset
from tiny_models.determinism import fingerprint
from tiny_models.distributed import join_processes
from tiny_models.ensemble import member_directory, train_ensemble
from tiny_models.export import MarkTokens, export_hugging_face
from tiny_models.generation import generate
from tiny_models.probes import continuation_logprobs
from tiny_models.retention import Retention, kept_weights
from tiny_models.scoring import pair_logprobs
from tiny_models.token_losses import Coded, TokenLosses, ablate
from tiny_models.training import Progress, train
from tiny_models.transformer import Decoder, Params, apply, init_params
from tiny_models.weights import load_weights, save_weights

__all__ = [
    "PRESETS",
    "Batch",
    "Coded",
    "CorruptCheckpoint",
    "Decoder",
    "MarkTokens",
    "ModelConfig",
    "Params",
    "Progress",
    "Retention",
    "TokenLosses",
    "TrainConfig",
    "ablate",
    "apply",
    "continuation_logprobs",
    "export_hugging_face",
    "fingerprint",
    "generate",
    "init_params",
    "join_processes",
    "kept_weights",
    "load_weights",
    "member_directory",
    "pair_logprobs",
    "parameter_count",
    "parameter_hash",
    "preset",
    "safe_beam",
    "save_weights",
    "train",
    "train_ensemble",
]
