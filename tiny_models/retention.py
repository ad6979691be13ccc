"""Which moments of a training are kept: to resume, to look back at, and the best one.

    DIRECTORY/step-00001000/                 the newest `last`: everything a run resumes from
    DIRECTORY/kept/step-00000064.safetensors weights at steps 0, 1, 2, 4, 8, ..., never deleted
    DIRECTORY/kept/best.safetensors          weights of the checkpoint with the lowest loss

Kept weights carry their step in the file's header and are read with `load_weights`.
"""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

from tiny_models.checkpoint import make_directory
from tiny_models.config import ModelConfig
from tiny_models.transformer import Params
from tiny_models.weights import read_metadata, save_weights

KEPT = "kept"
BEST = "best.safetensors"


@dataclasses.dataclass(frozen=True)
class Retention:
    """What a run keeps besides its result; none of it changes a bit of the weights.

    `last` newest checkpoints, with `spaced` the weights at steps 0, 1, 2, 4, 8, ..., and with
    `best` those of the checkpoint whose loss was lowest: on the held-out batch if the run was
    given one, else the mean training loss since the metrics line before. `spaced` and `best` say
    something of a whole run, so one that was begun with others is not resumed; `last` may change.
    """

    last: int = 2
    spaced: bool = False
    best: bool = False

    def __post_init__(self) -> None:
        if self.last < 1:
            raise ValueError(f"last must be at least 1, not {self.last}.")

    def border_after(self, step: int) -> int | None:
        """The next step after `step` at which weights are kept, if there is one."""
        return 1 << step.bit_length() if self.spaced else None

    def keeps(self, step: int) -> bool:
        """Whether weights are kept at `step`: at 0 and at the powers of two."""
        return self.spaced and step & (step - 1) == 0


def kept_weights(directory: Path) -> dict[int, Path]:
    """Kept weight files of a run's directory by step, early ones first."""
    paths = sorted((directory / KEPT).glob("step-*.safetensors"))
    return {int(path.stem[5:]): path for path in paths}


def keep_weights(directory: Path, step: int, params: Params, model: ModelConfig) -> None:
    """Stores the weights after `step` updates for good; a resumed run stores the same again."""
    folder = directory / KEPT
    make_directory(folder)
    save_weights(folder / f"step-{step:08d}.safetensors", params, model, {"step": str(step)})


def forget_kept(directory: Path) -> None:
    """Deletes what an earlier run kept, for one that starts anew."""
    folder = directory / KEPT
    if folder.is_symlink():  # removed, never followed
        folder.unlink()
    for path in folder.glob("*.safetensors"):
        path.unlink()


def keep_if_best(
    directory: Path, step: int, loss: float, params: Params, model: ModelConfig
) -> None:
    """Stores the weights if no earlier checkpoint had a loss as low.

    The record to beat is read from the stored file, so a resumed run goes on where it was. Raises
    `FloatingPointError` for a loss that is not finite: nothing would compare with it.
    """
    if not math.isfinite(loss):
        raise FloatingPointError(f"The loss at step {step} is {loss}, which cannot be the best.")
    path = directory / KEPT / BEST
    if path.exists() and float(read_metadata(path)["loss"]) <= loss:
        return
    make_directory(path.parent)
    save_weights(path, params, model, {"step": str(step), "loss": repr(loss)})
