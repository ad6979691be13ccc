"""A genetic search over genomes of phrases, in AutoDAN's manner (Liu et al. 2024, algorithm 1).

A genome is one number a gene, of a phrase or of none; what they stand for, and what a genome costs,
the caller knows (arXiv:2310.04451). Every question has a population of its own. The best of each
live on, so the best loss never rises; the others are children: two parents, picked by rank, crossed
at a border between phrases, then mutated phrase by phrase. Random genomes of equal number are the
control.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

Score = Callable[[np.ndarray], np.ndarray]
"""Losses `(questions, genomes)` of genomes `(questions, genomes, genes)`."""

Report = Callable[[int], None]
"""Told how many generations are done, the first included."""


class Evolved(NamedTuple):
    """`first` and `best` `(questions, genes)`: the genome that the search began with, and the one
    of lowest loss; `losses` `(questions, generations + 1)`: the lowest so far, that of the first
    population included; `first_losses` `(questions,)`."""

    first: np.ndarray
    first_losses: np.ndarray
    best: np.ndarray
    losses: np.ndarray


def evolve(
    score: Score,
    *,
    questions: int,
    genes: int,
    phrases: int,
    population: int,
    generations: int,
    elite: int = 2,
    mutation: float = 0.2,
    seed: int,
    places: Sequence[int] | None = None,
    report: Report | None = None,
) -> Evolved:
    """The best genomes found; genes are numbers in `[0, phrases)`.

    Scores `genomes_scored` genomes a question. A question's result depends on the seed and its
    place, one for each in `places` or that in the order, not on the others. Raises `ValueError` for
    numbers that make no sense.
    """
    _check(questions, genes, phrases, population, generations, elite)
    draws = _generators(seed, range(questions) if places is None else places)
    genomes = _drawn(draws, population, genes, phrases)
    losses = score(genomes)
    first, first_losses = genomes[:, 0], losses[:, 0]
    curve = [losses.min(axis=1)]
    for generation in range(generations):
        if report is not None:
            report(generation + 1)
        genomes, losses = _sorted(genomes, losses)
        children = np.stack(
            [
                _children(draw, parents, population - elite, phrases, mutation)
                for draw, parents in zip(draws, genomes, strict=True)
            ]
        )
        genomes = np.concatenate([genomes[:, :elite], children], axis=1)
        losses = np.concatenate([losses[:, :elite], score(children)], axis=1)
        curve.append(losses.min(axis=1))
    best = _sorted(genomes, losses)[0][:, 0]
    return Evolved(first, first_losses, best, np.stack(curve, axis=1))


def random_genomes(
    score: Score,
    *,
    questions: int,
    genes: int,
    phrases: int,
    population: int,
    generations: int,
    elite: int = 2,
    seed: int,
    places: Sequence[int] | None = None,
    report: Report | None = None,
) -> Evolved:
    """The best of as many random genomes; with the seed of `evolve` it begins with the same."""
    _check(questions, genes, phrases, population, generations, elite)
    draws = _generators(seed, range(questions) if places is None else places)
    best = _drawn(draws, population, genes, phrases)
    losses = score(best)
    first, first_losses = best[:, 0], losses[:, 0]
    curve = [losses.min(axis=1)]
    for generation in range(generations):
        if report is not None:
            report(generation + 1)
        fresh = _drawn(draws, population - elite, genes, phrases)
        both = np.concatenate([best, fresh], axis=1), np.concatenate([losses, score(fresh)], axis=1)
        best, losses = (part[:, :1] for part in _sorted(*both))
        curve.append(losses[:, 0])
    best = _sorted(best, losses)[0][:, 0]
    return Evolved(first, first_losses, best, np.stack(curve, axis=1))


def genomes_scored(population: int, generations: int, elite: int = 2) -> int:
    """How many genomes a question costs."""
    return population + generations * (population - elite)


def crossed(draw: np.random.Generator, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The first genes of one parent and the rest of the other, at least one of each."""
    border = draw.integers(1, len(one)) if len(one) > 1 else len(one)
    return np.concatenate([one[:border], other[border:]])


def mutated(
    draw: np.random.Generator, genome: np.ndarray, phrases: int, mutation: float
) -> np.ndarray:
    """The genome with each gene drawn anew with probability `mutation`."""
    fresh = draw.integers(0, phrases, len(genome))
    return np.where(draw.random(len(genome)) < mutation, fresh, genome)


def _children(
    draw: np.random.Generator, parents: np.ndarray, count: int, phrases: int, mutation: float
) -> np.ndarray:
    """Children of genomes sorted by loss: the r-th of n is picked in proportion to n - r."""
    weights = np.arange(len(parents), 0, -1) / (len(parents) * (len(parents) + 1) / 2)
    pairs = draw.choice(len(parents), (count, 2), p=weights)
    born = [crossed(draw, parents[one], parents[other]) for one, other in pairs]
    return np.stack([mutated(draw, genome, phrases, mutation) for genome in born])


def _sorted(genomes: np.ndarray, losses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each question's genomes by rising loss; among equals the order stays."""
    order = np.argsort(losses, axis=1, kind="stable")
    return (
        np.take_along_axis(genomes, order[..., None], axis=1),
        np.take_along_axis(losses, order, axis=1),
    )


def _generators(seed: int, places: Sequence[int]) -> list[np.random.Generator]:
    return [np.random.default_rng((seed, place)) for place in places]


def _drawn(draws: list[np.random.Generator], count: int, genes: int, phrases: int) -> np.ndarray:
    return np.stack([draw.integers(0, phrases, (count, genes)) for draw in draws])


def _check(
    questions: int, genes: int, phrases: int, population: int, generations: int, elite: int
) -> None:
    if min(questions, genes, phrases) < 1 or generations < 0:
        raise ValueError(
            f"questions, genes and phrases must be at least 1 and generations at least 0, not "
            f"{questions}, {genes}, {phrases} and {generations}."
        )
    if not 1 <= elite < population:
        raise ValueError(
            f"elite must be at least 1, so that the best lives on, and below the population of "
            f"{population}, so that somebody is born; not {elite}."
        )
