"""How the command line names a finished model: `DIRECTORY[:CELL[:MODEL]]`.

runs/headline-laptop:srp-s0                         its SFT model
runs/headline-laptop:srp-s0:finetune:pair_forward   what benign fine-tuning made of it
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.finished import finished_bench, load_model, only_cell
from medsafetyworld.errors import SpecError

if TYPE_CHECKING:
    from experiments.instruments.bench import Bench


@dataclass(frozen=True)
class RunName:
    """A study's directory, and where they are told the cell and the model."""

    directory: Path
    cell: str | None = None
    model: str | None = None


@dataclass(frozen=True)
class Run:
    """One model of a finished cell, opened."""

    bench: Bench
    cell: str
    model: str

    @property
    def title(self) -> str:
        """Cell and model; the SFT model is the usual one and not named."""
        return self.cell if self.model == "sft" else f"{self.cell} {self.model}"


def parse_run(text: str) -> RunName:
    """The parts of a name. A directory may hold colons: the longest that is a study's counts."""
    parts = text.split(":")
    for count in range(len(parts), 0, -1):
        directory = Path(":".join(parts[:count]))
        if (directory / "study.json").exists():
            return _named(directory, parts[count:])
    return _named(Path(parts[0]), parts[1:])


def open_run(text: str, cell: str | None = None, model: str | None = None) -> Run:
    """The model that the name, or else `cell` and `model`, tell; by default the SFT model.

    Raises `SpecError` for what does not exist, is told twice or is not finished, `StoreError` for
    files that are not as they were written.
    """
    named = parse_run(text)
    for part, own, other in (("cell", named.cell, cell), ("model", named.model, model)):
        if own is not None and other is not None and own != other:
            raise SpecError(f"{part} is given twice: {own!r} in {text!r}, and {other!r}")
    name = named.cell or cell or only_cell(named.directory)
    bench = finished_bench(named.directory, name)
    # A cell that only asks its pretrained model has no other.
    usual = "sft" if "sft" in bench.stages else "base"
    chosen = named.model or model or usual
    load_model(bench, chosen)
    return Run(bench, name, chosen)


def _named(directory: Path, rest: list[str]) -> RunName:
    cell, *model = rest or [""]
    return RunName(directory, cell or None, ":".join(model) or None)
