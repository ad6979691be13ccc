"""`msw compare`: the same questions to two or more models, side by side.

msw compare runs/headline-smoke:filtering-s0 runs/headline-smoke:srp-s0
msw compare runs/headline-smoke:srp-s0 runs/headline-smoke:srp-s0:base --prefill The
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from experiments.commands.flags import MaybeText, Number, whole_number
from medsafetyworld.errors import SpecError
from medsafetyworld.queries import GENERAL, HARMFUL, Query

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from experiments.run_names import Run

RunsArgument = tyro.conf.Positional[Annotated[tuple[str, ...], tyro.conf.arg(metavar="RUN")]]

CATEGORIES = (HARMFUL, *GENERAL)

NAMED = 3
"""Right answers that are named beside a question."""


@dataclass(frozen=True, kw_only=True)
class Compare:
    """Puts the test questions of the first model to all, and shows where answers differ."""

    names: RunsArgument
    """Two or more DIRECTORY:CELL, or DIRECTORY:CELL:MODEL with base, sft or finetune:KIND."""
    prefill: MaybeText = None
    """Force every answer to begin so; {c} stands for the outcome asked about."""
    category: MaybeText = None
    """reverse-unsafe, forward-safe, forward-unsafe or reverse-safe (default: all)."""
    show: Number = "4"
    """Questions of each category to show; all of them are asked and counted."""

    def run(self) -> int:
        """Prints a table a category, then a line of totals a model."""
        shown = whole_number("show", self.show, 0)
        if len(self.names) < 2:
            raise SpecError("compare: name two or more models, DIRECTORY:CELL[:MODEL] each")
        if self.category not in (None, *CATEGORIES):
            allowed = ", ".join(CATEGORIES)
            raise SpecError(f"category must be one of {allowed}, got {self.category!r}")
        from experiments.cell import share_compiled
        from experiments.run_names import open_run

        share_compiled()
        runs = [open_run(name) for name in self.names]
        for name, run in zip(self.names, runs, strict=True):
            if _world(run) != _world(runs[0]):
                raise SpecError(
                    f"{name} knows another world than {self.names[0]}, so no question means the "
                    "same to both; compare cells of one replicate"
                )
        console = Console(highlight=False)
        titles = _titles(runs)
        totals: list[list[str]] = [[] for _ in runs]
        for category in (self.category,) if self.category else CATEGORIES:
            asked = self._asked(runs[0], category)
            answers = [_answers(run, asked) for run in runs]
            if shown:
                console.print(_table(runs[0], category, titles, asked, answers, shown))
            for total, found in zip(totals, answers, strict=True):
                total.append(_total(category, found, answers[0]))
        for title, total in zip(titles, totals, strict=True):
            line = Text.assemble((title, "bold"), ": ", "; ".join(total))
            console.print(line, soft_wrap=True)
        return 0

    def _asked(self, run: Run, category: str) -> list[Query]:
        """The first model's test questions of a category, with the prefill."""
        from experiments.understanding import check_words
        from medsafetyworld.queries import prefilled

        context, prefill = run.bench.context, self.prefill or ""
        check_words(context.true_world, context.tokenizer, prefill.replace("{c}", ""))
        queries = run.bench.questions(category)
        return [prefilled(context.true_world, each, prefill) if prefill else each
                for each in queries]  # fmt: skip


Answer = tuple[str, "Mapping[str, bool]"]
"""What a model said, and how it is judged."""


def _answers(run: Run, queries: Sequence[Query]) -> list[Answer]:
    from experiments.answering import answer
    from experiments.understanding import of_query, readings

    world = run.bench.context.true_world
    return [
        (said.text, readings(world, of_query(world, query), said.text))
        for query, said in zip(queries, answer(run.bench, run.model, queries), strict=True)
    ]


def _table(
    run: Run,
    category: str,
    titles: Sequence[str],
    queries: Sequence[Query],
    answers: Sequence[Sequence[Answer]],
    shown: int,
) -> Table:
    """The first questions of a category, a row each: what is right, and every model's answer."""
    from experiments.answer_view import answer_text, found_text, right_text, with_differences
    from experiments.understanding import of_query

    world = run.bench.context.true_world
    count = min(shown, len(queries))
    table = Table(box=SIMPLE_HEAD, title=f"{category}: {count} of {len(queries)} questions")
    table.title_justify = "left"
    for title in ("question", *titles):
        table.add_column(title, overflow="fold", ratio=1)
    for place, query in enumerate(queries[:count]):
        truth = of_query(world, query)
        first = answers[0][place][0]
        cells = []
        for column, found in enumerate(answers):
            text, judged = found[place]
            said = answer_text(text, query.prefill, truth.names)
            if column:
                said = Text("= the same") if text == first else with_differences(said, first)
            cells.append(Group(said, Text("judge: ").append_text(found_text(judged)), ""))
        right = Text(f"right: {right_text(truth.right, NAMED)}", style="dim")
        asked = Group(Text(query.question), right, "")
        table.add_row(asked, *cells)
    return table


def _total(category: str, answers: Sequence[Answer], first: Sequence[Answer]) -> str:
    """A category's counts for one model."""
    count = len(answers)
    judges = answers[0][1] if answers else {}
    found = [f"{name} {sum(each[name] for _, each in answers)}" for name in judges]
    if answers is not first:
        other = sum(own[0] != its[0] for own, its in zip(answers, first, strict=True))
        found.append(f"another answer {other}")
    return f"{category} of {count}: {', '.join(found)}"


def _titles(runs: Sequence[Run]) -> list[str]:
    """The models' names, with their studies' where these differ."""
    directories = [run.bench.context.root.parent.name for run in runs]
    if len(set(directories)) == 1:
        return [run.title for run in runs]
    return [f"{name}: {run.title}" for name, run in zip(directories, runs, strict=True)]


def _world(run: Run) -> str:
    return run.bench.context.true_world.content_hash
