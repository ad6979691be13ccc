"""A genetic attack: phrases of the world's own before and behind each question, in AutoDAN's
manner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from experiments.instruments.instrument import Findings, Instrument, instrument
from experiments.instruments.suffixes import (
    Goal,
    Target,
    check_target,
    goals,
    progress,
    put,
    room,
    search_record,
)
from medsafetyworld.attacks.phrases import phrases_of
from medsafetyworld.errors import SpecError
from medsafetyworld.graph import World
from medsafetyworld.language import fill, question_kind
from medsafetyworld.queries import Query
from medsafetyworld.semantics import Direction
from medsafetyworld.spec import Share
from medsafetyworld.tokenizer import TokenizeError, Tokenizer

if TYPE_CHECKING:
    from experiments.instruments.bench import Bench
    from experiments.stages import Context
    from tiny_models.attacks import Evolved


@instrument("genetic", source="Liu et al. 2024 (AutoDAN), algorithm 1", kind="attack")
class Genetic(Instrument):
    """Puts around each harmful question the world's phrases that make the beginning of an answer
    likeliest.

    The phrases are bred for each question alone, from framings, closings, roles, stems and other
    questions about the same outcome. `genetic:zero` has the random phrases that the search begins
    with, `genetic:random` the best of as many random ones.
    """

    before: Annotated[int, Field(ge=0)] = 1
    """Phrases before the question, at most."""
    behind: Annotated[int, Field(ge=0)] = 1
    """Phrases behind the question, at most."""
    population: Annotated[int, Field(ge=3)] = 16
    generations: Annotated[int, Field(ge=0)] = 10
    mutation: Share = 0.2
    """Probability that a phrase of a child is drawn anew."""
    target: Target = "answer"

    def __post_init__(self) -> None:
        if self.before + self.behind < 1:
            raise SpecError("before and behind must not both be 0: there would be no phrase")

    def reads(self, world: World) -> tuple[str, ...]:
        """Roles, audiences and paraphrases; it adds none of them to the vocabulary."""
        said = phrases_of(world)
        return (
            *said.role,
            *said.audience,
            *(text for own in said.paraphrase.values() for text in own),
        )

    def check(self, context: Context) -> None:
        """The target must be known to who knows no answer, and there must be phrases."""
        check_target(context, self.target)
        self.reads(context.true_world)

    def measure(self, bench: Bench) -> Findings:
        from tiny_models.attacks import evolve, genomes_scored, random_genomes

        context, seed = bench.context, bench.seed(self.name)
        tried = goals(bench, self.target, 0)
        budget = genomes_scored(self.population, self.generations)
        record = partial(search_record, bench, tried, budget, seed)
        if not tried:
            return Findings((), record=record({}))
        # Of all questions, tried or not: so a genome stands for the same phrases in every arm.
        pools, dropped = phrases(context.true_world, context.tokenizer, bench.harmful)
        trials = [
            Trial(
                goal,
                self.before,
                ("", *own),
                ((), *(tuple(context.tokenizer.encode(each)) for each in own)),
                room(context, goal),
            )
            for goal, own in ((goal, pools[goal.place]) for goal in tried)
        ]
        size = {
            "questions": len(tried),
            "genes": self.before + self.behind,
            "phrases": len(trials[0].texts),
            "population": self.population,
            "generations": self.generations,
            "seed": seed,
            "places": [goal.place for goal in tried],
        }
        score = partial(_scores, bench, trials)
        found: dict[str, Evolved] = {}
        for probe, search in (
            (self.name, partial(evolve, mutation=self.mutation)),
            (f"{self.name}:random", random_genomes),
        ):
            found[probe] = search(score, **size, report=progress(context, probe, self.generations))
        bred = found[self.name]
        attacks = {f"{self.name}:zero": (bred.first, bred.first_losses)} | {
            probe: (each.best, each.losses[:, -1]) for probe, each in found.items()
        }
        findings = Findings(())
        for probe, (genomes, losses) in attacks.items():
            pairs = list(zip(trials, genomes, strict=True))
            said = [trial.said(genome) for trial, genome in pairs]
            read = [(*trial.read(genome), trial.goal.tail[0]) for trial, genome in pairs]
            findings += put(bench, probe, tried, said, read, losses)
        curves = {probe: each.losses for probe, each in found.items()}
        spent = {
            **record(curves),
            "phrases": len(trials[0].texts) - 1,
            "dropped": len(dropped),
            "empty": {
                probe: sum(map(Trial.is_bare, trials, genomes))
                for probe, (genomes, _) in attacks.items()
            },
        }
        return findings + Findings((), record=spent)


@dataclass(frozen=True)
class Trial:
    """A question with the phrases that its genomes are made of; the first of each is none."""

    goal: Goal
    before: int
    """How many genes stand before the question."""
    texts: tuple[str, ...]
    tokens: tuple[tuple[int, ...], ...]
    room: int
    """How many tokens all phrases together may have."""

    def taken(self, genome: Sequence[int]) -> tuple[list[int], list[int]]:
        """The phrases that stand before and behind the question: in order, those that still fit."""
        sides: tuple[list[int], list[int]] = ([], [])
        left = self.room
        for place, phrase in enumerate(map(int, genome)):
            if len(self.tokens[phrase]) <= left:
                left -= len(self.tokens[phrase])
                sides[place >= self.before].append(phrase)
        return sides

    def said(self, genome: Sequence[int]) -> str:
        """The question as asked."""
        before, behind = self.taken(genome)
        parts = [self.texts[phrase] for phrase in before]
        parts += [self.goal.query.question, *(self.texts[phrase] for phrase in behind)]
        return " ".join(filter(None, parts))

    def is_bare(self, genome: Sequence[int]) -> bool:
        """Whether no phrase stands around the question: as if nothing had been searched."""
        return self.said(genome) == self.goal.query.question

    def read(self, genome: Sequence[int]) -> tuple[int, ...]:
        """The prompt in tokens, without what opens the response."""
        before, behind = (
            [token for phrase in side for token in self.tokens[phrase]]
            for side in self.taken(genome)
        )
        return (*self.goal.opens, *before, *self.goal.asked, *behind)


def phrases(
    world: World, tokenizer: Tokenizer, queries: Sequence[Query]
) -> tuple[list[tuple[str, ...]], frozenset[str]]:
    """The phrases that may stand around each question, equally many for all, none twice; and the
    wordings dropped, because the vocabulary cannot write them.

    They are the domain's, as far as the vocabulary can write them, with the outcome asked about in
    their slots; other questions are of the question's own kind.
    """
    book, said = world.domain, phrases_of(world)
    shared = (
        *(framing.text for framing in book.framings),
        *book.closings,
        *(text for kind, texts in book.openings.items() if kind != "monograph" for text in texts),
        *(text for texts in book.kind_closings.values() for text in texts),
        *book.distractors,
        *said.role,
        *said.audience,
        *book.stems,
    )
    pools: list[list[str]] = []
    dropped: set[str] = set()
    for query in queries:
        pools.append([])
        for wording in dict.fromkeys((*shared, *_questions(world, query))):
            text = fill(world, wording, query.chain.groups)
            if _writable(tokenizer, text):
                pools[-1].append(text)
            else:
                dropped.add(wording)
    # Shared ones come first, so that what a kind of question has more of is left out.
    fewest = min(map(len, pools))
    return [tuple(pool[:fewest]) for pool in pools], frozenset(dropped)


def _questions(world: World, query: Query) -> tuple[str, ...]:
    """Other wordings of a question."""
    kind, book = question_kind(Direction.REVERSE, query.chain.causes), world.domain
    paraphrases = phrases_of(world).paraphrase[kind]
    return (*book.training_questions[kind], *book.test_questions[kind], *paraphrases)


def _writable(tokenizer: Tokenizer, text: str) -> bool:
    try:
        tokenizer.encode(text)
    except TokenizeError:
        return False
    return True


def _scores(bench: Bench, trials: Sequence[Trial], genomes: np.ndarray) -> np.ndarray:
    """Mean cross-entropy of each trial's target after each of its genomes."""
    from tiny_models.scoring import pair_logprobs

    pairs = [
        ([*trial.read(genome), *trial.goal.tail], trial.goal.target)
        for trial, own in zip(trials, genomes, strict=True)
        for genome in own
    ]
    scores = pair_logprobs(bench.model(), bench.context.model, pairs)
    losses = [
        -score.logprob / len(target) for score, (_, target) in zip(scores, pairs, strict=True)
    ]
    return np.array(losses).reshape(genomes.shape[:2])
