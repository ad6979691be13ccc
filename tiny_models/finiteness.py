"""Figures and parameters that are not finite end a run before anything is saved."""

from __future__ import annotations

import numpy as np

from tiny_models.checkpoint import flatten
from tiny_models.transformer import Params


def refuse_non_finite(losses: np.ndarray, norms: np.ndarray, start: int) -> None:
    """Looks at losses and norms `(steps, members)` of the steps from `start` on."""
    bad = np.argwhere(~(np.isfinite(losses) & np.isfinite(norms)))
    if len(bad):
        index, member = bad[0].tolist()
        whose = f" of member {member}" if losses.shape[1] > 1 else ""
        raise FloatingPointError(
            f"The loss or gradient{whose} at step {start + index} is not finite (loss "
            f"{losses[index, member]}, gradient norm {norms[index, member]}); lower peak_lr or "
            f"look at batch_at({start + index})."
        )


def refuse_non_finite_parameters(params: Params, step: int, together: bool) -> None:
    """Looks at parameters on their way to the disk; `together`, their first axis is the member."""
    for name, leaf in flatten(params):
        bad = np.argwhere(~np.isfinite(np.asarray(leaf)))
        if len(bad):
            whose = f" of member {bad[0][0]}" if together else ""
            raise FloatingPointError(
                f"The parameter {name}{whose} after step {step - 1} is not finite; nothing was "
                f"saved. Lower peak_lr or look at batch_at({step - 1})."
            )
