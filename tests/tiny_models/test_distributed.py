"""Processes of one job agree on where they are before they go on together."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from jax.experimental import multihost_utils

from tiny_models.distributed import require_same_step


@pytest.mark.parametrize("steps", [[4, 4], [0, 8]])
def test_processes_that_found_other_checkpoints_are_stopped(monkeypatch, steps):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(multihost_utils, "process_allgather", lambda own: np.array(steps))
    if steps[0] == steps[1]:
        require_same_step(steps[0], "runs/one")
        return
    with pytest.raises(ValueError, match=r"checkpoints in runs/one \(steps 0, 8\)"):
        require_same_step(steps[0], "runs/one")


def test_one_process_asks_nobody(monkeypatch):
    monkeypatch.setattr(multihost_utils, "process_allgather", None)
    require_same_step(3, "runs/one")
