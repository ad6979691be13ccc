"""A run is its inputs: interrupted anywhere and resumed, it ends in the same bytes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from small_model import batch_at

from tiny_models import CorruptCheckpoint, TrainConfig, init_params, parameter_hash, train
from tiny_models.checkpoint import list_checkpoints
from tiny_models.schedules import learning_rate

CONFIG = TrainConfig(
    steps=9,
    batch_rows=8,
    micro_rows=4,
    peak_lr=1e-2,
    warmup_steps=2,
    checkpoint_every=3,
    log_every=2,
)


def run(
    directory: Path, model, params, rule=batch_at, progress=None, strict=False, **changes
) -> str:
    """Trains with `CONFIG` and gives the hash of the parameters."""
    config = TrainConfig(**{**vars_of(CONFIG), **changes})
    done = train(
        params=params,
        model=model,
        config=config,
        batch_at=rule,
        directory=directory,
        progress=progress,
        strict=strict,
    )
    return parameter_hash(done)


def vars_of(config: TrainConfig) -> dict:
    return {name: getattr(config, name) for name in config.__dataclass_fields__}


def metrics(directory: Path) -> list[tuple]:
    """The fields of `metrics.jsonl` that do not measure time."""
    lines = [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]
    return [
        tuple(line[key] for key in ("step", "loss", "lr", "grad_norm", "tokens")) for line in lines
    ]


@pytest.fixture(scope="module")
def whole(tmp_path_factory, model, params) -> tuple[str, list[tuple]]:
    """Hash and metrics of the uninterrupted run."""
    directory = tmp_path_factory.mktemp("whole")
    return run(directory, model, params), metrics(directory)


@pytest.mark.parametrize("stop", range(1, 10))
def test_a_run_interrupted_at_any_step_resumes_to_the_same_bytes(
    tmp_path, model, params, whole, stop
):
    def interrupted(step: int):
        if step == stop:
            raise KeyboardInterrupt
        return batch_at(step)

    if stop < CONFIG.steps:
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, model, params, interrupted)
    assert run(tmp_path, model, params) == whole[0]
    assert metrics(tmp_path) == whole[1]
    assert run(tmp_path, model, params) == whole[0]  # and a finished run is only read back


def test_an_interrupt_while_reporting_loses_at_most_one_interval(tmp_path, model, params, whole):
    def interrupt(line) -> None:
        if line.step == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, model, params, progress=interrupt)
    resumed: list[int] = []
    assert run(tmp_path, model, params, progress=lambda line: resumed.append(line.step)) == whole[0]
    assert resumed == [8, 9]
    assert metrics(tmp_path) == whole[1]


def test_a_torn_last_line_of_metrics_is_dropped(tmp_path, model, params, whole):
    run(tmp_path, model, params)
    path = tmp_path / "metrics.jsonl"
    path.write_text(path.read_text() + '{"step": 9, "lo')
    run(tmp_path, model, params)
    assert metrics(tmp_path) == whole[1]


def test_lines_report_borders_tokens_and_time_left(tmp_path, model, params):
    lines: list = []
    run(tmp_path, model, params, progress=lines.append)
    assert [line.step for line in lines] == [2, 3, 4, 6, 8, 9]
    assert [line.tokens for line in lines] == [64 * step for step in (2, 3, 4, 6, 8, 9)]
    assert [line.lr for line in lines] == pytest.approx(
        [learning_rate(CONFIG, line.step - 1) for line in lines]
    )
    assert lines[-1].eta_seconds == 0.0
    assert all(line.tokens_per_s > 0 for line in lines)


def test_only_the_newest_two_checkpoints_stay(tmp_path, model, params):
    run(tmp_path, model, params)
    assert [p.name for p in list_checkpoints(tmp_path)] == ["step-00000006", "step-00000009"]
    assert not list(tmp_path.glob(".unfinished-*"))


@pytest.mark.parametrize(
    ("what", "field"),
    [
        ({"peak_lr": 2e-2}, "peak_lr"),
        ({"seed": 8}, "parameters"),
        ({"rule": lambda step: batch_at(step + 1)}, "first_batch"),
    ],
)
def test_another_recipe_start_or_data_is_refused_by_name(tmp_path, model, params, what, field):
    run(tmp_path, model, params)
    other = init_params(model, what.pop("seed")) if "seed" in what else params
    with pytest.raises(ValueError, match=f"made with {field}="):
        run(tmp_path, model, other, **dict(what))


def test_a_damaged_checkpoint_is_refused_not_skipped(tmp_path, model, params):
    run(tmp_path, model, params)
    (tmp_path / "step-00000009" / "embedded.json").write_text("{}")
    with pytest.raises(CorruptCheckpoint, match=r"step-00000009/embedded\.json differs"):
        run(tmp_path, model, params)


def test_training_elsewhere_is_a_warning_that_names_the_difference(
    tmp_path, model, params, monkeypatch
):
    run(tmp_path, model, params)
    here = {"jax": "another", "device": "abacus"}
    monkeypatch.setattr("tiny_models.training.fingerprint", lambda: here)
    with pytest.raises(ValueError, match="where jax, device differed, which strict"):
        run(tmp_path, model, params, strict=True)
    with pytest.warns(UserWarning, match="where jax, device differed"):
        run(tmp_path, model, params)


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_step(tmp_path, model, params):
    with pytest.raises(FloatingPointError, match="step 1 is not finite"):
        run(tmp_path, model, params, peak_lr=1e38, warmup_steps=0)
    assert list_checkpoints(tmp_path) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda t, m: (t[:4], m), "tokens of shape"),
        (lambda t, m: (t, m[:, :-1]), "loss mask of shape"),
        (lambda t, m: (t + 23, m), "outside the integers"),
        (lambda t, m: (t.astype(float), m), "outside the integers"),
        (lambda t, m: (np.tile(t, 9), np.tile(m, 9)), "tokens of shape"),
    ],
)
def test_rows_that_do_not_fit_are_refused(tmp_path, model, params, change, sentence):
    with pytest.raises(ValueError, match=sentence):
        run(tmp_path, model, params, rule=lambda step: change(*batch_at(step)))


def test_training_leaves_the_given_parameters_alone(tmp_path, model, params):
    before = parameter_hash(params)
    run(tmp_path, model, params)
    assert parameter_hash(params) == before


def test_a_model_learns_a_small_pattern_by_heart(tmp_path, model, params):
    rows = np.tile(np.random.default_rng(5).integers(0, 23, (4, 9)), (2, 1))
    rows[:, 0] = np.arange(8) % 4
    mask = np.ones((8, 8), bool)
    losses: list = []
    run(
        tmp_path,
        model,
        params,
        rule=lambda step: (rows, mask),
        progress=lambda line: losses.append(line.loss),
        steps=200,
        peak_lr=2e-2,
        checkpoint_every=200,
    )
    assert losses[0] > 0.5
    assert losses[-1] < 0.1
