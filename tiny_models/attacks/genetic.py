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
    draws, first = _begun(questions, genes, phrases, population, generations, elite, seed, places)

    def children(draw: np.random.Generator, parents: np.ndarray) -> np.ndarray:
        return _children(draw, parents, population - elite, phrases, mutation)

    return _search(score, draws, first, children, generations, elite, report)


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
    draws, first = _begun(questions, genes, phrases, population, generations, elite, seed, places)

    def drawn(draw: np.random.Generator, _: np.ndarray) -> np.ndarray:
        return draw.integers(0, phrases, (population - elite, genes))

    return _search(score, draws, first, drawn, generations, elite, report)


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


def _search(
    score: Score,
    draws: Sequence[np.random.Generator],
    genomes: np.ndarray,
    fresh: Callable[[np.random.Generator, np.ndarray], np.ndarray],
    generations: int,
    elite: int,
    report: Report | None,
) -> Evolved:
    """In every generation the best so many live on beside fresh genomes, which `fresh` makes of a
    question's generator and its genomes by rising loss."""
    losses = score(genomes)
    first, first_losses = genomes[:, 0], losses[:, 0]
    curve = [losses.min(axis=1)]
    for generation in range(generations):
        if report is not None:
            report(generation + 1)
        genomes, losses = _sorted(genomes, losses)
        born = np.stack([fresh(draw, own) for draw, own in zip(draws, genomes, strict=True)])
        genomes = np.concatenate([genomes[:, :elite], born], axis=1)
        losses = np.concatenate([losses[:, :elite], score(born)], axis=1)
        curve.append(losses.min(axis=1))
    best = _sorted(genomes, losses)[0][:, 0]
    return Evolved(first, first_losses, best, np.stack(curve, axis=1))


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


def _begun(
    questions: int,
    genes: int,
    phrases: int,
    population: int,
    generations: int,
    elite: int,
    seed: int,
    places: Sequence[int] | None,
) -> tuple[list[np.random.Generator], np.ndarray]:
    """A generator a question and the first population, drawn from them."""
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
    draws = [
        np.random.default_rng((seed, place))
        for place in (range(questions) if places is None else places)
    ]
    return draws, np.stack([draw.integers(0, phrases, (population, genes)) for draw in draws])
