"""`msw report`: a study's report again, from its directory or from a published folder.

    msw report runs/headline-laptop
    msw report experiments/results/headline-laptop

Of a study's directory it writes all of `report/`; of a published folder the page and the LaTeX
tables, from the rows, figures and evidence that are published.
"""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console

from experiments.commands.flags import DirectoryArgument


@dataclass(frozen=True)
class Report:
    """Writes a study's report: Markdown, CSV, LaTeX, figures, and one HTML page for everything."""

    directory: DirectoryArgument
    """The study's directory, e.g. runs/headline-laptop, or a folder of published results."""

    def run(self) -> int:
        """Writes the report and says where it is."""
        from experiments.commands.results import print_report
        from experiments.html.published import is_published, write_published

        console = Console(highlight=False)
        if not is_published(self.directory):
            print_report(self.directory, console)
            return 0
        for path in write_published(self.directory):
            console.print(f"[bold]{path}[/bold]", soft_wrap=True)
        return 0
