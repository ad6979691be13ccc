"""What a run keeps changes nothing of what it computes, and what is kept is what it was."""

from __future__ import annotations

from dataclasses import replace

import pytest
from small_model import CONFIG, batch_at, interrupted_at, run

from tiny_models import load_weights, parameter_hash
from tiny_models.checkpoint import list_checkpoints
from tiny_models.retention import Retention, forget_kept, keep_if_best, kept_weights
from tiny_models.weights import read_metadata


def test_log_spaced_weights_are_those_of_shorter_runs_and_change_no_bit(tmp_path, model, params):
    plain = run(tmp_path / "plain", model, params)
    constant = replace(CONFIG, schedule="constant", warmup_steps=0)
    assert run(tmp_path / "kept", model, params, retention=Retention(spaced=True)) == plain
    run(tmp_path / "early", model, params, config=constant, retention=Retention(spaced=True))
    kept = kept_weights(tmp_path / "early")
    assert list(kept) == [0, 1, 2, 4, 8]
    assert parameter_hash(load_weights(kept[0], model)) == parameter_hash(params)
    for step in (1, 4):
        short = run(tmp_path / f"short{step}", model, params, config=replace(constant, steps=step))
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
        config=replace(CONFIG, peak_lr=0.3, steps=30),
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
    options = {"retention": Retention(spaced=True, best=True)}
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run(whole, model, params, **options)
    with pytest.raises(KeyboardInterrupt):
        run(parts, model, params, interrupted_at(7), **options)
    run(parts, model, params, **options)
    files = sorted(path.name for path in (whole / "kept").iterdir())
    assert files == sorted(path.name for path in (parts / "kept").iterdir())
    for name in files:
        one, other = whole / "kept" / name, parts / "kept" / name
        assert parameter_hash(load_weights(one, model)) == parameter_hash(
            load_weights(other, model)
        )
        assert read_metadata(one) == read_metadata(other)


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_is_never_the_best(tmp_path, model, params, loss):
    keep_if_best(tmp_path, 3, 1.0, params, model)
    with pytest.raises(FloatingPointError, match="loss at step 6"):
        keep_if_best(tmp_path, 6, loss, params, model)
    assert read_metadata(tmp_path / "kept" / "best.safetensors")["step"] == "3"


def test_a_link_in_the_place_of_what_was_kept_is_removed_not_followed(tmp_path):
    treasure = tmp_path / "outside" / "best.safetensors"
    treasure.parent.mkdir()
    treasure.write_text("gold")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "kept").symlink_to(treasure.parent)
    forget_kept(tmp_path / "run")
    assert not (tmp_path / "run" / "kept").exists()
    assert treasure.read_text() == "gold"
