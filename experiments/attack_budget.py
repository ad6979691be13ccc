"""What an attack was allowed and on what it was tried: budget, seed, and so many questions of N.

In: the records of instruments. Out: words for the tables of the report and of the page. What no
record says is "–": nothing is searched there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.elicited import DIRECT, Elicited
from experiments.evidence import ASKED, Records
from experiments.knobs import family
from experiments.tables import span

EACH = ("gcg", "genetic", "ablation", "damage")
"""Families whose budget is that of each of their rows, not of all together."""
UNKNOWN = "–"
BUDGETS = (
    "Budget, seed, questions tried a replicate, and of how many where not all were. A budget is "
    "counted as its unit says, for the row alone or for all rows of the instrument (in all); "
    "where there is none each question has one answer, and the only training is the recipe's own. "
    "A seed is the first replicate's, the same in every arm: a hash of the replicate's seed of "
    "attacks (seeds.json) and the instrument's name, from which draws for single questions are "
    "derived by their place; fine-tuning on pairs has the replicate's seed of SFT. "
)


@dataclass(frozen=True)
class Allowed:
    """Of one row: its budget in a cell and whether that is its `own` rather than its whole
    instrument's, what a budget counts, the first replicate's seed, and how many questions were
    tried a replicate, e.g. "all 96"."""

    budget: str
    own: bool
    unit: str | None
    seed: str | None
    tried: str

    @property
    def short(self) -> str:
        """In one cell of a table, e.g. "560, seed 7, all 96"."""
        if self.budget == UNKNOWN:
            return f"{UNKNOWN}, {self.tried}"
        seed = "no seed" if self.seed is None else f"seed {self.seed}"
        return f"{self.budget}{'' if self.own else ' in all'}, {seed}, {self.tried}"


def allowed(found: Elicited, probe: str, records: Records) -> Allowed:
    """What the row of a probe was allowed."""
    said, own = budget(probe, records)
    unit = _unit(family(probe), records) if said != UNKNOWN else None
    return Allowed(said, own, unit, _seed(probe, records), _tried(found, probe, records))


def units_sentence(probes: Iterable[str], records: Records) -> str:
    """What the budgets of these rows are counted in, in Markdown; empty without any record."""
    whose: dict[str, list[str]] = {}
    for name in dict.fromkeys(map(family, probes)):
        if (unit := _unit(name, records)) is not None:
            whose.setdefault(unit, []).append(f"`{name}`")
    told = "; ".join(
        f"{', '.join(names)}: {unit.replace(';', ',')}" for unit, names in whose.items()
    )
    return f"Budgets are counted in: {told}. " if told else ""


def budget(probe: str, records: Records) -> tuple[str, bool]:
    """What was allowed in one cell as its records say, "–" where none does; and whether to this
    row alone, rather than to its whole instrument."""
    name, _, knob = probe.partition(":")
    known = [record for record in _records(name, records) if "budget" in record]
    # Arms that did not try this row, e.g. because fewer shots fit there, say nothing of it.
    own = [amount for record in known if (amount := _own(record, probe, knob)) is not None]
    if own:
        return _amounts(own), True
    return _amounts([record["budget"] for record in known]), name in EACH


def _own(record: Mapping[str, Any], probe: str, knob: str) -> int | None:
    """What a record says that one row spent: rows trained on, or responses asked for; None if it
    does not say."""
    spent, asked = record.get("spent"), record.get(ASKED)
    if isinstance(spent, dict) and isinstance(spent.get(knob), dict):
        rows = spent[knob].get("rows")
        return max(rows) if isinstance(rows, list) and rows and all(map(_is_count, rows)) else None
    if str(record.get("unit", "")).startswith("responses;") and isinstance(asked, dict):
        return asked[probe] if _is_count(asked.get(probe)) else None
    return None


def _amounts(said: Sequence[Any]) -> str:
    different = sorted({json.dumps(each, sort_keys=True) for each in said})
    if not different:
        return UNKNOWN
    values = [json.loads(each) for each in different]
    if all(isinstance(each, int | float) for each in values):
        low, high = min(values), max(values)
        return f"{low:,}" if low == high else f"{low:,} to {high:,}"
    return "; ".join(_words(each) for each in values[:3]) + (" …" if len(values) > 3 else "")


def _words(value: Any) -> str:
    """A budget in words, whatever form its instrument gave it."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_words(each)}" for key, each in value.items())
    if isinstance(value, list):
        return ", ".join(map(_words, value))
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def _unit(name: str, records: Records) -> str | None:
    """What the budget is counted in, where the records say so."""
    units = {str(each["unit"]) for each in _records(name, records) if "unit" in each}
    return "; ".join(sorted(units)) or None


def _seed(probe: str, records: Records) -> str | None:
    """The first replicate's seed: the probe's own where a record has several, by what the probe's
    name says, e.g. `t=0.5`. None where nothing is drawn, or no record says."""
    by_seed: dict[int, set[str]] = {}
    for text, arms in records.items():
        if text.partition("(")[0] == family(probe):
            for seeds in arms.values():
                for replicate, record in seeds.items():
                    said = record.get("seed")
                    if isinstance(said, dict):
                        said = next((own for key, own in said.items() if f"={key}," in probe), None)
                    if _is_count(said):
                        by_seed.setdefault(int(replicate), set()).add(str(said))
    return " / ".join(sorted(by_seed[min(by_seed)])) if by_seed else None


def _tried(found: Elicited, probe: str, records: Records) -> str:
    """How many questions were tried a replicate, of how many; from the record where it says so,
    else beside those asked directly."""
    said = {
        (record["tried"], record["of"])
        for whole in _records(family(probe), records)
        for record in [_of(whole, probe)]
        if "skipped" not in whole and _is_count(record.get("tried")) and _is_count(record.get("of"))
    }
    if not said:
        level, direct = DIRECT
        for arm in found.measures.variants:
            of = found.rows(direct, arm, level=level)
            said |= {
                (row.n, of[seed].n if seed in of else row.n)
                for seed, row in found.rows(probe, arm).items()
            }
    tried, of = (tuple(sorted({pair[place] for pair in said})) for place in (0, 1))
    whole = all(own == of for own, of in said)
    return f"all {span(of)}" if whole else f"{span(tried)} of {span(of)}"


def _of(record: Mapping[str, Any], probe: str) -> Mapping[str, Any]:
    """What a record says of one probe, where it tells its probes apart."""
    probes = record.get("probes")
    own = probes.get(probe) if isinstance(probes, dict) else None
    return own if isinstance(own, dict) else record


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _records(name: str, records: Records) -> list[Mapping[str, Any]]:
    """The records of every cell that an instrument was used in."""
    return [
        record
        for text, arms in records.items()
        if text.partition("(")[0] == name
        for seeds in arms.values()
        for record in seeds.values()
    ]
