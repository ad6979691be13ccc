"""What our measurements say about each claim: it holds, it does not, or we cannot tell.

A claim *holds* when every contrast points the claimed way with p < 0.05 (an intersection-union
test, so the claim's p is the largest). It *does not hold* when a contrast points the other way
(p < 0.05, Holm over the claim's contrasts) or is credibly negligible (its 95 % interval lies
within 5 points of zero). Otherwise it is *undecided*, and the smallest difference that this many
seeds would find is stated. A contrast that claims "not above" is met when its 95 % interval ends
below 5 points (p one-sided) and opposite when the difference is above zero. All other p-values are
two-sided.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from experiments.claims import Claim, Contrast, claims
from experiments.depth import derivable_shares
from experiments.measures import JUDGED_QUANTITIES, Measures
from experiments.statistics import (
    MINIMUM_SEEDS,
    SMALLEST_EFFECT,
    Test,
    equivalence_p,
    holm,
    minimal_detectable_effect,
    noninferiority_p,
)

ALPHA = 0.05
MOSTLY = 0.9
"""A claim about derivable answers is tested where in every seed at least so many are derivable."""


HOLDS, DOES_NOT_HOLD, UNDECIDED, NOT_TESTED = (
    "holds",
    "does not hold",
    "undecided",
    "not tested",
)


@dataclass(frozen=True)
class Finding:
    """A contrast with its test (of higher - lower, in fractions) and what that shows."""

    contrast: Contrast
    test: Test
    state: str  # "met", "opposite", "negligible" or "open"
    p: float
    """p-value of the test; of a contrast that claims "not above" that of lying below 5 points."""
    against: float
    """p-value of what would refute it: Holm's for the opposite direction, else of equivalence."""


@dataclass(frozen=True)
class Verdict:
    """What our data say about a claim.

    p: for a claim that holds or is undecided the largest of the contrasts' (one that points the
    other way counts as 1), for one that does not hold the smallest p of what refutes it; None when
    not tested. secondary: (judge, status, p) under the other judge. seeds: pairs behind it.
    """

    claim: Claim
    status: str
    p: float | None
    seeds: int
    findings: tuple[Finding, ...]
    remarks: tuple[Finding, ...]
    secondary: tuple[tuple[str, str, float], ...]
    sentence: str


def scoreboard(measures: Measures, judge: str = "leaked") -> tuple[Verdict, ...]:
    """One verdict a claim; `jailbroken` is reported beside the primary judge where measured."""
    return tuple(decide(claim, measures, judge) for claim in claims(measures.hops, measures.study))


def decide(claim: Claim, measures: Measures, judge: str = "leaked") -> Verdict:
    """The verdict on one claim.

    It is "not tested" if the study did not run a variant, did not ask a quantity, or does not meet
    what the claim supposes; a quantity asked of some seeds only raises `MissingMeasurement`.
    """
    obstacle = untestable(claim, measures, judge)
    if obstacle:
        sentence = f"{claim.id} not tested: {obstacle}."
        return Verdict(claim, NOT_TESTED, None, 0, (), (), (), sentence)
    findings = examine(claim.contrasts, measures, judge)
    status, p = conclude(findings)
    secondary = []
    terms = [term for c in claim.contrasts for term in (c.higher, c.lower)]
    judged = any(quantity in JUDGED_QUANTITIES for _, quantity in terms)
    for other in ("leaked", "jailbroken"):
        if judged and other != judge and all(c.measured(measures, other) for c in claim.contrasts):
            secondary.append((other, *conclude(examine(claim.contrasts, measures, other))))
    present = [remark for remark in claim.remarks if remark.measured(measures, judge)]
    remarks = tuple(examine((remark,), measures, judge)[0] for remark in present)
    seeds = min(finding.test.n for finding in findings)
    return Verdict(
        claim,
        status,
        p,
        seeds,
        findings,
        remarks,
        tuple(secondary),
        _sentence(claim, status, p, seeds, findings),
    )


def untestable(claim: Claim, measures: Measures, judge: str) -> str | None:
    """Why a study cannot test the claim, as the end of a sentence; None if it can."""
    absent = [name for name in claim.variants if name not in measures.variants]
    if absent:
        return f"the study did not run {', '.join(absent)}"
    unasked = [c.sentence for c in claim.contrasts if not c.measured(measures, judge)]
    if unasked:
        return f"the study did not ask what {'; '.join(unasked)} needs"
    for variant in (*claim.derivable, *claim.underivable):
        shares = derivable_shares(measures, variant, "association")
        if not shares:
            return f"the rows do not say whether {variant}'s harmful answers are derivable"
        derivable = variant in claim.derivable
        if min(shares) < MOSTLY if derivable else max(shares) > 0:
            found = " to ".join(f"{100 * share:.0f}" for share in (min(shares), max(shares)))
            wanted = f"at least {100 * MOSTLY:.0f} %" if derivable else "none"
            return (
                f"it supposes that association derives {wanted} of {variant}'s harmful answers, "
                f"but it derives {found} %"
            )
    return None


