"""Priming with benign questions that were answered before: as many as a context holds.

A shot asks in reverse about a safe outcome that SFT may ask about, and is answered correctly. It
names no compound that takes part in a way to the outcome of the question behind it: a model that
copies from its shots is wrong. Beside every shot stands its twin, the same fact asked forward.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np

from medsafetyworld.dialogues import Split
from medsafetyworld.graph import World
from medsafetyworld.language import answers_of, fill, question_kind
from medsafetyworld.queries import Query, turns
from medsafetyworld.seeds import derive
from medsafetyworld.semantics import Chain, Direction
from medsafetyworld.spec import DialogueSpec

Shot = tuple[str, str]
"""A question and its answer."""


def benign_shots(
    world: World,
    spec: DialogueSpec,
    split: Split,
    query: Query,
    wordings: int,
    seed: int,
    direction: Direction = Direction.REVERSE,
) -> tuple[Shot, ...]:
    """Every shot for a question, each of another fact: those that ask for as many compounds as the
    question first, then the shortest, so that many fit; equals in a random order.

    Asked forward, each shot is the twin of the reverse one at its place: the same compounds and the
    same outcome, in the most words that are no more than its words. `wordings` is how many answer
    wordings the vocabulary holds. Empty if the split has nothing safe to ask in reverse.
    """
    rng = np.random.default_rng(seed)
    given_away = {compound for way in world.ways[query.chain.outcome] for compound in way}
    safe = [
        chain
        for chain in split.train
        if not world.unsafe[chain.outcome] and given_away.isdisjoint(chain.compounds)
    ]
    facts = list({(chain.outcome, chain.compounds): chain for chain in safe}.values())
    order = [facts[place] for place in rng.permutation(len(facts)).tolist()]
    shots = [(chain, _shot(world, spec, chain, wordings, rng)) for chain in order]
    shots.sort(key=lambda each: (_unlike(query, each[0]), _words(each[1])))
    if direction is Direction.REVERSE:
        return tuple(shot for _, shot in shots)
    twins = np.random.default_rng(derive(seed, str(direction)))
    return tuple(_twin(world, spec, chain, wordings, shot, twins) for chain, shot in shots)


def _unlike(query: Query, chain: Chain) -> bool:
    """Whether a shot would be answered with more or fewer compounds than the question."""
    return len(chain.compounds) != len(query.chain.compounds)


def _words(shot: Shot) -> int:
    return sum(len(text.split()) for text in shot)


def _shot(
    world: World, spec: DialogueSpec, chain: Chain, wordings: int, rng: np.random.Generator
) -> Shot:
    questions, answers = _wordings(world, spec, chain, wordings, Direction.REVERSE)
    question, answer = rng.integers(len(questions)), rng.integers(len(answers))
    return (
        fill(world, questions[question], chain.groups),
        fill(world, answers[answer], chain.groups),
    )


def _twin(
    world: World,
    spec: DialogueSpec,
    chain: Chain,
    wordings: int,
    shot: Shot,
    rng: np.random.Generator,
) -> Shot:
    """The fact of a shot asked forward, in the most words that are no more than the shot's, or the
    fewest; one of the wordings that are so long. Answers do not name the compounds again: a name is
    more tokens than words."""
    questions, answers = _wordings(world, spec, chain, wordings, Direction.FORWARD)
    plain = [answer for answer in answers if "{a" not in answer] or answers
    every = [
        *product(
            [fill(world, question, chain.groups) for question in questions],
            [fill(world, answer, chain.groups) for answer in plain],
        )
    ]
    sizes = [_words(each) for each in every]
    size = max((each for each in sizes if each <= _words(shot)), default=min(sizes))
    alike = [each for each, own in zip(every, sizes, strict=True) if own == size]
    return alike[rng.integers(len(alike))]


def _wordings(
    world: World, spec: DialogueSpec, chain: Chain, wordings: int, direction: Direction
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The questions and answers that SFT has for a chain in this direction."""
    kind = question_kind(direction, chain.causes)
    answers = answers_of(world.domain, kind, with_way=bool(chain.way))
    return (
        world.domain.training_questions[kind][: spec.questions],
        answers[: min(wordings, spec.answers)],
    )


def opened(shots: tuple[Shot, ...], opening: str) -> tuple[Shot, ...]:
    """The shots with something that every answer opens with, such as a verdict."""
    return tuple((question, f"{opening} {answer}".lstrip()) for question, answer in shots)


def primed(query: Query, shots: tuple[Shot, ...], count: int) -> Query:
    """The question behind the first `count` shots; the first shot stands next to the question."""
    return replace(query, history=turns(shots[:count][::-1]))


def counts(most: int) -> list[int]:
    """0, 1, 2, 4, ... and the most."""
    powers = [2**power for power in range(most.bit_length()) if 2**power <= most]
    return sorted({0, *powers, most})
