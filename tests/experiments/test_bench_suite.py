"""Which contests there are, and what is made of their rates: rows and curves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.bench import figures, growth, suite, table
from experiments.bench.cells import CellTimes
from experiments.bench.contest import Measured
from experiments.bench.stream import larger_world
from experiments.bench.training import first_and_second_line


def test_the_exponent_of_a_power_law_is_found() -> None:
    axis = next(axis for axis in growth.AXES if axis.quantity.startswith("tokens"))
    found = [(n, Measured((n / (3e-4 * n**1.5),) * 3)) for n in (10, 100, 1000)]
    curve = growth.fit(axis, found)
    assert curve.exponent == pytest.approx(1.5)
    assert curve.error == pytest.approx(0.0, abs=1e-6)
    assert curve.points[1].seconds.median == pytest.approx(3e-4 * 100**1.5)


def test_every_size_of_world_can_be_built() -> None:
    axis = next(axis for axis in growth.AXES if axis.work == "world")
    sizes = [larger_world(compounds).compounds for compounds in (*axis.quick, *axis.full)]
    assert sizes == [*axis.quick, *axis.full]


def test_a_missing_size_leaves_its_curve_out_and_nothing_else() -> None:
    measured = {
        axis.quantity: {
            str(value): Measured(
                (1.0,), facts={"parameters": 9, "context": 8, "new_tokens": 4, "entities": value}
            )
            for value in axis.quick
        }
        for axis in growth.AXES
    }
    axis = growth.AXES[3]
    measured[axis.quantity][str(axis.quick[0])] = Measured(missing="gone")
    # One size for all: no slope can be found there.
    measured.pop("parameters")
    measured["parameters"] = {
        str(value): Measured((1.0,), facts={"parameters": 10.0**place})
        for place, value in enumerate(growth.AXES[0].quick)
    }
    names = [curve.quantity for curve in growth.curves(measured, quick=True)]
    assert names == [each.quantity for each in growth.AXES if each is not axis]


def test_rows_are_ratios_of_ours_to_peers_and_shares_of_peaks() -> None:
    square, shapes = f"float32 {suite.SQUARE}", f"float32 {suite.SHAPES}"
    ours = suite.recipe_name()
    dtype = ours.split(", ")[1]
    found = {
        suite.EAGER: Measured(
            (10.0, 10.0), facts={"micro_rows": 8, "dtype": "float32", "tried": 4}
        ),
        suite.COMPILED: Measured(missing="torch is not installed"),
        suite.HF: Measured((5.0, 5.0)),
        ours: Measured((40.0, 60.0), facts={"flops_a_token": 2.0}),
        square: Measured((200.0, 200.0)),
        shapes: Measured((100.0, 100.0)),
        f"{dtype} {suite.SQUARE}": Measured((200.0, 200.0)),
        f"{dtype} {suite.SHAPES}": Measured((100.0, 100.0)),
        "memory copy": Measured((1.0, 1.0)),
    }  # fmt: skip
    made = table.rows({f"train{suite.ONE}": found}, CellTimes("s", 1, {"start": 3.0, "sft": 1.0}))
    ratios = {(row.name, row.of): row.ratio.median for row in made if row.ratio}
    assert ratios[ours, f"of the {dtype} {suite.SQUARE}"] == pytest.approx(0.5)
    assert ratios[ours, f"of the {dtype} {suite.SHAPES}"] == pytest.approx(1.0)
    assert ratios[suite.EAGER, "ours over it"] == pytest.approx(5.0)
    assert ratios[suite.HF, "ours over it"] == pytest.approx(10.0)
    assert ratios[shapes, "of the large one"] == pytest.approx(0.5)
    assert ratios["start", "of the cell"] == pytest.approx(0.75)
    notes = {row.name: row.note for row in made}
    assert notes[suite.COMPILED] == "torch is not installed"
    assert notes[suite.EAGER] == "8 rows at a time, float32, best of 4"


@pytest.mark.parametrize("quick", [False, True])
def test_what_the_history_watches_is_in_the_table(quick: bool) -> None:
    facts = {"flops_a_token": 1.0}
    found = {
        contest.name: {each.name: Measured((1.0,), facts=facts) for each in contest.contestants}
        for contest in suite.contests(tuple(suite.PARTS), quick, cores=2)
    }
    made = table.rows(found, None)
    for name in figures.WATCHED:
        assert any(row.part.startswith(name) and row.ratio for row in made), name


def test_ours_is_timed_between_equally_distant_lines_wherever_it_is_compared() -> None:
    for quick, distance in ((False, 50), (True, 20)):
        made = suite.contests(tuple(suite.PARTS), quick, cores=2)
        chosen = {each.name: each for each in made if each.name[:5] in ("train", "strea", "ensem")}
        assert len(chosen) == 4
        for contest in chosen.values():
            for each in contest.contestants:
                if each.work in ("train", "ensemble"):
                    assert each.options["steps"] == distance, (contest.name, each.name)
        # One at a time is what a user has without ensembles.
        assert chosen["ensemble"].contestants[0].work == "train"


def test_a_training_is_left_at_its_second_line() -> None:
    seen: list[int] = []

    def run(directory: Path, progress: Callable[[object], None]) -> None:
        assert directory.is_dir()
        for line in range(9):
            seen.append(line)
            progress(line)

    before, after = first_and_second_line(run)
    assert seen == [0, 1]
    assert before <= after


def test_every_contest_names_works_that_exist() -> None:
    import importlib

    from experiments.bench.worker import WORKS

    for quick in (False, True):
        for contest in suite.contests(tuple(suite.PARTS), quick, cores=2):
            assert len({each.name for each in contest.contestants}) == len(contest.contestants)
            for contestant in contest.contestants:
                module, function = WORKS[contestant.work]
                assert hasattr(importlib.import_module(f"experiments.bench.{module}"), function)
