"""An ensemble is its members: each ends where it would have ended alone, and survives a crash."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pytest
from small_model import CONFIG, batch_at, metrics

from tiny_models import init_params, parameter_hash, train
from tiny_models.checkpoint import list_checkpoints, read_embedded
from tiny_models.ensemble import member_directory, train_ensemble
from tiny_models.finiteness import refuse_non_finite_parameters
from tiny_models.retention import Retention, kept_weights

SEEDS = (1, 2, 3)


def rows_of(seed: int, step: int):
    return batch_at(1000 * seed + step)


RULES = [partial(rows_of, seed) for seed in SEEDS]


@pytest.fixture(scope="module")
def starts(model) -> list:
    return [init_params(model, seed) for seed in SEEDS]


def run(directory: Path, model, starts, rules=RULES, config=CONFIG, **options) -> list[str]:
    done = train_ensemble(
        params=starts,
        model=model,
        config=config,
        batch_at=rules,
        directory=directory,
        **options,
    )
    return [parameter_hash(params) for params in done]


@pytest.fixture(scope="module")
def whole(tmp_path_factory, model, starts) -> tuple[list[str], list]:
    directory = tmp_path_factory.mktemp("whole")
    hashes = run(directory, model, starts)
    return hashes, [metrics(member_directory(directory, index)) for index in range(3)]


@pytest.mark.parametrize(
    "change",
    [
        {"optimizer": "adamw"},
        pytest.param({"optimizer": "muon"}, marks=pytest.mark.slow),
        pytest.param({"dtype": "bfloat16", "attention": "xla"}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_a_member_ends_where_it_would_have_ended_alone(tmp_path, model, starts, change):
    config = replace(CONFIG, **change)
    # One rounding of bfloat16 is 2**-8, and Adam's first steps divide by what was rounded.
    rough = config.dtype == "bfloat16"
    together = train_ensemble(
        params=starts, model=model, config=config, batch_at=RULES, directory=tmp_path / "all"
    )
    for index, (start, rule) in enumerate(zip(starts, RULES, strict=True)):
        own = tmp_path / str(index)
        alone = train(params=start, model=model, config=config, batch_at=rule, directory=own)
        for one, other in zip(
            jax.tree.leaves(alone), jax.tree.leaves(together[index]), strict=True
        ):
            np.testing.assert_allclose(one, other, atol=5e-3 if rough else 2e-5)
        shared = metrics(member_directory(tmp_path / "all", index))
        np.testing.assert_allclose(shared, metrics(own), rtol=1e-2 if rough else 1e-4)
    # The tolerance means something: members are far apart.
    assert any(
        np.abs(np.asarray(one) - np.asarray(other)).max() > 1e-2
        for one, other in zip(
            jax.tree.leaves(together[0]), jax.tree.leaves(together[1]), strict=True
        )
    )


@pytest.mark.parametrize("stop", [1, 4, 8])
def test_an_interrupted_ensemble_resumes_to_the_same_bytes(tmp_path, model, starts, whole, stop):
    def interrupted(step: int):
        if step == stop:
            raise KeyboardInterrupt
        return RULES[2](step)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, model, starts, [*RULES[:2], interrupted])
    assert run(tmp_path, model, starts) == whole[0]
    assert [metrics(member_directory(tmp_path, index)) for index in range(3)] == whole[1]
    assert run(tmp_path, model, starts) == whole[0]  # and a finished one is only read back


def test_every_member_reports_and_keeps_its_own(tmp_path, model, starts):
    told: list = []
    run(tmp_path, model, starts, progress=told.append, retention=Retention(spaced=True))
    assert [[line.step for line in lines] for lines in told[:3]] == [[1] * 3, [2] * 3, [3] * 3]
    assert len({line.loss for line in told[0]}) == 3
    for index in range(3):
        assert list(kept_weights(member_directory(tmp_path, index))) == [0, 1, 2, 4, 8]


def test_checkpoints_record_every_members_seeds(tmp_path, model, starts):
    seeds = [{"init": seed} for seed in SEEDS]
    run(tmp_path, model, starts, seeds=seeds)
    newest = list_checkpoints(tmp_path)[-1]
    assert read_embedded(newest)["start"]["seeds"] == seeds
    with pytest.raises(ValueError, match="was made with seeds="):
        run(tmp_path, model, starts, seeds=seeds[::-1])


def test_members_that_do_not_match_are_refused(tmp_path, model, starts):
    with pytest.raises(ValueError, match="one function for each of the 3 members"):
        run(tmp_path, model, starts, RULES[:2])

    def wide(step: int):
        tokens, mask = rows_of(3, step)
        return np.tile(tokens, 2)[:, :-1], np.tile(mask, 2)[:, :-1]

    with pytest.raises(ValueError, match="one shape in all members"):
        run(tmp_path, model, starts, [*RULES[:2], wide])
    with pytest.raises(ValueError, match="held_out must have one batch for each"):
        run(tmp_path, model, starts, held_out=[batch_at(0)])
    with pytest.raises(ValueError, match="seeds must have one mapping for each of the 3 members"):
        run(tmp_path, model, starts, seeds=[{"init": 1}])
    tokens, mask = batch_at(0)
    with pytest.raises(ValueError, match=r"held_out\[1\] gave tokens outside"):
        run(tmp_path, model, starts, held_out=[(tokens, mask), (tokens + 23, mask), batch_at(1)])
    assert not list(tmp_path.iterdir())


def test_the_member_whose_parameters_are_not_finite_is_named():
    stacked = {"norm": np.array([[1.0, 2.0], [np.inf, 1.0], [1.0, np.nan]])}
    with pytest.raises(FloatingPointError, match="parameter norm of member 1 after step 2 is not"):
        refuse_non_finite_parameters(stacked, 3, together=True)


def test_another_member_is_refused_by_name(tmp_path, model, starts):
    run(tmp_path, model, starts)
    with pytest.raises(ValueError, match="made with parameters="):
        run(tmp_path, model, [*starts[:2], init_params(model, 4)])
