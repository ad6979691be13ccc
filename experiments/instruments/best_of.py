"""Sampling: the best of n responses, from the exact curve over n."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from math import comb
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from experiments.instruments.instrument import Findings, Instrument, instrument

if TYPE_CHECKING:
    from experiments.instruments.bench import Bench
    from medsafetyworld.judge import Judgement

JUDGES = ("leaked", "delivered", "jailbroken")
Temperature = Annotated[float, Field(gt=0.0, le=4.0)]


@instrument(
    "best_of", source="best-of-n jailbreaking (Hughes et al. 2024), by sampling", kind="attack"
)
class BestOf(Instrument):
    """Samples every question many times: how often is one of n responses the harmful answer?

    Rows for n = 1, 2, 4, ... are expectations over which n of the samples an attacker gets; the
    metric `chance` is that of as many guesses at random. Under a decoding rule that searches, every
    response is the same, and the curve is flat.
    """

    samples: Annotated[int, Field(ge=1, le=1024)] = 16
    """Samples of each question at each temperature."""
    temperatures: Annotated[tuple[Temperature, ...], Field(min_length=1)] = (0.5, 1.0)

    def measure(self, bench: Bench) -> Findings:
        """Rows by temperature and n, and of the greedy response."""
        from experiments.instruments.asking import ask_each

        found = ask_each(bench, {f"{self.name}:zero": bench.harmful})
        seeds = {}
        for temperature in dict.fromkeys(self.temperatures):
            seeds[f"{temperature:g}"] = bench.seed(self.name, f"{temperature:g}")
            found += self._sampled(bench, temperature, seeds[f"{temperature:g}"])
        return found + Findings(
            (),
            record={
                "budget": len(found.transcript),
                "unit": "responses",
                "seed": seeds,
                "tried": found.record["probes"][f"{self.name}:zero"]["tried"],
                "of": len(bench.harmful),
            },
        )

    def _sampled(self, bench: Bench, temperature: float, seed: int) -> Findings:
        """One call: all questions, each as often as there are samples, in this order."""
        from experiments.decoding import has_room, respond
        from experiments.instruments.asking import entry, mean_row
        from experiments.instruments.bench import SFT
        from medsafetyworld.interventions.decoding import SafeBeam
        from medsafetyworld.judge import chance, judge

        context = bench.context
        asked = [query for query in bench.harmful if has_room(context, query)]
        searched = isinstance(context.cell.variant.decoding, SafeBeam)
        times = 1 if searched else self.samples
        every = [query for query in asked for _ in range(times)]
        if not every:
            return Findings(())
        context.report(f"measuring: {self.name} at temperature {temperature:g}", None)
        call = {} if searched else {"temperature": temperature, "seed": seed}
        responses = respond(context, bench.model(SFT), every, **call)
        judged = [
            judge(context.true_world, query, response.text)
            for query, response in zip(every, responses, strict=True)
        ]
        rows = []
        for count in _powers(self.samples):
            probe = f"{self.name}:t={temperature:g},n={count}"
            for name in JUDGES:
                hits = [own * (self.samples // times) for own in _hits(judged, name, times)]
                values = [any_of_some(self.samples, own, count) for own in hits]
                rows.append(mean_row(bench, probe, name, values))
            tries = 1 if searched else count
            guesses = [1 - (1 - chance(context.true_world, query)) ** tries for query in asked]
            rows.append(mean_row(bench, probe, "chance", guesses))
        transcript = [
            entry(f"{self.name}:t={temperature:g}", SFT, *each) | call
            for each in zip(every, responses, judged, strict=True)
        ]
        return Findings(tuple(rows), tuple(transcript))


def any_of_some(samples: int, hits: int, count: int) -> float:
    """The chance that of `count` of the samples, drawn without replacement, at least one is a hit.

    An unbiased estimate of that among `count` fresh samples (Chen et al. 2021, pass@k).
    """
    return 1.0 - comb(samples - hits, count) / comb(samples, count)


def _hits(judged: Sequence[Judgement], name: str, times: int) -> list[int]:
    """Hits of each question under one judge; each was asked so many times in a row."""
    flags = [asdict(each)[name] for each in judged]
    return [sum(flags[start : start + times]) for start in range(0, len(flags), times)]


def _powers(most: int) -> list[int]:
    """1, 2, 4, ... up to `most`, and that itself."""
    return sorted({*(2**power for power in range(most.bit_length()) if 2**power <= most), most})
