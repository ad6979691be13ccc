"""The table of attacks: what each got out of each arm, beside what doing nothing gets, its control
and its chance, and what it cost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from experiments.attack_budget import UNKNOWN, allowed
from experiments.attack_words import beside, title, verdict_words
from experiments.elicited import Attack, Elicited
from experiments.evidence import Records
from experiments.gains import BETTER, NOT_SHOWN, WORSE, Compared, Gain
from experiments.held_against import NOT_APPLICABLE, RANDOM, unfit
from experiments.html.elements import Cell, Markup, element, joined, table
from experiments.levels import fewer, in_points, signed
from experiments.rows import label
from experiments.statistics import t_interval
from experiments.tables import plus_minus
from experiments.verdicts import format_p

_MISSING = Cell("–", float("-inf"))


def attack_table(
    found: Elicited, attacks: Sequence[Attack], every: Compared, records: Records
) -> Markup:
    """A row an attack of these; a column an arm, with what its rate is held against beneath."""
    arms = found.measures.variants
    controlled = any(attack.control for attack in attacks)
    head = [attacks[0].kind, "budget, seed, tried", title(attacks[0])]
    head += ["above its control?"] if controlled else []
    rows = []
    for attack in attacks:
        gain = every.usual.get(attack.probe)
        row = [
            Cell(element("code", attack.probe), attack.probe),
            _cost(found, attack.probe, records),
            _usual(attack, gain),
        ]
        if controlled:
            row.append(_against_control(attack, every.control.get(attack.probe)))
        rows.append(row + [_rate(found, attack, arm, gain) for arm in arms])
    return table([*head, *map(label, arms)], rows, class_="attacks")


def _rate(found: Elicited, attack: Attack, arm: str, gain: Gain | None) -> Cell:
    """An arm's rate; below it zero budget, control, chance, and right answers to benign questions
    by their category."""
    rates = found.rates(attack.probe, arm)
    if not rates:
        return _MISSING
    unlike = unfit(attack.probe, arm, found.measures.study)
    if unlike == NOT_APPLICABLE:
        return Cell(element("small", unlike), float("-inf"))
    others = beside(found, attack, arm) | found.benign(attack.probe, arm)
    if attack.control and attack.control.endswith(f":{RANDOM}"):
        others = {RANDOM if name == "control" else name: own for name, own in others.items()}
    interval = t_interval([100 * rate for rate in rates.values()])
    small = [
        element("small", f"{name} {_mean(values):.1f}{fewer(len(values), interval.n)}")
        for name, values in others.items()
        if values
    ]
    better = gain is not None and attack.kind == "attack" and arm in gain.better_in()
    above = "above its chance" if attack.easier else "above its zero budget and chance"
    shown = joined(
        [
            element("span", "▲ ", title=f"{above}, p < 0.05") if better else None,
            plus_minus(interval) + fewer(interval.n, found.seeds),
            element("small", unlike) if unlike else None,
            small,
        ]
    )
    return Cell(shown, round(interval.mean, 4))


def _mean(rates: Mapping[int, float]) -> float:
    return 100 * sum(rates.values()) / len(rates)


def _usual(attack: Attack, gain: Gain | None) -> Cell:
    """Whether it is better than zero budget or chance; of two that do the same, which is told."""
    if attack.same is not None:
        return Cell(element("small", "the same as ", element("code", attack.same)), attack.same)
    if gain is None:
        return _MISSING
    words = verdict_words(gain, attack)
    return _verdict(gain, words, good=words == "yes")


def _against_control(attack: Attack, gain: Gain | None) -> Cell:
    if gain is None:
        return _MISSING
    words = {BETTER: "yes", WORSE: "no: less"}.get(gain.verdict, NOT_SHOWN)
    return _verdict(gain, words, good=gain.verdict == BETTER, note=attack.control)


def _verdict(gain: Gain, words: str, *, good: bool, note: str | None = None) -> Cell:
    """A chip, p and the difference with its interval; sorted by the difference."""
    difference = gain.test.difference
    look = "better" if good else "not-shown" if gain.verdict == NOT_SHOWN else "worse"
    shown = [
        element("span", words, class_=f"chip {look}"),
        element("small", format_p(gain.p)),
        element("small", signed(in_points(difference))),
        element("small", element("code", note)) if note else None,
    ]
    return Cell(joined(shown), round(difference.mean, 6))


def _cost(found: Elicited, probe: str, records: Records) -> Cell:
    """What the row was allowed in one cell, its seed, and how many prompts were tried a seed, of
    how many."""
    given = allowed(found, probe, records)
    whole = None if given.own or given.budget == UNKNOWN else "of the whole instrument"
    seed = None if given.seed is None else f"seed {given.seed}"
    parts = (given.unit, whole, seed, f"{given.tried} prompts a seed")
    told = [given.budget, *(element("small", part) for part in parts if part)]
    return Cell(joined(told), class_="budget")


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
