"""What makes a run this run: written into its checkpoints, compared before it goes on.

In: the members, model, recipe and layout of a run. Out: facts as JSON, and from a directory the
state to go on from. Facts are compared before any array is read, so that what differs is named.
"""

from __future__ import annotations

import dataclasses
import hashlib
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tiny_models.checkpoint import (
    compare_embedded,
    list_checkpoints,
    parameter_hash,
    read_embedded,
    restore_state,
)
from tiny_models.chunks import Batch, BatchAt, checked
from tiny_models.config import ModelConfig, TrainConfig
from tiny_models.retention import Retention
from tiny_models.token_losses import Coded, TokenLosses
from tiny_models.transformer import Params
from tiny_models.update import TrainState


@dataclasses.dataclass(frozen=True)
class Member:
    """One model of a run: where it starts, what it reads, where its figures and weights go.

    `seeds` are those that its parameters and rows were made with, for the record.
    """

    params: Params
    batch_at: BatchAt
    directory: Path
    held_out: Batch | None = None
    seeds: Mapping[str, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Resumed:
    """Where a run goes on: after `step` updates, with the hash of each member's metrics so far.

    `earlier` are the other fingerprints under which parts of the run were computed, in order.
    """

    step: int
    state: TrainState
    metrics: Sequence[str | None]
    earlier: Sequence[Mapping[str, str]]


def describe(
    members: Sequence[Member],
    model: ModelConfig,
    config: TrainConfig,
    retention: Retention,
    together: bool,
    fingerprint: Mapping[str, str],
    losses: TokenLosses | None = None,
) -> dict[str, Any]:
    """The facts that decide a run's result, as JSON; lists of one a member when `together`."""

    def each(facts: list[Any]) -> Any:
        return facts if together else facts[0]

    firsts = [
        checked(member.batch_at(0), config.batch_rows, model, "batch_at(0)", losses)
        for member in members
    ]
    held_out = [
        None if member.held_out is None else _batch_hash(member.held_out) for member in members
    ]
    return {
        "model": dataclasses.asdict(model),
        # Not a field of its own: runs without losses by token resume from older checkpoints.
        "train": dataclasses.asdict(config)
        | ({} if losses is None else {"token_losses": dataclasses.asdict(losses)}),
        "start": {
            "parameters": each([parameter_hash(member.params) for member in members]),
            "seeds": each([dict(member.seeds) for member in members]),
        },
        "data": {
            "first_batch": each([_batch_hash(batch) for batch in firsts]),
            "held_out": each(held_out) if any(held_out) else None,
        },
        "retention": {"spaced": retention.spaced, "best": retention.best},
        "fingerprint": dict(fingerprint),
    }


def resume(
    directory: Path, start: TrainState, facts: Mapping[str, Any], members: int, strict: bool
) -> Resumed:
    """The newest checkpoint of `directory`, or `start` where there is none.

    Raises `ValueError` naming the fact that differs, `CorruptCheckpoint` naming a damaged file.
    """
    existing = list_checkpoints(directory)
    if not existing:
        return Resumed(0, start, [None] * members, [])
    newest = existing[-1]
    found = read_embedded(newest)
    for part in ("model", "train", "start", "data", "retention"):
        compare_embedded(found.get(part, {}), facts[part], where=str(newest))
    here, there = facts["fingerprint"], found["fingerprint"]
    earlier = found.get("earlier_fingerprints", [])
    if differing := sorted(key for key in here | there if here.get(key) != there.get(key)):
        _tell_of_other_place(newest, differing, strict)
        earlier = [*earlier, there]
    state = start.from_dict(restore_state(newest, start.as_dict()))
    return Resumed(found["step"], state, found["metrics"], earlier)


def _tell_of_other_place(newest: Path, differing: Sequence[str], strict: bool) -> None:
    names = ", ".join(differing)
    if strict:
        raise ValueError(
            f"{newest} was made where {names} differed, which strict resuming refuses; resume "
            f"where it was made, or without strict."
        )
    warnings.warn(
        f"{newest} was made where {names} differed; the resumed run is valid but may round "
        f"differently.",
        stacklevel=5,
    )


def _batch_hash(batch: Batch) -> str:
    mask, codes = batch[1] if isinstance(batch[1], Coded) else (batch[1], None)
    content = np.asarray(batch[0]).astype("<i4").tobytes() + np.asarray(mask, "<f4").tobytes()
    if codes is not None:
        content += np.asarray(codes, "u1").tobytes()
    return hashlib.sha256(content).hexdigest()
