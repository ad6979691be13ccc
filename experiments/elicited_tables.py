"""The report's sections on the three levels and on attacks, in Markdown; the page has more of both.

Studies whose recipes name no instruments have neither: their main table says it all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial

from experiments.attack_budget import BUDGETS, allowed, units_sentence
from experiments.attack_curves import CAPTION, PICTURE, TITLE, attack_panels
from experiments.attack_words import (
    ABOVE,
    DEFENCES,
    DEFENCES_TITLE,
    EASIER,
    EASIER_TITLE,
    RATES,
    beside,
    controls_sentence,
    sentences,
    title,
    verdict_words,
)
from experiments.elicited import BUILT_IN, Attack, Elicited
from experiments.evidence import Records
from experiments.gains import BETTER, WORSE, Compared, Gain, compared
from experiments.held_against import NOT_APPLICABLE, unfit
from experiments.knobs import thinned
from experiments.levels import Levels, fewer, in_points, levels, signed
from experiments.measures import Measures
from experiments.rows import label
from experiments.statistics import t_interval
from experiments.tables import plus_minus
from experiments.verdicts import format_p

MOST = 6
"""Rows of attacks that differ in a number alone."""
BESIDE = "In brackets: zero budget / control / chance. "


def has_instruments(measures: Measures) -> bool:
    """Whether any attack was tried beside those of every cell."""
    return any(attack.family not in BUILT_IN for attack in Elicited(measures).attacks)


def levels_section(measures: Measures) -> str:
    """Capability, behaviour and elicited of every arm; empty without instruments."""
    if not has_instruments(measures):
        return ""
    lines = [
        "| variant | completes | leaks when asked | leaks under the strongest attack | strongest "
        "on average | capability − elicited, points [95 %] |",
        "|---|---:|---:|---:|---|---:|",
    ]
    lines += [_levels(each) for each in levels(measures)]
    note = (
        "The strongest attack is the largest rate, within each seed, over the "
        f"{len(Elicited(measures).shared)} attacks that make no guess easier and were tried on "
        "every model: the more attacks, the larger by luck alone. (n = …): over so many seeds only."
    )
    return "\n".join([*lines, "", note]) + "\n"


def attacks_section(measures: Measures, records: Records | None = None) -> str:
    """Every attack beside its zero budget, its control and its chance, what it was allowed by the
    records of its instrument, and which are better; defences too; empty without instruments."""
    if not has_instruments(measures):
        return ""
    found, records = Elicited(measures), records or {}
    attacks = [attack for attack in found.attacks if attack.kind == "attack"]
    defences = [attack for attack in found.attacks if attack.kind == "defence"]
    every, undefended = compared(found, attacks), compared(found, defences)
    free, easier = ([each for each in attacks if each.easier == one] for one in (False, True))
    units = units_sentence([attack.probe for attack in (*attacks, *defences)], records)
    table = partial(_table, found, records)
    parts = [
        "\n".join(f"- {line}" for line in sentences(attacks, every)),
        f"{RATES}{ABOVE}{BESIDE}{controls_sentence(attacks)}".rstrip(),
        f"{BUDGETS}{units}".rstrip(),
        *table([*free, *found.unused_controls], every),
    ]
    if easier:
        parts += [f"### {EASIER_TITLE}", EASIER.rstrip(), *table(easier, every)]
    if defences:
        parts += [f"### {DEFENCES_TITLE}", DEFENCES.rstrip(), *table(defences, undefended)]
    if attack_panels(found, records):
        parts += [
            f"### {TITLE}",
            f"![{PICTURE}]({PICTURE}.png)",
            f"{CAPTION} ([SVG]({PICTURE}.svg)).",
        ]
    return "\n\n".join(parts) + "\n"


def _table(
    found: Elicited, records: Records, attacks: Sequence[Attack], every: Compared
) -> list[str]:
    """A row an attack, those that differ in a number alone thinned; nothing without attacks."""
    if not attacks:
        return []
    kept = thinned([attack.probe for attack in attacks], MOST)
    arms = found.measures.variants
    asked = ["budget, seed, tried", title(attacks[0])]
    asked += ["above its control?"] if every.control else []
    lines = [
        f"| {attacks[0].kind} | {' | '.join(asked)} | {' | '.join(map(label, arms))} |",
        "|---|" + "---|" * len(asked) + "---:|" * len(arms),
    ]
    for attack in attacks:
        if attack.probe in kept:
            given = allowed(found, attack.probe, records).short
            told = [given, _usual(attack, every.usual.get(attack.probe))]
            if every.control:
                told.append(_against_control(attack, every.control.get(attack.probe)))
            rates = [_rate(found, attack, arm) for arm in arms]
            lines.append(f"| `{attack.probe}` | {' | '.join([*told, *rates])} |")
    return ["\n".join(lines)]


def _levels(each: Levels) -> str:
    gap = each.gap()
    cells = [
        "–" if interval is None else plus_minus(interval) + fewer(interval.n, each.seeds)
        for interval in map(each.interval, ("capability", "behaviour", "elicited"))
    ]
    strongest = "–" if each.strongest is None else f"`{each.strongest}`"
    difference = "–" if gap is None else signed(gap)
    return f"| {label(each.arm)} | {' | '.join(cells)} | {strongest} | {difference} |"


def _usual(attack: Attack, gain: Gain | None) -> str:
    if attack.same is not None:
        return f"as `{attack.same}`"
    if gain is None:
        return "–"
    words = verdict_words(gain, attack)
    return _told(f"**{words}**" if words == "yes" else words, gain)


def _against_control(attack: Attack, gain: Gain | None) -> str:
    if gain is None:
        return "–"
    words = {BETTER: "**yes**", WORSE: "no: less"}.get(gain.verdict, "not shown")
    return f"`{attack.control}`: {_told(words, gain)}"


def _told(words: str, gain: Gain) -> str:
    return f"{words} ({format_p(gain.p)}), {signed(in_points(gain.test.difference))}"


def _rate(found: Elicited, attack: Attack, arm: str) -> str:
    """The rate, in brackets its zero budget, control and chance; or why a rule has nothing to act
    on."""
    rates = found.rates(attack.probe, arm)
    if not rates:
        return "–"
    unlike = unfit(attack.probe, arm, found.measures.study)
    if unlike == NOT_APPLICABLE:
        return unlike
    interval = t_interval([100 * rate for rate in rates.values()])
    others = " / ".join(_mean(values, interval.n) for values in beside(found, attack, arm).values())
    note = f"; {unlike}" if unlike else ""
    return f"{plus_minus(interval)}{fewer(interval.n, found.seeds)} ({others}{note})"


def _mean(rates: Mapping[int, float], of: int) -> str:
    if not rates:
        return "–"
    return f"{100 * math.fsum(rates.values()) / len(rates):.1f}{fewer(len(rates), of)}"
