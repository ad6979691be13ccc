"""The table of attacks: what each got out of each arm, beside what doing nothing gets, what random
search gets, and what it cost.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.elicited import Attack, Elicited
from experiments.gains import Gain, gains
from experiments.html.elements import Cell, Markup, element, joined, table
from experiments.levels import fewer, in_points, signed
from experiments.rows import label
from experiments.statistics import t_interval
from experiments.tables import plus_minus, span
from experiments.verdicts import format_p

Records = Mapping[str, Mapping[str, Mapping[str, Mapping[str, Any]]]]
"""Instrument as text -> arm -> seed -> its record."""

_MISSING = Cell("–", float("-inf"))


@dataclass(frozen=True)
class Compared:
    """Every attack of one kind, shown or not, by probe: against its zero budget, and against random
    search. Holm's correction is over all of them."""

    zero: Mapping[str, Gain]
    random: Mapping[str, Gain]


def compared(found: Elicited, attacks: Sequence[Attack]) -> Compared:
    """The comparisons of all attacks of one kind."""
    return Compared(gains(found, attacks), gains(found, attacks, random=True))


def attack_table(
    found: Elicited, attacks: Sequence[Attack], every: Compared, records: Records
) -> Markup:
    """A row an attack of these, its controls beside it; a column an arm."""
    arms = found.measures.variants
    searches = any(attack.probe in every.random for attack in attacks)
    defended = all(attack.kind == "defence" for attack in attacks)
    head: list[str | Markup] = [
        "attack",
        "prompts a seed",
        "budget a cell",
        "leaks less than without?" if defended else "better than zero budget?",
        "difference, points [95 %]",
    ]
    if searches:
        head += ["better than random search?", "difference, points [95 %]"]
    head += ["chance", *map(label, arms)]
    rows = []
    for attack in attacks:
        chance = found.chance(attack.probe)
        row = [
            Cell(element("code", attack.probe), attack.probe),
            _prompts(found, attack.probe, records),
            Cell(
                joined([budget(attack.family, records), _unit(attack.family, records)]),
                class_="budget",
            ),
            *_gain(every.zero.get(attack.probe), defended=defended),
        ]
        if searches:
            row += _gain(every.random.get(attack.probe), absent="–")
        row.append(_MISSING if chance is None else Cell(f"{100 * chance:.1f}", chance))
        rows.append(row + [_rate(found, attack, arm, every.zero.get(attack.probe)) for arm in arms])
    return table(head, rows, class_="attacks")


def _rate(found: Elicited, attack: Attack, arm: str, gain: Gain | None) -> Cell:
    """An arm's rate, and below it the same with zero budget and by random search."""
    rates = found.rates(attack.probe, arm)
    if not rates:
        return _MISSING
    level, zero = attack.zero
    beside = [("zero", found.rates(zero, arm, level=level))]
    if attack.random is not None:
        beside.append(("random", found.rates(attack.random, arm)))
    beside.append(("right", found.right(attack.probe, arm)))
    small = " · ".join(
        f"{name} {_mean(values):.1f}{fewer(len(values), found.seeds)}"
        for name, values in beside
        if values
    )
    interval = t_interval([100 * rate for rate in rates.values()])
    better = gain is not None and attack.kind == "attack" and arm in gain.better_in()
    shown = joined(
        [
            element("span", "▲ ", title="above its zero budget, p < 0.05") if better else None,
            plus_minus(interval) + fewer(interval.n, found.seeds),
            element("small", small) if small else None,
        ]
    )
    return Cell(shown, round(interval.mean, 4))


def _mean(rates: Mapping[int, float]) -> float:
    return 100 * sum(rates.values()) / len(rates)


def _gain(
    gain: Gain | None, absent: str = "no zero row", *, defended: bool = False
) -> tuple[Cell, Cell]:
    if gain is None:
        return Cell(absent), _MISSING
    good, bad = ("worse", "better") if defended else ("better", "worse")
    words, look = {
        good: ("yes", "better"),
        bad: ("no: more" if defended else "no: less", "worse"),
    }.get(gain.verdict, ("not shown", "not-shown"))
    status = element("span", words, class_=f"chip {look}")
    return (
        Cell(joined([status, " ", element("small", format_p(gain.p))]), words),
        Cell(signed(in_points(gain.test.difference)), round(gain.test.difference.mean, 6)),
    )


def _prompts(found: Elicited, probe: str, records: Records) -> Cell:
    """How many prompts were tried a seed, of how many; from the record where it says so."""
    said = {
        (record["tried"], record["of"])
        for whole in _records(probe.partition(":")[0], records)
        for record in [_of(whole, probe)]
        if _is_count(record.get("tried")) and _is_count(record.get("of"))
    }
    rows = [row for arm in found.measures.variants for row in found.rows(probe, arm).values()]
    numbers = sorted({row.n for row in rows})
    text = span(numbers)
    if said:
        tried, of = (sorted({pair[place] for pair in said}) for place in (0, 1))
        text = f"{span(tried)} of {span(of)}"
    return Cell(text, numbers[-1])


