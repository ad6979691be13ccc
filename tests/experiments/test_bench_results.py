"""From rates to rows, curves, log and README: nothing is lost and nothing is made up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from experiments.bench import figures, growth, log, show, suite, table
from experiments.bench.cells import CellTimes
from experiments.bench.contest import Measured, Spread
from experiments.bench.results import Curve, Point, Row
from experiments.bench.stream import larger_world
from experiments.commands import bench
from experiments.commands.study import RESULTS, ROOT, with_performance
from experiments.figure_style import save
from experiments.stage_clock import StageClock, process_age
from medsafetyworld.errors import SpecError
from tiny_models.training import Progress

ENTRY = log.Entry(
    date="2026-11-21T10:30",
    commit="0123456789abcdef",
    dirty=True,
    quick=True,
    rounds=5,
    share=0.5,
    machine={"processor": "abacus", "cores": "2", "platform": "p", "python": "3.11"},
    versions={"jax": "0.10"},
    rows=(
        Row("training, one core", "ours", 59_100.0, "token/s", Spread(0.44, 0.4, 0.5), "of", True),
        Row("training, one core", "PyTorch", 7e3, "token/s", Spread(8.0, 7.0, 9.5), "ours over it"),
        Row("decoding, one core", "Hugging Face", None, "token/s", note="not installed"),
    ),
    curves=(
        Curve("rows", "a step", (Point(1, Spread(1, 1, 1)), Point(2, Spread(2, 1, 3))), 1.0, 0.1),
    ),
)  # fmt: skip


def test_an_entry_survives_the_disk(tmp_path: Path) -> None:
    path = log.write_entry(ENTRY, tmp_path)
    assert path.name == "2026-11-21T1030-0123456.json"
    assert log.read_log(tmp_path) == [ENTRY]
    later = replace(ENTRY, date="2026-12-01T00:00")
    log.write_entry(later, tmp_path)
    assert log.newest(tmp_path) == later


@pytest.mark.parametrize("text", ["{}", "[]", '{"format": "medsafetyworld.bench/1", "rows": 3}'])
def test_what_is_no_entry_is_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "2026.json").write_text(text)
    with pytest.raises(SpecError, match=r"2026\.json: not an entry"):
        log.read_log(tmp_path)


def test_table_and_readme_say_rate_ratio_and_what_is_missing(tmp_path: Path) -> None:
    console = Console(record=True, width=200)
    show.print_table(ENTRY, console)
    block = show.performance_block(ENTRY, "somewhere")
    for text in (console.export_text(), block):
        for part in ("59.1 k token/s", "44 % (40 to 50) of", "8.0× (7.0 to 9.5) ours over it",
                     "not installed", "rows ^ 1.00 ± 0.10", "0123456 with changes"):  # fmt: skip
            assert part in text
    log.write_entry(ENTRY, tmp_path / "log")
    readme = f"above\n{show.START}\nold\n{show.END}\nbelow\n"
    once = with_performance(readme, tmp_path / "log")
    assert block.strip() in once.replace("experiments/results/log", "somewhere")
    assert with_performance(once, tmp_path / "log") == once
    with pytest.raises(SpecError, match="no performance block"):
        with_performance("no markers", tmp_path / "log")
    with pytest.raises(SpecError, match="empty"):
        with_performance(readme, tmp_path / "absent")


def test_the_committed_readme_and_figures_are_of_the_newest_entry(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert with_performance(readme, RESULTS / "bench") == readme
    drawn = {
        "growth": figures.growth(log.newest(RESULTS / "bench").curves),
        "history": figures.history(log.read_log(RESULTS / "bench")),
    }
    for name, figure in drawn.items():
        save(figure, tmp_path / name)
        committed = (RESULTS / "bench" / f"{name}.svg").read_bytes()
        assert (tmp_path / f"{name}.svg").read_bytes() == committed, name


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


def test_every_contest_names_works_that_exist() -> None:
    import importlib

    from experiments.bench.worker import WORKS

    for quick in (False, True):
        for contest in suite.contests(tuple(suite.PARTS), quick, cores=2):
            assert len({each.name for each in contest.contestants}) == len(contest.contestants)
            for contestant in contest.contestants:
                module, function = WORKS[contestant.work]
                assert hasattr(importlib.import_module(f"experiments.bench.{module}"), function)


def test_a_bad_request_is_one_sentence() -> None:
    with pytest.raises(SpecError, match="no part named 'trian' \\(did you mean 'train'\\?\\)"):
        bench.chosen_parts("decode,trian")
    with pytest.raises(SpecError, match="whole runs"):
        bench.Bench(only="train", log=True).run()
    with pytest.raises(SpecError, match="not a study directory"):
        bench.Bench(only="cells", study=Path("nowhere")).run()
    assert bench.chosen_parts("growth, train") == ("train", "growth")


def test_the_clock_of_a_cell_gives_each_second_to_one_part() -> None:
    now = [0.0]
    clock = StageClock(lambda: now[0], age=1.0)

    def line(step: int, seconds: float) -> Progress:
        return Progress(step, 9, 0.0, 0.0, 0.0, 0, 1.0, seconds, 0.0)

    for passed, stage, progress in (
        (2.0, "reading the corpus back", None),
        (3.0, "tokenizing", None),
        (10.0, "pretrain-1", line(10, 6.0)),
        (1.0, "pretrain-1", line(20, 7.0)),
        (5.0, "sft-1", line(10, 2.0)),
        (0.5, "sft-1", line(20, 2.5)),
        (4.0, "asking", None),
    ):
        now[0] += passed
        clock.heard(stage, progress)
    now[0] += 8.0
    assert clock.seconds() == {
        "start": 3.0,
        "read back": 3.0,
        "tokenize and initialise": 4.0,
        "pretrain": 2.0,
        "compile": 6.5,
        "sft": 8.0,
        "measure": 8.0,
    }
    assert 0 < process_age() < 1e5
