"""`msw classifier`: how good the classifiers are that a study trained for its verdicts.

msw classifier runs/verdict_noise-smoke
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from medsafetyworld.errors import SpecError

DirectoryArgument = tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="DIRECTORY")]]


@dataclass(frozen=True)
class Classifier:
    """Prints areas under the ROC curve and errors by document kind, and draws the curves.

    Only sentences and documents that no classifier was trained on count.
    """

    directory: DirectoryArgument
    """Directory of a study with an arm such as `filter(by=learned)`."""

    def run(self) -> int:
        """Prints one part a classifier stage and writes `report/roc-KEY.png` and `.svg`."""
        from experiments.figure_style import save
        from experiments.json_files import read_json
        from experiments.roc import REPORT, roc_text
        from experiments.roc_figure import roc_figure
        from experiments.store import MANIFEST, verify_stage

        found = sorted(self.directory.glob(f"stages/classifier-*/{MANIFEST}"))
        if not found:
            raise SpecError(
                f"{self.directory}: holds no trained classifier; run a study with an arm whose "
                "verdicts are learned, e.g. filter(by=learned)"
            )
        (self.directory / "report").mkdir(exist_ok=True)
        for path in found:
            verify_stage(path.parent)
            report = read_json(path.parent / REPORT)
            stem = self.directory / "report" / f"roc-{path.parent.name.removeprefix('classifier-')}"
            picture, _ = save(roc_figure(report), stem)
            print(f"{path.parent.name}\n{roc_text(report)}\n{picture}")
        return 0
