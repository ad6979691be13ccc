"""`msw export`: a model of a finished study as a directory that other tools read.

    msw export runs/headline-smoke --cell srp-s0 --to hf
    msw export runs/headline-smoke --cell srp-s0 --stage finetune:pair_forward --out attacked

Whatever needs jax is imported when the command runs, so that help stays fast.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from experiments.commands.flags import DirectoryArgument, MaybePath, MaybeText
from medsafetyworld.errors import SpecError

FORMATS = ("hf",)


@dataclass(frozen=True, kw_only=True)
class Export:
    """Writes a finished cell's model as a Hugging Face directory: Llama, tokenizer, model card."""

    directory: DirectoryArgument
    """The study's directory, e.g. runs/headline-smoke."""
    cell: MaybeText = None
    """Which cell, e.g. srp-s0 (may be left out if the study has only one)."""
    stage: str = "sft"
    """Which of its models: pretrain, sft or finetune:KIND, where KIND is pair_forward,
    safe_reverse or pair_forward+mixsft; in worlds with mediators link_forward, safe_reverse or
    link_forward+mixsft."""
    to: str = "hf"
    """The format: hf, which transformers, TransformerLens and lm-eval read."""
    out: MaybePath = None
    """Directory to make; one that holds something is refused (default: RUN-CELL-STAGE-FORMAT
    beside the study's, e.g. runs/headline-smoke-srp-s0-sft-hf)."""

    def target(self, cell: str) -> Path:
        """The directory to make."""
        if self.out is not None:
            return self.out
        # "." and ".." have no name of their own.
        named = self.directory.name.strip(".")
        study = self.directory if named else Path(os.path.abspath(self.directory))
        stage = self.stage.replace(":", "-")
        return study.parent / f"{study.name}-{cell}-{stage}-{self.to}"

    def run(self) -> int:
        """Exports, then says where the model is."""
        if self.to not in FORMATS:
            raise SpecError(f"to: no format named {self.to!r}; allowed: {', '.join(FORMATS)}")
        from experiments.export import export_cell
        from experiments.finished import only_cell

        cell = self.cell or only_cell(self.directory)
        out = self.target(cell)
        export_cell(self.directory, cell, self.stage, out)
        Console(highlight=False).print(
            f"The model {self.stage} of {cell} is in [bold]{out}[/bold].", soft_wrap=True
        )
        return 0
