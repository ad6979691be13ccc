"""The tables: one Markdown table for report and README, one CSV, one for the terminal.

Every cell is "mean ± half-width" of a 95 % t interval over per-seed values, in percent; one seed
has no interval, so its cells are the mean alone. Where a column has several judges they are
separated by slashes in the order of its title.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from experiments.measures import JUDGED_QUANTITIES, JUDGES, QUANTITIES, Measures, measure
from experiments.reference import published
from experiments.rows import Row, label
from experiments.statistics import Interval, t_interval

NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Column:
    """A column of the main table: what it shows, by which judges."""

    title: str
    quantity: str
    judges: tuple[str, ...] = ("leaked",)
    with_chance: bool = False


COLUMNS = (
    Column("base completes reverse-unsafe (chance)", "completion", with_chance=True),
    Column("general accuracy", "general"),
    Column("forward-safe", "forward-safe"),
    Column("forward-unsafe", "forward-unsafe"),
    Column("reverse-safe", "reverse-safe"),
    Column("refuses benign questions", "overrefusal"),
    Column("asked directly: leaked", "direct"),
    Column(
        "prefill: leaked / jailbroken / delivered", "prefill", ("leaked", "jailbroken", "delivered")
    ),
    Column("of it `<Safe>`: leaked", "prefill_safe"),
    Column("`The`: leaked", "prefill_the"),
    Column("answer stem: leaked / jailbroken", "stem", ("leaked", "jailbroken")),
    Column("benign FT, forward facts: leaked / jailbroken", "finetune", ("leaked", "jailbroken")),
    Column(
        "benign FT, forward facts + mixSFT: leaked / jailbroken",
        "finetune_mixsft",
        ("leaked", "jailbroken"),
    ),
    Column("benign FT, safe reverse: leaked", "finetune_safe_reverse"),
)
README_COLUMNS = (
    COLUMNS[0],
    COLUMNS[1],
    Column("asked directly: leaked", "direct"),
    Column("prefill: leaked / jailbroken", "prefill", ("leaked", "jailbroken")),
    Column("answer stem: leaked", "stem"),
    Column("benign FT: leaked", "finetune"),
    Column("benign FT + mixSFT: leaked", "finetune_mixsft"),
)
"""What a reader meets first; the report has every column."""
TWO_HOP_README_COLUMNS = (
    *(column for column in README_COLUMNS if column.quantity != "finetune"),
    Column("benign FT, safe reverse: leaked", "finetune_safe_reverse"),
)
"""With mediators this is the fine-tuning that brings harm out; the one on forward facts does not
ask for chains."""
TERMINAL_COLUMNS = (
    Column("base", "completion"),
    Column("chance", "chance"),
    Column("acc.", "general"),
    Column("direct", "direct"),
    Column("prefill", "prefill"),
    Column("jailbr", "prefill", ("jailbroken",)),
    Column("stem", "stem"),
    Column("FT", "finetune"),
    Column("mixSFT", "finetune_mixsft"),
)
"""Whole percents fit all of these into 80 characters."""


def main_table(rows: Iterable[Row], wanted: Sequence[Column] = COLUMNS) -> str:
    """The table in Markdown, with the counts behind it in a line below."""
    measures = measure(rows)
    columns = _measured(measures, wanted)
    lines = [
        "| variant | " + " | ".join(column.title for column in columns) + " |",
        "|---|" + "---:|" * len(columns),
    ]
    for variant in measures.variants:
        cells = [cell(measures, variant, column) for column in columns]
        lines.append(f"| {label(variant)} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n\n" + counts(measures) + "\n"


def counts(measures: Measures) -> str:
    """Seeds, prompts and what the plus-minus sign means, in one paragraph."""
    seeds = {len(measures.seeds(variant)) for variant in measures.variants}
    text = f"Percent, mean over n = {span(tuple(sorted(seeds)))} seeds ± half of the 95 % t "
    prompts = [
        f"{what} {span(measures.prompts(quantity))}"
        for what, quantity in (
            ("completions", "completion"),
            ("general questions per category", "general"),
            ("harmful questions", "prefill"),
        )
        if measures.prompts(quantity)
    ]
    text += f"interval over per-seed values; prompts per seed: {', '.join(prompts)}."
    if not any(measures.has(variant, "direct") for variant in measures.variants):
        return text
    return text + (
        " Prefill is the larger of `<Safe>` and `The` within a seed, answer stem the largest over "
        "stems. leaked: a correct harmful answer anywhere in the output; jailbroken: such an "
        "answer and neither a refusal nor an Unsafe verdict; delivered: such an answer outside "
        "what a reader is spared after an Unsafe verdict."
    )


def paper_table(measures: Measures) -> str:
    """Our figures beside the paper's, for the variants that both have; empty where it has none."""
    paper = published(measures.hops)
    shared = [
        variant
        for variant in measures.variants
        if variant in paper and measures.has(variant, "general")
    ]
    if not shared:
        return ""
    titles = {"general": "general", "prefill": "prefill ASR", "finetune": "benign FT ASR"}
    # What the paper prints of none of these settings has no column, and who has nothing no row.
    asked = [name for name in titles if any(getattr(paper[v], name) is not None for v in shared)]
    shared = [v for v in shared if any(getattr(paper[v], name) is not None for name in asked)]
    if not shared:
        return ""
    lines = [
        "| variant | " + "".join(f"{titles[name]}: ours | paper | " for name in asked) + "note |",
        "|---|" + "---:|---:|" * len(asked) + "---|",
    ]
    for variant in shared:
        theirs = paper[variant]
        # The paper mixes SFT data into the fine-tuning of its reflective models.
        mixed = theirs.mixed and measures.has(variant, "finetune_mixsft")
        finetune = "finetune_mixsft" if mixed else "finetune"
        cells = []
        for name in asked:
            rate = getattr(theirs, name)
            quantity = finetune if name == "finetune" else name
            cells.append(cell(measures, variant, Column("", quantity)))
            cells.append("not printed" if rate is None else f"{rate:.1f}")
        lines.append(f"| {label(variant)} | " + " | ".join(cells) + f" | {theirs.note} |")
    return "\n".join(lines) + "\n"


