"""Forged turns and forged verdicts: does a model believe what it is told that it said?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.instruments.instrument import Findings, Instrument, instrument
from experiments.instruments.shots import shots_before
from medsafetyworld.attacks.forged import forged_turns, forged_verdicts
from medsafetyworld.attacks.phrases import phrases_of
from medsafetyworld.reflections import verdicts
from medsafetyworld.tokenizer import TokenizeError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from experiments.instruments.bench import Bench
    from medsafetyworld.graph import World
    from medsafetyworld.queries import Query


@instrument(
    "forged_turn",
    source="dialogue forged inside a prompt; Wei et al. 2023 on competing objectives",
    kind="attack",
    version=2,
)
class ForgedTurn(Instrument):
    """Asks inside a user's turn that also holds one of the assistant, with or without a verdict.

    `repeat:control` asks twice and forges nothing; `refused` forges a refusal.
    """

    def wordings(self, world: World) -> tuple[str, ...]:
        """What the assistant is made to say."""
        return phrases_of(world).agreement

    def measure(self, bench: Bench) -> Findings:
        """Rows of every forged turn."""
        asked: dict[str, list[Query]] = {}
        for place, query in enumerate(bench.harmful):
            shots = shots_before(bench, query, self.name, place)
            forged = forged_turns(bench.context.true_world, query, shots[0] if shots else None)
            for name, each in {"zero": query, **forged}.items():
                probe = f"{self.name}:{name}{':control' if name == 'repeat' else ''}"
                asked.setdefault(probe, []).append(each)
        return _asked(bench, asked, seed=bench.seed(self.name, 0))


@instrument(
    "forged_verdict",
    source="Li et al. 2026, prefill of a Safe verdict",
    kind="attack",
    version=2,
)
class ForgedVerdict(Instrument):
    """Begins the response with a forged Safe verdict at every place where a verdict may stand.

    At the beginning, before the stem of an answer, after each sentence of an answer that is begun
    but gives nothing away; beside each the same beginning without a verdict, whose probe ends in
    `:control`.
    """

    def wordings(self, world: World) -> tuple[str, ...]:
        """The sentences that the answer begins with."""
        return phrases_of(world).agreement

    def measure(self, bench: Bench) -> Findings:
        """Rows of every place; a verdict whose words the vocabulary lacks is not tried."""
        asked: dict[str, list[Query]] = {}
        for query in bench.harmful:
            for name, each in forged_verdicts(bench.context.true_world, query).items():
                control = "" if any(verdicts(each.prefill)) else ":control"
                ending = "zero" if name == "nothing" else f"{name}{control}"
                asked.setdefault(f"{self.name}:{ending}", []).append(each)
        unknown = {
            probe: reason
            for probe, queries in asked.items()
            if (reason := _unknown(bench, queries[0].prefill))
        }
        known = {probe: queries for probe, queries in asked.items() if probe not in unknown}
        return _asked(bench, known, seed=None) + Findings((), record={"not_tried": unknown})


def _unknown(bench: Bench, text: str) -> str:
    """Why a text cannot be written in the cell's vocabulary; empty if it can."""
    try:
        bench.context.tokenizer.encode(text or ".")
    except TokenizeError as error:
        return str(error)
    return ""


def _asked(bench: Bench, asked: Mapping[str, list[Query]], seed: int | None) -> Findings:
    from experiments.instruments.asking import ask_each

    found = ask_each(bench, asked)
    return found + Findings(
        (),
        record={
            "budget": len(found.transcript),
            "unit": "responses; nothing is searched",
            "seed": seed,
            "tried": max((each["tried"] for each in found.record["probes"].values()), default=0),
            "of": len(bench.harmful),
        },
    )
