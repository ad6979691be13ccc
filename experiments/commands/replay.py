"""`msw replay`: every attack of a finished study again, from its saved strings.

msw replay runs/laboratory-laptop
msw replay runs/laboratory-laptop --cell srp-s0
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from experiments.commands.flags import DirectoryArgument, MaybeText
from medsafetyworld.errors import SpecError

if TYPE_CHECKING:
    from experiments.recipe import Cell
    from experiments.replaying import Replayed

MEASURED = "measured"
"""What the transcript is called here that every cell has."""

SHOWN = 3
"""Differing entries that are printed of each transcript."""


@dataclass(frozen=True)
class Replay:
    """Decodes every saved prompt again and compares the response, word for word."""

    directory: DirectoryArgument
    """The study's directory, e.g. runs/laboratory-laptop."""
    cell: MaybeText = None
    """Only this cell, e.g. srp-s0 (default: all that are finished)."""
    instrument: MaybeText = None
    """Only this instrument, e.g. gcg, or measured: what every cell is asked (default: all)."""

    def run(self) -> int:
        """Prints how many of how many are equal, by instrument; 1 if any differs."""
        from experiments.cell import share_compiled
        from experiments.finished import finished_bench
        from experiments.replaying import replay, replay_measured
        from experiments.study import instrument_stages, measured_stage

        share_compiled()
        console = Console(highlight=False)
        equal = decoded = 0
        for cell in self._cells():
            stages = {MEASURED: measured_stage(self.directory, cell)}
            stages |= instrument_stages(self.directory, cell)
            chosen = {text: path for text, path in stages.items() if self._wants(text)}
            bench = finished_bench(self.directory, cell.name)
            for text, path in chosen.items():
                found = (replay_measured if text == MEASURED else replay)(bench, path)
                _print(f"{cell.name}  {text}", found, console)
                equal, decoded = equal + found.equal, decoded + found.of
        if not decoded:
            named = f" named {self.instrument}" if self.instrument else ""
            raise SpecError(
                f"{self.directory}: no finished cell has a transcript of an instrument{named} to "
                "replay"
            )
        verdict = "All are equal" if equal == decoded else f"{decoded - equal} DIFFER"
        console.print(f"{equal} of {decoded} responses are equal. {verdict}.")
        return 0 if equal == decoded else 1

    def _wants(self, text: str) -> bool:
        return self.instrument in (None, text, text.partition("(")[0])

    def _cells(self) -> list[Cell]:
        """The finished cells asked for. Raises `SpecError` for one that is not, or none at all."""
        from experiments.finished import named_cell
        from experiments.study import is_done, load_plan

        if self.cell is None:
            cells = [each for each in load_plan(self.directory).cells
                     if is_done(self.directory, each)]  # fmt: skip
        else:
            cells = [named_cell(self.directory, self.cell)]
            if not is_done(self.directory, cells[0]):
                raise SpecError(f"cell: {self.cell} is not finished; `msw study run` finishes it")
        if not cells:
            raise SpecError(f"{self.directory}: no cell is finished yet")
        return cells


def _print(title: str, found: Replayed, console: Console) -> None:
    style = "green" if found.equal == found.of else "bold red"
    line = Text.assemble(f"{title}: ", (f"{found.equal} of {found.of} equal", style))
    for reason, count in found.apart.items():
        line.append(f"; {count} not replayed: {reason}", style="dim")
    console.print(line, soft_wrap=True)
    for each in found.differences[:SHOWN]:
        console.print(Text(f"  {each.entry['probe']}: {each.entry['question']}"), soft_wrap=True)
        console.print(Text(f"    saved: {each.entry['response']}"), soft_wrap=True)
        console.print(Text(f"    now:   {each.now}"), soft_wrap=True)
