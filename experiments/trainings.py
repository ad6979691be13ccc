"""A training of a study, described before it runs: alone, or together with others like it.

`Training` says where the result goes, what shapes it has and how its inputs are made; making them
(reading a corpus back, tokenizing, loading a parent's weights) waits until the training runs.
Alone, a training resumes from checkpoints in its stage's directory. Together, trainings of one
shape are an ensemble with a directory of its own under the store, gone when all of them are done.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from experiments.json_files import canonical_hash, read_sealed, write_json, write_sealed
from experiments.store import Stage
from tiny_models.checkpoint import list_checkpoints, parameter_hash
from tiny_models.config import ModelConfig, TrainConfig
from tiny_models.determinism import fingerprint
from tiny_models.ensemble import member_directory, train_ensemble
from tiny_models.layout import Device, Layout
from tiny_models.retention import Retention
from tiny_models.token_losses import TokenLosses, ablate
from tiny_models.training import BatchAt, Params, Progress, train
from tiny_models.weights import save_weights

Report = Callable[[str, Progress | None], None]
"""Receives the stage's name and its training progress, for whoever watches."""

WEIGHTS = "weights.safetensors"
ENSEMBLES = ".ensembles"
MEMBERS = "members.json"


@dataclass(frozen=True)
class Prepared:
    """What a training starts from: parameters, rows, and facts for the stage's summary."""

    params: Params
    batch_at: BatchAt
    facts: dict[str, Any]


@dataclass(frozen=True)
class Training:
    """One stage that trains a model. `width` is the number of tokens in its rows.

    With losses by token its weights are those after the slice of routed ones is ablated; weights
    kept on the way, and checkpoints, still have it.
    """

    stage: Stage
    model: ModelConfig
    config: TrainConfig
    width: Callable[[], int]
    prepare: Callable[[], Prepared]
    retention: Retention = Retention()  # noqa: RUF009 (frozen)
    token_losses: TokenLosses | None = None
    seeds: Mapping[str, int] = field(default_factory=dict)
    """The replicate's named seeds, for checkpoints to record."""
    lean: bool = False
    """Whether its checkpoints go once it is done: for the many short trainings of attacks."""

    @property
    def begun(self) -> bool:
        """Whether an earlier run alone left checkpoints."""
        return bool(list_checkpoints(self.stage.path))


def run_alone(training: Training, report: Report, *, strict: bool = False) -> Stage:
    """Runs or resumes one training unless its stage is done; returns the stage.

    With `strict` a checkpoint made under another fingerprint is refused (`ValueError`).
    """
    stage = training.stage
    with stage.lock():
        if not stage.done:
            prepared = training.prepare()
            params = train(
                params=prepared.params,
                model=training.model,
                config=training.config,
                batch_at=prepared.batch_at,
                directory=stage.path,
                progress=partial(report, stage.name),
                retention=training.retention,
                strict=strict,
                token_losses=training.token_losses,
                seeds=training.seeds,
            )
            _finish(training, prepared, params, Layout())
    return stage


def run_together(trainings: Sequence[Training], report: Report, *, strict: bool = False) -> None:
    """Runs or resumes trainings of one shape as an ensemble; those already done stay as they are.

    Every member's lock is held meanwhile, so cells that run at the same time wait for the result.
    """
    directory = ensemble_directory(trainings)
    stages = [training.stage for training in trainings]
    with contextlib.ExitStack() as locks:
        # One order of names for everybody, so that no two processes wait for each other.
        for stage in sorted(stages, key=lambda stage: stage.name):
            locks.enter_context(stage.lock())
        if not all(stage.done for stage in stages):
            directory.mkdir(parents=True, exist_ok=True)
            write_sealed(directory / MEMBERS, {"stages": [stage.name for stage in stages]})
            prepared = [training.prepare() for training in trainings]
            devices = _shared_devices(len(trainings))
            layout = Layout.of(trainings[0].config, len(trainings), devices)
            trained = train_ensemble(
                params=[each.params for each in prepared],
                model=trainings[0].model,
                config=trainings[0].config,
                batch_at=[each.batch_at for each in prepared],
                directory=directory,
                progress=lambda lines: report(_title(stages), _summed(lines)),
                retention=trainings[0].retention,
                devices=devices,
                strict=strict,
                token_losses=trainings[0].token_losses,
                seeds=[training.seeds for training in trainings],
            )
            for index, training in enumerate(trainings):
                if not training.stage.done:
                    _take_over(member_directory(directory, index), training.stage)
                    _finish(training, prepared[index], trained[index], layout)
        if directory.exists():
            shutil.rmtree(directory)


def ensemble_directory(trainings: Sequence[Training]) -> Path:
    """Where an ensemble of these members keeps its checkpoints."""
    stages = [training.stage for training in trainings]
    name = canonical_hash([stage.key for stage in stages])[:16]
    return stages[0].root / ENSEMBLES / f"{stages[0].kind}-{name}"


def begun_ensembles(root: Path) -> list[list[str]]:
    """Names of the stages of each ensemble that was begun under `root` and not finished."""
    paths = sorted((root / ENSEMBLES).glob(f"*/{MEMBERS}"))
    return [read_sealed(path)["stages"] for path in paths]


def _shared_devices(members: int) -> list[Device] | None:
    """As many of this machine's devices as can share the members equally; None if just one."""
    here = jax.local_devices()
    count = max(n for n in range(1, len(here) + 1) if members % n == 0)
    return here[:count] if count > 1 else None


def _finish(training: Training, prepared: Prepared, params: Params, layout: Layout) -> None:
    stage = training.stage
    routed = 0 if training.token_losses is None else training.token_losses.routed
    if routed:
        params = ablate(params, routed)
    write_json(stage.path / "model.json", asdict(training.model))
    save_weights(stage.path / WEIGHTS, params, training.model, {"stage": stage.name})
    for checkpoint in list_checkpoints(stage.path) if training.lean else ():
        shutil.rmtree(checkpoint)
    stage.finish(
        {
            "weights_sha256": parameter_hash(params),
            **prepared.facts,
            **({"ablated_units": routed} if routed else {}),
        },
        {**fingerprint(), "engine": layout.engine, "dtype": training.config.dtype},
    )


def _take_over(member: Path, stage: Stage) -> None:
    """Copies a member's metrics and kept weights into its stage."""
    for checkpoint in list_checkpoints(stage.path):  # of a run alone, begun by another engine
        shutil.rmtree(checkpoint)
    shutil.copytree(member, stage.path, dirs_exist_ok=True)


def _title(stages: Sequence[Stage]) -> str:
    return f"{len(stages)} x {stages[0].kind}"


def _summed(lines: Sequence[Progress]) -> Progress:
    """The members' lines as one: mean loss, tokens of all."""
    return replace(
        lines[0],
        loss=float(np.mean([line.loss for line in lines])),
        tokens=sum(line.tokens for line in lines),
        tokens_per_s=sum(line.tokens_per_s for line in lines),
    )
