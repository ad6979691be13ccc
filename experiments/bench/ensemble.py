"""Many seeds in one program against one at a time: tokens a second, summed over the ensemble."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from experiments.bench.contest import Measured, Spread
from experiments.bench.results import Row, measured_row
from experiments.bench.worker import Lap, Work, lap

ALONE, TOGETHER = "one at a time", " at once"


def prepare_ensemble(
    members: int, steps: int, preset: str | None = None, context: int | None = None, **changes: Any
) -> Work:
    """`steps` updates in the middle of a run of the laptop recipe; a unit is a member's token.

    `changes` go to the recipe.
    """
    from experiments.bench.subject import batches, model_config, train_config
    from experiments.bench.training import first_and_second_line
    from tiny_models.ensemble import train_ensemble
    from tiny_models.transformer import init_params

    model = model_config(preset, context)
    config = train_config(
        steps=3 * steps, log_every=steps, checkpoint_every=3 * steps, warmup_steps=0, **changes
    )
    params = [init_params(model, seed) for seed in range(members)]
    batch_at = [batches(model, config.batch_rows)] * members

    def run(directory: Path, progress: Callable[[object], None]) -> None:
        train_ensemble(
            params=params,
            model=model,
            config=config,
            batch_at=batch_at,
            directory=directory,
            progress=progress,
        )

    def once() -> Lap:
        tokens = steps * config.batch_rows * model.context * members
        return lap(tokens, *first_and_second_line(run))

    once()
    return Work(once, {"members": members})


def ensemble_row(part: str, members: int, own: Measured, alone: Measured) -> Row:
    """The tokens of all members together, against those of one; `alone` is one at a time."""
    if members == 1:
        return measured_row(part, ALONE, "token/s", own)
    name = f"{members}{TOGETHER}"
    return measured_row(part, name, "token/s", own, of=alone, text=f"of {ALONE}")


def gains(rows: Sequence[Row]) -> dict[str, list[tuple[int, Spread]]]:
    """Part -> sizes of ensembles, each with its tokens a second over those of one at a time.

    Only parts with several sizes: of one alone there is nothing to draw.
    """
    found: dict[str, list[tuple[int, Spread]]] = {}
    for row in rows:
        if row.ratio is not None and row.of == f"of {ALONE}":
            size = int(row.name.removesuffix(TOGETHER))
            found.setdefault(row.part, []).append((size, row.ratio))
    return {part: sizes for part, sizes in found.items() if len(sizes) > 1}
