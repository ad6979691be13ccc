"""What a run keeps changes nothing of what it computes, and what is kept is what it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from small_model import batch_at

from tiny_models import TrainConfig, load_weights, parameter_hash, train
from tiny_models.checkpoint import list_checkpoints
from tiny_models.retention import Retention, kept_weights
from tiny_models.weights import read_metadata

CONFIG = TrainConfig(
    steps=9,
    batch_rows=8,
    micro_rows=4,
    peak_lr=1e-2,
    warmup_steps=2,
    checkpoint_every=3,
    log_every=2,
)


def run(directory: Path, model, params, config=CONFIG, **options) -> str:
    done = train(
        params=params,
        model=model,
        config=config,
        batch_at=options.pop("rule", batch_at),
        directory=directory,
        **options,
    )
    return parameter_hash(done)


def test_log_spaced_weights_are_those_of_shorter_runs_and_change_no_bit(tmp_path, model, params):
    plain = run(tmp_path / "plain", model, params)
    constant = replace(CONFIG, schedule="constant", warmup_steps=0)
    assert run(tmp_path / "kept", model, params, retention=Retention(spaced=True)) == plain
    run(tmp_path / "early", model, params, constant, retention=Retention(spaced=True))
    kept = kept_weights(tmp_path / "early")
    assert list(kept) == [0, 1, 2, 4, 8]
    assert parameter_hash(load_weights(kept[0], model)) == parameter_hash(params)
    for step in (1, 4):
        short = run(tmp_path / f"short{step}", model, params, replace(constant, steps=step))
        assert parameter_hash(load_weights(kept[step], model)) == short
        assert read_metadata(kept[step])["step"] == str(step)


def test_only_the_newest_checkpoints_stay(tmp_path, model, params):
    for last in (1, 3):
        run(tmp_path / str(last), model, params, retention=Retention(last=last))
        assert len(list_checkpoints(tmp_path / str(last))) == last
    with pytest.raises(ValueError, match="last must be at least 1"):
        Retention(last=0)


def test_the_best_weights_are_those_with_the_lowest_held_out_loss(tmp_path, model, params):
    lines: list = []
    # The rows it trains on are not those it is judged by, and the rate is high: it gets worse.
    run(
        tmp_path,
        model,
        params,
        replace(CONFIG, peak_lr=0.3, steps=30),
        retention=Retention(best=True),
        held_out=batch_at(10_000),
        progress=lines.append,
    )
    judged = {line.step: line.held_out_loss for line in lines if line.held_out_loss is not None}
    assert list(judged) == list(range(3, 31, 3))
    wanted = min(judged, key=lambda step: judged[step])
    path = tmp_path / "kept" / "best.safetensors"
    assert wanted < 30
    assert read_metadata(path)["step"] == str(wanted)
    assert load_weights(path, model)


def test_a_resumed_run_keeps_the_best_of_both_parts(tmp_path, model, params):
    def interrupted(step: int):
        if step == 7:
            raise KeyboardInterrupt
        return batch_at(step)

    options = {"retention": Retention(spaced=True, best=True)}
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run(whole, model, params, **options)
    with pytest.raises(KeyboardInterrupt):
        run(parts, model, params, rule=interrupted, **options)
    run(parts, model, params, **options)
    files = sorted(path.name for path in (whole / "kept").iterdir())
    assert files == sorted(path.name for path in (parts / "kept").iterdir())
    for name in files:
        one, other = whole / "kept" / name, parts / "kept" / name
        assert parameter_hash(load_weights(one, model)) == parameter_hash(
            load_weights(other, model)
        )
        assert read_metadata(one) == read_metadata(other)
