"""Results to read claims and spreads from: published ones in the repository, or a study's own.

In: a directory, either `experiments/results/NAME` or what `msw study run` made. Out: what was
asked, and its measures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from experiments.json_files import read_json
from experiments.measures import Measures, balanced, measure
from experiments.rows import Row, read_rows
from experiments.study import collect_rows, is_done, load_plan
from medsafetyworld.errors import SpecError

RESULTS = Path(__file__).resolve().parent / "results"
"""Where `msw study publish` puts the results that README and log speak of."""

ROWS, STUDY = "rows.csv", "study.json"


@dataclass(frozen=True)
class ResultSet:
    """The results of one study."""

    directory: Path
    study: str
    preset: str
    hops: int

    @property
    def name(self) -> str:
        """The directory's own name, e.g. `headline-laptop`."""
        return self.directory.resolve().name

    @cached_property
    def measures(self) -> Measures:
        """Its rows, indexed; of an unfinished study those of replicates that every arm finished."""
        published = self.directory / ROWS
        rows = read_rows(published) if published.exists() else finished_rows(self.directory)
        return measure(rows, self.hops, self.study)


def result_set(directory: Path) -> ResultSet:
    """The results in a directory. Raises `SpecError` if it holds none."""
    path = directory / STUDY
    if not path.exists():
        raise SpecError(f"{directory}: holds no {STUDY}, so it is neither a study nor its results")
    # Not by its seal: the repository vouches for what is published, and early results have none.
    asked = read_json(path)
    try:
        return ResultSet(directory, asked["study"], asked["preset"], _hops(asked["recipe"]))
    except (KeyError, TypeError) as error:
        raise SpecError(f"{path}: not the file of a study ({error})") from None


def published(results: Path = RESULTS) -> tuple[ResultSet, ...]:
    """All published results, by name; none where the repository's are not installed."""
    found = sorted(results.glob(f"*/{STUDY}"))
    return tuple(result_set(path.parent) for path in found if (path.parent / ROWS).exists())


def finished_rows(directory: Path) -> tuple[Row, ...]:
    """The rows of a study's finished cells; of an unfinished one only whole replicates.

    Raises `SpecError` if there is nothing to compare yet.
    """
    plan = load_plan(directory)
    rows = collect_rows(plan, directory)
    if not all(is_done(directory, cell) for cell in plan.cells):
        rows = balanced(rows)
    if not rows:
        raise SpecError(f"{directory}: no replicate has all of its arms finished")
    return rows


def _hops(recipe: Mapping[str, Any]) -> int:
    """Hops of a recipe's world; early results name no mediators."""
    return len(recipe["world"].get("mediators") or ()) + 1
