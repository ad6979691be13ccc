"""`msw study report|publish` and `msw readme`: show the answer.

    msw study report runs/headline-smoke
    msw study publish runs/headline-laptop
    msw readme --check

Whatever needs jax is imported by the commands that use it, so that help stays fast.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from experiments.commands.flags import DirectoryArgument
from medsafetyworld.errors import SpecError

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "experiments" / "results"
README_STUDIES = {"headline-laptop": 1, "headline-laptop-two-hop": 2}
"""The published studies that the README shows, with the hops of their worlds."""


@dataclass(frozen=True)
class ReportStudy:
    """Rebuilds the report of a study's directory from its finished cells alone."""

    directory: DirectoryArgument
    """The study's directory, e.g. runs/headline-laptop."""

    def run(self) -> int:
        """Writes and prints the report."""
        print_report(self.directory, Console(highlight=False))
        return 0


@dataclass(frozen=True)
class PublishStudy:
    """Copies a study's small results into the repository, for README and figures."""

    directory: DirectoryArgument
    """The study's directory, e.g. runs/headline-laptop."""
    name: str | None = None
    """Folder under experiments/results (default: STUDY-PRESET; needed for other arms or seeds)."""

    def run(self) -> int:
        """Copies the files."""
        from experiments.collect import publish

        target, replaced = publish(self.directory, RESULTS, self.name)
        console = Console(highlight=False)
        console.print(f"The results are in [bold]{target}[/bold].", soft_wrap=True)
        if replaced:
            line = f"They replace results of another recipe: {'; '.join(replaced)}."
            console.print(line, markup=False, soft_wrap=True)
        return 0


@dataclass(frozen=True)
class Readme:
    """Regenerates README.md's results and performance from the published study and the log."""

    check: bool = False
    """Change nothing; exit with 1 if the README is not up to date."""

    def run(self) -> int:
        """Writes the README, or compares it."""
        readme = ROOT / "README.md"
        old = readme.read_text(encoding="utf-8")
        new = with_performance(old, RESULTS / "bench")
        for name, hops in README_STUDIES.items():
            new = with_results(new, RESULTS / name, hops)
        if old == new:
            print("README.md is up to date.")
            return 0
        if self.check:
            print("README.md is not up to date; `msw readme` regenerates it.")
            return 1
        readme.write_text(new, encoding="utf-8")
        print("README.md is regenerated.")
        return 0


def with_results(text: str, published: Path, hops: int = 1) -> str:
    """The README's text with the published study's results in the block of its hops.

    Raises `SpecError` if there is no such block or no published results.
    """
    from experiments.report import block_marks, readme_block, replace_block
    from experiments.rows import read_rows

    rows = published / "rows.csv"
    if not rows.exists():
        raise SpecError(f"{rows} is missing; `msw study publish runs/{published.name}` makes it")
    figure = f"experiments/results/{published.name}/safety_utility.png"
    try:
        block = readme_block(read_rows(rows), figure, hops=hops)
        return replace_block(text, block, *block_marks(hops))
    except ValueError as error:
        raise SpecError(f"README.md: {error}") from None


def with_performance(text: str, log: Path) -> str:
    """The README's text with the newest entry of the benchmark's log in its block.

    Raises `SpecError` if there is no such block or no entry.
    """
    from experiments.bench.log import newest
    from experiments.bench.show import END, START, performance_block
    from experiments.report import replace_block

    block = performance_block(newest(log), f"experiments/results/{log.name}")
    try:
        return replace_block(text, block, START, END)
    except ValueError as error:
        raise SpecError(f"README.md: {error}") from None


def print_report(directory: Path, console: Console) -> None:
    """Builds the report, then prints its table, its verdicts and where it is."""
    from experiments.collect import build_report
    from experiments.measures import measure
    from experiments.study import load_plan
    from experiments.tables import print_table
    from experiments.verdicts import scoreboard

    report, rows = build_report(directory)
    print_table(rows, console)
    plan = load_plan(directory)
    hops = plan.cells[0].recipe.world.hops
    for verdict in scoreboard(measure(rows, hops, plan.study)):
        console.print(verdict.sentence)
    console.print(f"\nThe report is [bold]{report}[/bold].", soft_wrap=True)
