"""Many models trained at once in one program: `vmap` over members of the step of `training.py`.

Members share shapes and recipe; each has its own parameters and rows (seeds or settings of a
study). One small model leaves an accelerator idle, an ensemble fills it; on a CPU, separate
processes are as fast. A member ends where it would have ended alone, within rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tiny_models.chunks import Batch, BatchAt
from tiny_models.config import ModelConfig, TrainConfig
from tiny_models.layout import Device, Layout
from tiny_models.metrics import Progress
from tiny_models.resuming import Member
from tiny_models.retention import Retention
from tiny_models.token_losses import TokenLosses
from tiny_models.training import train_members
from tiny_models.transformer import Params


def train_ensemble(
    *,
    params: Sequence[Params],
    model: ModelConfig,
    config: TrainConfig,
    batch_at: Sequence[BatchAt],
    directory: Path,
    progress: Callable[[Sequence[Progress]], None] | None = None,
    retention: Retention = Retention(),  # noqa: B008 (frozen)
    held_out: Sequence[Batch] | None = None,
    devices: Sequence[Device] | None = None,
    strict: bool = False,
    token_losses: TokenLosses | None = None,
    seeds: Sequence[Mapping[str, int]] | None = None,
) -> list[Params]:
    """Runs or resumes `config.steps` updates of every member and returns their parameters.

    Like `train`, bit for bit the same after a crash: on a CPU, and on a GPU with
    `XLA_FLAGS=--xla_gpu_deterministic_ops=true`, which `strict` demands there. Checkpoints hold
    all members; member k has `member_directory(directory, k)` for its metrics and kept weights.
    `devices` share the members, `progress` gets a line of each. Raises what `train` raises, and
    `ValueError` when members do not match in number or in the shape of their rows.
    """
    if not params or len(params) != len(batch_at):
        raise ValueError(
            f"batch_at must have one function for each of the {len(params)} members, at least "
            f"one, not {len(batch_at)}."
        )
    for name, given, kind in (("held_out", held_out, "batch"), ("seeds", seeds, "mapping")):
        if given is not None and len(given) != len(params):
            raise ValueError(
                f"{name} must have one {kind} for each of the {len(params)} members, not "
                f"{len(given)}."
            )
    shapes = {rule(0)[0].shape for rule in batch_at}
    if len(shapes) > 1:
        raise ValueError(f"batch_at(0) must have one shape in all members, not {sorted(shapes)}.")
    members = [
        Member(
            params[index],
            batch_at[index],
            member_directory(directory, index),
            None if held_out is None else held_out[index],
            {} if seeds is None else seeds[index],
        )
        for index in range(len(params))
    ]
    layout = Layout.of(config, len(members), devices)
    tell = progress or (lambda lines: None)
    return train_members(
        members, model, config, directory, layout, tell, retention, strict, token_losses
    )


def member_directory(directory: Path, index: int) -> Path:
    """Where member `index` of the ensemble in `directory` keeps what is its own."""
    return directory / f"member-{index:03d}"
