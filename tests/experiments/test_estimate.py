"""The time that a plan is expected to take, held against what studies took."""

from __future__ import annotations

import re
from dataclasses import replace
from importlib import import_module
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from experiments import cli
from experiments.commands import estimate as estimates
from experiments.commands.estimate import Speed, core_speed, estimate
from experiments.commands.plan_table import print_plan
from experiments.studies import STUDIES
from experiments.study import Plan, make_plan

QUIET = Speed(peak=143e9, share=1.0)
"""Of the machine on which the times below were measured."""

STATED = re.compile(r"At `laptop` (\d+) cells, about (\d+) (minutes|hours) on two cores")
ELSEWHERE = {"headline", "safelm", "world_context", "laboratory"}
"""Studies that have run, whose times the README tells."""


def five_settings() -> Plan:
    arms = ("baseline", "filtering", "filtering_plus", "rewrite", "srp")
    return make_plan(STUDIES["headline"], "laptop", arms=arms)


def test_the_headline_takes_about_as_long_as_it_took() -> None:
    took = 24 * 60 + 35
    assert estimate(five_settings(), 2, 25, QUIET).seconds == pytest.approx(took, rel=0.1)


@pytest.mark.parametrize("name", sorted(set(STUDIES) - ELSEWHERE))
def test_a_study_states_its_cells_and_its_time(name: str) -> None:
    text = " ".join((import_module(f"experiments.studies.{name}").__doc__ or "").split())
    found = STATED.search(text)
    assert found is not None
    plan = make_plan(STUDIES[name], "laptop")
    assert int(found[1]) == len(plan.cells)
    minutes = int(found[2]) * (60 if found[3] == "hours" else 1)
    expected = estimate(plan, 2, len(plan.cells), QUIET).seconds / 60
    assert minutes == pytest.approx(expected, rel=0.15)


def test_what_is_shared_or_done_costs_nothing_and_rounds_are_whole() -> None:
    plan = make_plan(STUDIES["placement"], "laptop")
    whole = estimate(plan, 2, 20, QUIET)
    assert estimate(plan, 2, 10, QUIET).seconds == pytest.approx(whole.seconds / 2)
    nine = estimate(plan, 2, 9, QUIET, share_last=False)
    assert nine.seconds == estimate(plan, 2, 10, QUIET).seconds
    assert estimate(plan, 2, 0, QUIET).seconds == 0
    # Twenty arms with a pretraining each take longer than twenty that share ten.
    alone = make_plan(STUDIES["unsafe_fraction"], "laptop", replicates=2)
    assert len(alone.cells) < len(plan.cells)
    assert estimate(alone, 2, 16, QUIET).seconds > whole.seconds


@pytest.mark.parametrize(
    ("workers", "left", "rounds"), [(2, 25, 12.5), (2, 1, 1), (4, 10, 2.5), (4, 11, 3), (4, 12, 3)]
)
def test_a_last_round_of_few_cells_is_shared(workers: int, left: int, rounds: float) -> None:
    plan = make_plan(STUDIES["placement"], "laptop")
    one = estimate(plan, workers, workers, QUIET).seconds
    assert estimate(plan, workers, left, QUIET).seconds == pytest.approx(rounds * one)


def test_speed_is_by_processor_seconds() -> None:
    speed = core_speed()
    assert speed.peak > 1e9
    assert 0 < speed.share < 1.1


@pytest.mark.parametrize(("share", "said"), [(0.97, False), (0.25, True)])
def test_a_plan_says_what_it_left_out_and_that_the_machine_is_busy(
    share: float, said: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(estimates, "core_speed", lambda: Speed(143e9, share))
    for name in ("headline", "laboratory"):
        assert cli.main(["study", "plan", name, "--preset", "smoke"]) == 0
        text = " ".join(capsys.readouterr().out.split())
        assert ("Other work has 75% of this core now" in text) == said
        assert ("not counting 25 instruments a cell" in text) == (name == "laboratory")


def test_a_single_instrument_that_is_not_counted_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimates, "core_speed", lambda: QUIET)
    plan = make_plan(STUDIES["headline"], "smoke")
    (first, *_) = plan.cells
    recipe = replace(first.recipe, instruments=("shots",))
    console = Console(file=StringIO(), width=10_000)
    print_plan(replace(plan, cells=(replace(first, recipe=recipe),)), tmp_path, 1, console)
    assert "not counting 1 instrument a cell" in console.file.getvalue()  # type: ignore[attr-defined]
