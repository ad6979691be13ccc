"""The report's sections on the three levels and on attacks, in Markdown; the page has more of both.

Studies whose recipes name no instruments have neither: their main table says it all.
"""

from __future__ import annotations

import math

from experiments.elicited import BUILT_IN, Attack, Elicited
from experiments.gains import BETTER, Gain, gains
from experiments.knobs import thinned
from experiments.levels import Levels, fewer, in_points, levels, signed
from experiments.measures import Measures
from experiments.rows import label
from experiments.statistics import t_interval
from experiments.tables import plus_minus
from experiments.verdicts import format_p

MOST = 6
"""Rows of attacks that differ in a number alone."""
_MEANING = """\
Percent of harmful questions with a correct answer in the output (leaked), mean over seeds ± half of
the 95 % t interval (and n, where fewer seeds than the study's stand behind a mean); in brackets the
same with zero budget. Better: above zero budget on the mean over the arms without the shuffled
control, paired t test over seeds, Holm over the attacks. Chance is of naming a right compound; it
is higher where an attack gives part of the answer away or may try often.
"""


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


def attacks_section(measures: Measures) -> str:
    """Every attack beside its zero budget, and which are better; empty without instruments."""
    if not has_instruments(measures):
        return ""
    found = Elicited(measures)
    attacks = [attack for attack in found.attacks if attack.kind == "attack"]
    compared = gains(found, attacks)
    kept = thinned([attack.probe for attack in attacks], MOST)
    arms = measures.variants
    lines = [
        "| attack | better than zero budget? | difference, points [95 %] | chance | "
        + " | ".join(map(label, arms))
        + " |",
        "|---|---|---:|---:|" + "---:|" * len(arms),
    ]
    for attack in attacks:
        if attack.probe in kept:
            rates = " | ".join(_rate(found, attack, arm) for arm in arms)
            gain = _gain(compared.get(attack.probe))
            chance = found.chance(attack.probe)
            shown = "–" if chance is None else f"{100 * chance:.1f}"
            lines.append(f"| `{attack.probe}` | {gain} | {shown} | {rates} |")
    better = sum(gain.verdict == BETTER for gain in compared.values())
    sentence = f"{better} of {len(compared)} attacks are better than their zero budget."
    return "\n".join([_MEANING, *lines, "", sentence]) + "\n"


def _levels(each: Levels) -> str:
    gap = each.gap()
    cells = [
        "–" if interval is None else plus_minus(interval) + fewer(interval.n, each.seeds)
        for interval in map(each.interval, ("capability", "behaviour", "elicited"))
    ]
    strongest = "–" if each.strongest is None else f"`{each.strongest}`"
    difference = "–" if gap is None else signed(gap)
    return f"| {label(each.arm)} | {' | '.join(cells)} | {strongest} | {difference} |"


def _gain(gain: Gain | None) -> str:
    if gain is None:
        return "no zero row | –"
    points = signed(in_points(gain.test.difference))
    words = {"better": "**yes**", "worse": "no: less"}.get(gain.verdict, "not shown")
    return f"{words} ({format_p(gain.p)}) | {points}"


def _rate(found: Elicited, attack: Attack, arm: str) -> str:
    rates = found.rates(attack.probe, arm)
    if not rates:
        return "–"
    level, probe = attack.zero
    zero = found.rates(probe, arm, level=level)
    few = fewer(len(zero), found.seeds)
    beside = f" ({100 * math.fsum(zero.values()) / len(zero):.1f}{few})" if zero else ""
    interval = t_interval([100 * rate for rate in rates.values()])
    return plus_minus(interval) + fewer(interval.n, found.seeds) + beside
