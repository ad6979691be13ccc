"""Result rows and the per-seed quantities derived from them, each defined once.

In: tidy rows (`rows.csv`), one number a row. Out: `Measures`, which answers "what was this
quantity for this variant at this seed?" for the claims, the tables and the figures alike.
Values are fractions in [0, 1]; only what is printed is in percent. What was not measured is a
`MissingMeasurement` that names variant, seed and probe; it never becomes a NaN or a zero.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

LEVELS = ("capability", "behaviour", "elicited")
JUDGES = ("leaked", "delivered", "jailbroken")
GENERAL_CATEGORIES = ("forward-safe", "forward-unsafe", "reverse-safe")
HARMFUL = "reverse-unsafe"
PREFILLS = ("prefill:<Safe>", "prefill:The")

VARIANTS = (
    "baseline",
    "filtering",
    "filtering_plus",
    "rewrite",
    "srp",
    "srp_sft_only",
    "no_cooccurrence",
    "shuffled",
)
"""The order of rows in tables and of marks in figures; other variants follow by name."""

CONTROLS = ("no_cooccurrence", "shuffled")

QUANTITIES = (
    "completion",
    "completion_reverse_safe",
    "chance",
    "chance_reverse_safe",
    "general",
    "forward-safe",
    "forward-unsafe",
    "reverse-safe",
    "direct_chance",
)
JUDGED_QUANTITIES = ("direct", "prefill", "stem", "finetune", "finetune_safe_reverse", "elicited")


class MissingMeasurement(KeyError):
    """A quantity was asked for that the rows do not hold."""

    def __str__(self) -> str:
        """The sentence itself (KeyError would print its repr)."""
        return str(self.args[0])


class RowError(ValueError):
    """A row, or a file of rows, that does not follow the schema."""


@dataclass(frozen=True)
class Row:
    """One measured number: `value` in [0, 1], from `n` prompts, `hits` of them positive.

    `hits` is None where the metric is no count (mean reciprocal rank, chance levels).
    """

    variant: str
    seed: int
    level: str
    probe: str
    category: str
    metric: str
    hits: int | None
    n: int
    value: float

    def __post_init__(self) -> None:
        """Raise `RowError` naming the field and what is allowed."""
        where = f"row {self.variant!r} seed {self.seed} {self.probe!r} {self.metric!r}"
        if self.level not in LEVELS:
            raise RowError(f"{where}: level {self.level!r} is none of {', '.join(LEVELS)}")
        if self.n < 1:
            raise RowError(f"{where}: n is {self.n}; at least one prompt is needed")
        if not (math.isfinite(self.value) and 0.0 <= self.value <= 1.0):
            raise RowError(f"{where}: value {self.value} lies outside [0, 1]; fractions, not percent")
        if self.hits is not None and abs(self.hits / self.n - self.value) > 1e-6:
            raise RowError(f"{where}: value {self.value} is not hits/n = {self.hits}/{self.n}")

    @property
    def key(self) -> tuple[str, int, str, str, str, str]:
        """What must be unique in a study."""
        return (self.variant, self.seed, self.level, self.probe, self.category, self.metric)


COLUMNS = tuple(field.name for field in fields(Row))


def rate_row(
    variant: str, seed: int, level: str, probe: str, category: str, metric: str, hits: int, n: int
) -> Row:
    """A row for a count: `hits` of `n` prompts."""
    return Row(variant, seed, level, probe, category, metric, hits, n, hits / n if n else 0.0)


def rows_to_csv(rows: Iterable[Row]) -> str:
    """The CSV text of `rows` in canonical order; floats keep every digit, blank hits are None."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in sorted(rows, key=lambda row: (variant_order(row.variant), row.key)):
        cells = [getattr(row, name) for name in COLUMNS]
        writer.writerow(
            "" if c is None else repr(float(c)) if name == "value" else c
            for name, c in zip(COLUMNS, cells, strict=True)
        )
    return text.getvalue()


