"""From finished cells to report and published results: whole studies, whole replicates."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.bench.cells import study_times
from experiments.collect import build_report, harmful_derivation, publish
from experiments.evidence import read_evidence
from experiments.html.published import write_published
from experiments.json_files import read_sealed, write_sealed
from experiments.recipe import Arm
from experiments.run import run_study
from experiments.studies.headline import HEADLINE
from experiments.study import Preset, Study, load_plan, make_plan, write_plan
from medsafetyworld.errors import SpecError

from tiny_recipe import RECIPE

STUDY = Study(
    "tiny",
    "does it report?",
    (Arm("filtering", "filtering"), Arm("shuffled", "filtering", shuffled=True)),
    {"tiny": Preset(replace(RECIPE, instruments=("prefix(longest=1)",)), replicates=2)},
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("study") / "runs"
    report = run_study(STUDY, "tiny", directory, workers=2)
    assert report == directory / "report" / "report.md"
    return directory


def test_a_finished_study_is_not_run_again(finished: Path) -> None:
    stamps = {path: path.stat().st_mtime_ns for path in finished.glob("stages/*/manifest.json")}
    before = (finished / "report" / "report.md").read_bytes()
    run_study(STUDY, "tiny", finished, workers=2)
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    assert (finished / "report" / "report.md").read_bytes() == before


def test_every_cell_says_where_its_seconds_went(finished: Path) -> None:
    times = study_times(finished)
    assert times.cells == 4
    assert {"start", "pretrain", "sft", "finetune", "measure"} <= times.seconds.keys()
    assert min(times.seconds.values()) >= 0 < times.seconds["measure"]


def test_every_model_of_the_report_is_named_with_its_hashes(finished: Path) -> None:
    provenance = json.loads((finished / "report" / "provenance.json").read_text())
    assert {(entry["variant"], entry["seed"]) for entry in provenance} == {
        (arm.name, seed) for arm in STUDY.arms for seed in (0, 1)
    }
    for entry in provenance:
        assert entry["harmful_statements"] == 0
        for name in ("corpus_sha256", "weights_sha256", "sft_weights_sha256"):
            assert len(entry[name]) == 64


def test_the_report_counts_categories_and_tells_how_a_harmful_answer_follows(
    finished: Path,
) -> None:
    provenance = json.loads((finished / "report" / "provenance.json").read_text())
    for entry in provenance:
        assert entry["categories"]["forward-safe"] > 0
        assert "reverse-unsafe" not in entry["categories"]
    found = harmful_derivation(finished, load_plan(finished).cells)
    assert found is not None
    goal = found.proof.fact
    assert found.proof.depth > 0, "no document states it"
    assert found.world.holds(goal)
    assert found.world.unsafe[found.world.outcome(goal)]
    text = (finished / "report" / "report.md").read_text(encoding="utf-8")
    assert found.source in text
    assert "## Data safety report card" in text
    assert found.source == "the corpus of Filtering, seed 0"


def test_the_page_of_published_results_is_that_of_the_study(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.collect.build_report", lambda directory: None)  # it is there
    target, _ = publish(finished, tmp_path, "mine")
    assert not (target / "report.html").exists(), "it is made again from what is published"
    for path in write_published(target):
        assert path.read_bytes() == (finished / "report" / path.name).read_bytes(), path.name


def test_the_page_s_evidence_is_of_every_cell_and_every_kind_of_stage(finished: Path) -> None:
    kept = read_evidence(finished / "report" / "evidence.json")
    assert {arm: len(seeds) for arm, seeds in kept.curves.items()} == {
        "filtering": 2,
        "shuffled": 2,
    }
    (records,) = kept.records.values()
    assert {arm: list(seeds) for arm, seeds in records.items()} == {
        "filtering": ["0", "1"],
        "shuffled": ["0", "1"],
    }
    shown = {(each["variant"], each["probe"]) for each in kept.examples}
    for arm in ("filtering", "shuffled"):
        assert {(arm, "direct"), (arm, "prefill:The"), (arm, "prefix:k=1")} <= shown
    assert all(each["seed"] == 0 and each["right"] for each in kept.examples)


def test_other_seeds_than_the_preset_s_need_a_name_of_their_own(tmp_path: Path) -> None:
    write_plan(make_plan(HEADLINE, "smoke", replicates=1), tmp_path / "study")
    with pytest.raises(SpecError, match="--name"):
        publish(tmp_path / "study", tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_only_a_whole_study_is_published(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, replaced = publish(finished, tmp_path, "mine")
    assert replaced == []
    assert {"rows.csv", "report.md", "seeds.json", "safety_utility.png"} <= {
        path.name for path in target.iterdir()
    }
    marker = finished / "cells" / "shuffled-s1.done.json"
    held = marker.read_bytes()
    marker.unlink()
    try:
        with pytest.raises(SpecError, match="1 of 4 cells are not finished"):
            publish(finished, tmp_path, "again")
        # The rows are what this is about: the figures need not be drawn another time.
        monkeypatch.setattr("experiments.collect.write_report", lambda path, *parts, **more: path)
        _, rows = build_report(finished)
        assert {row.seed for row in rows} == {0}, "arms are compared on whole replicates"
    finally:
        marker.write_bytes(held)


def test_results_are_renewed_and_what_was_asked_otherwise_is_said(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.collect.build_report", lambda directory: None)  # it is there
    target, _ = publish(finished, tmp_path, "mine")
    assert publish(finished, tmp_path, "mine") == (target, [])
    before = read_sealed(target / "study.json")
    recipe = {**before["recipe"], "stems": 3, "pretrain": {**before["recipe"]["pretrain"]}}
    recipe["pretrain"]["steps"] = 900
    write_sealed(target / "study.json", {**before, "recipe": recipe})
    _, replaced = publish(finished, tmp_path, "mine")
    assert replaced == ["recipe.pretrain.steps: 30, was 900", "recipe.stems: 1, was 3"]
    assert read_sealed(target / "study.json") == before
    write_sealed(target / "study.json", {**before, "study": "another"})
    (target / "report.md").write_text("theirs")
    with pytest.raises(SpecError, match="holds another study than tiny at tiny"):
        publish(finished, tmp_path, "mine")
    assert (target / "report.md").read_text() == "theirs"


def test_a_changed_byte_is_refused_with_the_file_named(finished: Path) -> None:
    path = next(finished.glob("stages/sft-*/weights.safetensors"))
    held = path.read_bytes()
    path.write_bytes(held[:-1] + bytes([held[-1] ^ 1]))
    try:
        with pytest.raises(RuntimeError, match=r"weights\.safetensors"):
            build_report(finished)
    finally:
        path.write_bytes(held)
