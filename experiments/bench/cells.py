"""Where the time of a whole cell goes: seconds by part, from a study's directory or a small run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from medsafetyworld.errors import SpecError


@dataclass(frozen=True)
class CellTimes:
    """Mean seconds a cell by part; parts that a cell shared with others count where they ran."""

    study: str
    cells: int
    seconds: Mapping[str, float]


def study_times(directory: Path) -> CellTimes:
    """The times of a study's finished cells.

    Raises `SpecError` if none recorded any, `StoreError` naming a file that holds other things.
    """
    from experiments.stage_clock import TIMING, read_seconds
    from experiments.study import is_done, load_plan

    plan = load_plan(directory)
    paths = [
        directory / "logs" / cell.name / TIMING for cell in plan.cells if is_done(directory, cell)
    ]
    found = [read_seconds(path) for path in paths if path.exists()]
    if not found:
        raise SpecError(f"study: no finished cell of {directory} has a {TIMING} in its logs")
    totals: dict[str, float] = {}
    for cell in found:
        for part, seconds in cell.items():
            totals[part] = totals.get(part, 0.0) + seconds
    means = {part: total / len(found) for part, total in totals.items()}
    return CellTimes(f"{plan.study}, preset {plan.preset}", len(found), means)


def smoke_times() -> CellTimes:
    """The times of one cell of the smoke study, run here and now.

    Raises RuntimeError with the end of its log if it fails.
    """
    from experiments.scheduler import failure_report, run_all
    from experiments.studies.headline import HEADLINE
    from experiments.study import make_plan, unfinished, write_plan

    plan = make_plan(HEADLINE, "smoke", replicates=1, arms=["filtering"])
    with TemporaryDirectory() as directory:
        write_plan(plan, Path(directory))
        failures = failure_report(run_all(unfinished(plan, Path(directory)), workers=1))
        if failures:
            raise RuntimeError(failures)
        return study_times(Path(directory))
