"""The whole scoreboard: what became of every claim, over all results at hand.

In: results (`result_sets`), published or a study's own. Out: an entry for each claim and each of
the results that test it; a claim that nothing tests has one that names the study which would.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from experiments.claims import ALL_CLAIMS, Claim, claims
from experiments.result_sets import ResultSet
from experiments.statistics import holm
from experiments.studies import STUDIES
from experiments.verdicts import NOT_TESTED, Verdict, scoreboard

SIZE = "laptop"
"""The size at which studies are named as ones that would decide a claim."""


@dataclass(frozen=True)
class Entry:
    """A claim, and what some results say about it.

    verdict: None where no results test it. adjusted: the verdict's p by Holm over all claims that
    the same results test. results: their name, or that of the study that would test the claim.
    """

    claim: Claim
    verdict: Verdict | None
    adjusted: float | None
    results: str

    @property
    def status(self) -> str:
        """The verdict in words."""
        return NOT_TESTED if self.verdict is None else self.verdict.status


def board(results: Sequence[ResultSet]) -> tuple[Entry, ...]:
    """Every claim in the order of `ALL_CLAIMS`, with all verdicts on it."""
    tested = [entry for each in results for entry in entries(each)]
    return tuple(
        entry
        for claim in ALL_CLAIMS
        for entry in [e for e in tested if e.claim.id == claim.id]
        or [Entry(claim, None, None, deciding_study(claim))]
    )


def entries(results: ResultSet) -> tuple[Entry, ...]:
    """An entry for each claim that these results test."""
    verdicts = [v for v in scoreboard(results.measures) if v.p is not None]
    adjusted = holm([verdict.p for verdict in verdicts if verdict.p is not None])
    return tuple(
        Entry(verdict.claim, verdict, p, results.name)
        for verdict, p in zip(verdicts, adjusted, strict=True)
    )


def deciding_study(claim: Claim) -> str:
    """The first study that has the claim among its own and runs all of its variants."""
    for name, study in STUDIES.items():
        arms = study.presets[SIZE].arms or tuple(arm.name for arm in study.arms)
        known = {each.id for each in claims(1, name)}
        if claim.id in known and set(claim.variants) <= set(arms):
            return name
    raise ValueError(f"no study decides {claim.id}")
