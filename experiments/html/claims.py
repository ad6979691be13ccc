"""The scoreboard: every claim with its verdict, and what decided it."""

from __future__ import annotations

from experiments.claim_tables import claims_table
from experiments.html import markdown
from experiments.html.elements import Cell, Markup, details, element, joined, table
from experiments.measures import Measures
from experiments.verdicts import NOT_TESTED, Verdict, format_p, scoreboard

CLASSES = {"holds": "good", "does not hold": "bad", "undecided": "open", "not tested": "untested"}
SIGNS = {"holds": "✓", "does not hold": "✗", "undecided": "?", "not tested": "–"}


def claims_section(measures: Measures) -> Markup | None:
    """The scoreboard, with every contrast behind a click; nothing for a study that no claim is
    about. Both are from the rows: an older report may have decided by other contrasts."""
    verdicts = scoreboard(measures)
    if not verdicts:
        return None
    head = ("claim", "verdict", "p", "seeds", "published")
    counts = {
        status: sum(verdict.status == status for verdict in verdicts)
        for status in CLASSES
        if any(verdict.status == status for verdict in verdicts)
    }
    sentence = ", ".join(f"{count} {_plural(status, count)}" for status, count in counts.items())
    return joined(
        [
            element("p", f"Of {len(verdicts)} claims: {sentence}."),
            table(head, [_row(verdict) for verdict in verdicts], class_="claims"),
            details("How each was decided", markdown.html(claims_table(verdicts))),
        ]
    )


def _plural(status: str, count: int) -> str:
    if status == "holds":
        return "holds" if count == 1 else "hold"
    return status.replace("does", "do") if count > 1 else status


def _row(verdict: Verdict) -> list[Cell]:
    claim, status = verdict.claim, verdict.status
    tested = status != NOT_TESTED
    sign = element("span", f"{SIGNS[status]} {status}", class_=f"chip {CLASSES[status]}")
    reason = None if status == "holds" else element("small", verdict.sentence.partition(": ")[2])
    return [
        Cell(joined([element("strong", claim.id), f" {claim.sentence}"]), claim.id),
        Cell(joined([sign, reason]), status),
        Cell("–", 2.0) if verdict.p is None else Cell(_short(verdict.p), verdict.p),
        Cell(str(verdict.seeds) if tested else "–", verdict.seeds),
        Cell(claim.published),
    ]


def _short(p: float) -> str:
    return format_p(p).removeprefix("p").removeprefix(" =").strip()
