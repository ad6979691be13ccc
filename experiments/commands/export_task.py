"""`msw export-task`: a cell's questions as task files for lm-evaluation-harness.

    msw export-task runs/headline-smoke --cell srp-s0 --out tasks/srp-s0
    lm_eval run --model hf --model_args pretrained=DIR --include_path tasks/srp-s0 \\
        --tasks msw_behaviour

The cell need not have run: its questions follow from the plan. They are the same for every arm of
a replicate, as are the world and the vocabulary.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from experiments.commands.flags import DirectoryArgument
from medsafetyworld.errors import SpecError


@dataclass(frozen=True, kw_only=True)
class ExportTask:
    """Writes a cell's questions as tasks that measure any model with lm-evaluation-harness."""

    directory: DirectoryArgument
    """The study's directory, e.g. runs/headline-smoke."""
    cell: str
    """The cell whose world and seeds the questions are from, e.g. srp-s0."""
    out: Path
    """A new directory for the task files."""

    def run(self) -> int:
        """Writes the files."""
        from experiments.finished import named_cell

        if self.out.exists() or self.out.is_symlink():
            raise SpecError(f"out must be a new directory, but {self.out} exists")
        cell = named_cell(self.directory, self.cell)
        # The questions themselves need no jax, but what they are asked with does.
        from experiments.harness_tasks import harness_files
        from experiments.stages import Context

        context = Context(cell, self.directory / "stages", lambda stage, progress: None)
        files = harness_files(context, self.out.resolve())
        write_directory(self.out, files)
        console = Console(highlight=False)
        names = [path.removesuffix(".yaml") for path in files if path.endswith(".yaml")]
        console.print(f"[bold]{self.out}[/bold] holds {', '.join(names)}.", soft_wrap=True)
        console.print(
            f"lm_eval run --model hf --model_args pretrained=DIR --include_path {self.out} "
            f"--tasks msw_behaviour",
            soft_wrap=True,
            markup=False,
        )
        return 0


def write_directory(out: Path, files: dict[str, str]) -> None:
    """Writes text files to a new directory, which appears whole or not at all."""
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".partial", dir=out.parent))
    try:
        for name, text in files.items():
            path = partial / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
        # mkdtemp makes directories that only their owner may read.
        partial.chmod(0o755)
        os.rename(partial, out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