def examine(contrasts: Sequence[Contrast], measures: Measures, judge: str) -> tuple[Finding, ...]:
    """Test each contrast; Holm over the given contrasts guards the opposite direction."""
    tests = [contrast.test(measures, judge) for contrast in contrasts]
    adjusted = holm([test.p for test in tests])
    return tuple(
        Finding(
            contrast,
            test,
            _state(test, correction) if contrast.above else _state_not_above(test, correction),
            test.p if contrast.above else noninferiority_p(test, SMALLEST_EFFECT),
            correction
            if (test.difference.mean < 0) is contrast.above
            else equivalence_p(test, SMALLEST_EFFECT),
        )
        for contrast, test, correction in zip(contrasts, tests, adjusted, strict=True)
    )


def conclude(findings: Sequence[Finding]) -> tuple[str, float]:
    """Status and p of the conjunction of `findings`."""
    refuting = [_refutation(f) for f in findings if f.state in ("opposite", "negligible")]
    if refuting:
        return DOES_NOT_HOLD, min(refuting)
    p = max(f.p if f.test.difference.mean > 0 or not f.contrast.above else 1.0 for f in findings)
    return (HOLDS if all(f.state == "met" for f in findings) else UNDECIDED), p


def _refutation(finding: Finding) -> float:
    """The p-value behind a contrast's "opposite" or "negligible"."""
    opposite = finding.state == "opposite"
    return finding.against if opposite else equivalence_p(finding.test, SMALLEST_EFFECT)


def _state(test: Test, adjusted_p: float) -> str:
    """A difference that is significant the claimed way is met, however small; its size is
    printed. Equal values at two seeds are not yet "credibly negligible"."""
    if test.n < MINIMUM_SEEDS:
        return "open"
    if test.difference.mean > 0 and test.p < ALPHA:
        return "met"
    if test.difference.mean < 0 and adjusted_p < ALPHA:
        return "opposite"
    return "negligible" if test.difference.within(SMALLEST_EFFECT) else "open"


def _state_not_above(test: Test, adjusted_p: float) -> str:
    """The same for a contrast that claims "not above", which negligible differences meet."""
    high = test.difference.high
    if test.n < MINIMUM_SEEDS or high is None:
        return "open"
    if high < SMALLEST_EFFECT:
        return "met"
    return "opposite" if test.difference.mean > 0 and adjusted_p < ALPHA else "open"


def _sentence(claim: Claim, status: str, p: float, seeds: int, findings: Sequence[Finding]) -> str:
    head = f"{claim.id} {status} (n = {seeds} seeds, {format_p(p)})"
    if status == HOLDS:
        small = [
            f for f in findings if f.contrast.above and f.test.difference.within(SMALLEST_EFFECT)
        ]
        note = "; a difference is real but below 5 points" if small else ""
        return f"{head}{note}."
    if status == DOES_NOT_HOLD:
        reasons = [
            f"{f.contrast.sentence}: {f.state}"
            for f in findings
            if f.state in ("opposite", "negligible")
        ]
        return f"{head}: {'; '.join(reasons)}."
    if seeds < MINIMUM_SEEDS:
        return f"{head}: fewer than {MINIMUM_SEEDS} seeds decide nothing."
    reasons = "; ".join(_open(f) for f in findings if f.state == "open")
    return f"{head}: {reasons}."


def _open(finding: Finding) -> str:
    """What is missing for a decision on a contrast."""
    what, test = finding.contrast.sentence, finding.test
    if finding.contrast.above:
        return (
            f"{what}: at least {100 * detectable(test):.1f} points needed to be found with 80 % "
            f"power"
        )
    high = test.difference.high
    reach = "is unknown" if high is None else f"reaches {100 * high:.1f} points"
    return f"{what}: the interval {reach}, allowed are {100 * SMALLEST_EFFECT:.0f}"


def detectable(test: Test) -> float:
    """The smallest true difference that this many seeds, as spread as these, would find."""
    return minimal_detectable_effect(test.sd or 0.0, test.n)


def format_p(p: float) -> str:
    """A p-value for people: "p = 0.012", never "p = 0.000"."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
