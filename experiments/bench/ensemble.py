"""Many seeds in one program against one at a time: tokens a second, summed over the ensemble."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from experiments.bench.worker import Lap, Work, clocks, lap


def prepare_ensemble(members: int, steps: int, preset: str | None = None, **changes: Any) -> Work:
    """`steps` updates in the middle of a run of the laptop recipe; a unit is a member's token.

    `changes` go to the recipe.
    """
    from experiments.bench.subject import batches, model_config, train_config
    from tiny_models.ensemble import train_ensemble
    from tiny_models.transformer import init_params

    model = model_config(preset)
    config = train_config(
        steps=3 * steps, log_every=steps, checkpoint_every=3 * steps, warmup_steps=0, **changes
    )
    params = [init_params(model, seed) for seed in range(members)]
    batch_at = [batches(model, config.batch_rows)] * members

    def once() -> Lap:
        lines: list[tuple[float, float]] = []
        with tempfile.TemporaryDirectory() as directory:
            train_ensemble(
                params=params,
                model=model,
                config=config,
                batch_at=batch_at,
                directory=Path(directory),
                progress=lambda _: lines.append(clocks()),
            )
        tokens = steps * config.batch_rows * model.context * members
        return lap(tokens, lines[0], lines[1])

    once()
    return Work(once, {"members": members})
