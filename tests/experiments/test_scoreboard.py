"""The scoreboard: every claim is there, tested or not, and nothing is left out or made nicer."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from experiments import cli
from experiments.claim_tables import board_markdown
from experiments.claims import ALL_CLAIMS
from experiments.result_sets import ResultSet, published, result_set
from experiments.rows import rows_to_csv
from experiments.scoreboard import board, deciding_study, entries
from experiments.studies import STUDIES
from experiments.study import make_plan, write_plan
from experiments.verdicts import DOES_NOT_HOLD, HOLDS, NOT_TESTED, UNDECIDED
from medsafetyworld.errors import SpecError

from fake_study import TRUTH, fake_rows, with_depths

IDS = (
    *(f"C{number}" for number in range(1, 9)),
    *(f"S{number}" for number in range(1, 7)),
    *(f"J{number}" for number in range(1, 4)),
    "D1",
)


def fake_results(directory: Path, truth: dict[str, dict[str, float]] | None = None) -> ResultSet:
    directory.mkdir(parents=True)
    rows = with_depths(fake_rows(truth=truth))
    (directory / "rows.csv").write_text(rows_to_csv(rows), encoding="utf-8")
    study = {"study": "headline", "preset": "laptop", "recipe": {"world": {}}}
    (directory / "study.json").write_text(json.dumps(study), encoding="utf-8")
    return result_set(directory)


def test_every_claim_has_a_study_that_decides_it() -> None:
    assert tuple(claim.id for claim in ALL_CLAIMS) == IDS
    found = {claim.id: deciding_study(claim) for claim in ALL_CLAIMS}
    assert [found[name] for name in ("C1", "C5", "C6", "C7", "C8", "S1", "J1", "D1")] == [
        "headline",
        "headline",
        "placement",
        "reflection",
        "finetune_defences",
        "safelm",
        "world_context",
        "headline",
    ]


def test_the_published_scoreboard_names_every_claim_and_what_would_test_it() -> None:
    found = board(published())
    assert tuple(dict.fromkeys(entry.claim.id for entry in found)) == IDS
    for entry in found:
        if entry.verdict is None:
            assert entry.results in STUDIES
            assert (entry.status, entry.adjusted) == (NOT_TESTED, None)
        else:
            assert entry.status in (HOLDS, DOES_NOT_HOLD, UNDECIDED)
            assert entry.verdict.p is not None
            assert entry.adjusted is not None
            assert entry.adjusted >= entry.verdict.p


def test_a_refuted_claim_stands_as_such_beside_the_others(tmp_path: Path) -> None:
    truth = TRUTH | {"srp": TRUTH["srp"] | {"prefill": 0.8}}
    results = [fake_results(tmp_path / "good"), fake_results(tmp_path / "bad", truth)]
    statuses = {entry.results: entry.status for entry in board(results) if entry.claim.id == "C4"}
    assert statuses == {"good": HOLDS, "bad": DOES_NOT_HOLD}
    ps = sorted(entry.adjusted or 0.0 for entry in entries(results[0]))
    assert ps[-1] < 1.0
    text = board_markdown(board(results))
    (line,) = (each for each in text.splitlines() if "| bad |" in each and "| C4" in each)
    assert "**does not hold**" in line
    assert "filtering above srp: -" in line


def test_the_command_prints_the_same_in_both_forms(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["claims"]) == 0
    table = capsys.readouterr().out
    assert cli.main(["claims", "--markdown"]) == 0
    markdown = capsys.readouterr().out
    for claim in ALL_CLAIMS:
        assert f"{claim.id}: " in table
        assert f"| {claim.id}: {claim.sentence} | " in markdown
    assert max(map(len, table.splitlines())) <= 80
    widths = {line.count(" | ") for line in markdown.splitlines() if line.startswith("| C")}
    assert widths == {6}


def test_a_study_s_own_directory_is_judged_once_it_has_whole_replicates(tmp_path: Path) -> None:
    plan = make_plan(STUDIES["placement"], "smoke")
    write_plan(plan, tmp_path)
    results = result_set(tmp_path)
    assert (results.study, results.preset, results.hops) == ("placement", "smoke", 1)
    with pytest.raises(SpecError, match="no replicate has all of its arms finished"):
        entries(results)


def test_a_directory_without_results_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["claims", str(tmp_path)]) == 2
    assert "study.json" in capsys.readouterr().err
    (tmp_path / "study.json").write_text('{"study": "headline"}')
    with pytest.raises(SpecError, match="not the file of a study"):
        result_set(tmp_path)


def test_hops_are_those_of_the_world_that_was_asked_about(tmp_path: Path) -> None:
    flat = fake_results(tmp_path / "flat")
    assert replace(flat, hops=2).measures.hops == 2
    found = {each.name: each.hops for each in published()}
    assert {name: hops for name, hops in found.items() if (hops == 2) != ("two-hop" in name)} == {}