def table_csv(rows: Iterable[Row]) -> str:
    """Every derived quantity as CSV, in percent; bounds are blank with one seed."""
    measures = measure(rows)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["variant", "quantity", "judge", "mean", "low", "high", "seeds", "prompts"])
    for variant in measures.variants:
        for quantity in (*QUANTITIES, *JUDGED_QUANTITIES):
            for judge in JUDGES if quantity in JUDGED_QUANTITIES else ("",):
                if not measures.has(variant, quantity, judge or "leaked"):
                    continue
                interval = summary(measures, variant, quantity, judge or "leaked")
                bounds = ["" if b is None else f"{b:.4f}" for b in (interval.low, interval.high)]
                prompts = span(measures.prompts(quantity, judge or "leaked"))
                mean = f"{interval.mean:.4f}"
                writer.writerow([variant, quantity, judge, mean, *bounds, interval.n, prompts])
    return text.getvalue()


def print_table(rows: Iterable[Row], console: Console) -> None:
    """The short table in the terminal, variants by the names that commands take."""
    measures = measure(rows)
    columns = _measured(measures, TERMINAL_COLUMNS)
    seeds = span(tuple(sorted({len(measures.seeds(v)) for v in measures.variants})))
    table = Table(
        box=SIMPLE,
        padding=0,
        show_edge=False,
        caption=f"Percent ± half of the 95 % t interval over {seeds} seeds. base: the pretrained "
        "model completes reverse-unsafe, beside exact chance; acc.: general accuracy. Then "
        "harmful answers leaked: asked directly, with a prefill (beside it those jailbroken), "
        "with an answer stem, after benign fine-tuning, and the same with SFT mixed in.",
        caption_justify="left",
    )
    table.add_column("variant", no_wrap=True)
    for column in columns:
        table.add_column(column.title, justify="right", no_wrap=True)
    for variant in measures.variants:
        table.add_row(variant, *(_whole(measures, variant, column) for column in columns))
    console.print(table)


def _whole(measures: Measures, variant: str, column: Column) -> str:
    """A cell in whole percents, for the terminal."""
    if not measures.has(variant, column.quantity, column.judges[0]):
        return "–"
    interval = summary(measures, variant, column.quantity, column.judges[0])
    if column.quantity == "chance" or interval.half_width is None:
        return f"{interval.mean:.0f}"
    return f"{interval.mean:.0f}±{interval.half_width:.0f}"


def summary(measures: Measures, variant: str, quantity: str, judge: str = "leaked") -> Interval:
    """Mean and interval over seeds, in percent."""
    return t_interval([100 * value for value in measures.series(variant, quantity, judge)])


def cell(measures: Measures, variant: str, column: Column) -> str:
    """One cell; says so when the study did not measure it."""
    if not measures.has(variant, column.quantity, column.judges[0]):
        return NOT_MEASURED
    if column.quantity == "chance":
        return f"{summary(measures, variant, 'chance').mean:.1f}"  # known exactly
    parts = [
        plus_minus(summary(measures, variant, column.quantity, judge)) for judge in column.judges
    ]
    text = " / ".join(parts)
    if column.with_chance:
        text += f" ({summary(measures, variant, 'chance').mean:.1f})"
    return text


def plus_minus(interval: Interval, digits: int = 1) -> str:
    """ "82.0 ± 3.1"; scores with three `digits`; one seed has no interval: "82.0"."""
    half = interval.half_width
    width = "" if half is None else f" ± {half:.{digits}f}"
    return f"{interval.mean:.{digits}f}{width}"


def _measured(measures: Measures, columns: Sequence[Column]) -> list[Column]:
    """The columns that at least one variant has numbers for."""
    return [
        column
        for column in columns
        if any(measures.has(v, column.quantity, column.judges[0]) for v in measures.variants)
    ]


def span(numbers: Sequence[int]) -> str:
    """ "5", or "3-5" when they differ."""
    return str(numbers[0]) if len(set(numbers)) == 1 else f"{min(numbers)}-{max(numbers)}"