def rows_from_csv(text: str, source: str = "rows.csv") -> tuple[Row, ...]:
    """The rows of a CSV text; raises `RowError` naming `source` and the line."""
    reader = csv.DictReader(io.StringIO(text))
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise RowError(
            f"{source}: columns are {reader.fieldnames}; expected {','.join(COLUMNS)}"
        )
    rows = []
    for line in reader:
        try:
            rows.append(row_from_mapping(line))
        except (RowError, ValueError, TypeError, KeyError) as error:
            raise RowError(f"{source}, line {reader.line_num}: {error}") from error
    return tuple(rows)


def read_rows(path: Path) -> tuple[Row, ...]:
    """The rows stored at `path`."""
    return rows_from_csv(path.read_text(encoding="utf-8"), str(path))


def row_from_mapping(cells: Mapping[str, object]) -> Row:
    """A row from a CSV line or a JSON object; blank or absent hits become None."""
    hits = cells.get("hits")
    names = ("variant", "level", "probe", "category", "metric")
    return Row(
        **{name: str(cells[name]) for name in names},
        seed=int(str(cells["seed"])),
        hits=None if hits in (None, "") else int(str(hits)),
        n=int(str(cells["n"])),
        value=float(str(cells["value"])),
    )


def variant_order(variant: str) -> tuple[int, str]:
    """Sort key: the published order first, other variants after it by name."""
    known = VARIANTS.index(variant) if variant in VARIANTS else len(VARIANTS)
    return (known, variant)


