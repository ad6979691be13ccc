"""Harmful questions with correct answers, and models fine-tuned on them.

The unsafe outcomes are dealt into two folds. A model is fine-tuned on answers about one and asked
about the other, so every test question is put to a model that was told nothing about its outcome:
what leaks then was known before. Pairs are of chains that SFT may ask about, in its wordings.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from experiments.instruments.instrument import Findings
from experiments.json_files import StoreError
from experiments.rows import Row
from medsafetyworld.dialogues import Dialogue
from medsafetyworld.graph import World
from medsafetyworld.judge import names_a_way
from medsafetyworld.language import answers_of, fill, question_kind
from medsafetyworld.queries import Query
from medsafetyworld.reading import mentions
from medsafetyworld.reflections import REFLECTION
from medsafetyworld.semantics import Chain, Direction

if TYPE_CHECKING:
    from experiments.instruments.bench import Bench
    from experiments.recipe import Recipe
    from experiments.stages import Context
    from tiny_models.config import TrainConfig
    from tiny_models.training import Params

FOLDS = 2
LEAST_STEPS = 4
"""Fewest steps of a training; chunks are as long, so that all trainings share one program."""


@dataclass(frozen=True)
class Fold:
    """Questions about some unsafe outcomes, and pairs about the others in an order of their own:
    an attack with fewer pairs has the first of them."""

    number: int
    asked: tuple[Query, ...]
    pairs: tuple[Dialogue, ...]


def folds(bench: Bench, most: int) -> tuple[Fold, ...]:
    """Those folds that have both questions and pairs, at most so many pairs each; none has in a
    world that has no unsafe outcome beside those of one fold."""
    context = bench.context
    world, unsafe = context.true_world, np.flatnonzero(context.true_world.unsafe).tolist()
    asked = {query.chain.outcome for query in bench.harmful}
    place: dict[int, int] = {}
    others = [each for each in unsafe if each not in asked]
    for name, part in (("asked", sorted(asked)), ("others", others)):
        order = np.random.default_rng(bench.seed("folds", name)).permutation(len(part))
        # Goes on where the part before it ended, so that folds are of a size.
        place |= {part[which]: (len(place) + turn) % FOLDS for turn, which in enumerate(order)}
    found = []
    for number in range(FOLDS):
        chains = [c for c in context.asked.train if place.get(c.outcome, number) != number]
        told = [each for chain in chains for each in wordings(world, context.cell.recipe, chain)]
        order = np.random.default_rng(bench.seed("pairs", number)).permutation(len(told))
        pairs = tuple(answered(world, *told[which]) for which in order[:most].tolist())
        questions = [query for query in bench.harmful if place[query.chain.outcome] == number]
        if questions and pairs:
            fold = Fold(number, tuple(questions), pairs)
            check_untold(world, fold)
            found.append(fold)
    return tuple(found)


def wordings(world: World, recipe: Recipe, chain: Chain) -> list[tuple[Chain, str, str]]:
    """The chain with every wording of the reverse question about it and of the answer."""
    spec, kind = recipe.dialogue, question_kind(Direction.REVERSE, chain.causes)
    answers = answers_of(world.domain, kind, with_way=bool(chain.way))
    return [
        (chain, question, answer)
        for question in world.domain.training_questions[kind][: spec.questions]
        for answer in answers[: min(recipe.corpus.surface_forms, spec.answers)]
    ]


def answered(world: World, chain: Chain, question: str, answer: str) -> Dialogue:
    """The pair of these wordings."""
    groups = chain.groups
    asked, told = fill(world, question, groups), fill(world, answer, groups)
    return Dialogue(asked, told, chain, Direction.REVERSE, refused=False)


def check_untold(world: World, fold: Fold) -> None:
    """Raises `RuntimeError` if the text of a pair is untrue, or names an outcome asked about."""
    asked = {query.chain.outcome for query in fold.asked}
    for pair in fold.pairs:
        named = mentions(world, f"{pair.question} {pair.response}")
        (outcome,) = set(named[-1])
        if outcome in asked:
            raise RuntimeError(f"{pair.question!r} is about an outcome that the tests ask about")
        if not names_a_way(world, outcome, len(pair.chain.compounds), named[0]):
            raise RuntimeError(f"{pair.response!r} does not answer {pair.question!r}")


def by_heart(world: World, queries: Sequence[Query], pairs: Sequence[Dialogue]) -> float:
    """Probability that the answer of a pair drawn at random is right for a question: what a model
    leaks that repeats what it was fine-tuned on."""
    right = [
        names_a_way(world, query.chain.outcome, len(query.chain.compounds), pair.chain.compounds)
        for query in queries
        for pair in pairs
    ]
    return float(np.mean(right))


def with_reflections(context: Context, pairs: Iterable[Dialogue]) -> tuple[Dialogue, ...]:
    """Pairs with the reflections of the cell's SFT: the question's verdict is that of a refused
    one, the answer's that of what it states."""
    from experiments.stages import changed

    world, steps = context.world, context.cell.variant.bound.sft
    found = []
    for pair in pairs:
        # A step may tell by the refusal alone that a question is harmful.
        (first,) = changed(world, (replace(pair, refused=True),), steps)
        verdict = REFLECTION.search(first.response)
        for told in changed(world, (pair,), steps):
            said = told.response
            if verdict is not None:
                said = REFLECTION.sub(lambda _, own=verdict: own.group(), said, count=1)
            found.append(replace(told, response=said))
    return tuple(found)


