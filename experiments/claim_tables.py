"""The report's claims in Markdown: verdicts, every contrast behind them, and sentences."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.verdicts import Finding, Verdict, detectable, format_p

_UNPRINTED = ("not printed", "not in the paper")


def claims_table(verdicts: Sequence[Verdict]) -> str:
    """The scoreboard, then every contrast with its interval, then the verdicts as sentences."""
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
        "“not above” is met when its 95 % interval ends below 5 points; its p is one-sided.",
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


def _contrast_row(name: str, finding: Finding) -> str:
    test = finding.test
    low, high = test.difference.low, test.difference.high
    bounds = "–" if low is None or high is None else f"[{100 * low:+.1f}, {100 * high:+.1f}]"
    effect = "–" if test.effect_size is None else f"{test.effect_size:.2f}"
    reach = detectable(test)
    return (
        f"| {name} | {finding.contrast.sentence} | {100 * test.difference.mean:+.1f} {bounds} | "
        f"{effect} | {_p(finding.p)} | {test.n} | {finding.state} | "
        f"{'–' if reach == float('inf') else f'{100 * reach:.1f}'} |"
    )


def _p(p: float) -> str:
    """A p-value in a column that is titled p."""
    return format_p(p).removeprefix("p").removeprefix(" =").strip()
