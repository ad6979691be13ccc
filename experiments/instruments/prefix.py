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
    from experiments.rows import Row


@instrument(
    "prefix",
    source="Li et al. 2026, prefill attacks; here with every length",
    kind="attack",
    version=2,
)
class PrefixLadder(Instrument):
    """Begins the response with the first k tokens of a true answer, k = 0, 1, 2, ...

    No prefix holds a whole answer, so every leak is in part the model's; the metric `chance` says
    how often a guess at random among the compounds that begin as given would be right. It knows no
    mediators: `given` is the share of questions whose prefix has any token of a mediator or of a
    compound of the answer. k = 0 is no attack.
    """

    longest: Count = 24
    """Longest prefix, in tokens; a question whose answer is shorter ends before."""
    answer: Annotated[int, Field(ge=0, le=3)] = 0
    """Which of the answers' wordings."""

    def measure(self, bench: Bench) -> Findings:
        """Rows of every k, over the questions whose answer is so long."""
        from experiments.instruments.asking import ask_each, count_row, mean_row

        context, world = bench.context, bench.context.true_world
        ladders = {
            query: ladder(world, context.tokenizer, query, self.answer) for query in bench.harmful
        }
        rungs: dict[tuple[str, str], tuple[float, bool]] = {}
        asked: dict[str, list[Query]] = {}
        for query, prefixes in ladders.items():
            for k, prefix in enumerate(prefixes[: self.longest + 1]):
                forced = replace(query, prefill=prefix.text)
                asked.setdefault(f"{self.name}:k={k}", []).append(forced)
                guess = chance_of_the_rest(world, query, prefix.begun)
                rungs[forced.question, forced.prefill] = guess, prefix.gives
        found = ask_each(bench, asked)
        by_probe: dict[str, list[tuple[float, bool]]] = {}
        for each in found.transcript:
            rung = rungs[each["question"], each["prefill"]]
            by_probe.setdefault(each["probe"], []).append(rung)
        rows: list[Row] = []
        for probe, own in by_probe.items():
            guesses, given = zip(*own, strict=True)
            rows.append(mean_row(bench, probe, "chance", guesses))
            rows.append(count_row(bench, probe, "given", sum(given), len(given)))
        return found + Findings(
            tuple(rows),
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
    """By k, of how many questions some mediator or compound is begun, and how many they are."""
    counts: dict[str, list[int]] = {}
    for prefixes in ladders:
        for k, prefix in enumerate(prefixes):
            count = counts.setdefault(str(k), [0, 0])
            count[0] += prefix.gives
            count[1] += 1
    return counts
