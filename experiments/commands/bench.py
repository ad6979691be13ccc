"""`msw bench`: how fast is it, as ratios to peers and to this machine's own peaks.

    msw bench --quick
    msw bench --only train,decode
    msw bench --study runs/headline-laptop --log

Progress goes to the terminal; `--log` adds a dated entry that the README's section is made from.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from experiments.commands.flags import MaybePath, MaybeText
from experiments.commands.results import RESULTS
from medsafetyworld.errors import SpecError

if TYPE_CHECKING:
    from experiments.bench.cells import CellTimes
    from experiments.bench.contest import Contest
    from experiments.bench.log import Entry
    from experiments.bench.table import Found

LOG = RESULTS / "bench"


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Measures speed against peers and against this machine's own peaks, as ratios."""

    quick: bool = False
    """Fewer sizes and shorter rounds: under three minutes on two cores instead of a dozen."""
    only: MaybeText = None
    """Only these parts, separated by commas: train, decode, stream, ensemble, cells, growth."""
    study: MaybePath = None
    """Read the seconds of cells from this study instead of running one at preset smoke."""
    log: bool = False
    """Add the figures to experiments/results/bench, from which the README is made; those of an
    accelerator to its folder accelerator."""
    accelerator: bool = False
    """Measure training on this machine's GPU instead: 135M against its peak, and ensembles."""

    def run(self) -> int:
        """Measures, prints the table, and keeps it if asked."""
        from experiments.bench.show import print_table

        console = Console(highlight=False)
        if self.accelerator:
            if self.quick or self.only is not None or self.study is not None:
                raise SpecError(
                    "accelerator has one table of its own; leave out --quick, --only and --study"
                )
            entry, folder = on_accelerator(console), LOG / "accelerator"
        else:
            parts = chosen_parts(self.only)
            if self.log and self.only is not None:
                raise SpecError("log keeps whole runs, so that entries compare; leave out --only")
            entry, folder = measure(parts, self.quick, self.study, console), LOG
        print_table(entry, console)
        if self.log:
            console.print(f"Kept in [bold]{keep(entry, folder)}[/bold].", soft_wrap=True)
        return 0


def on_accelerator(console: Console) -> Entry:
    """What the GPU does. Raises `SpecError` where jax has none."""
    import jax

    from experiments.bench import accelerator
    from experiments.bench.log import new_entry

    if jax.default_backend() != "gpu":
        raise SpecError(f"accelerator needs a GPU, and jax runs on {jax.default_backend()} here")
    device, sizes, began = jax.devices()[0].device_kind, accelerator.Sizes(), time.monotonic()
    console.print(f"On {device}, by the clock on the wall.")
    return new_entry(
        accelerator.measure(sizes),
        [],
        quick=False,
        rounds=sizes.rounds,
        share=1.0,
        seconds=time.monotonic() - began,
        device=device,
    )


def chosen_parts(only: str | None) -> tuple[str, ...]:
    """The parts asked for. Raises `SpecError` naming one that does not exist."""
    from experiments.bench.suite import PARTS

    if only is None:
        return tuple(PARTS)
    asked = [name.strip() for name in only.split(",")]
    for name in asked:
        if name not in PARTS:
            near = get_close_matches(name, PARTS, n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise SpecError(f"only: no part named {name!r}{hint}; allowed: {', '.join(PARTS)}")
    return tuple(name for name in PARTS if name in asked)


def measure(parts: tuple[str, ...], quick: bool, study: Path | None, console: Console) -> Entry:
    """Runs the contests of these parts, and a cell if asked, telling the console how far it is."""
    from experiments.bench import growth, suite
    from experiments.bench.contest import contest_cores
    from experiments.bench.log import new_entry
    from experiments.bench.table import rows

    # A study that cannot be read is known before anything is measured.
    cells = study_cells(study) if study is not None and "cells" in parts else None
    began, cores = time.monotonic(), contest_cores()
    contests = suite.contests(parts, quick, len(cores))
    console.print(
        f"On {len(cores)} core{'s' * (len(cores) != 1)}, {'quick' if quick else 'full'}; "
        f"competitors take turns. What will be measured:"
    )
    for part in parts:
        console.print(f"  [bold]{part}[/bold]  {suite.PARTS[part]}")
    found = hold(contests, console)
    if "cells" in parts and cells is None:
        from experiments.bench.cells import smoke_times

        with console.status("cells: one cell of the smoke study"):
            cells = smoke_times()
    shares = [
        found[contest.name][each.name].share
        for contest in contests
        for each in contest.contestants
        # Several threads also sleep while they wait for each other.
        if each.threads == 1 and found[contest.name][each.name].rates
    ]
    return new_entry(
        rows(found, cells),
        growth.curves(found, quick) if "growth" in parts else [],
        quick=quick,
        rounds=max((contest.rounds for contest in contests), default=0),
        share=sum(shares) / len(shares) if shares else 1.0,
        seconds=time.monotonic() - began,
    )


def study_cells(directory: Path) -> CellTimes:
    """The times that a study's cells recorded."""
    from experiments.bench.cells import study_times

    return study_times(directory)


def hold(contests: list[Contest], console: Console) -> Found:
    """Prepares every contestant, then holds the contests one after the other."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from experiments.bench.contest import Arena

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    found = {}
    with Progress(*columns, console=console) as progress, Arena() as arena:
        total = sum(len(contest.contestants) for contest in contests)
        task = progress.add_task("preparing (loading and compiling)", total=total)
        arena.prepare(contests, lambda _: progress.advance(task))
        for contest in contests:
            turns = contest.rounds * len(contest.contestants)
            task = progress.add_task(contest.name, total=turns)
            found[contest.name] = arena.run(contest, lambda _, task=task: progress.advance(task))
    return found


def keep(entry: Entry, folder: Path) -> Path:
    """Writes the entry and draws the figures of the log as it now is."""
    from experiments.bench.figures import drawn
    from experiments.bench.log import read_log, write_entry
    from experiments.figure_style import save

    path = write_entry(entry, folder)
    # From what was written, which has fewer digits: anybody then draws the same picture again.
    for name, figure in drawn(read_log(folder)).items():
        save(figure, folder / name)
    return path