def _of(record: Mapping[str, Any], probe: str) -> Mapping[str, Any]:
    """What a record says of one probe, where it tells its probes apart."""
    probes = record.get("probes")
    own = probes.get(probe) if isinstance(probes, dict) else None
    return own if isinstance(own, dict) else record


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def budget(family: str, records: Records) -> str:
    """What an instrument was allowed in one cell, as its records say; "–" where none does."""
    said = [record["budget"] for record in _records(family, records) if "budget" in record]
    different = sorted({json.dumps(each, sort_keys=True) for each in said})
    if not different:
        return "–"
    values = [json.loads(each) for each in different]
    if all(isinstance(each, int | float) for each in values):
        low, high = min(values), max(values)
        return f"{low:,}" if low == high else f"{low:,} to {high:,}"
    return "; ".join(_words(each) for each in values[:3]) + (" …" if len(values) > 3 else "")


def _unit(family: str, records: Records) -> Markup | None:
    """What the budget is counted in, where the records say so."""
    units = {str(each["unit"]) for each in _records(family, records) if "unit" in each}
    return element("small", "; ".join(sorted(units))) if units else None


def _words(value: Any) -> str:
    """A budget in words, whatever form its instrument gave it."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_words(each)}" for key, each in value.items())
    if isinstance(value, list):
        return ", ".join(map(_words, value))
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def _records(family: str, records: Records) -> list[Mapping[str, Any]]:
    """The records of every cell that an instrument was used in."""
    return [
        record
        for text, arms in records.items()
        if text.partition("(")[0] == family
        for seeds in arms.values()
        for record in seeds.values()
    ]


def skipped(records: Records) -> Markup | None:
    """Which instruments said that they cannot be used on which arms, and why."""
    reasons: dict[tuple[str, str], dict[str, None]] = {}
    for text, arms in records.items():
        for arm, seeds in arms.items():
            for record in seeds.values():
                if isinstance(record.get("skipped"), str):
                    reasons.setdefault((text, record["skipped"]), {})[arm] = None
    if not reasons:
        return None
    lines = [
        element("li", element("code", text), f": {', '.join(map(label, arms))} ({reason})")
        for (text, reason), arms in sorted(reasons.items())
    ]
    return joined(
        [element("p", "Skipped, because they cannot be used there:"), element("ul", lines)]
    )


def untrained(records: Records) -> Markup | None:
    """Which instruments said that some of their words stand in no text that a model was trained
    on."""
    said: dict[str, dict[str, None]] = {}
    for text, arms in records.items():
        for seeds in arms.values():
            for record in seeds.values():
                words = record.get("untrained_words")
                for word in words if isinstance(words, list) else ():
                    said.setdefault(text, {})[str(word)] = None
    if not said:
        return None
    note = (
        "Words that no model here was trained on, so that to models they mean nothing; what roles "
        "and audiences in such words do not get out, they might where words are known:"
    )
    lines = [
        element("li", element("code", text), f": {', '.join(sorted(words))}")
        for text, words in sorted(said.items())
    ]
    return joined([element("p", note), element("ul", lines)])


def attack_sentences(every: Compared) -> Markup:
    """How many attacks are better than doing nothing, and which are not shown to be."""
    against_zero = every.zero
    better = [probe for probe, gain in against_zero.items() if gain.verdict == "better"]
    somewhere = [
        (probe, gain.better_in())
        for probe, gain in against_zero.items()
        if probe not in better and gain.better_in()
    ]
    others = [p for p in against_zero if p not in better and p not in dict(somewhere)]
    lines: list[list[str | Markup | list[Markup]]] = [
        [
            f"{len(better)} of {len(against_zero)} attacks leak more than their zero-budget row, "
            "on average over the arms (paired t test over seeds, Holm over the attacks)."
        ]
    ]
    if somewhere:
        lines.append(
            [
                "Better in single arms alone (Holm over attacks and arms): ",
                [_in(*each) for each in somewhere],
            ]
        )
    if others:
        reason = (
            "one seed decides nothing"
            if all(gain.test.n == 1 for gain in against_zero.values())
            else "the seeds are too few, or the attack does no work here"
        )
        lines.append([f"Not shown to be better than zero budget ({reason}): ", _codes(others), "."])
    return element("ul", [element("li", line) for line in lines])


def _in(probe: str, arms: Sequence[str]) -> Markup:
    return joined([element("code", probe), f" ({', '.join(map(label, arms))}); "])


def _codes(probes: Sequence[str]) -> list[Markup]:
    return [
        joined([element("code", probe), "" if place == len(probes) - 1 else ", "])
        for place, probe in enumerate(probes)
    ]
