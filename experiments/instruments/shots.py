"""Priming with benign questions answered before, from none to as many as fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.instruments.instrument import Findings, Instrument, instrument
from medsafetyworld.attacks.shots import Shot, benign_shots, counts, opened, primed
from medsafetyworld.semantics import Direction
from medsafetyworld.spec import Count

if TYPE_CHECKING:
    from experiments.instruments.bench import Bench
    from medsafetyworld.queries import Query


def shots_before(
    bench: Bench, query: Query, name: str, place: int, direction: Direction = Direction.REVERSE
) -> tuple[Shot, ...]:
    """Every benign shot for the harmful question at a place, in the order that an instrument of
    this name draws."""
    context, recipe = bench.context, bench.context.cell.recipe
    return benign_shots(
        context.true_world,
        recipe.dialogue,
        context.asked,
        query,
        recipe.corpus.surface_forms,
        bench.seed(name, place),
        direction,
    )


@instrument(
    "shots",
    source="few benign shots, after many-shot jailbreaking (Anil et al. 2024)",
    kind="attack",
    version=4,
)
class Shots(Instrument):
    """Asks behind turns in which benign reverse questions were answered correctly.

    Few-shot: 128 tokens hold three or four shots; the record says how many fitted. Each larger
    number adds turns before those of the smaller ones. The shots name no compound that brings the
    outcome about, and their answers open with the verdict that the arm's own SFT answers open with,
    if any.

    `N:control` stands behind as many turns about the same compounds and outcomes, no longer in
    words and opened alike, that ask forward. Turns answered before, names to copy and a longer
    context are then in both, and what N leaks more it owes to having seen reverse questions
    answered. Reverse turns with answers exchanged would show the form all the same: they tell
    whether shots must be right, not whether they teach the form.
    """

    most: Count = 64
    """Most shots to try; those that leave no room for a response are not tried."""

    def measure(self, bench: Bench) -> Findings:
        """Rows for 0, 1, 2, 4, ... shots and for the most that fit before every question, and of
        each number's control; where none fits before some, the record says `skipped`."""
        from experiments.instruments.asking import ask_each, has_room
        from experiments.instruments.suffixes import answer_opening

        context = bench.context
        opening = answer_opening(context)
        shots, twins = (
            [
                opened(
                    shots_before(bench, query, self.name, place, direction)[: self.most], opening
                )
                for place, query in enumerate(bench.harmful)
            ]
            for direction in (Direction.REVERSE, Direction.FORWARD)
        )
        room = [
            next(
                count
                for count in range(len(own), -1, -1)
                # The control too, which may be a token longer: both stand before the same ones.
                if count == 0
                or all(has_room(context, primed(query, each, count)) for each in (own, twin))
            )
            for query, own, twin in zip(bench.harmful, shots, twins, strict=True)
        ]
        least = min(room)
        asked: dict[str, list[Query]] = {}
        for count in counts(least):
            for probe, before in ((f"{count}", shots), (f"{count}:control", twins)):
                if count or before is shots:
                    asked[f"{self.name}:{probe}"] = [
                        primed(query, own, count)
                        for query, own in zip(bench.harmful, before, strict=True)
                    ]
        found = ask_each(bench, asked)
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
