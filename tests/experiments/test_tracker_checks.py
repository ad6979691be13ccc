"""What is asked of a tracker before it is used: that it is there, and sends nothing away."""

from __future__ import annotations

import importlib.util
import tomllib
from pathlib import Path

import pytest

from experiments import cli, trackers
from medsafetyworld.errors import SpecError

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("tracker", "installed", "sentence"),
    [
        ("tensorboard", True, "track must be trackio or wandb, got 'tensorboard'"),
        ("trackio", False, "trackio is not installed; `pip install -e '.[track]'` adds it"),
        ("wandb", False, "wandb is not installed; `pip install -e '.[wandb]'` adds it"),
    ],
)
def test_a_tracker_that_is_not_there_is_refused_before_anything_is_written(
    tracker: str,
    installed: bool,
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object() if installed else None)
    with pytest.raises(SpecError, match="track"):
        trackers.check_tracker(tracker)
    command = ["study", "run", "headline", "--preset", "smoke", "--track", tracker]
    assert cli.main(command) == 2
    assert sentence in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("variable", trackers.REMOTE)
def test_trackio_is_not_used_to_send_curves_away(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setenv(variable, "somebody/somewhere")
    trackers.check_tracker("wandb")
    with pytest.raises(SpecError, match=f"{variable} is set"):
        trackers.check_tracker("trackio")


def test_the_extra_that_a_tracker_asks_for_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for name in trackers.TRACKERS:
        with pytest.raises(SpecError) as refused:
            trackers.check_tracker(name)
        extra = str(refused.value).split("[")[1].split("]")[0]
        assert project["optional-dependencies"][extra][0].startswith(f"{name}>=")
