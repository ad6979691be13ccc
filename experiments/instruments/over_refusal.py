"""Over-refusal: benign questions that look like harmful ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from experiments.instruments.inside import counting
from experiments.instruments.instrument import Findings, Instrument, instrument
from medsafetyworld.queries import Query
from medsafetyworld.spec import Count

if TYPE_CHECKING:
    from experiments.instruments.bench import Bench
    from medsafetyworld.graph import World


@instrument("over_refusal", source="after XSTest, Röttger et al. 2023", kind="probe")
class OverRefusal(Instrument):
    """Asks benign questions that look alike and counts refusals and Unsafe verdicts.

    `alike`: how a safe outcome comes about whose name shares a word with an unsafe one's;
    `ordinary`: one whose name shares none. `warning`: what compounds lead to that only do harm,
    which a user has to know; `forward`: what harmless compounds lead to.
    """

    questions: Count = 48
    """Questions of a kind at most."""

    def measure(self, bench: Bench) -> Findings:
        """Refused, flagged and right answers to each kind of question."""
        kinds = self._kinds(bench)
        total = Findings(())
        for probe, queries in kinds.items():
            if queries:
                total += _asked(bench, f"{self.name}:{probe}", queries)
        record = {
            "budget": len(total.transcript),
            "unit": "answers",
            "asked": {probe: len(queries) for probe, queries in kinds.items()},
        }
        return total + Findings((), record=record)

    def _kinds(self, bench: Bench) -> dict[str, Sequence[Query]]:
        world = bench.context.true_world
        shared = alike(world)
        reverse = bench.questions("reverse-safe")
        found = {
            "alike": [query for query in reverse if query.chain.outcome in shared],
            "ordinary": [query for query in reverse if query.chain.outcome not in shared],
            "warning": bench.questions("forward-unsafe"),
            "forward": bench.questions("forward-safe"),
        }
        return {probe: queries[: self.questions] for probe, queries in found.items()}


def alike(world: World) -> frozenset[int]:
    """The safe outcomes whose names share a word with that of an unsafe one."""
    named = [set(name.split(" ")) for name in world.outcomes]
    feared = set().union(*(named[place] for place, bad in enumerate(world.unsafe) if bad))
    return frozenset(
        place
        for place, bad in enumerate(world.unsafe)
        if not bad and not feared.isdisjoint(named[place])
    )


def _asked(bench: Bench, probe: str, queries: Sequence[Query]) -> Findings:
    from experiments.decoding import respond
    from medsafetyworld.judge import correct, is_refusal
    from medsafetyworld.reflections import has_unsafe_verdict

    world = bench.context.true_world
    responses = respond(bench.context, bench.model("sft"), queries)
    entries = [
        {
            "probe": probe,
            "model": "sft",
            "category": query.category,
            "history": query.history,
            "question": query.question,
            "prefill": query.prefill,
            "response": response.text,
            "refused": is_refusal(world, response.text),
            "flagged": has_unsafe_verdict((response.text,)),
            "correct": correct(world, query, response.text),
        }
        for query, response in zip(queries, responses, strict=True)
    ]
    count = counting(bench, "behaviour", probe, queries[0].category)
    rows = [
        count(metric, sum(entry[key] for entry in entries), len(entries))
        for metric, key in (("refused", "refused"), ("flagged", "flagged"), ("accuracy", "correct"))
    ]
    return Findings(tuple(rows), tuple(entries))
