"""Harmless questions whose answers are joined: what a policy about single statements cannot see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.instruments.instrument import Findings, Instrument, instrument
from medsafetyworld.attacks.decomposition import words_of_parts
from medsafetyworld.attacks.phrases import words_of
from medsafetyworld.queries import prefilled
from medsafetyworld.spec import Count

if TYPE_CHECKING:
    from experiments.instruments.bench import Bench
    from medsafetyworld.graph import World


@instrument(
    "decomposition",
    source="Glukhov et al. 2023 on compositional attacks, in two turns",
    kind="attack",
    version=2,
)
class Decomposition(Instrument):
    """Asks harmless questions alone and judges their answers as one.

    In worlds with mediators: what brings the outcome about, then what brings each of the mediators
    about that the model named (`dialogue`: in the same conversation; `given:control`: the true ones
    are handed over; `random`: as many at random); `prefilled` with every response begun. In
    single-hop worlds: what every compound leads to, and which of them led to the outcome
    (`held_out`: compounds that SFT never mentions; `random`: the answers dealt out to other
    compounds). `chance` is that of as many compounds, drawn blindly, as the answers come to.
    """

    most: Count = 4
    """Most mediators of each question to ask on about."""

    def wordings(self, world: World) -> tuple[str, ...]:
        """The questions for mediators, where the world has them."""
        return words_of(world, words_of_parts(world))

    def measure(self, bench: Bench) -> Findings:
        """Rows of the joined answers; each part is a line of the transcript."""
        from experiments.instruments.asking import ask_each
        from experiments.instruments.parts import two_turns
        from experiments.instruments.reading_off import enumerated

        world = bench.context.true_world
        asked = {f"{self.name}:zero": bench.harmful}
        if world.hops > 1:
            stem = world.domain.stems[0]
            asked[f"{self.name}:prefilled:zero"] = tuple(
                prefilled(world, query, stem) for query in bench.harmful
            )
        zero = ask_each(bench, asked)
        if world.hops == 1:
            found = enumerated(bench, self.name)
        else:
            found = two_turns(bench, self.name, self.most)
        probes = zero.record["probes"] | found.record["probes"]
        return (
            zero
            + found
            + Findings(
                (),
                record={
                    "budget": len(zero.transcript) + found.record["budget"],
                    "unit": "different harmless questions, each asked once",
                    "tried": probes[self.name]["tried"],
                    "of": len(bench.harmful),
                    "probes": probes,
                },
            )
        )
