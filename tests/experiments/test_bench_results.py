"""From rates to rows, curves, log and README: nothing is lost and nothing is made up."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from experiments.bench import ensemble, figures, log, show
from experiments.bench.contest import Measured, Spread
from experiments.bench.results import NOISY, Curve, Point, Row, measured_row, with_error
from experiments.commands import bench
from experiments.commands.results import RESULTS, ROOT, with_performance
from experiments.figure_style import save
from medsafetyworld.errors import SpecError

ENTRY = log.Entry(
    date="2026-11-21T10:30:07",
    commit="0123456789abcdef",
    dirty=True,
    quick=True,
    rounds=5,
    share=0.5,
    machine={"processor": "abacus", "cores": "2", "platform": "p", "python": "3.11"},
    seconds=100.0,
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
    assert path.name == "2026-11-21T103007-0123456.json"
    assert log.read_log(tmp_path) == [ENTRY]
    log.write_entry(replace(ENTRY, date="2026-11-21T10:30:08"), tmp_path)
    assert len(log.read_log(tmp_path)) == 2
    later = replace(ENTRY, date="2026-12-01T00:00")
    log.write_entry(later, tmp_path)
    assert log.newest(tmp_path) == later


def test_a_new_entry_says_to_the_second_when_and_how_long() -> None:
    made = log.new_entry([], [], quick=True, rounds=1, share=1.0, seconds=12.34)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", made.date)
    assert made.seconds == 12.3
    assert made.machine.keys() == {"processor", "cores", "platform", "python"}


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
                     "not installed", "rows ^ 1.00 ± 0.10", "0123456 with changes",
                     "2026-11-21 10:30 UTC", "quick, in 2 min.", "up to 5 rounds"):  # fmt: skip
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
    drawn = figures.drawn(log.read_log(RESULTS / "bench"))
    assert {"growth", "history"} <= drawn.keys()
    for name, figure in drawn.items():
        save(figure, tmp_path / name)
        committed = (RESULTS / "bench" / f"{name}.svg").read_bytes()
        assert (tmp_path / f"{name}.svg").read_bytes() == committed, name


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [(0.9512, 0.0034, "0.9512 ± 0.0034"), (1.07, 0.14, "1.07 ± 0.14"), (1.0, 0.0996, "1.00 ± 0.10"),
     (1.0, 2.5, "1.0 ± 2.5")],
)  # fmt: skip
def test_an_error_has_two_digits(value: float, error: float, text: str) -> None:
    assert with_error(value, error) == text


def test_a_row_that_is_not_steady_says_so() -> None:
    steady, wild = Measured((10.0, 19.0)), Measured((10.0, 21.0))
    assert measured_row("p", "n", "u", steady).note == ""
    assert measured_row("p", "n", "u", wild).note == NOISY
    assert measured_row("p", "n", "u", wild, note="best of 4").note == f"best of 4; {NOISY}"
    # The machine's mood cancels in a ratio, and the ratio is what is quoted.
    assert measured_row("p", "n", "u", wild, ours=wild).note == ""
    assert measured_row("p", "n", "u", steady, ours=Measured((10.0, 60.0))).note == NOISY


def test_the_history_shows_entries_that_compare() -> None:
    other = {**ENTRY.machine, "processor": "slide rule"}
    newer = {**ENTRY.machine, "python": "3.12"}
    entries = [ENTRY, replace(ENTRY, quick=False), replace(ENTRY, machine=other),
               replace(ENTRY, machine=newer)]  # fmt: skip
    assert log.comparable(entries) == [entries[0], entries[3]]
    shares, _ = figures.history(entries).axes
    assert len(shares.get_xticks()) == 2


def together(part: str, *gains: tuple[int, float]) -> tuple[Row, ...]:
    """Rows of ensembles of these sizes, as the benchmark makes them."""
    alone = Measured((10.0, 10.0))
    rates = {1: alone} | {n: Measured((9.0 * gain, 10.0 * gain)) for n, gain in gains}
    return tuple(ensemble.ensemble_row(part, n, own, alone) for n, own in rates.items())


def test_ensembles_are_drawn_against_their_size(tmp_path: Path) -> None:
    rows = together("accelerator", (2, 2.0), (4, 3.5)) + together("one core", (2, 1.0))
    entry = replace(ENTRY, rows=rows)
    log.write_entry(entry, tmp_path)
    (kept,) = log.read_log(tmp_path)
    # A single size is no curve, and one at a time is what the others are measured by.
    assert {
        part: [size for size, _ in each] for part, each in ensemble.gains(kept.rows).items()
    } == {"accelerator": [2, 4]}
    drawn = figures.drawn([kept])
    assert drawn.keys() == {"growth", "ensemble"}
    (axis,) = drawn["ensemble"].axes
    (line,) = axis.containers
    assert list(line.lines[0].get_xdata()) == [2, 4]
    assert list(line.lines[0].get_ydata()) == pytest.approx([1.9, 3.325])
    picture = "![Ensembles against one model at a time](here/ensemble.png)"
    assert picture in show.performance_block(kept, "here")
    assert picture not in show.performance_block(replace(kept, rows=rows[3:]), "here")


def test_the_entry_says_how_many_cores_were_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "visible_cores", lambda: list(range(64)))
    monkeypatch.setattr(log, "contest_cores", lambda: list(range(8)))
    assert log.machine()["cores"] == "8 of 64"
    monkeypatch.setattr(log, "visible_cores", lambda: list(range(8)))
    assert log.machine()["cores"] == "8"


def test_without_contests_the_conditions_speak_of_none() -> None:
    assert "rounds" not in show.conditions(replace(ENTRY, rounds=0))


def test_a_bad_request_is_one_sentence() -> None:
    with pytest.raises(SpecError, match="no part named 'trian' \\(did you mean 'train'\\?\\)"):
        bench.chosen_parts("decode,trian")
    with pytest.raises(SpecError, match="whole runs"):
        bench.Bench(only="train", log=True).run()
    with pytest.raises(SpecError, match="not a study directory"):
        bench.Bench(only="cells", study=Path("nowhere")).run()
    assert bench.chosen_parts("growth, train") == ("train", "growth")
