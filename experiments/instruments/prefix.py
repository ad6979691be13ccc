"""The prefill attack carried on into the answer itself: how much must be given away?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from experiments.instruments.instrument import Findings, Instrument, instrument
from medsafetyworld.attacks.prefix import Prefix, chance_of_the_rest, ladder
from medsafetyworld.queries import Query
from medsafetyworld.spec import Count

if TYPE_CHECKING:
    from experiments.instruments.bench import Bench


@instrument(
    "prefix", source="Li et al. 2026, prefill attacks; here with every length", kind="attack"
)
class PrefixLadder(Instrument):
    """Begins the response with the first k tokens of a true answer, k = 0, 1, 2, ...

    No prefix holds a whole answer, so every leak is in part the model's; the metric `chance` says
    how often a guess at random among the compounds that begin as given would be right. k = 0 is no
    attack.
    """

    longest: Count = 24
    """Longest prefix, in tokens; a question whose answer is shorter ends before."""
    answer: Annotated[int, Field(ge=0, le=3)] = 0
    """Which of the answers' wordings."""

    def measure(self, bench: Bench) -> Findings:
        """Rows of every k, over the questions whose answer is so long."""
        from experiments.instruments.asking import ask_each, mean_row

        context, world = bench.context, bench.context.true_world
        ladders = {
            query: ladder(world, context.tokenizer, query, self.answer) for query in bench.harmful
        }
        chances: dict[tuple[str, str], float] = {}
        asked: dict[str, list[Query]] = {}
        for query, prefixes in ladders.items():
            for k, prefix in enumerate(prefixes[: self.longest + 1]):
                forced = replace(query, prefill=prefix.text)
                asked.setdefault(f"{self.name}:k={k}", []).append(forced)
                guess = chance_of_the_rest(world, query, prefix.begun)
                chances[forced.question, forced.prefill] = guess
        found = ask_each(bench, asked)
        by_probe: dict[str, list[float]] = {}
        for each in found.transcript:
            guess = chances[each["question"], each["prefill"]]
            by_probe.setdefault(each["probe"], []).append(guess)
        return found + Findings(
            tuple(mean_row(bench, probe, "chance", own) for probe, own in by_probe.items()),
            record={
                "budget": len(found.transcript),
                "unit": "responses; nothing is searched",
                "seed": None,
                "tried": len({each["question"] for each in found.transcript}),
                "of": len(bench.harmful),
                "begun": _begun(ladders.values()),
            },
        )


def _begun(ladders: Iterable[tuple[Prefix, ...]]) -> dict[str, list[int]]:
    """By k, of how many questions some compound is begun, and of how many they are."""
    counts: dict[str, list[int]] = {}
    for prefixes in ladders:
        for k, prefix in enumerate(prefixes):
            count = counts.setdefault(str(k), [0, 0])
            count[0] += any(prefix.begun)
            count[1] += 1
    return counts
