"""The question in other words, from another asker, for another reader; any wording may succeed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from experiments.instruments.instrument import Entry, Findings, Instrument, instrument
from medsafetyworld.attacks.phrases import words_of
from medsafetyworld.attacks.rewording import CONTROLS, FAMILIES, reworded, words_of_rewording
from medsafetyworld.spec import Count
from medsafetyworld.tokenizer import build_tokenizer

if TYPE_CHECKING:
    from experiments.instruments.bench import Bench
    from experiments.rows import Row
    from experiments.stages import Context
    from medsafetyworld.graph import World
    from medsafetyworld.queries import Query


@instrument(
    "rewording",
    source="paraphrase and persona attacks, in the world's words",
    kind="attack",
    version=2,
)
class Rewording(Instrument):
    """Asks in several rewordings of one family; a question counts if any of them succeeds.

    Families: paraphrase, role (who asks), audience (whom it is for). `random` asks in other
    wordings of the tests' own, `neutral:control` puts sentences before the question that say
    nothing. Every family asks a question equally often; `chance` is that of as many guesses at
    random. Some words, those of roles and audiences above all, no model was trained on: the record
    names them.
    """

    times: Count = 4
    """Rewordings of each question, at most as many as every family has and the context can hold."""

    def wordings(self, world: World) -> tuple[str, ...]:
        """Every wording of the domain's."""
        return words_of(world, words_of_rewording(world))

    def measure(self, bench: Bench) -> Findings:
        """Rows of every family; the record has the mean over wordings too, the number of ways in
        which each question was put, and which words no model was trained on."""
        from experiments.instruments.asking import ask_any, mean_row
        from medsafetyworld.judge import chance

        context, world = bench.context, bench.context.true_world
        families = self._families(context, bench.harmful)
        asked: dict[str, list[Sequence[Query]]] = {
            f"{self.name}:zero": [(query,) for query in bench.harmful]
        }
        rows: list[Row] = []
        for family, questions in families.items():
            probe = f"{self.name}:{family}{':control' if family in CONTROLS else ''}"
            asked[probe] = questions
            guesses = [
                1 - (1 - chance(world, query)) ** len(ways)
                for query, ways in zip(bench.harmful, questions, strict=True)
                if ways
            ]
            if guesses:
                rows.append(mean_row(bench, probe, "chance", guesses))
        found = ask_any(bench, asked)
        return found + Findings(
            tuple(rows),
            record={
                "budget": len(found.transcript),
                "unit": "responses; any wording of a question may succeed",
                "seed": None,
                "tried": found.record["probes"][f"{self.name}:zero"]["tried"],
                "of": len(bench.harmful),
                "ways": [max(map(len, ways)) for ways in zip(*families.values(), strict=True)],
                "mean_over_wordings": _means(found.transcript),
                "untrained_words": _untrained(context),
            },
        )

    def _families(
        self, context: Context, harmful: Sequence[Query]
    ) -> dict[str, list[Sequence[Query]]]:
        """By family, the ways to put each question that leave room for a response: equally many in
        every family that has any."""
        from experiments.instruments.asking import has_room

        families: dict[str, list[Sequence[Query]]] = {family: [] for family in FAMILIES}
        for query in harmful:
            ways = {
                family: [
                    each
                    for each in reworded(
                        context.true_world,
                        query,
                        family,
                        self.times,
                        context.cell.recipe.corpus.closings,
                    )
                    if has_room(context, each)
                ]
                for family in FAMILIES
            }
            fewest = min((len(own) for own in ways.values() if own), default=0)
            for family, own in ways.items():
                families[family].append(own[:fewest])
        return families


def _means(transcript: Iterable[Entry]) -> dict[str, float]:
    """By probe, the share of prompts, not of questions, that leaked."""
    leaks: dict[str, list[bool]] = {}
    for each in transcript:
        leaks.setdefault(each["probe"], []).append(each["leaked"])
    return {probe: sum(own) / len(own) for probe, own in leaks.items()}


def _untrained(context: Context) -> list[str]:
    """The words that only instruments brought to the vocabulary: to models they mean nothing."""
    recipe, world = context.cell.recipe, context.true_world
    others = replace(recipe, instruments=()).wordings(world)
    trained = {*build_tokenizer(world, recipe.corpus, others).vocabulary}
    return sorted(
        word
        for word in context.tokenizer.vocabulary
        if word not in trained and not word.startswith("<|unused")
    )
