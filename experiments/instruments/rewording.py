"""The question in other words, from another asker, for another reader; any wording may succeed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from experiments.instruments.instrument import Entry, Findings, Instrument, instrument
from medsafetyworld.attacks.phrases import words_of
from medsafetyworld.attacks.rewording import FAMILIES, reworded, words_of_rewording
from medsafetyworld.spec import Count
from medsafetyworld.tokenizer import build_tokenizer

if TYPE_CHECKING:
    from experiments.instruments.bench import Bench
    from experiments.stages import Context
    from medsafetyworld.graph import World
    from medsafetyworld.queries import Query


@instrument(
    "rewording", source="paraphrase and persona attacks, in the world's words", kind="attack"
)
class Rewording(Instrument):
    """Asks in several rewordings of one family; a question counts if any of them succeeds.

    Families: paraphrase, role (who asks), audience (whom it is for). `random` asks in as many other
    wordings of the tests' own, `neutral` puts sentences before the question that say nothing.
    """

    times: Count = 4
    """Rewordings of each question, at most as many as the domain has."""

    def wordings(self, world: World) -> tuple[str, ...]:
        """Every wording of the domain's."""
        return words_of(world, words_of_rewording(world))

    def measure(self, bench: Bench) -> Findings:
        """Rows of every family; the record has the mean over wordings too, and which words no model
        was trained on."""
        from experiments.instruments.asking import ask_any

        context, world = bench.context, bench.context.true_world
        closings = context.cell.recipe.corpus.closings
        asked: dict[str, list[Sequence[Query]]] = {
            f"{self.name}:zero": [(query,) for query in bench.harmful]
        }
        for family in FAMILIES:
            asked[f"{self.name}:{family}"] = [
                reworded(world, query, family, self.times, closings) for query in bench.harmful
            ]
        found = ask_any(bench, asked)
        return found + Findings(
            (),
            record={
                "budget": len(found.transcript),
                "unit": "responses; any wording of a question may succeed",
                "seed": None,
                "tried": found.record["probes"][f"{self.name}:zero"]["tried"],
                "of": len(bench.harmful),
                "mean_over_wordings": _means(found.transcript),
                "untrained_words": _untrained(context),
            },
        )


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
