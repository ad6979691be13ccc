"""Claims as tables: the report's in Markdown, with every contrast, and the whole scoreboard."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Table

from experiments.verdicts import Finding, Verdict, detectable, format_p

if TYPE_CHECKING:
    from experiments.scoreboard import Entry

_UNPRINTED = ("not printed", "not in the paper")
NOTE = (
    "Differences are in points of percent with 95 % t intervals over seeds; p is that of paired "
    "two-sided t tests, for a claim the largest over its contrasts, and in brackets by Holm over "
    "all claims that the same results test. A verdict follows p without that correction; one that "
    "does not hold or is undecided stands as it is. Results whose studies share seeds share worlds "
    "and often trained models: the same verdict from two of them is no independent evidence."
)


def claims_table(verdicts: Sequence[Verdict]) -> str:
    """The scoreboard, then every contrast with its interval, then the verdicts as sentences."""
    if not verdicts:
        return "No claim of a paper is decided by this study.\n"
    # A column that would mostly say "not printed" says it once, below the table.
    printed = [v.claim for v in verdicts if v.claim.published not in _UNPRINTED]
    beside = 2 * len(printed) > len(verdicts)
    lines = [
        "| claim | verdict | p | seeds |" + " the paper |" * beside,
        "|---|---|---:|---:|" + "---|" * beside,
    ]
    for verdict in verdicts:
        p = "–" if verdict.p is None else _p(verdict.p)
        claim = verdict.claim
        lines.append(
            f"| {claim.id}: {claim.sentence} | **{verdict.status}** | {p} | "
            f"{verdict.seeds or '–'} |" + f" {claim.published} |" * beside
        )
    if not beside:
        known = "; ".join(f"{claim.id}, {claim.published}" for claim in printed)
        lines += ["", f"Of these the paper prints for such worlds: {known or 'nothing'}."]
    lines += [
        "",
        "Paired t tests over seeds, two-sided. A claim holds when all its contrasts do (p is the "
        "largest); it does not hold when one is significantly opposite (Holm) or lies, with its "
        "95 % interval, within 5 points of zero; otherwise it is undecided. A contrast that says "
        "“not above” is met when its 95 % interval ends below 5 points; its p says the same.",
        "",
        "| claim | contrast | difference, points [95 % interval] | dz | p | pairs | finding "
        "| detectable at 80 % power |",
        "|---|---|---:|---:|---:|---:|---|---:|",
    ]
    for verdict in verdicts:
        lines += [_contrast_row(verdict.claim.id, f) for f in verdict.findings]
        lines += [_contrast_row(f"{verdict.claim.id}, remark", f) for f in verdict.remarks]
    lines.append("")
    for verdict in verdicts:
        others = "".join(
            f" By the judge `{judge}`: {status} ({format_p(p)})."
            for judge, status, p in verdict.secondary
        )
        lines.append(f"- {verdict.sentence}{others}")
    return "\n".join(lines) + "\n"


def board_markdown(entries: Iterable[Entry]) -> str:
    """The whole scoreboard in Markdown, a table a paper."""
    lines = []
    for source, group in groupby(entries, key=_paper):
        lines += [
            f"### {source}\n",
            "| claim | published | decided by | results | seeds | p (Holm) | verdict |",
            "|---|---|---|---|---:|---:|---|",
        ]
        for entry in group:
            lines.append("| " + " | ".join(_cells(entry, "<br>", "**")) + " |")
        lines.append("")
    return "\n".join([*lines, NOTE, ""])


def board_table(entries: Iterable[Entry]) -> Table:
    """The whole scoreboard for a terminal, a section a paper; three columns fit 80 characters."""
    table = Table(box=SIMPLE, title="Claims, and what our runs say", title_justify="left")
    table.add_column("claim, and what was published", ratio=3)
    table.add_column("decided by, in points", ratio=3)
    table.add_column("verdict", ratio=2)
    for source, group in groupby(entries, key=_paper):
        table.add_section()
        table.add_row(f"[bold reverse] {source} [/]")
        told: set[str] = set()
        for entry in group:
            claim, printed, by, results, seeds, p, status = map(escape, _cells(entry, "\n", ""))
            verdict = [f"[bold]{status}[/]", results]
            if entry.verdict is not None:
                verdict.append(f"n = {seeds}, p = {p}".replace("p = <", "p <"))
            # What the rows above have said already is not said again.
            said = {f"[bold]{claim}[/]": claim, printed: f"{claim}: {printed}"}
            fresh = [text for text, fact in said.items() if fact not in told]
            told |= {*said.values(), *(f"{claim}: {each}" for each in _UNPRINTED)}
            table.add_row("\n".join(fresh), by, "\n".join(verdict))
    return table


def _paper(entry: Entry) -> str:
    """Whose claim it is, without the part of the paper."""
    source = entry.claim.source.partition(",")[0]
    return "Li et al. 2026" if source == "not in the paper" else source


def _cells(entry: Entry, line: str, mark: str) -> tuple[str, ...]:
    """The cells of an entry's row; `line` begins a new line, `mark` stands around the verdict."""
    claim, verdict = entry.claim, entry.verdict
    name = f"{claim.id}: {claim.sentence}"
    status = f"{mark}{entry.status}{mark}"
    if verdict is None or verdict.p is None or entry.adjusted is None:
        decided_by = line.join(contrast.sentence for contrast in claim.contrasts)
        would = f"none; `msw study run {entry.results}` tests it"
        return name, claim.published, decided_by, would, "–", "–", status
    found = [f"{each.contrast.sentence}: {_difference(each)}" for each in verdict.findings]
    p = f"{_p(verdict.p)} ({_p(entry.adjusted)})"
    published, seeds = claim.published, str(verdict.seeds)
    return name, published, line.join(found), entry.results, seeds, p, status


def _difference(finding: Finding) -> str:
    """A finding's difference in points, with its interval where it has one."""
    difference = finding.test.difference
    low, high = difference.low, difference.high
    bounds = "–" if low is None or high is None else f"[{100 * low:+.1f}, {100 * high:+.1f}]"
    return f"{100 * difference.mean:+.1f} {bounds}"


def _contrast_row(name: str, finding: Finding) -> str:
    test = finding.test
    effect = "–" if test.effect_size is None else f"{test.effect_size:.2f}"
    reach = detectable(test)
    return (
        f"| {name} | {finding.contrast.sentence} | {_difference(finding)} | "
        f"{effect} | {_p(finding.p)} | {test.n} | {finding.state} | "
        f"{'–' if reach == float('inf') else f'{100 * reach:.1f}'} |"
    )


def _p(p: float) -> str:
    """A p-value in a column that is titled p."""
    return format_p(p).removeprefix("p").removeprefix(" =").strip()
