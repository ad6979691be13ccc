"""The engine `ensemble` answers like the engine `cells`, and survives being killed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from experiments.ensemble import groups, train_all, train_cells
from experiments.evaluation import evaluate
from experiments.json_files import write_sealed
from experiments.recipe import Cell
from experiments.rows import Row, read_rows
from experiments.run import Execution
from experiments.stages import Context, pretraining
from experiments.store import Stage, verify_stage
from experiments.trainings import ENSEMBLES, MEMBERS, begun_ensembles, run_alone
from medsafetyworld.errors import SpecError
from tiny_models.retention import kept_weights

from tiny_recipe import cell

CELLS = (cell("filtering"), cell("srp_sft_only"), cell("filtering", replicate=1))


def silent(title: str, progress: object) -> None:
    """A report that nobody reads."""


def measured(root: Path, the_cell: Cell) -> tuple[Row, ...]:
    return tuple(read_rows(evaluate(Context(the_cell, root, silent)).path / "rows.csv"))


def engines_of(root: Path, kind: str) -> set[str]:
    return {verify_stage(path)["fingerprint"]["engine"] for path in root.glob(f"{kind}-*")}


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("together")
    train_cells(CELLS, root, None, silent)
    return root


def weights(root: Path) -> dict[str, str]:
    """Hash of the weights in each finished stage."""
    return {
        path.parent.name: verify_stage(path.parent)["summary"]["weights_sha256"]
        for path in root.glob("*/weights.safetensors")
    }


def test_every_training_is_done_once_and_says_how(together: Path) -> None:
    # Two settings share a pretraining; every SFT model is fine-tuned three times.
    counts = [len(list(together.glob(f"{kind}-*"))) for kind in ("pretrain", "sft", "finetune")]
    assert counts == [2, 3, 9]
    # Reflections make rows longer, and a single training is no ensemble.
    engines = [engines_of(together, kind) for kind in ("pretrain", "sft", "finetune")]
    assert engines == [{"ensemble of 2"}, {"ensemble of 2", "one model"}, {"ensemble of 9"}]
    assert not list((together / ENSEMBLES).iterdir())
    for path in together.glob("pretrain-*"):
        assert list(kept_weights(path)) == [0, 1, 2, 4, 8, 16]
        assert (path / "metrics.jsonl").exists()


@pytest.mark.slow
def test_both_engines_measure_the_same_within_rounding(together: Path, tmp_path: Path) -> None:
    for the_cell in CELLS[1:]:
        stamps = {path: path.stat().st_mtime_ns for path in together.glob("*/weights.safetensors")}
        ours = measured(together, the_cell)
        assert stamps == {path: path.stat().st_mtime_ns for path in stamps}, "a cell trained"
        alone = measured(tmp_path, the_cell)
        assert [replace(row, hits=None, value=0.0) for row in ours] == [
            replace(row, hits=None, value=0.0) for row in alone
        ]
        np.testing.assert_allclose(
            [row.value for row in ours], [row.value for row in alone], atol=1e-3
        )


def test_killed_between_two_members_the_rest_is_finished_from_the_same_ensemble(
    together: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = Stage.finish

    def dies(stage: Stage, *args: object) -> None:
        if list(tmp_path.glob("pretrain-*/manifest.json")):
            raise KeyboardInterrupt
        finish(stage, *args)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Stage, "finish", dies)
        with pytest.raises(KeyboardInterrupt):
            train_cells(CELLS, tmp_path, None, silent)
    assert len(begun_ensembles(tmp_path)) == 1
    trained: list[str] = []
    train_cells(CELLS, tmp_path, None, lambda title, progress: trained.append(title))
    assert not [title for title in trained if "x pretrain" in title], "it was trained again"
    assert weights(tmp_path) == weights(together)


def test_killed_in_training_it_ends_in_the_same_weights(together: Path, tmp_path: Path) -> None:
    def dies(title: str, progress: object) -> None:
        if getattr(progress, "step", 0) == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_cells(CELLS, tmp_path, None, dies)
    assert list((tmp_path / ENSEMBLES).glob("*/step-00000020"))
    train_cells(CELLS, tmp_path, None, silent)
    assert weights(tmp_path) == weights(together)


def test_what_a_cell_began_is_left_to_it_and_groups_have_a_greatest_size(tmp_path: Path) -> None:
    contexts = [Context(each, tmp_path, silent) for each in CELLS]
    all_of_them = [pretraining(context) for context in contexts]
    sizes = [[len(group) for group in groups(all_of_them, most)] for most in (None, 1)]
    assert sum(sizes[0]) == sum(sizes[1]) == 3
    assert set(sizes[1]) == {1}

    def dies(title: str, progress: object) -> None:
        if getattr(progress, "step", 0) == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_alone(all_of_them[2], dies)
    left = [training for group in groups(all_of_them, None) for training in group]
    assert [training.stage.name for training in left] == [
        training.stage.name for training in all_of_them[:2]
    ]


def test_an_ensemble_begun_with_others_is_left_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = pretraining(Context(CELLS[0], tmp_path, silent))
    monkeypatch.setattr("experiments.trainings.run_alone", lambda *args, **how: None)
    for kind in ("pretrain", "sft"):
        folder = tmp_path / ENSEMBLES / f"{kind}-{'0' * 16}"
        folder.mkdir(parents=True)
        own = training.stage.name if kind == "pretrain" else f"{kind}-{'2' * 16}"
        names = [own, f"{kind}-{'1' * 16}"]
        write_sealed(folder / MEMBERS, {"stages": names})
    told: list[str] = []
    train_all(tmp_path, [training], None, lambda title, progress: told.append(title))
    # Those of a later stage are looked at when their turn comes.
    (line,) = told
    assert line.startswith("left as it is: an ensemble of 2")
    assert f"does not have 1, the first of them pretrain-{'1' * 16}" in line
    assert len(begun_ensembles(tmp_path)) == 2


@pytest.mark.parametrize(
    ("how", "named"),
    [
        ({"engine": "magic"}, "engine"),
        ({"members": 2}, "members"),
        ({"cluster": "pbs"}, "cluster"),
        ({"cluster": "local", "workers": 2}, "workers"),
        ({"cluster_options": ("timeout_min=1",)}, "cluster-option"),
    ],
)
def test_a_bad_way_to_run_is_named(how: dict, named: str) -> None:
    with pytest.raises(SpecError, match=named):
        Execution(**how)
