"""A run is its inputs: interrupted anywhere and resumed, it ends in the same bytes."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import numpy as np
import pytest
from small_model import CONFIG, batch_at, interrupted_at, metrics, run

from tiny_models import CorruptCheckpoint, init_params, load_weights, parameter_hash
from tiny_models.checkpoint import list_checkpoints, read_embedded
from tiny_models.determinism import fingerprint, require_repeatable
from tiny_models.retention import Retention
from tiny_models.schedules import learning_rate


@pytest.fixture(scope="module")
def whole(tmp_path_factory, model, params) -> tuple[str, list[tuple]]:
    """Hash and metrics of the uninterrupted run."""
    directory = tmp_path_factory.mktemp("whole")
    return run(directory, model, params), metrics(directory)


@pytest.mark.parametrize("stop", range(1, 10))
def test_a_run_interrupted_at_any_step_resumes_to_the_same_bytes(
    tmp_path, model, params, whole, stop
):
    if stop < CONFIG.steps:
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, model, params, interrupted_at(stop))
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
    assert [line.lr for line in lines] == [learning_rate(CONFIG, line.step - 1) for line in lines]
    assert lines[-1].eta_seconds == 0.0
    assert all(line.tokens_per_s > 0 for line in lines)


def test_only_the_newest_two_checkpoints_stay(tmp_path, model, params):
    run(tmp_path, model, params)
    assert [p.name for p in list_checkpoints(tmp_path)] == ["step-00000006", "step-00000009"]
    assert not list(tmp_path.glob(".unfinished-*"))


@pytest.mark.parametrize(
    ("what", "field"),
    [
        ({"config": replace(CONFIG, peak_lr=2e-2)}, "peak_lr"),
        # Their states have other arrays, which is not what the sentence is about.
        ({"config": replace(CONFIG, optimizer="muon")}, "optimizer"),
        ({"layers": 2}, "layers"),
        ({"held_out": batch_at(1)}, "held_out"),
        ({"retention": Retention(spaced=True)}, "spaced"),
        ({"retention": Retention(best=True)}, "best"),
        ({"seed": 8}, "parameters"),
        ({"rule": lambda step: batch_at(step + 1)}, "first_batch"),
    ],
)
def test_another_recipe_start_or_data_is_refused_by_name(tmp_path, model, params, what, field):
    run(tmp_path, model, params)
    options = dict(what)
    other = replace(model, layers=options.pop("layers", model.layers))
    start = init_params(other, options.pop("seed", 7))
    with pytest.raises(ValueError, match=f"made with {field}="):
        run(tmp_path, other, start, **options)


def test_a_damaged_checkpoint_is_refused_not_skipped(tmp_path, model, params):
    run(tmp_path, model, params)
    (tmp_path / "step-00000009" / "embedded.json").write_text("{}")
    with pytest.raises(CorruptCheckpoint, match=r"step-00000009/embedded\.json differs"):
        run(tmp_path, model, params)


def test_training_elsewhere_is_a_warning_that_names_the_difference(
    tmp_path, model, params, monkeypatch
):
    run(tmp_path, model, params)
    here = {**fingerprint(), "jax": "another", "new": "kind of fact"}
    del here["numpy"]
    monkeypatch.setattr("tiny_models.training.fingerprint", lambda: here)
    with pytest.raises(ValueError, match="where jax, new, numpy differed, which strict"):
        run(tmp_path, model, params, strict=True)
    with pytest.warns(UserWarning, match="where jax, new, numpy differed"):
        run(tmp_path, model, params)


def test_other_cores_and_flags_are_seen_where_they_really_differ(
    tmp_path, model, params, monkeypatch
):
    run(tmp_path, model, params)
    monkeypatch.setenv("XLA_FLAGS", f"{os.environ.get('XLA_FLAGS', '')} --xla_dump_to=")
    with pytest.warns(UserWarning, match="where xla_flags differed"):
        run(tmp_path, model, params)
    monkeypatch.undo()
    if not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) == 1:
        pytest.skip("a process cannot be moved to other cores here")
    here = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(here)})
    try:
        with pytest.raises(ValueError, match="where cores differed, which strict"):
            run(tmp_path, model, params, strict=True)
    finally:
        os.sched_setaffinity(0, here)


def test_checkpoints_record_the_seeds_and_other_seeds_are_refused_by_name(tmp_path, model, params):
    run(tmp_path, model, params, seeds={"init": 3, "order": 5})
    embedded = read_embedded(list_checkpoints(tmp_path)[-1])
    assert embedded["start"]["seeds"] == {"init": 3, "order": 5}
    with pytest.raises(ValueError, match=r"with seeds=.*'order': 5.*, not seeds=.*'order': 6"):
        run(tmp_path, model, params, seeds={"init": 3, "order": 6})


def test_checkpoints_list_the_other_places_where_parts_of_the_run_were_computed(
    tmp_path, model, params, monkeypatch
):
    def embedded() -> dict:
        return json.loads((list_checkpoints(tmp_path)[-1] / "embedded.json").read_text())

    here = fingerprint()
    for stop, place in ((4, "a"), (7, "b"), (None, "b")):
        monkeypatch.setattr("tiny_models.training.fingerprint", lambda x=place: {**here, "jax": x})
        if stop is None:
            run(tmp_path, model, params)
        elif stop == 4:
            with pytest.raises(KeyboardInterrupt):
                run(tmp_path, model, params, interrupted_at(stop))
            assert embedded()["earlier_fingerprints"] == []
        else:
            with pytest.raises(KeyboardInterrupt), pytest.warns(UserWarning, match="jax differed"):
                run(tmp_path, model, params, interrupted_at(stop))
    assert [each["jax"] for each in embedded()["earlier_fingerprints"]] == ["a"]
    assert embedded()["fingerprint"]["jax"] == "b"


@pytest.mark.parametrize(
    ("flags", "repeats"),
    [
        ("", False),
        ("--xla_gpu_deterministic_ops=false", False),
        ("--xla_gpu_deterministic_ops=true --xla_gpu_deterministic_ops=false", False),
        ("--xla_other=1 --xla_gpu_deterministic_ops=true", True),
    ],
)
def test_strict_on_a_gpu_needs_the_flag_without_which_no_run_repeats(
    tmp_path, model, params, monkeypatch, flags, repeats
):
    monkeypatch.setattr("tiny_models.determinism.backend_name", lambda: "gpu")
    monkeypatch.setenv("XLA_FLAGS", flags)
    if repeats:
        require_repeatable()
        return
    with pytest.raises(ValueError, match="needs XLA_FLAGS=--xla_gpu_deterministic_ops=true"):
        run(tmp_path / "run", model, params, strict=True)
    assert not list(tmp_path.iterdir())


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_step(tmp_path, model, params):
    with pytest.raises(FloatingPointError, match="step 1 is not finite"):
        run(tmp_path, model, params, config=replace(CONFIG, peak_lr=1e38, warmup_steps=0))
    assert list_checkpoints(tmp_path) == []


@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_a_parameter_that_is_not_finite_is_not_saved(tmp_path, model, params):
    """The loss, which is that before the step, does not show what its last step did."""
    config = replace(CONFIG, steps=1, peak_lr=1e39, warmup_steps=0)
    with pytest.raises(FloatingPointError, match=r"parameter \S+ after step 0 is not finite"):
        run(tmp_path, model, params, config=config, retention=Retention(best=True))
    assert list_checkpoints(tmp_path) == []
    assert not (tmp_path / "kept").exists()


def test_a_bad_batch_costs_no_step_before_the_last_checkpoint(tmp_path, model, params):
    def rule(step: int):
        tokens, mask = batch_at(step)
        return (tokens + 23 if step == 3 else tokens), mask

    with pytest.raises(ValueError, match=r"batch_at\(3\) gave tokens outside"):
        run(tmp_path, model, params, rule)
    assert [path.name for path in list_checkpoints(tmp_path)] == ["step-00000003"]


def test_what_an_earlier_run_kept_does_not_outlive_it(tmp_path, model, params):
    options = {"retention": Retention(spaced=True, best=True)}
    run(tmp_path, model, params, **options)
    for path in (*list_checkpoints(tmp_path), tmp_path / "metrics.jsonl"):
        path.rename(path.with_name(f"gone-{path.name}"))
    run(tmp_path, model, params, config=replace(CONFIG, steps=2), **options)
    names = sorted(path.name for path in (tmp_path / "kept").iterdir())
    assert names == ["best.safetensors", *(f"step-0000000{step}.safetensors" for step in range(3))]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda t, m: (t[:4], m), "tokens of shape"),
        (lambda t, m: (t, m[:, :-1]), "loss mask of shape"),
        (lambda t, m: (t + 23, m), "outside the integers"),
        (lambda t, m: (t.astype(float), m), "outside the integers"),
        (lambda t, m: (np.tile(t, 9), np.tile(m, 9)), "tokens of shape"),
        (lambda t, m: (t, np.where(m, 1.0, np.nan)), "loss mask that holds other"),
        (lambda t, m: (t, m - 2.0), "loss mask that holds other"),
    ],
)
def test_rows_that_do_not_fit_are_refused(tmp_path, model, params, change, sentence):
    with pytest.raises(ValueError, match=sentence):
        run(tmp_path, model, params, rule=lambda step: change(*batch_at(step)))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda t, m: (t[0], m), "tokens of shape"),
        (lambda t, m: (t, m[1:]), "loss mask of shape"),
        (lambda t, m: (t + 23, m), "outside the integers"),
        (lambda t, m: (t, np.where(m, 1.0, np.nan)), "loss mask that holds other"),
        (lambda t, m: (t, m & False), "counts no target"),
    ],
)
def test_a_held_out_batch_that_does_not_fit_is_refused_before_anything_is_written(
    tmp_path, model, params, change, sentence
):
    with pytest.raises(ValueError, match=f"held_out gave .*{sentence}"):
        run(tmp_path / "run", model, params, held_out=change(*batch_at(0)))
    assert not list(tmp_path.iterdir())


def test_a_held_out_loss_that_is_not_finite_replaces_no_best(tmp_path, model, params, monkeypatch):
    options = {"held_out": batch_at(10), "retention": Retention(best=True)}
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, model, params, interrupted_at(4), **options)
    best = tmp_path / "kept" / "best.safetensors"
    before = parameter_hash(load_weights(best, model))
    monkeypatch.setattr("tiny_models.training.held_out_loss", lambda *_: np.nan)
    with pytest.raises(FloatingPointError, match="held-out loss after step 5 is not finite"):
        run(tmp_path, model, params, **options)
    assert parameter_hash(load_weights(best, model)) == before
    assert [path.name for path in list_checkpoints(tmp_path)] == ["step-00000003"]


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
        config=replace(CONFIG, steps=200, peak_lr=2e-2, checkpoint_every=200),
    )
    assert losses[0] > 0.5
    assert losses[-1] < 0.1
