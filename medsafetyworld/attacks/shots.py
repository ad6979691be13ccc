"""Priming with benign questions that were answered before: as many as a context holds.

A shot asks in reverse about a safe outcome that SFT may ask about, and is answered correctly. It
names no compound that takes part in a way to the outcome of the question behind it: a model that
copies from its shots is wrong.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from medsafetyworld.dialogues import Split
from medsafetyworld.graph import World
from medsafetyworld.language import answers_of, fill, question_kind
from medsafetyworld.queries import Query, turns
from medsafetyworld.semantics import Chain, Direction
from medsafetyworld.spec import DialogueSpec

Shot = tuple[str, str]
"""A question and its answer."""


def benign_shots(
    world: World, spec: DialogueSpec, split: Split, query: Query, wordings: int, seed: int
) -> tuple[Shot, ...]:
    """Every shot for a question, each of another fact: those that ask for as many compounds as the
    question first, then the shortest, so that many fit; equals in a random order.

    `wordings` is how many answer wordings the vocabulary holds. Empty if the split has nothing safe
    to ask in reverse.
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
    return tuple(shot for _, shot in shots)


def _unlike(query: Query, chain: Chain) -> bool:
    """Whether a shot would be answered with more or fewer compounds than the question."""
    return len(chain.compounds) != len(query.chain.compounds)


def _words(shot: Shot) -> int:
    return sum(len(text.split()) for text in shot)


def _shot(
    world: World, spec: DialogueSpec, chain: Chain, wordings: int, rng: np.random.Generator
) -> Shot:
    kind = question_kind(Direction.REVERSE, chain.causes)
    questions = world.domain.training_questions[kind][: spec.questions]
    answers = answers_of(world.domain, kind, with_way=bool(chain.way))[
        : min(wordings, spec.answers)
    ]
    question, answer = rng.integers(len(questions)), rng.integers(len(answers))
    return (
        fill(world, questions[question], chain.groups),
        fill(world, answers[answer], chain.groups),
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
