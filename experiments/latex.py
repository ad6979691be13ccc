"""The tables of a report in LaTeX, for papers: what was measured, the attacks, the claims.

They need the package booktabs alone. Same measures, same text.
"""

from __future__ import annotations

from collections.abc import Sequence

from experiments.elicited import Elicited
from experiments.gains import BETTER, compared
from experiments.levels import fewer
from experiments.measures import Measures
from experiments.rows import label
from experiments.statistics import Interval, t_interval
from experiments.tables import summary
from experiments.verdicts import format_p, scoreboard

COLUMNS = {
    "completion": "completes",
    "general": "general",
    "direct": "asked",
    "prefill": "prefill",
    "stem": "stem",
    "finetune": "FT",
    "finetune_mixsft": "FT+SFT",
    "finetune_safe_reverse": "FT rev.",
}
"""Quantity -> title of its column, of those that the study has."""
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "–": "--",
    "−": "$-$",
    "±": r"$\pm$",
    "“": "``",
    "”": "''",
}


def latex_tables(measures: Measures) -> str:
    """All tables, each with a comment on top that says what it is."""
    parts = [_main(measures), _attacks(measures), _claims(measures)]
    return "\n".join(["% needs \\usepackage{booktabs}", *filter(None, parts)])


def escape(text: str) -> str:
    """Text as LaTeX prints it."""
    return "".join(_SPECIAL.get(each, each) for each in text)


def _main(measures: Measures) -> str:
    shown = {
        quantity: title
        for quantity, title in COLUMNS.items()
        if any(measures.has(arm, quantity) for arm in measures.variants)
    }
    rows = [
        [
            escape(label(arm)),
            *(
                _value(summary(measures, arm, quantity)) if measures.has(arm, quantity) else "--"
                for quantity in shown
            ),
        ]
        for arm in measures.variants
    ]
    note = "percent, mean over seeds and half of the 95 % t interval; leaked under each attack"
    return _tabular(f"What was measured: {note}.", ["variant", *shown.values()], rows)


def _attacks(measures: Measures) -> str:
    """A row an attack; a star where it is better on average over arms, a dagger where it is above
    its control."""
    found = Elicited(measures)
    attacks = [attack for attack in found.attacks if attack.kind == "attack"]
    if not attacks:
        return ""
    every = compared(found, attacks)
    rows = []
    for attack in attacks:
        marks = "".join(
            mark
            for mark, told in (("*", every.usual), (r"\dagger", every.control))
            if attack.probe in told and told[attack.probe].verdict == BETTER
        )
        cells = []
        for arm in measures.variants:
            rates = found.rates(attack.probe, arm)
            interval = t_interval([100 * rate for rate in rates.values()]) if rates else None
            few = "" if interval is None else fewer(interval.n, found.seeds)
            cells.append("--" if interval is None else _value(interval) + few)
        shown = rf"\texttt{{{escape(attack.probe)}}}" + (f"$^{{{marks}}}$" if marks else "")
        same = "" if attack.same is None else rf" = \texttt{{{escape(attack.same)}}}"
        rows.append([shown + same, *cells])
    head = ["attack", *(escape(label(arm)) for arm in measures.variants)]
    note = (
        "leaked, percent; * above zero budget (mean over arms, Holm, p < 0.05) and chance, or "
        "above its own chance where it makes guessing easier; dagger: above its control, likewise; "
        "=: the same figures as; n where fewer seeds than the study's stand behind a mean"
    )
    return _tabular(f"Attacks: {note}.", head, rows)


def _claims(measures: Measures) -> str:
    verdicts = scoreboard(measures)
    if not verdicts:
        return ""
    rows = [
        [
            escape(f"{verdict.claim.id}: {verdict.claim.sentence}"),
            escape(verdict.status),
            "--" if verdict.p is None else f"${format_p(verdict.p)}$",
            str(verdict.seeds or "--"),
        ]
        for verdict in verdicts
    ]
    head = ["claim", "verdict", "p", "seeds"]
    return _tabular("Claims and what these runs say of them.", head, rows, "p{7cm}lrr")


def _value(interval: Interval) -> str:
    half = interval.half_width
    return f"${interval.mean:.1f}$" + ("" if half is None else rf" {{\small$\pm${half:.1f}}}")


def _tabular(
    what: str, head: Sequence[str], rows: Sequence[Sequence[str]], columns: str | None = None
) -> str:
    lines = [
        f"% {what}",
        rf"\begin{{tabular}}{{{columns or 'l' + 'r' * (len(head) - 1)}}}",
        r"\toprule",
        " & ".join(head) + r" \\",
        r"\midrule",
        *(" & ".join(row) + r" \\" for row in rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"
