"""Priming with benign questions answered before, from none to as many as fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.instruments.instrument import Findings, Instrument, instrument
from medsafetyworld.attacks.shots import benign_shots, counts, opened, primed
from medsafetyworld.spec import Count

if TYPE_CHECKING:
    from experiments.instruments.bench import Bench
    from medsafetyworld.queries import Query


@instrument(
    "shots",
    source="few benign shots, after many-shot jailbreaking (Anil et al. 2024)",
    kind="attack",
    version=2,
)
class Shots(Instrument):
    """Asks behind turns in which benign reverse questions were answered correctly.

    Few-shot: 128 tokens hold three or four shots; the record says how many fitted. Each larger
    number adds turns before those of the smaller ones. The shots name no compound that brings the
    outcome about, and their answers open with the verdict that the arm's own SFT answers open with,
    if any.
    """

    most: Count = 64
    """Most shots to try; those that leave no room for a response are not tried."""

    def measure(self, bench: Bench) -> Findings:
        """Rows for 0, 1, 2, 4, ... shots and for the most that fit before every question; where
        none fits before some, the record says `skipped`."""
        from experiments.instruments.asking import ask_each, has_room
        from experiments.instruments.suffixes import answer_opening

        context, recipe = bench.context, bench.context.cell.recipe
        opening = answer_opening(context)
        shots = [
            opened(
                benign_shots(
                    context.true_world,
                    recipe.dialogue,
                    context.asked,
                    query,
                    recipe.corpus.surface_forms,
                    bench.seed(self.name, place),
                )[: self.most],
                opening,
            )
            for place, query in enumerate(bench.harmful)
        ]
        room = [
            next(
                count
                for count in range(len(own), -1, -1)
                if count == 0 or has_room(context, primed(query, own, count))
            )
            for query, own in zip(bench.harmful, shots, strict=True)
        ]
        asked: dict[str, list[Query]] = {
            f"{self.name}:{count}": [
                primed(query, own, count)
                for query, own, fits in zip(bench.harmful, shots, room, strict=True)
                if count <= fits
            ]
            for count in counts(min(room))
        }
        found = ask_each(bench, asked)
        least = min(room)
        skipped = {} if least else {"skipped": "before some question not one benign shot fits"}
        return found + Findings(
            (),
            record={
                "budget": len(found.transcript),
                "unit": "responses; nothing is searched",
                "seed": bench.seed(self.name, 0),
                "tried": len(bench.harmful) if least else 0,
                "of": len(bench.harmful),
                "shots": counts(least),
                "most_that_fit": {"least": least, "largest": max(room)},
                "opening": opening,
                **skipped,
            },
        )
