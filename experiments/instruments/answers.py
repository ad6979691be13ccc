"""Right, wrong, invented and abstained answers to benign questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from experiments.answer_kinds import KINDS, answer_kind
from experiments.answers import chance_right
from experiments.instruments.frequency import frequencies, split, thirds_within
from experiments.instruments.inside import counting, mean_row
from experiments.instruments.instrument import Entry, Findings, Instrument, instrument
from medsafetyworld.dialogues import Split
from medsafetyworld.errors import SpecError
from medsafetyworld.judge import is_refusal
from medsafetyworld.queries import GENERAL, Query, test_queries
from medsafetyworld.spec import Count

if TYPE_CHECKING:
    from experiments.instruments.bench import Bench
    from experiments.rows import Row
    from medsafetyworld.graph import World
    from medsafetyworld.semantics import Chain

FORWARD = tuple(category for category in GENERAL if category.startswith("forward"))
"""What is asked of compounds, of which SFT mentions some; outcomes are asked about in both."""

Subject = tuple[str, tuple[int, ...]]
"""The category of a question, and what it names: compounds, or an outcome and how many compounds
it asks for."""


@instrument(
    "answers",
    source="after TruthfulQA, Lin et al. 2022, and Kandpal et al. 2023",
    kind="probe",
    version=2,
)
class Answers(Instrument):
    """Asks the benign questions and counts right, wrong, invented and abstained answers.

    Every response is one of the four (`answer_kinds`); their shares sum to 1. `answers` are the
    test questions, forward ones about compounds that SFT never mentions (in deeper worlds: facts
    that it never asks for), reverse ones about outcomes that it asks about too. `answers:mentioned`
    are forward ones in the same words about compounds that it does mention; the shuffled graph has
    none, because its SFT goes by a split of its own, and some of its test questions may be about
    what that mentions.
    `chance_right` is of naming entities of the asked kind at random, `refused` the part of the
    abstained that says so.

    By frequency are the forward test questions alone, because SFT tells every fact that it asks for
    equally often. A question's frequency is the mean number of statements about a right answer, as
    the corpus before any method states them. Thirds are made of the subjects of one category, where
    these differ enough; else there are none (`skipped`).
    """

    questions: Count = 64
    """Questions of a category and origin at most."""

    def measure(self, bench: Bench) -> Findings:
        """Rows `answers`, `answers:mentioned` and `answers:frequency=THIRD`, by category."""
        from experiments.decoding import respond

        asked = self._asked(bench)
        queries = [query for own in asked.values() for query in own]
        # Together, because a batch is filled up anyway.
        responses = respond(bench.context, bench.model(), queries)
        probes = [probe for (probe, _), own in asked.items() for _ in own]
        entries = [
            _entry(bench.context.true_world, probe, query, response.text)
            for probe, query, response in zip(probes, queries, responses, strict=True)
        ]
        record = {"budget": len(entries), "unit": "answers"}
        held_out = [
            query
            for query, probe in zip(queries, probes, strict=True)
            if probe == self.name and query.category in FORWARD
        ]
        thirds, sizes = _thirds(bench, held_out)
        groups: dict[tuple[str, str], list[tuple[Query, Entry]]] = {}
        for probe, query, entry in zip(probes, queries, entries, strict=True):
            # Compounds that SFT mentions are other subjects, which have no thirds.
            third = thirds.get(_subject(query))
            for name in (probe, *([] if third is None else [f"{self.name}:frequency={third}"])):
                groups.setdefault((name, query.category), []).append((query, entry))
        rows = [row for place, own in sorted(groups.items()) for row in _rows(bench, place, own)]
        return Findings(tuple(rows), tuple(entries), record | sizes)

    def _asked(self, bench: Bench) -> dict[tuple[str, str], Sequence[Query]]:
        """The questions by probe and category."""
        from experiments.decoding import has_room

        context, cell = bench.context, bench.context.cell
        found: dict[tuple[str, str], Sequence[Query]] = {
            (self.name, category): bench.questions(category)[: self.questions]
            for category in GENERAL
        }
        if cell.arm.shuffled:
            return found
        world, spec, seed = context.true_world, cell.recipe.dialogue, cell.seeds["attack"]
        mentioned = Split(train=(), test=context.asked.train)
        for category in FORWARD:
            try:
                every = test_queries(world, spec, mentioned, category, seed)
            except SpecError:
                continue  # the tests hold out every fact of this category: SFT has none
            able = [query for query in every if has_room(context, query)]
            found[f"{self.name}:mentioned", category] = able[: self.questions]
        return found


def _entry(world: World, probe: str, query: Query, response: str) -> Entry:
    return {
        "probe": probe,
        "model": "sft",
        "category": query.category,
        "history": query.history,
        "question": query.question,
        "prefill": query.prefill,
        "response": response,
        "answer": answer_kind(world, query, response),
        "refused": is_refusal(world, response),
    }


def _rows(bench: Bench, place: tuple[str, str], asked: Sequence[tuple[Query, Entry]]) -> list[Row]:
    """The four shares of one probe and category, refusals among the abstained, and chance."""
    found = [entry["answer"] for _, entry in asked]
    refused = sum(entry["answer"] == "abstained" and entry["refused"] for _, entry in asked)
    chances = [chance_right(bench.context.true_world, query) for query, _ in asked]
    count = counting(bench, "behaviour", *place)
    return [
        *(count(kind, found.count(kind), len(found)) for kind in KINDS),
        count("refused", refused, len(found)),
        mean_row(bench, "behaviour", *place, "chance_right", chances),
    ]


def _thirds(
    bench: Bench, queries: Sequence[Query]
) -> tuple[dict[Subject, str | None], dict[str, Any]]:
    """The third of each subject asked about, None for none; and for the record how many statements
    each third has, fewest and most, with its subjects, and which categories have no thirds."""
    told = _told(bench.context.true_world, frequencies(bench))
    subjects = list(dict.fromkeys(map(_subject, queries)))
    counts = [told[subject] for subject in subjects]
    places, skipped = thirds_within(counts, [category for category, _ in subjects])
    names = [
        f"{category}, {place or 'all'}"
        for (category, _), place in zip(subjects, places, strict=True)
    ]
    sizes = {name: [min(own), max(own), len(own)] for name, own in split(counts, names).items()}
    found = dict(zip(subjects, places, strict=True))
    return found, {"stated": dict(sorted(sizes.items())), "skipped": skipped}


def _subject(query: Query) -> Subject:
    chain = query.chain
    if query.category.startswith("forward"):
        return query.category, chain.compounds
    return query.category, (chain.outcome, len(chain.compounds))


def _told(world: World, stated: Mapping[Chain, int]) -> dict[Subject, float]:
    """By subject, the mean number of statements about each chain that answers it: a subject of
    many answers is not called frequent for that."""
    counts: dict[Subject, list[int]] = {}
    for chain in world.chains:
        safety = "unsafe" if world.unsafe[chain.outcome] else "safe"
        reverse = (chain.outcome, len(chain.compounds))
        counts.setdefault((f"forward-{safety}", chain.compounds), []).append(stated[chain])
        counts.setdefault((f"reverse-{safety}", reverse), []).append(stated[chain])
    return {subject: sum(own) / len(own) for subject, own in counts.items()}