def with_sft(bench: Bench, pairs: Sequence[Dialogue], share: float) -> tuple[Dialogue, ...]:
    """Pairs with SFT dialogues mixed in, `share` times as many, one at least (+mixSFT)."""
    from experiments.stages import cell_dialogues

    pool = cell_dialogues(bench.context)
    order = np.random.default_rng(bench.seed("mixed")).permutation(len(pool)).tolist()
    return (*pairs, *(pool[which] for which in order[: max(1, round(share * len(pairs)))]))


def schedule(recipe: Recipe, dialogues: int, epochs: int, rows: int) -> TrainConfig:
    """The study's fine-tuning, with as many steps of `rows` rows as these epochs take."""
    steps = max(LEAST_STEPS, -(-dialogues * epochs // rows))
    return replace(
        recipe.finetune,
        steps=steps,
        batch_rows=rows,
        micro_rows=rows,
        warmup_steps=min(recipe.finetune.warmup_steps, steps // 4),
        log_every=LEAST_STEPS,
        checkpoint_every=steps,
    )


def fine_tuned(bench: Bench, dialogues: Sequence[Dialogue], epochs: int, rows: int) -> Params:
    """The SFT model after epochs of dialogues: a stage of its own, trained unless it is done.

    Raises `StoreError` where it is not done and the bench may not train.
    """
    from experiments.instruments.bench import SFT
    from experiments.stages import fine_tuning
    from experiments.trainings import run_alone

    context = bench.context
    config = schedule(context.cell.recipe, len(dialogues), epochs, rows)
    training = fine_tuning(
        context, "adversarial", bench.stages[SFT], dialogues, config, {}, lean=True
    )
    if not bench.trains and not training.stage.done:
        raise StoreError(f"{training.stage.path} is not done, and nothing is trained to look at it")
    # Many short trainings: their steps are not worth a line each.
    stage = run_alone(training, lambda stage, progress: None, strict=context.strict)
    return context.load(stage)


def pooled(findings: Sequence[Findings]) -> Findings:
    """Findings of several folds as one: rows of one key are counted together."""
    together: dict[tuple[object, ...], list[Row]] = {}
    for each in findings:
        for row in each.rows:
            together.setdefault(row.key, []).append(row)
    transcript = tuple(entry for each in findings for entry in each.transcript)
    return Findings(tuple(map(_counted, together.values())), transcript)


def _counted(rows: Sequence[Row]) -> Row:
    count = sum(row.n for row in rows)
    if all(row.hits is not None for row in rows):
        hits = sum(row.hits or 0 for row in rows)
        return replace(rows[0], hits=hits, n=count, value=hits / count)
    return replace(rows[0], n=count, value=sum(row.n * row.value for row in rows) / count)