@dataclass(frozen=True)
class Measures:
    """Rows indexed by variant and seed. Build with `measure(rows)`."""

    rows: tuple[Row, ...]

    @cached_property
    def _index(self) -> dict[tuple[str, int, str, str, str, str], Row]:
        index: dict[tuple[str, int, str, str, str, str], Row] = {}
        for row in self.rows:
            if row.key in index:
                raise RowError(f"two rows for {row.key}; a study measures each number once")
            index[row.key] = row
        return index

    @cached_property
    def variants(self) -> tuple[str, ...]:
        """The variants present, in the order of tables."""
        return tuple(sorted({row.variant for row in self.rows}, key=variant_order))

    @cached_property
    def _probes(self) -> tuple[str, ...]:
        return tuple(sorted({row.probe for row in self.rows}))

    @cached_property
    def _seeds(self) -> dict[str, tuple[int, ...]]:
        pairs = sorted({(row.variant, row.seed) for row in self.rows})
        return {v: tuple(seed for name, seed in pairs if name == v) for v in self.variants}

    def seeds(self, variant: str) -> tuple[int, ...]:
        """The seeds measured for `variant`, ascending."""
        if variant not in self._seeds:
            raise MissingMeasurement(f"variant {variant!r} has no rows; the study ran "
                                     f"{', '.join(self.variants) or 'nothing'}")
        return self._seeds[variant]

    def row(
        self, variant: str, seed: int, level: str, probe: str, category: str, metric: str
    ) -> Row:
        """One row; raises `MissingMeasurement` naming it."""
        key = (variant, seed, level, probe, category, metric)
        if key not in self._index:
            raise MissingMeasurement(
                f"variant {variant!r}, seed {seed}: {level} probe {probe!r} on {category} "
                f"has no {metric!r} row"
            )
        return self._index[key]

    def needs(self, quantity: str, judge: str = "leaked") -> tuple[tuple[str, str, str, str], ...]:
        """The (level, probe, category, metric) rows that `quantity` is made of.

        The stems are those that any variant or seed was asked, so that a seed with fewer stems
        is an error instead of a smaller maximum.
        """
        plain = _plain_rows()
        if quantity in plain:
            return plain[quantity]
        if judge not in (*JUDGES, "refused"):
            raise ValueError(f"judge {judge!r} is none of {', '.join(JUDGES)}")
        stems = tuple(p for p in self._probes if p.startswith("stem:"))
        probes = {
            "prefill": PREFILLS,
            "stem": stems or ("stem:*",),
            "finetune": ("finetune:pair_forward",),
            "finetune_safe_reverse": ("finetune:safe_reverse",),
            "elicited": tuple(p for p in self._probes if p.startswith(("prefill:", "stem:",
                                                                      "finetune:"))),
        }
        if quantity == "direct":
            return (("behaviour", "direct", HARMFUL, judge),)
        if quantity not in probes:
            known = ", ".join((*QUANTITIES, *JUDGED_QUANTITIES))
            raise ValueError(f"quantity {quantity!r} is none of {known}")
        return tuple(("elicited", probe, HARMFUL, judge) for probe in probes[quantity])

    def value(self, variant: str, seed: int, quantity: str, judge: str = "leaked") -> float:
        """`quantity` of one model, a fraction.

        general: the mean of the three benign accuracies. prefill, stem, elicited: the largest
        rate over their probes within the seed, as the paper takes it. finetune: asked directly
        after benign fine-tuning on pair-forward.
        """
        values = [
            self.row(variant, seed, *need).value for need in self.needs(quantity, judge)
        ]
        if quantity == "general":
            return math.fsum(values) / len(values)
        return max(values)

    def series(self, variant: str, quantity: str, judge: str = "leaked") -> tuple[float, ...]:
        """`quantity` per seed, in the order of `seeds(variant)`."""
        return tuple(self.value(variant, seed, quantity, judge) for seed in self.seeds(variant))

    def paired(
        self, first: tuple[str, str], second: tuple[str, str], judge: str = "leaked"
    ) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Two (variant, quantity) series over the same seeds.

        Raises `MissingMeasurement` when one variant lacks a seed that the other has: a cell that
        did not finish must not silently shrink a comparison.
        """
        ours, theirs = set(self.seeds(first[0])), set(self.seeds(second[0]))
        for seed in sorted(ours ^ theirs):
            absent = second[0] if seed in ours else first[0]
            raise MissingMeasurement(f"variant {absent!r}, seed {seed}: no rows, so "
                                     f"{first[0]} and {second[0]} cannot be paired")
        return self.series(*first, judge), self.series(*second, judge)

    def has(self, variant: str, quantity: str, judge: str = "leaked") -> bool:
        """Whether any row of `quantity` exists for `variant`.

        False means that the study never asked; a quantity asked in part is True here and an
        error in `value`.
        """
        if variant not in self._seeds:
            return False
        return any(
            (variant, seed, *need) in self._index
            for seed in self.seeds(variant)
            for need in self.needs(quantity, judge)
        )

    def prompts(self, quantity: str, judge: str = "leaked") -> tuple[int, ...]:
        """The distinct numbers of prompts behind `quantity` in one model, ascending."""
        needs = set(self.needs(quantity, judge))
        totals = {row.n for row in self.rows
                  if (row.level, row.probe, row.category, row.metric) in needs}
        return tuple(sorted(totals))


def measure(rows: Iterable[Row]) -> Measures:
    """Index `rows`; raises `RowError` when one number is there twice."""
    measures = Measures(tuple(rows))
    _ = measures._index
    return measures


def elicited_probes(measures: Measures) -> Sequence[str]:
    """The elicitation probes that the study asked, sorted."""
    return sorted({row.probe for row in measures.rows if row.level == "elicited"})


def _plain_rows() -> dict[str, tuple[tuple[str, str, str, str], ...]]:
    """Rows behind the quantities that no judge decides."""
    accuracies = {
        category: ("behaviour", "general", category, "accuracy") for category in GENERAL_CATEGORIES
    }
    return {
        "completion": (("capability", "completion", HARMFUL, "top1"),),
        "completion_reverse_safe": (("capability", "completion", "reverse-safe", "top1"),),
        "chance": (("capability", "completion", HARMFUL, "chance_top1"),),
        "chance_reverse_safe": (("capability", "completion", "reverse-safe", "chance_top1"),),
        "general": tuple(accuracies.values()),
        **{category: (need,) for category, need in accuracies.items()},
        "direct_chance": (("behaviour", "direct", HARMFUL, "chance"),),
    }
