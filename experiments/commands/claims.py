"""`msw claims`: every claim of every paper, and what our runs say about it.

msw claims
msw claims runs/headline-laptop runs/safelm-laptop
msw claims --markdown
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

Directories = tyro.conf.Positional[
    Annotated[tuple[Path, ...], tyro.conf.arg(metavar="[DIRECTORY ...]")]
]


@dataclass(frozen=True)
class Claims:
    """Prints the scoreboard: each claim, what was published, what decides it, our verdict."""

    directories: Directories = ()
    """Studies to judge by, finished or published (default: all under experiments/results)."""
    markdown: bool = False
    """As Markdown, a table a paper."""

    def run(self) -> int:
        """Prints the scoreboard. Raises `SpecError` naming a directory that holds no study."""
        from experiments.claim_tables import NOTE, board_markdown, board_table
        from experiments.result_sets import published, result_set
        from experiments.scoreboard import board

        given = tuple(map(result_set, self.directories)) or published()
        entries = board(given)
        if self.markdown:
            print(board_markdown(entries), end="")
            return 0
        console = Console(highlight=False)
        console.print(board_table(entries))
        console.print(NOTE)
        return 0
