"""Stored state comes back bit for bit, or not at all and with the file named."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest

from tiny_models import CorruptCheckpoint, load_weights, parameter_hash, save_weights
from tiny_models import checkpoint as under_test
from tiny_models.checkpoint import (
    flatten,
    list_checkpoints,
    load_checkpoint,
    remove_unfinished,
    save_checkpoint,
    unflatten,
    verify_checkpoint,
)
from tiny_models.weights import read_metadata

STATE = {"params": {"a": np.arange(6, dtype=np.float32), "b": {"c": np.ones((2, 3), np.float32)}}}


@pytest.fixture(scope="module")
def stored(tmp_path_factory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("stored"), 4, STATE, {"name": "x"})


def test_a_checkpoint_comes_back_bit_for_bit_with_its_embedded_json(stored):
    state, embedded = load_checkpoint(stored, STATE)
    assert embedded == {"name": "x", "step": 4}
    assert jax.tree.structure(state) == jax.tree.structure(STATE)
    for one, other in zip(jax.tree.leaves(state), jax.tree.leaves(STATE), strict=True):
        assert np.asarray(one).tobytes() == other.tobytes()


def test_every_damage_to_every_file_is_refused_with_the_file_named(stored, tmp_path):
    def flip(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)

    damages = {
        "flip": flip,
        "truncate": lambda path: path.write_bytes(path.read_bytes()[:-1]),
        "extend": lambda path: path.write_bytes(path.read_bytes() + b"x"),
        "delete": Path.unlink,
    }
    names = [p.relative_to(stored) for p in stored.rglob("*") if p.is_file()]
    assert len(names) > 4
    for name in names:
        for kind, damage in damages.items():
            if kind == "flip" and not (stored / name).stat().st_size:
                continue
            copy = tmp_path / "copy"
            shutil.copytree(stored, copy)
            if kind == "truncate" and not (copy / name).stat().st_size:
                shutil.rmtree(copy)
                continue
            damage(copy / name)
            with pytest.raises(CorruptCheckpoint, match=str(name).replace(".", r"\.")):
                verify_checkpoint(copy)
            shutil.rmtree(copy)


def test_an_added_file_is_refused(stored, tmp_path):
    shutil.copytree(stored, tmp_path / "copy")
    (tmp_path / "copy" / "extra").write_text("")
    with pytest.raises(CorruptCheckpoint, match="extra differs"):
        verify_checkpoint(tmp_path / "copy")


@pytest.mark.parametrize("failing", [1, 2, 5, 9, 100])
def test_a_disk_that_refuses_at_any_write_leaves_old_or_new_never_half(
    tmp_path, monkeypatch, failing
):
    save_checkpoint(tmp_path, 1, STATE, {})
    calls = []

    def refuse(path: Path) -> None:
        calls.append(path)
        if len(calls) == failing:
            raise OSError("no space left")

    monkeypatch.setattr(under_test, "flush", refuse)
    try:
        save_checkpoint(tmp_path, 2, STATE, {})
    except OSError:
        assert len(calls) == failing
    for path in list_checkpoints(tmp_path):
        verify_checkpoint(path)
    assert list_checkpoints(tmp_path)[0].name == "step-00000001"
    remove_unfinished(tmp_path)
    assert all(p.name.startswith("step-") for p in tmp_path.iterdir())


def test_the_name_of_a_new_directory_is_flushed_and_so_are_those_above_it(tmp_path, monkeypatch):
    flushed: list[Path] = []
    monkeypatch.setattr(under_test, "flush", flushed.append)
    save_checkpoint(tmp_path / "runs" / "one", 1, STATE, {})
    assert flushed[:2] == [tmp_path, tmp_path / "runs"]


def test_an_unfinished_save_is_never_listed_and_is_removed(tmp_path):
    (tmp_path / ".unfinished-step-00000009-1" / "state").mkdir(parents=True)
    (tmp_path / "step-old").mkdir()
    assert list_checkpoints(tmp_path) == []
    remove_unfinished(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["step-old"]


def test_weights_come_back_with_flat_names_metadata_and_the_same_hash(tmp_path, model, params):
    path = tmp_path / "model.safetensors"
    save_weights(path, params, model, {"world": "abc"})
    assert parameter_hash(load_weights(path, model)) == parameter_hash(params)
    assert read_metadata(path)["world"] == "abc"
    assert "layers.0.attention.q" in dict(flatten(params))
    assert [p.name for p in tmp_path.iterdir()] == ["model.safetensors"]


def test_weights_of_another_shape_are_refused_with_the_field_named(tmp_path, model, params):
    path = tmp_path / "model.safetensors"
    save_weights(path, params, model)
    with pytest.raises(ValueError, match="made with context=48, not context=49"):
        load_weights(path, dataclasses.replace(model, context=49))


def test_the_hash_sees_values_names_and_shapes_but_not_order():
    base = {"a": np.zeros(4, np.float32), "b": np.ones(2, np.float32)}
    same = {"b": base["b"], "a": base["a"]}
    others = [
        {**base, "a": -base["a"]},
        {**base, "a": base["a"].reshape(2, 2)},
        {"c": base["a"], "b": base["b"]},
        {**base, "a": base["a"].astype(np.int32)},
        {**base, "a": np.zeros((), np.float32)},
        {**base, "a": np.zeros(1, np.float32)},
    ]
    assert parameter_hash(same) == parameter_hash(base)
    assert len({parameter_hash(tree) for tree in [base, *others]}) == 7


def test_flat_names_and_nested_dicts_are_inverse(params):
    again = unflatten(dict(flatten(params)))
    assert jax.tree.structure(again) == jax.tree.structure(params)
