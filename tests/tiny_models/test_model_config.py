"""Shapes and recipes refuse what they cannot mean, and count their parameters exactly."""

from __future__ import annotations

import dataclasses
import json

import jax
import pytest

from tiny_models import PRESETS, ModelConfig, TrainConfig, init_params, parameter_count, preset

MODEL = {
    "vocab_size": 5,
    "d_model": 8,
    "layers": 1,
    "heads": 2,
    "kv_heads": 1,
    "hidden": 8,
    "context": 4,
}
TRAIN = {"steps": 10, "batch_rows": 4, "micro_rows": 2, "peak_lr": 1e-3}


def test_the_135m_preset_has_the_published_number_of_parameters():
    assert parameter_count(preset("135M", vocab_size=49152, context=2048)) == 134_515_008


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_preset_counts_as_many_parameters_as_its_model_holds(name: str):
    config = preset(name, vocab_size=101, context=16)
    shapes = jax.eval_shape(lambda: init_params(config, 0))
    assert parameter_count(config) == sum(leaf.size for leaf in jax.tree.leaves(shapes))


def test_an_unknown_preset_names_the_nearest_and_all_allowed():
    with pytest.raises(ValueError, match=r"'0.4M'.*nearest.*0.1M, 0.3M, 1M, 3M, 10M, 30M, 135M"):
        preset("0.4M", vocab_size=5, context=5)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"heads": 3}, "heads must divide d_model=8"),
        ({"kv_heads": 3, "heads": 4}, "kv_heads must divide heads=4"),
        ({"heads": 8}, "must be even"),
        ({"layers": 0}, "layers must be positive"),
        ({"context": True}, "context"),
        ({"hidden": 8.0}, "hidden"),
        ({"norm_eps": float("nan")}, "norm_eps"),
        ({"rope_theta": float("inf")}, "rope_theta"),
        ({"depth": 3}, "depth"),
    ],
)
def test_a_bad_model_shape_is_refused_with_its_field_named(change: dict, sentence: str):
    with pytest.raises(ValueError, match=sentence):
        ModelConfig(**{**MODEL, **change})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"micro_rows": 3}, "micro_rows must divide batch_rows=4"),
        ({"steps": 0}, "steps must be at least 1"),
        ({"warmup_steps": 11}, r"warmup_steps must lie in \[0, steps=10\]"),
        ({"schedule": "linear"}, "schedule"),
        ({"optimizer": "sgd"}, "optimizer"),
        ({"b2": 1.0}, "b2 must lie in"),
        ({"peak_lr": -1.0}, "peak_lr must be positive"),
        ({"weight_decay": -0.1}, "weight_decay must be at least 0"),
    ],
)
def test_a_bad_recipe_is_refused_with_its_field_named(change: dict, sentence: str):
    with pytest.raises(ValueError, match=sentence):
        TrainConfig(**{**TRAIN, **change})


def test_configurations_survive_json_and_cannot_be_changed():
    for config in (ModelConfig(**MODEL), TrainConfig(**TRAIN)):
        again = type(config)(**json.loads(json.dumps(dataclasses.asdict(config))))
        assert again == config
        assert hash(again) == hash(config)
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(config, next(iter(MODEL)), 1)
