"""Result rows: the tidy schema of `rows.csv`, one measured number a row.

variant, seed: which model. level: capability (what the pretrained model completes), behaviour
(what the fine-tuned model does when asked), elicited (under attack), inside (what can be read from
its activations). probe, category, metric: what was asked and how it was judged. hits, n, value: the
count, the prompts, the fraction.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

LEVELS = ("capability", "behaviour", "elicited", "inside")

VARIANTS = {
    "baseline": "Baseline",
    "filtering": "Filtering",
    "filtering_plus": "Filtering-plus",
    "rewrite": "Rewrite",
    "srp": "SRP",
    "srp_mix_01": "SRP with 1 % SFT data",
    "srp_mix_10": "SRP with 10 % SFT data",
    "srp_mix_30": "SRP with 30 % SFT data",
    "srp_reflection": "SRP +Reflection",
    "every_1": "every sentence",
    "every_2": "every two sentences",
    "every_4": "every four sentences",
    "every_1_on": "every sentence (no stop)",
    "every_2_on": "every two (no stop)",
    "every_4_on": "every four (no stop)",
    "half_of_them": "half of the sentences",
    "hint": "with hints",
    "before": "verdicts before",
    "random": "drawn verdicts (control)",
    "severity": "severities",
    "srp_sft_only": "reflection in SFT only",
    "srp_sft_only_reflection": "SFT only +Reflection",
    "srp_pretraining_only": "reflection in pretraining only",
    "no_cooccurrence": "no co-occurrence (control)",
    "filtering_mediators": "Filtering, mediators too",
    "compound_first": "compound first only",
    "outcome_first": "outcome first only",
    "weak_cooccurrence": "weak co-occurrence",
    "half_cooccurrence": "half of unsafe co-occurrence",
    "no_pairs": "no pair facts",
    "no_groups": "no group facts",
    "no_chain_reverse": "no reverse chains",
    "no_pair_reverse": "no outcome to mediators",
    "thinned": "Baseline, thinned",
    "thinned_filtering": "Filtering, thinned",
    "thinned_srp": "SRP, thinned",
    "shuffled": "shuffled graph (control)",
    "plain": "no context",
    "context": "context in pretraining only",
    "sft_only": "context in SFT only",
    "context_sft": "context in both",
    "context_shuffled": "context of other documents (control)",
    "context_srp": "context and SRP",
    "score0": "score 0 only",
    "rephrase": "1-3 rephrased",
    "rephrase_warning": "1-3 as warnings",
    "refuse": "... 4-5 refused",
    "moral": "... and explained",
    "moral_safe_beam": "SafeBeam without tags",
    "safelm_greedy": "SafeLM without SafeBeam",
    "safelm": "SafeLM: tags, SafeBeam",
    "tags_sft_only": "tags in SFT only, SafeBeam",
    "tags_sft_only_greedy": "tags in SFT only",
    "tags_no_rephrase": "tags, raw text, SafeBeam",
    "tags_no_rephrase_greedy": "tags, raw text",
    "safelm_srp": "SafeLM's texts and SRP",
    "token_mask": "harmful tokens masked",
    "unlikelihood": "unlikelihood of harmful tokens",
    "gradient_routing": "gradient routing",
    "conditional": "conditional (good/bad)",
}
"""Variant -> the name that people read; the order is that of tables and figures. Arms that are not
here are shown by their own names, after these."""


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
            raise RowError(
                f"{where}: value {self.value} lies outside [0, 1]; fractions, not percent"
            )
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
        raise RowError(f"{source}: columns are {reader.fieldnames}; expected {','.join(COLUMNS)}")
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
    """Sort key: the published order first, other variants after it by name, numbers by value."""
    known = list(VARIANTS)
    natural = re.sub(r"\d+(\.\d+)?", lambda found: f"{float(found[0]):020.6f}", variant)
    return (known.index(variant) if variant in VARIANTS else len(known), natural)


def label(variant: str) -> str:
    """The variant's name for people; an unlisted variant is its own."""
    return VARIANTS.get(variant, variant)
